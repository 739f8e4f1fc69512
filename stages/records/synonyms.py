"""The file that says which name is another's."""

import csv
from collections import Counter
from pathlib import Path

from stages.runtime.errors import UserError


def read_synonyms(path: Path) -> dict[str, str]:
    """Read a CSV with the columns synonym and accepted (more may follow); a file that is missing holds none.

    Raises:
        UserError: it has other columns, an empty cell, or is no CSV in UTF-8.
    """
    if not path.is_file():
        return {}
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: save it as one") from None
    except csv.Error as error:
        raise UserError(f"{path} is no CSV ({error}): see to the quotes in it") from None
    header, *rows = lines or [[]]
    if header[:2] != ["synonym", "accepted"]:
        raise UserError(f"{path} must begin with the columns synonym,accepted (found {','.join(header)[:80]!r})")
    numbered = [(number, row[:2]) for number, row in enumerate(rows, start=2) if any(cell.strip() for cell in row)]
    if empty := [number for number, row in numbered if len(row) < 2 or not all(cell.strip() for cell in row)]:
        raise UserError(f"{path}: row {empty[0]} lacks a synonym or an accepted name")
    rows = [(row[0], row[1]) for _, row in numbered]
    counts = Counter(synonym for synonym, _ in set(rows))
    if twice := [synonym for synonym, count in counts.items() if count > 1]:
        raise UserError(f"{path}: {twice[0]!r} has two accepted names: keep one")
    return dict(rows)
