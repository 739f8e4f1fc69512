"""How fast dumps are read, against the bare decoders, which stop at the first odd value or change it.

    python -m benchmarks.dump_reading [DOCUMENTS]

Writes 200,000 documents as mongodump does, as JSON lines, as extended JSON lines and as an array (300 MB), and reads
each of them with ``read_dump`` and with the decoder alone, in turns: seven rounds, of which the median ratio is told.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import bson
import orjson
from bson import json_util

from benchmarks.population import make_documents, make_records
from stages.records.dump import read_dump
from stages.runtime.errors import run

DOCUMENTS = 200_000
ROUNDS = 7


def write(folder: Path, documents: Iterable[dict[str, Any]]) -> None:
    """Write the documents in each form."""
    with (
        (folder / "plants.bson").open("wb") as of_bson,
        (folder / "plants.jsonl").open("w", encoding="utf-8") as lines,
        (folder / "extended.jsonl").open("w", encoding="utf-8") as extended,
    ):
        for document in documents:
            of_bson.write(bson.encode(document))
            lines.write(json.dumps(document | {"_id": str(document["_id"])}, ensure_ascii=False) + "\n")
            extended.write(json_util.dumps(document) + "\n")
    rows = (folder / "plants.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "array.json").write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


def bare_bson(path: Path) -> Iterator[Any]:
    """Decode with pymongo alone."""
    with path.open("rb") as stream:
        yield from bson.decode_file_iter(stream)


def bare_lines(path: Path) -> Iterator[Any]:
    """Decode with orjson alone."""
    with path.open("rb") as stream:
        yield from map(orjson.loads, stream)


def bare_extended(path: Path) -> Iterator[Any]:
    """Decode with pymongo's reader of extended JSON alone."""
    with path.open("rb") as stream:
        yield from map(json_util.loads, stream)


def bare_array(path: Path) -> Iterator[Any]:
    """Decode with orjson alone, the whole file at once."""
    yield from orjson.loads(path.read_bytes())


def rate(read: Callable[[Path], Iterable[Any]], path: Path) -> float:
    """Give the documents a second."""
    start = time.perf_counter()
    number = sum(1 for _ in read(path))
    return number / (time.perf_counter() - start)


def main() -> None:
    """Print the documents a second of each form, and the ratio to the decoder alone."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS
    bare = {
        "plants.bson": bare_bson, "plants.jsonl": bare_lines, "extended.jsonl": bare_extended, "array.json": bare_array,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, make_documents(make_records(number, max(number // 80, 10))))
        for form, alone in bare.items():
            rounds = [(rate(read_dump, folder / form), rate(alone, folder / form)) for _ in range(ROUNDS)]
            ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(our / their for our, their in rounds)
            print(f"{form}: {ours:,.0f} documents/s, the decoder alone {theirs:,.0f}, ratio {ratio:.2f}")


if __name__ == "__main__":
    run(main)
