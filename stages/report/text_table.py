"""Tables of text: in the columns of a terminal, cut where it is too narrow, or in Markdown."""

import re
import textwrap
from collections.abc import Sequence

_NAME_WIDTH = 26  # of characters, of the first column
_HEADER_WIDTH = 11  # of the others, where a name can be broken
_CELL_WIDTH = 20
_NAMED = 6  # of the columns that are left out
_CUT = "…"


def in_columns(header: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lay a table out in lines of ``width`` characters; what is cut ends in ``…``, and columns left out are counted."""
    table = [[_cut(cell, _NAME_WIDTH if at == 0 else _CELL_WIDTH) for at, cell in enumerate(row)] for row in cells]
    broken = [_broken(name) for name in header]
    widths = [max(map(len, [*heading, *(row[at] for row in table)]), default=0) for at, heading in enumerate(broken)]
    shown, room = 1, width - widths[0]
    for column in range(1, len(header)):
        rest = 0 if column == len(header) - 1 else len(_CUT) + 2
        if room - widths[column] - 2 < rest:
            break
        room -= widths[column] + 2
        shown += 1
    left_out = list(header[shown:])
    sign = [_CUT] if left_out else []
    height = max(map(len, broken[:shown]))
    headings = [[""] * (height - len(heading)) + heading for heading in broken[:shown]]
    lines = [*zip(*headings, strict=True), *(row[:shown] for row in table)]
    laid_out = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(widths[at + 1]) for at, cell in enumerate(line[1:])), *sign]
        ).rstrip()
        for line in lines
    ]
    laid_out.insert(height, "-" * max(map(len, laid_out)))
    if left_out:
        named = ", ".join(left_out[:_NAMED]) + (", ..." if len(left_out) > _NAMED else "")
        columns = "column" if len(left_out) == 1 else "columns"
        laid_out += wrapped(f"{_CUT} {len(left_out)} more {columns} in a wider terminal or with --md: {named}", width)
    return laid_out


def _broken(name: str) -> list[str]:
    """Break a heading behind ``_`` and ``.``."""
    lines = [""]
    for part in re.findall(r"[^_.]+[_.]?|[_.]", name):
        if lines[-1] and len(lines[-1]) + len(part) > _HEADER_WIDTH:
            lines.append("")
        lines[-1] += part
    return lines


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    mark = " *" if text.endswith(" *") else ""
    return f"{text[: width - len(mark) - 1].rstrip()}{_CUT}{mark}"


def in_markdown(header: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Give a table in Markdown, uncut."""
    rows = [header, ["---", *("---:" for _ in header[1:])], *cells]
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace(" *", " \\*") for cell in row) + " |" for row in rows]
    return [line.replace("|   ", "| &nbsp; ", 1) if line.startswith("|   ") else line for line in lines]


def wrapped(line: str, width: int) -> list[str]:
    """Break a line so that each part has ``width`` characters at the most."""
    return textwrap.wrap(line, max(width, 20), subsequent_indent="  ") or [""]
