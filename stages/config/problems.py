"""What is wrong with a value of params.yaml, in words for people who never heard of pydantic."""

import re
import reprlib
from collections.abc import Mapping
from datetime import date
from typing import Any

FOUND_CHARACTERS = 80  # of the value that was found, at the most
_DIGITS_SHOWN = 60  # of a number

_BY_TYPE = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be a section with keys of its own",
    "model_type": "must be a section with keys of its own",
    "model_attributes_type": "must be a section with keys of its own",
    "recursion_loop": "holds itself (an alias of YAML leads back to it)",
}
_BY_PATTERN = {
    "^[0-9a-f]{64}$": "must be a SHA-256: 64 characters of 0-9 and a-f",
    r"^\d{4}-\d{2}-\d{2}$": "must be a day, written YYYY-MM-DD",
}


class _Short(reprlib.Repr):
    """Shows a value that may be large, deep, or hold itself."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = FOUND_CHARACTERS
        self.maxlevel = self.maxdict = self.maxlist = 3

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() <= 3 * _DIGITS_SHOWN:
            return repr(x)
        # Of more than 4,300 digits Python gives no text at all.
        return f"a number of some {x.bit_length() * 30103 // 100000 + 1:,} digits"


_SHORT = _Short()


def message_in_words(problem: Mapping[str, Any]) -> str:
    """Say what is wrong, without the value that was found.

    Args:
        problem: one of ``ValidationError.errors()``.
    """
    kind, said = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind == "string_type" and isinstance(problem["input"], int | float | date):  # bool is an int
        return "must be text: what looks like a number, a date or true stands in quotes"
    if kind.startswith("union_tag"):
        expected = problem.get("ctx", {}).get("expected_tags")
        return "kind is missing" if expected is None else f"kind must be {_alternatives(expected)}"
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if plainer := _BY_PATTERN.get(problem.get("ctx", {}).get("pattern", "")):
        return plainer
    said = re.sub(r"^(Input|String|List|Dictionary|Value) should ", "must ", said)
    return said.partition(" after validation")[0]


def found_in_words(value: Any) -> str:
    """Give a value as it was found, in one line of at most some hundred characters, whatever it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return str(value)
    return f"{_SHORT.repr(value):.{FOUND_CHARACTERS}}"


def _alternatives(tags: str) -> str:
    """Make ``'a', 'b', 'c'`` to ``'a', 'b' or 'c'``."""
    return " or ".join(tags.rsplit(", ", 1))
