"""From all documents of a source to the tables of records and of links."""

from collections import Counter
from collections.abc import Iterable
from io import BytesIO
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

    records: "Pieces"
    links: "Pieces"
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
    return Shaped(records, links, refused, odd, read)


class Pieces:
    """Rows of a table, kept packed until all have come: of 741,533 records, a tenth of the memory of the table."""

    def __init__(self, schema: Schema) -> None:
        """Begin with no row."""
        self._schema = schema
        self._packed: list[bytes] = []
        self._rows: list[list[str | None]] = []

    def append(self, row: list[str | None]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_A_PIECE:
            self._pack()

    def table(self) -> pl.DataFrame:
        """Give all rows, in their order."""
        self._pack()
        tables = [pl.read_ipc(piece) for piece in self._packed]
        return pl.concat([pl.DataFrame(schema=self._schema), *tables], rechunk=False)

    def _pack(self) -> None:
        if self._rows:
            packed = BytesIO()
            pl.DataFrame(self._rows, schema=self._schema, orient="row").write_ipc(packed, compression="zstd")
            self._packed.append(packed.getvalue())
            self._rows = []


def sort_links(links: pl.DataFrame) -> pl.DataFrame:
    """Sort links by all that they say, so that the order of documents makes no difference.

    A part at a time, by the first letter of the images' names: sorting 1.4 million at once takes twice their memory.
    """
    first = links["image_name"].str.slice(0, 1)
    parts = [links.filter(first == letter).sort(*LINKS, nulls_last=True) for letter in sorted(first.unique())]
    return pl.concat([links.clear(), *parts])
