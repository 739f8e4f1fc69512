"""The parser of scientific names: gnparser, the field's reference (Mozzherin et al. 2017, BMC Bioinformatics 18:279).

It says what each word of a name is. What is done about it is decided in ``name_reading.py`` beside this.
"""

import ctypes
import json
from functools import cache
from typing import Any, NamedTuple

from stages.runtime.errors import UserError


class Word(NamedTuple):
    """A word of a name.

    Attributes:
        kind: as gnparser calls it: GENUS, UNINOMIAL, SPECIES, RANK, INFRASPECIES, AUTHOR_WORD, YEAR, HYBRID_CHAR, ...
        written: as it stands in the name.
        spelled: as the codes want it: without diacritics, ranks in one way.
    """

    kind: str
    written: str
    spelled: str


class Parsed(NamedTuple):
    """What the parser makes of a name.

    Attributes:
        readable: whether it is a scientific name at all.
        words: those that it understood, in their order.
        tail: what it did not understand at the end.
        warnings: what it finds odd.
        hybrid: the kind of hybrid, NAMED_HYBRID, HYBRID_FORMULA, ...; empty for none.
        surrogate: why it stands for no name: APPROXIMATION, COMPARISON, ...; empty for none.
    """

    readable: bool
    words: tuple[Word, ...]
    tail: str
    warnings: frozenset[str]
    hybrid: str
    surrogate: str


def parse(name: str) -> Parsed:
    """Take a name apart, as of cultivated plants (ICN and ICNCP). The time it takes is not linear in a name's length.

    Raises:
        UserError: gnparser does not run on this machine.
    """
    lib = _library()
    # C ends text at a NUL, and what is no text in UTF-8 is none there: neither may cut a name.
    written = name.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")
    # The package's own function never frees what the library allocates for an answer.
    pointer = lib.ParseToString(written, b"compact", b"cultivar", 1, 0)
    try:
        answer: dict[str, Any] = json.loads(ctypes.string_at(pointer))
    finally:
        lib.FreeMemory(pointer)
    return Parsed(
        readable=answer["parsed"] and answer["quality"] > 0,
        words=tuple(Word(word["wordType"], word["verbatim"], word["normalized"]) for word in answer.get("words", ())),
        tail=answer.get("tail", "").strip(),
        warnings=frozenset(warning["warning"] for warning in answer.get("qualityWarnings", ())),
        hybrid=answer.get("hybrid", ""),
        surrogate=answer.get("surrogate", ""),
    )


@cache
def _library() -> Any:
    """Load gnparser. Another parser would give other names, so there is none to fall back on."""
    try:
        from gnparser import lib
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"gnparser, which takes species' names apart, does not run here ({error}): `pip install -r "
            "requirements.txt`, on Linux (x86-64) or macOS, or bring data/records.parquet from there (`dvc pull`)"
        ) from None
    lib.ParseToString.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    lib.ParseToString.restype = ctypes.c_void_p  # as c_char_p it would become a copy, and the pointer be lost
    lib.FreeMemory.argtypes = [ctypes.c_void_p]
    lib.FreeMemory.restype = None
    return lib
