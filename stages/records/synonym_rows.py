"""The rows of the file of synonyms, those by hand and those of a checklist, and how the latter are replaced.

Rows by hand stay as they are.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from stages.records.synonyms import each_cell, is_of_checklist, place_of_source, read_cells, read_synonyms
from stages.runtime.outputs import replacing
from stages.tables.table import no_formula

COLUMNS = ("synonym", "accepted", "source")


class SynonymRows(NamedTuple):
    """A file of synonyms.

    Attributes:
        header: names of the columns, the first three are ``COLUMNS``.
        by_hand: rows that a person wrote, with all of their cells.
        of_checklist: rows that a checklist gave, likewise.
    """

    header: list[str]
    by_hand: list[list[str]]
    of_checklist: list[list[str]]

    @property
    def accepted_by_hand(self) -> dict[str, str]:
        """The accepted name by synonym, of the rows by hand."""
        return {row[0]: row[1] for row in self.by_hand}


class Change(NamedTuple):
    """How many rows of a checklist came, went, or say something else."""

    new: int
    gone: int
    changed: int


def read_synonym_rows(path: Path) -> SynonymRows:
    """Read all cells of a file of synonyms; a file that is missing has no rows.

    Raises:
        UserError: as ``read_synonyms``.
    """
    read_synonyms(path)
    header, *rows = read_cells(path) or [list(COLUMNS[:2])]
    # Wherever the column stands, it is the third from now on; other columns keep their order.
    place = place_of_source(header)
    order = [number for number in range(2, len(header)) if number != place]

    def arranged(row: list[str]) -> list[str]:
        cells = [*row, *[""] * (len(header) - len(row))]
        source = "" if place is None else cells[place]
        return [*cells[:2], source, *(cells[number] for number in order), *cells[len(header) :]]

    rows = [arranged(row) for row in rows]
    of_checklist = [row for row in rows if is_of_checklist(row, source=2)]
    by_hand = [row for row in rows if not is_of_checklist(row, source=2)]
    return SynonymRows([*COLUMNS, *(header[number] for number in order)], by_hand, of_checklist)


def with_checklist(earlier: SynonymRows, rows: Iterable[tuple[str, str, str]]) -> tuple[SynonymRows, Change]:
    """Put new rows (synonym, accepted name, source) in the place of a checklist's earlier ones.

    What a person wrote into further columns of a row stays with its synonym.
    """
    before = {row[0]: row for row in earlier.of_checklist}
    width = len(earlier.header)
    new = [[*row, *(before[row[0]][3:] if row[0] in before else [""] * (width - 3))] for row in rows]
    after = {row[0]: row for row in new}
    change = Change(
        new=len(after.keys() - before.keys()),
        gone=len(before.keys() - after.keys()),
        changed=sum(row[:3] != before[name][:3] for name, row in after.items() if name in before),
    )
    return earlier._replace(of_checklist=new), change


def write_synonym_rows(path: Path, rows: SynonymRows) -> None:
    """Write a file of synonyms, sorted, whole or not at all; what a spreadsheet would run gets an apostrophe."""
    filled = each_cell(sorted([*rows.by_hand, *rows.of_checklist]), no_formula)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(map(_line, [rows.header, *filled]))


def _line(row: list[str]) -> str:
    """Give a row as a line, which ends in LF; the writer puts quotes around a lone CR only where lines end in both."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(row)
    return line.getvalue().removesuffix("\r\n") + "\n"
