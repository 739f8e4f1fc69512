"""From all documents of a source to the tables of records and of links."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from stages.records.document import Document, Mended, Oddities, Unreadable
from stages.records.shapes import DocumentReader
from stages.tables.export import RECORDS
from stages.tables.links import LINKS
from stages.tables.table import Schema

ROWS_A_PIECE = 8_192
MOST_LISTED = 10_000  # documents that cannot be read; all are counted


class Shaped(NamedTuple):
    """What documents gave.

    Attributes:
        records: columns of ``RECORDS``, in the documents' order; species is null where the document names none.
        links: columns of ``LINKS``, in that order too.
        refused: how many gave no record, by reason.
        odd: documents that cannot be read, and how many have text that could not.
        read: the number of documents.
    """

    records: pl.DataFrame
    links: pl.DataFrame
    refused: Counter[str]
    odd: Oddities
    read: int


def shape_records(documents: Iterable[Document | Unreadable], reader: DocumentReader) -> Shaped:
    """Turn documents into records and links; ``reader`` tells afterwards what else it has found."""
    records, links = Pieces(RECORDS), Pieces(LINKS)
    refused: Counter[str] = Counter()
    odd = Oddities()
    read = 0
    for document in documents:
        read += 1
        if isinstance(document, Unreadable):
            refused["unreadable_document"] += 1
            if len(odd.unreadable) < MOST_LISTED:
                odd.unreadable.append(document)
            continue
        odd.text_mended += isinstance(document, Mended)
        for row, reason in reader.read(document):
            if row is None or row["species"] is None:
                refused[reason] += 1
            if row is not None:
                records.append([row[name] for name in RECORDS])
                for link in row["links"]:
                    links.append([row["image_name"], link.kind, row["ids_of"], link.raw, link.value, link.problem])
    return Shaped(records.table(), links.table(), refused, odd, read)


class Pieces:
    """Rows, gathered piece by piece in Arrow's memory: as Python strings, 741,533 would take half a gigabyte more."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._tables = [pl.DataFrame(schema=schema)]
        self._rows: list[list[str | None]] = []

    def append(self, row: list[str | None]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_A_PIECE:
            self._store()

    def table(self) -> pl.DataFrame:
        """Give all rows."""
        self._store()
        return pl.concat(self._tables, rechunk=True)

    def _store(self) -> None:
        self._tables.append(pl.DataFrame(self._rows, schema=self._schema, orient="row"))
        self._rows = []
