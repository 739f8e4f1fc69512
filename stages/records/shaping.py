"""From all documents of a source to the tables of records and of links."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from stages.records.dump import Document
from stages.records.shapes import DocumentReader
from stages.tables.export import RECORDS
from stages.tables.links import LINKS
from stages.tables.table import Schema

ROWS_A_PIECE = 8_192


class Shaped(NamedTuple):
    """What documents gave.

    Attributes:
        records: columns of ``RECORDS``, in the documents' order; species is null where the document names none.
        links: columns of ``LINKS``, in that order too.
        refused: how many gave no record, by reason.
        read: the number of documents.
    """

    records: pl.DataFrame
    links: pl.DataFrame
    refused: Counter[str]
    read: int


def shape_records(documents: Iterable[Document], reader: DocumentReader) -> Shaped:
    """Turn documents into records and links; ``reader`` tells afterwards what else it has found."""
    records, links = Pieces(RECORDS), Pieces(LINKS)
    refused: Counter[str] = Counter()
    read = 0
    for document in documents:
        read += 1
        for row, reason in reader.read(document):
            if row is None or row["species"] is None:
                refused[reason] += 1
            if row is not None:
                records.append([row[name] for name in RECORDS])
                for link in row["links"]:
                    links.append([row["image_name"], link.kind, row["ids_of"], link.raw, link.value, link.problem])
    return Shaped(records.table(), links.table(), refused, read)


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
