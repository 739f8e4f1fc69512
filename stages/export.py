"""Stage ``export``: documents of a collection -> data/records.parquet, one row an image.

Every document is counted: as records by source, or by the reason why it gives none. A URL that stands twice under
the same species gives one record.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import declared_values, stage_params
from stages.config.schema import DocumentShape, DumpSource, MongoDBSource
from stages.config.sources import dump_path, synonyms_path
from stages.records.dump import Document, read_dump
from stages.records.mongodb import open_collection, read_collection
from stages.records.names import NameCleaner, clean_names
from stages.records.shapes import DocumentReader
from stages.records.suspicious import merged_names, suspicious_pairs
from stages.records.synonyms import read_synonyms
from stages.runtime.errors import UserError, run
from stages.runtime.lock import check_pin
from stages.runtime.machine import machine_setting
from stages.runtime.outputs import replacing
from stages.runtime.progress import progress, say
from stages.runtime.wording import in_words
from stages.tables.export import NAMES, RECORDS, SUSPICIOUS_NAMES
from stages.tables.json_files import write_figures
from stages.tables.table import write_table

OUT = Path("data/records.parquet")
NAMES_OUT = Path("data/names.csv")
SUSPICIOUS_OUT = Path("data/suspicious_names.csv")
METRICS = Path("metrics/export.json")
REPORT = Path("data/reports/export.json")
ROWS_A_PIECE = 8_192


def main() -> None:
    """Read the source, shape its documents into records, write them."""
    params = stage_params("export")
    check_libraries("export")
    synonyms = synonyms_path(params.profile)
    cleaner = NameCleaner(params.names, read_synonyms(synonyms), where=str(synonyms))
    source = _documents(params.source, params.profile, params.documents)
    documents = progress(source, what="export", unit="documents")

    records, refused, read = shape_records(documents, params.documents)
    records, names, merges = name_records(records, cleaner)
    refused.update(count_refused(names))
    if records.is_empty():
        raise UserError(f"none of {read:,} documents gives a record{in_words(refused)}: see `documents` in params.yaml")
    unique = drop_repeated(records)

    pairs = suspicious_pairs(unique.group_by("species").agg(images=pl.len()))

    figures = summarize(unique, refused, documents=read, repeated=records.height - unique.height)
    figures["names"] = {
        "changed": count_rules(names),
        "suspicious_pairs": pairs.height,
        "merges": dict(merges["kind"].value_counts(sort=True).iter_rows()),
    }
    with replacing(OUT) as written:
        write_table(unique, RECORDS, written)
        if isinstance(params.source, MongoDBSource):
            check_pin(
                "export",
                declared_values("export"),
                OUT,
                written,
                accepted=machine_setting("EXPORT_ACCEPT"),
                inputs=[synonyms],
            )
    write_table(names, NAMES, NAMES_OUT)
    listed = pl.concat([pairs.with_columns(kind=pl.lit("spelling")), merges], how="diagonal_relaxed")
    write_table(listed.select(SUSPICIOUS_NAMES.keys()), SUSPICIOUS_NAMES, SUSPICIOUS_OUT)
    write_figures(REPORT, figures)
    write_figures(METRICS, headline(figures))
    say(
        f"export: {read:,} documents -> {unique.height:,} images of {figures['species']:,} species; "
        f"{refused.total():,} refused{in_words(refused)}, {figures['repeated']:,} repeated"
    )


def _documents(source: DumpSource | MongoDBSource, profile: str, shapes: list[DocumentShape]) -> Iterable[Document]:
    if isinstance(source, DumpSource):
        return read_dump(dump_path(profile, source.file))
    uri = machine_setting("MONGODB_URI") or ""
    collection = open_collection(source, uri)
    if date.fromisoformat(source.snapshot) >= datetime.now(UTC).date():
        say(f"export: the day of the snapshot {source.snapshot} is not over: documents may still come under it")
    return read_collection(collection, source, shapes, uri)


def shape_records(documents: Iterable[Document], shapes: list[DocumentShape]) -> tuple[pl.DataFrame, Counter[str], int]:
    """Turn documents into records.

    Returns:
        The records in the documents' order (columns of ``RECORDS``), how many were refused by reason, and the number
        of documents read.
    """
    reader = DocumentReader(shapes)
    # Piece by piece into Arrow's memory: as Python strings, 741,533 rows would take half a gigabyte more.
    pieces = [pl.DataFrame(schema=RECORDS)]
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
        if len(columns["image_url"]) >= ROWS_A_PIECE:
            pieces.append(pl.DataFrame(columns, schema=RECORDS))
            columns = {name: [] for name in RECORDS}
    pieces.append(pl.DataFrame(columns, schema=RECORDS))
    return pl.concat(pieces, rechunk=True), refused, read


def name_records(records: pl.DataFrame, cleaner: NameCleaner) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give each record the cleaned name of its species, and leave out those whose name is refused.

    Returns:
        The records; what was done to names, columns of ``NAMES``, those of the most images first; and the names that
        are one species by what was cut off, columns of ``SUSPICIOUS_NAMES``.
    """
    counts = records.group_by("species").agg(images=pl.len())
    cleaned = clean_names(counts["species"], cleaner)
    species = records["species"].replace_strict(
        {name: found.name for name, found in cleaned.items()}, return_dtype=pl.String
    )
    touched = [
        (name, cleaned[name].name, "; ".join(cleaned[name].rules), images)
        for name, images in counts.iter_rows()
        if cleaned[name].rules
    ]
    listed = pl.DataFrame(touched, schema=NAMES, orient="row").sort("images", "found", descending=[True, False])
    merges = merged_names(cleaned, dict(counts.iter_rows()))
    return records.with_columns(species=species).filter(species.is_not_null()), listed, merges


def count_refused(names: pl.DataFrame) -> dict[str, int]:
    """Count the images whose name was refused, by the rule that did it."""
    refused = names.filter(pl.col("species").is_null())
    return dict(refused.group_by(pl.col("rules").str.split("; ").list.last()).agg(pl.sum("images")).iter_rows())


def count_rules(names: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count the names and images that each rule changed or refused."""
    by_rule = names.with_columns(rule=pl.col("rules").str.split("; ")).explode("rule")
    counted = by_rule.group_by("rule").agg(names=pl.len(), images=pl.sum("images")).sort("rule")
    return {rule: {"names": names, "images": images} for rule, names, images in counted.iter_rows()}


def drop_repeated(records: pl.DataFrame) -> pl.DataFrame:
    """Keep one record of each (URL, species), the one of the lowest document id, and sort by URL and species.

    One URL under two species stays twice: the split finds that the same bytes bear two names, and uses neither.
    """
    # Sorted by the URL alone and then among equal ones, as whole rows are gathered once: sorting 741,533 rows by four
    # columns takes 200 MB more.
    order = records["image_url"].arg_sort().to_numpy()
    urls = records["image_url"][order]
    repeated = urls.eq(urls.shift(1)).fill_null(False) | urls.eq(urls.shift(-1)).fill_null(False)
    ties = records.with_row_index("row")[order[repeated]].sort(
        "image_url", "species", "document_id", "source", nulls_last=True
    )
    kept = np.ones(records.height, bool)
    kept[repeated] = ties.select(pl.struct("image_url", "species").is_first_distinct()).to_series()
    order = order.copy()
    order[repeated] = ties["row"]
    return records[order[kept]]


def summarize(records: pl.DataFrame, refused: Counter[str], *, documents: int, repeated: int) -> dict[str, Any]:
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


def headline(figures: dict[str, Any]) -> dict[str, int]:
    """Give the few figures that people compare from run to run; the others stand in the report."""
    return {
        "documents": figures["documents"],
        "records": figures["images"],
        "species": figures["species"],
        "repeated": figures["repeated"],
        "refused": sum(figures["refused"].values()),
    }


if __name__ == "__main__":
    run(main)
