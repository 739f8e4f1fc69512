"""The rows of the file of synonyms, those by hand and those of a checklist, and how the latter are replaced.

A row is of a checklist where its column ``source`` holds one word, a colon and an id: ``WCVP:123456``. All others are
by hand, and stay as they are.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from stages.records.synonyms import read_synonyms
from stages.runtime.outputs import replacing

COLUMNS = ("synonym", "accepted", "source")
_OF_A_CHECKLIST = re.compile(r"[\w-]+:[\w.:-]+")


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
    lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines())) if path.is_file() else []
    header, *rows = [line for line in lines if any(cell.strip() for cell in line)] or [list(COLUMNS[:2])]
    names = [name.strip() for name in header]
    # Wherever the column stands, it is the third from now on; other columns keep their order.
    place = names.index("source") if "source" in names else None
    order = [number for number in range(2, len(header)) if number != place]

    def arranged(row: list[str]) -> list[str]:
        cells = [*row, *[""] * (len(header) - len(row))]
        source = "" if place is None else cells[place]
        return [*cells[:2], source, *(cells[number] for number in order), *cells[len(header) :]]

    rows = [arranged(row) for row in rows]
    of_checklist = [row for row in rows if _OF_A_CHECKLIST.fullmatch(row[2].strip())]
    by_hand = [row for row in rows if not _OF_A_CHECKLIST.fullmatch(row[2].strip())]
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
    """Write a file of synonyms, sorted, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows.header)
        writer.writerows(sorted([*rows.by_hand, *rows.of_checklist]))
