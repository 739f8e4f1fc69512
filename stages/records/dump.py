"""Reading the documents of an exported collection: a mongodump file, JSON lines or a JSON array, gzip or not.

A document that cannot be read is one document less, which is said; only a file that is cut off or damaged as a whole
stops the reading.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from stages.records.document import (
    LARGEST_BYTES,
    Document,
    NoDocumentError,
    NoJSONError,
    Unreadable,
    from_bson,
    from_json,
    is_plain,
)
from stages.records.json_array import BrokenArrayError, array_elements
from stages.runtime.errors import UserError

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 20
_REPAIR = "export it anew, or bring it back with `git checkout` or `dvc checkout`"
_TOO_LONG = f"longer than {LARGEST_BYTES // 1_000_000} MB"


class BrokenBSONError(Exception):
    """The length that a document begins with cannot be true, so nobody knows where the next one begins."""


def read_dump(path: Path) -> Iterator[Document | Unreadable]:
    """Yield the documents of ``path`` in the file's order, with memory for one at a time (of JSON lines for a few).

    The name says the format (``.bson``, ``.json`` or ``.jsonl``, with or without ``.gz``); whether it is gzip is read
    from its first bytes, as a mongodump with --gzip need not be named so. JSON may be an array as well.

    Raises:
        UserError: the file is missing or empty, of no known format, cut off or damaged; the place is named.
    """
    if not is_dump(path):
        raise UserError(f"{path}: of no known format: its name must end in .bson, .jsonl or .json (and .gz)")
    if not path.is_file():
        raise UserError(f"{path} is missing: put the dump there, or name another file in params.yaml (source.file)")
    with path.open("rb") as raw:
        magic = raw.read(2)
        if not magic:
            raise UserError(f"{path} is empty: {_REPAIR}")
        raw.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw) if magic == _GZIP_MAGIC else raw)
        try:
            yield from (_read_bson if _format(path) == ".bson" else _read_json)(path, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{path} is damaged: its gzip data ends or breaks early ({error}): {_REPAIR}") from None


def is_dump(path: Path) -> bool:
    """Say whether a file is of a format that ``read_dump`` reads, by its name."""
    return _format(path) in (".bson", ".jsonl", ".json")


def _format(path: Path) -> str:
    return "".join([suffix for suffix in map(str.lower, path.suffixes) if suffix != ".gz"][-1:])


def split_bson(batch: bytes) -> Iterator[bytes]:
    """Yield the documents that stand behind each other in ``batch``, undecoded.

    Raises:
        BrokenBSONError: the length that a document begins with cannot be true.
    """
    at = 0
    while at < len(batch):
        end = at + _bson_length(batch[at : at + 4])
        raw = batch[at:end]
        if end > len(batch) or raw[-1] != 0:
            raise _broken(raw, end - at)
        yield raw
        at = end


def _read_bson(path: Path, stream: BinaryIO) -> Iterator[Document | Unreadable]:
    number = 0
    try:
        while head := stream.read(4):
            length = _bson_length(head)
            raw = head + stream.read(length - 4)
            if len(raw) < length or raw[-1] != 0:
                raise _broken(raw, length)
            number += 1
            try:
                document = from_bson(raw)
            except NoDocumentError as error:
                yield Unreadable(f"document {number}", str(error))
                continue
            yield document
    except BrokenBSONError as error:
        raise UserError(f"{path} is damaged after document {number:,} ({error}): {_REPAIR}") from None


def _bson_length(head: bytes) -> int:
    if len(head) < 4:
        raise BrokenBSONError("it ends within the length of the next")
    length = int.from_bytes(head, "little", signed=True)
    if not 5 <= length <= LARGEST_BYTES:
        raise BrokenBSONError(f"no document has {length:,} bytes")
    return length


def _broken(raw: bytes, length: int) -> BrokenBSONError:
    if len(raw) < length:
        return BrokenBSONError(f"of {length:,} bytes of the next there are {len(raw):,}")
    return BrokenBSONError("the next does not end where its length says")


def _read_json(path: Path, stream: BinaryIO) -> Iterator[Document | Unreadable]:
    head = stream.read(_BLOCK_BYTES).removeprefix(_BYTE_ORDER_MARK)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is text in UTF-16: write it in UTF-8 (PowerShell: `| Out-File -Encoding utf8 FILE`)")
    blocks = chain([head], iter(lambda: stream.read(_BLOCK_BYTES), b""))
    if _begins_array(head):
        return _read_array(path, blocks)
    if _spans_lines(head):
        raise UserError(
            f"{path}: a document spans several lines: write one a line, by mongoexport without --pretty, or by "
            "`jq -c . FILE`"
        )
    return _read_lines(path, blocks)


def _begins_array(head: bytes) -> bool:
    """Whether a file's beginning is that of an array, and not a line that is one among other lines."""
    first, _, others = head.lstrip().partition(b"\n")
    if not first.startswith(b"["):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return True
    return not others.strip()


def _spans_lines(head: bytes) -> bool:
    """Whether a file's first document is an object over several lines."""
    text = head.decode(errors="replace").lstrip()
    if not text.startswith("{"):
        return False
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return "\n" in text[:end]


def _read_array(path: Path, blocks: Iterator[bytes]) -> Iterator[Document | Unreadable]:
    number = 0
    try:
        for element in array_elements(blocks, largest_bytes=LARGEST_BYTES):
            number += 1
            try:
                document = from_json(element)
            except NoDocumentError as error:
                yield Unreadable(f"document {number}", str(error))
                continue
            yield document
    except BrokenArrayError as error:
        raise UserError(f"{path} is damaged after document {number:,} of its array ({error}): {_REPAIR}") from None


def _read_lines(path: Path, blocks: Iterator[bytes]) -> Iterator[Document | Unreadable]:
    number = unreadable = 0
    rest, too_long, any_read = b"", False, False
    for block in blocks:
        whole = rest + block
        plain = is_plain(whole)
        *lines, rest = whole.split(b"\n")
        for line in lines:
            number += 1
            if too_long:  # its end
                too_long = False
                unreadable += 1
                yield Unreadable(f"line {number}", _TOO_LONG)
                continue
            if not line.strip():
                continue
            try:
                document = from_json(line, plain=plain)
            except NoDocumentError as error:
                unreadable += 1
                yield Unreadable(f"line {number}", str(error))
                continue
            any_read = True
            yield document
        if len(rest) > LARGEST_BYTES:
            rest, too_long = b"", True
    if too_long or rest.strip():
        number += 1
        if too_long:
            raise _cut_off(path, number, _TOO_LONG)
        try:
            yield from_json(rest)
            any_read = True
        except NoJSONError as error:
            raise _cut_off(path, number, str(error)) from None
        except NoDocumentError as error:
            unreadable += 1
            yield Unreadable(f"line {number}", str(error))
    if unreadable and not any_read:
        raise UserError(f"{path}: none of its {number:,} lines is a JSON object, so it is no file of JSON lines")


def _cut_off(path: Path, number: int, reason: str) -> UserError:
    why = f"line {number:,} is no JSON ({reason}), and no line break ends it"
    return UserError(f"{path}: {why}: the file is cut off: {_REPAIR}")
