"""Stage ``export``: documents of a collection -> data/records.parquet, one row an image.

Every document is counted: as records by source, or by the reason why it gives none. A URL that stands twice under
the same species gives one record.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from stages.errors import UserError, run
from stages.outputs import write_json
from stages.params import DocumentShape, DumpSource, MongoDBSource, stage_params
from stages.progress import in_words, progress, say
from stages.records.dump import read_dump
from stages.records.shapes import DocumentReader
from stages.tables import RECORDS, write_table

SOURCES = Path("data/sources")
OUT = Path("data/records.parquet")
METRICS = Path("metrics/export.json")


def main() -> None:
    """Read the source, shape its documents into records, write them."""
    params = stage_params("export")
    source = _documents(params.source, SOURCES / params.profile / "dump")
    documents = progress(source, what="export", unit="documents")

    records, refused, read = shape_records(documents, params.documents)
    if records.is_empty():
        raise UserError(f"none of {read:,} documents gives a record{in_words(refused)}: see `documents` in params.yaml")
    unique = drop_repeated(records)

    figures = summarise(unique, refused, documents=read, repeated=records.height - unique.height)
    write_table(unique, RECORDS, OUT)
    write_json(METRICS, figures)
    say(
        f"export: {read:,} documents -> {unique.height:,} images of {figures['species']:,} species; "
        f"{refused.total():,} refused{in_words(refused)}, {figures['repeated']:,} repeated"
    )


def _documents(source: DumpSource | MongoDBSource, dump_folder: Path) -> Iterable[dict[str, Any]]:
    if isinstance(source, DumpSource):
        return read_dump(dump_folder / source.file)
    raise UserError(
        "params.yaml: source.kind: mongodb cannot be read directly yet: write the collection to a file with "
        f"`mongodump --gzip` or `mongoexport`, put it into {dump_folder} and set `source: {{kind: dump, file: ...}}`"
    )


def shape_records(
    documents: Iterable[dict[str, Any]], shapes: list[DocumentShape]
) -> tuple[pl.DataFrame, Counter[str], int]:
    """Turn documents into records.

    Returns:
        The records in the documents' order (columns of ``RECORDS``), how many were refused by reason, and the number
        of documents read.
    """
    reader = DocumentReader(shapes)
    # Columns, not rows: 741,533 dicts of nine strings would take 1.5 GB.
    columns: dict[str, list[str | None]] = {name: [] for name in RECORDS}
    refused: Counter[str] = Counter()
    read = 0
    for document in documents:
        read += 1
        for row, reason in reader.read(document):
            if row is None:
                refused[reason] += 1
                continue
            for name, values in columns.items():
                values.append(row[name])
    return pl.DataFrame(columns, schema=RECORDS), refused, read


def drop_repeated(records: pl.DataFrame) -> pl.DataFrame:
    """Keep one record of each (URL, species), the one of the lowest document id, and sort by URL and species.

    One URL under two species stays twice: the split finds that the same bytes bear two names, and uses neither.
    """
    order = ["image_url", "species", "document_id", "source"]
    return records.sort(order, nulls_last=True).unique(["image_url", "species"], keep="first", maintain_order=True)


def summarise(records: pl.DataFrame, refused: Counter[str], *, documents: int, repeated: int) -> dict[str, Any]:
    """Count what came out and what did not."""
    by_source = records.group_by("source").agg(images=pl.len(), species=pl.col("species").n_unique()).sort("source")
    return {
        "documents": documents,
        "images": records.height,
        "species": records["species"].n_unique(),
        "by_source": {row.pop("source"): row for row in by_source.to_dicts()},
        "refused": dict(refused),
        "repeated": repeated,
    }


if __name__ == "__main__":
    run(main)
