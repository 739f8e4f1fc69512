"""The file that says which name is another's: rows by hand, and rows that a checklist gave.

A row is of a checklist where its column ``source`` holds a publisher that the command ``synonyms`` writes, a colon and
an id: ``WCVP:123456``. All others are by hand.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.runtime.errors import UserError
from stages.tables.table import as_it_was

PUBLISHERS = ("WCVP", "WFO", "GBIF")
OTHER_PUBLISHER = "checklist-"  # and what the table is called
_OF_A_CHECKLIST = re.compile(rf"(?:{'|'.join(PUBLISHERS)}|{OTHER_PUBLISHER}[\w-]*):[\w.:-]+")


class Synonyms(NamedTuple):
    """The accepted name by synonym.

    Attributes:
        by_hand: what a person wrote.
        of_checklist: what a checklist gave; also where a row by hand says otherwise, which wins then.
    """

    by_hand: dict[str, str]
    of_checklist: dict[str, str]


def read_synonyms(path: Path) -> Synonyms:
    """Read a CSV with the columns synonym and accepted (more may follow); a file that is missing holds none.

    Raises:
        UserError: it has other columns, an empty cell, or is no CSV in UTF-8.
    """
    header, *rows = read_cells(path) or [["synonym", "accepted"]]
    source = place_of_source(header)
    by_hand, of_checklist = [], []
    for row in rows:
        (of_checklist if is_of_checklist(row, source) else by_hand).append((row[0], row[1]))
    return Synonyms(_by_synonym(path, by_hand), _by_synonym(path, of_checklist))


def read_cells(path: Path) -> list[list[str]]:
    """Read the header and all rows, but for empty ones; nothing of a file that is missing.

    The apostrophe before what a spreadsheet would run as a formula, which tables of this project have, is left out.

    Raises:
        UserError: as ``read_synonyms``.
    """
    if not path.is_file():
        return []
    try:
        # As bytes: what a quoted cell holds stays as it is, its line breaks too.
        text = path.read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: save it as one") from None
    except csv.Error as error:
        raise UserError(f"{path} is no CSV ({error}): see to the quotes in it") from None
    header, *rows = lines or [[]]
    if header[:2] != ["synonym", "accepted"]:
        raise UserError(f"{path} must begin with the columns synonym,accepted (found {','.join(header)[:80]!r})")
    filled = [(number, row) for number, row in enumerate(rows, start=2) if any(cell.strip() for cell in row)]
    if empty := [number for number, row in filled if len(row) < 2 or not all(cell.strip() for cell in row[:2])]:
        raise UserError(f"{path}: row {empty[0]} lacks a synonym or an accepted name")
    return [header, *each_cell([row for _, row in filled], as_it_was)]


def place_of_source(header: list[str]) -> int | None:
    """Give the number of the column that says where a row is from."""
    names = [name.strip() for name in header]
    return names.index("source") if "source" in names else None


def is_of_checklist(row: list[str], source: int | None) -> bool:
    """Whether a row is of a checklist; ``source`` is the number of the column that says so."""
    return source is not None and source < len(row) and bool(_OF_A_CHECKLIST.fullmatch(row[source].strip()))


def each_cell(rows: list[list[str]], change: Callable[[pl.Expr], pl.Expr]) -> list[list[str]]:
    """Change the text of each cell of rows, however many each of them has."""
    cells = pl.DataFrame({"cell": [cell for row in rows for cell in row]}, schema={"cell": pl.String})
    changed = iter(cells.select(change(pl.col("cell")))["cell"])
    return [[next(changed) for _ in row] for row in rows]


def _by_synonym(path: Path, rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for synonym, accepted in rows:
        if found.setdefault(synonym, accepted) != accepted:
            raise UserError(f"{path}: {synonym!r} has two accepted names: keep one")
    return found
