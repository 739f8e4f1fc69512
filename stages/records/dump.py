"""Reading the documents of an exported collection: a mongodump file or JSON lines, gzip or not."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import bson
import bson.errors
import orjson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion

from stages.runtime.errors import UserError

Document = dict[str, Any]

# A date past the year 9999 is odd but no reason to stop.
ANY_DATE = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_GZIP_MAGIC = b"\x1f\x8b"
_REPAIR = "export it anew, or bring it back with `git checkout` or `dvc checkout`"


def read_dump(path: Path) -> Iterator[Document]:
    """Yield the documents of ``path`` in the file's order, with memory for one at a time.

    The name says the format (``.bson``, ``.json`` or ``.jsonl``, with or without ``.gz``); whether it is gzip is read
    from its first bytes, as a mongodump with --gzip need not be named so.

    Raises:
        UserError: the file is missing or empty, of no known format, or damaged; the place is named.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    reader = {".bson": _read_bson, ".jsonl": _read_json_lines, ".json": _read_json_lines}.get("".join(suffixes[-1:]))
    if reader is None:
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
            yield from reader(path, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{path} is damaged: its gzip data ends or breaks early ({error}): {_REPAIR}") from None


def _read_bson(path: Path, stream: BinaryIO) -> Iterator[Document]:
    number = 0
    try:
        for document in bson.decode_file_iter(stream, ANY_DATE):
            number += 1
            yield document
    except bson.errors.InvalidBSON as error:
        raise UserError(f"{path} is damaged after document {number:,} ({error}): {_REPAIR}") from None


def _read_json_lines(path: Path, stream: BinaryIO) -> Iterator[Document]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            # mongoexport writes {"$oid": ...} and the like; json_util is ten times slower, so only where it is needed.
            document = json_util.loads(line) if b'"$' in line else orjson.loads(line)
        except Exception as error:  # json_util raises whatever its many types meet
            raise UserError(f"{path}: line {number:,} is no JSON ({error}): {_REPAIR}") from None
        if not isinstance(document, dict):
            raise UserError(f"{path}: line {number:,} is no JSON object: {_REPAIR}")
        yield document
