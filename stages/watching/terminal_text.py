"""Text on a terminal: how many columns it takes, and how it is made to fit."""

import unicodedata
from collections.abc import Iterable


def bar(share: float, length: int, *, unicode: bool = True) -> str:
    """Draw a share, 0 to 1, as a bar of so many cells."""
    full = round(min(max(share, 0.0), 1.0) * length)
    return ("█" if unicode else "#") * full + ("░" if unicode else ".") * (length - full)


def fold(text: str, width: int, *, indent: int) -> list[str]:
    """Break a text at its commas and semicolons into lines that fit, each indented."""
    lines, line = [], ""
    for part in _clauses(text):
        if line and indent + cells(line) + cells(part.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += part
    return [f"{' ' * indent}{one}" for one in (*lines, line.rstrip())]


def _clauses(text: str) -> Iterable[str]:
    words, clause = text.split(" "), ""
    for word in words:
        clause += f"{word} "
        if word.endswith((",", ";")):
            yield clause
            clause = ""
    if clause:
        yield clause


def cells(text: str) -> int:
    """Give the columns that a text takes on a terminal."""
    return sum(_cells_of(letter) for letter in text)


def _cells_of(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def clip(text: str, width: int, *, unicode: bool = True) -> str:
    """Cut a text off where it does not fit, and show that."""
    if cells(text) <= width:
        return text
    mark = "…" if unicode else "~"
    kept, used = "", 0
    for letter in text:
        if (used := used + _cells_of(letter)) > width - 1:
            break
        kept += letter
    return kept + mark if width > 0 else ""
