"""Stage ``export``: documents of a collection -> data/records.parquet, one row an image.

Every document is counted: as records by source, or by the reason why it gives none. A URL that stands twice under
the same species gives one record, which keeps what any record of the image knows; where they do not say the same,
data/contradictions.csv lists it. data/links.parquet holds what may connect images (observations, photos, addresses), of
all records, those that are not used too: as the documents say it, and in one spelling. data/names.csv and
data/suspicious_names.csv say what became of names, data/unreadable.csv which documents could not be read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import declared_values, stage_params
from stages.config.schema import DocumentShape, DumpSource, MongoDBSource
from stages.config.sources import dump_path, synonyms_path
from stages.records.connection import open_collection
from stages.records.crowded import MANY_SPECIES, crowded_ids
from stages.records.document import Document, Unreadable
from stages.records.dump import read_dump
from stages.records.mongodb import read_collection, read_whole
from stages.records.named_records import count_refused, count_rules, name_records
from stages.records.names import NameCleaner
from stages.records.repeated_images import drop_repeated, share_knowledge
from stages.records.shape_findings import commonest_in_words, findings, findings_in_words
from stages.records.shapes import DocumentReader
from stages.records.suspicious import suspicious_pairs
from stages.records.synonyms import read_synonyms
from stages.records.tabulate import shape_records, sort_links
from stages.records.unknown_shapes import UnknownShapes
from stages.runtime.errors import UserError, run
from stages.runtime.lock import check_pin
from stages.runtime.machine import machine_setting
from stages.runtime.outputs import replacing
from stages.runtime.progress import progress, say
from stages.runtime.wording import in_words
from stages.tables.export import CONTRADICTIONS, NAMES, RECORDS, SUSPICIOUS_NAMES, UNREADABLE
from stages.tables.json_files import write_figures
from stages.tables.links import LINKS
from stages.tables.table import write_table

OUT = Path("data/records.parquet")
LINKS_OUT = Path("data/links.parquet")
CONTRADICTIONS_OUT = Path("data/contradictions.csv")
NAMES_OUT = Path("data/names.csv")
SUSPICIOUS_OUT = Path("data/suspicious_names.csv")
UNREADABLE_OUT = Path("data/unreadable.csv")
METRICS = Path("metrics/export.json")
REPORT = Path("data/reports/export.json")
MOST_CROWDED = 20  # ids in the report
MANY_MENDED = 10  # documents, and thousandths of them, from which on a whole file is more likely in another encoding


def main() -> None:
    """Read the source, shape its documents into records, write them."""
    params = stage_params("export")
    check_libraries("export")
    synonyms = synonyms_path(params.profile)
    by_hand, of_checklist = read_synonyms(synonyms)
    cleaner = NameCleaner(params.names, by_hand, of_checklist=of_checklist, where=str(synonyms))
    if cleaner.overruled:
        first, number = cleaner.overruled[0], len(cleaner.overruled)
        say(f"export: {synonyms}: {number:,} rows of a checklist are other by hand, which wins, such as {first!r}")
    source, whole = _documents(params.source, params.profile, params.documents)
    documents = progress(source, what="export", unit="documents")

    reader = DocumentReader(params.documents, UnknownShapes(whole))
    shaped = shape_records(documents, reader)
    for line in findings_in_words(reader):
        say(line if line.startswith(" ") else f"export: {line}")
    refused, read = shaped.refused, shaped.read
    known, contradictions = share_knowledge(shaped.records.table())
    records, names, merges = name_records(known.drop_nulls("species"), cleaner)
    refused.update(count_refused(names))
    if records.is_empty():
        raise UserError(
            f"none of {read:,} documents gives a record{in_words(refused)}{commonest_in_words(reader)}: see "
            f"`{'documents' if known.drop_nulls('species').is_empty() else 'names'}` in params.yaml"
        )
    del known  # a full export's records, twice in memory, are a third of a gigabyte
    unique = drop_repeated(records)
    pairs = suspicious_pairs(unique.group_by("species").agg(images=pl.len()))
    figures = summarize(unique, refused, documents=read, repeated=records.height - unique.height)
    del records
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

    unique = unique.select("image_name", "species")
    links = sort_links(shaped.links.table())
    crowded = crowded_ids(unique, links)
    figures |= findings(reader) | {
        "text_mended": shaped.odd.text_mended,
        "unusable": count_unusable(reader, links),
        "crowded_ids": {"ids": crowded.height, "most_crowded": crowded.head(MOST_CROWDED).to_dicts()},
        "contradictions": dict(contradictions.group_by("column").len().sort("column").iter_rows()),
        "names": {
            "changed": count_rules(names),
            "suspicious_pairs": pairs.height,
            "merges": dict(merges["kind"].value_counts(sort=True).iter_rows()),
        },
    }
    write_table(links, LINKS, LINKS_OUT)
    write_table(contradictions, CONTRADICTIONS, CONTRADICTIONS_OUT)
    write_table(names, NAMES, NAMES_OUT)
    listed = pl.concat([pairs.with_columns(kind=pl.lit("spelling")), merges], how="diagonal_relaxed")
    write_table(listed.select(SUSPICIOUS_NAMES.keys()), SUSPICIOUS_NAMES, SUSPICIOUS_OUT)
    write_table(pl.DataFrame(shaped.odd.unreadable, schema=UNREADABLE, orient="row"), UNREADABLE, UNREADABLE_OUT)
    write_figures(REPORT, figures)
    write_figures(METRICS, headline(figures))
    for line in in_lines(figures):
        say(f"export: {line}")
    say(
        f"export: {read:,} documents -> {figures['images']:,} images of {figures['species']:,} species; "
        f"{refused.total():,} refused{in_words(refused)}, {figures['repeated']:,} repeated"
    )


def _documents(
    source: DumpSource | MongoDBSource, profile: str, shapes: Mapping[str, DocumentShape]
) -> tuple[Iterable[Document | Unreadable], Callable[[Sequence[Any]], Iterable[Document]] | None]:
    """Give the documents, and what gives whole ones by their ids where these hold only what shapes look at."""
    if isinstance(source, DumpSource):
        return read_dump(dump_path(profile, source.file)), None
    uri = machine_setting("MONGODB_URI") or ""
    collection = open_collection(source, uri)
    if date.fromisoformat(source.snapshot) >= datetime.now(UTC).date():
        say(f"export: the day of the snapshot {source.snapshot} is not over: documents may still come under it")
    whole = partial(read_whole, collection, source, uri=uri)
    return read_collection(collection, source, shapes, uri), whole


def count_unusable(reader: DocumentReader, links: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count what was there and names or says nothing, by column and by what it is."""
    of_ids = links.drop_nulls("problem").group_by("kind", "problem").len()
    counts = reader.unusable() + Counter({(kind, problem): number for kind, problem, number in of_ids.iter_rows()})
    columns = sorted({column for column, _ in counts})
    return {
        column: {kind: number for (of, kind), number in sorted(counts.items()) if of == column} for column in columns
    }


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


def in_lines(figures: dict[str, Any]) -> Iterator[str]:
    """Say what of the documents could not be taken as it is, where there is any of it."""
    if unreadable := figures["refused"].get("unreadable_document"):
        yield f"{unreadable:,} documents cannot be read: see {UNREADABLE_OUT}"
    if mended := figures["text_mended"]:
        many = mended > max(MANY_MENDED, MANY_MENDED / 1000 * figures["documents"])
        advice = "; is the file in Windows-1252? `iconv -f WINDOWS-1252 -t UTF-8` mends it" if many else ""
        yield f"{mended:,} documents have bytes that are no text: U+FFFD stands there{advice}"
    for column, kinds in figures["unusable"].items():
        yield f"{column}: {sum(kinds.values()):,} values are not taken as they are{in_words(kinds)}"
    if crowded := figures["crowded_ids"]["ids"]:
        most = figures["crowded_ids"]["most_crowded"][0]
        yield (
            f"{crowded:,} ids stand under {MANY_SPECIES} species or more, such as {most['value']} of "
            f"{most['images']:,} images of {most['species']:,} species: are they ids? `split` uses no such image"
        )
    if contradictions := figures["contradictions"]:
        yield f"records of one image do not say the same{in_words(contradictions)}: see {CONTRADICTIONS_OUT}"


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
