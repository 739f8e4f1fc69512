"""What people said of photos and of pairs of photos, as it stands in files: a CSV a reviewer.

People mend these files in a spreadsheet and merge them with git. So they are read as spreadsheets save them (with
commas, semicolons or tabs, a mark at the beginning, other ends of lines, columns in another order, empty rows), their
rows in any order, and a row that came twice over two branches counts once. What can be read in two ways is refused with
the row's number, as a spreadsheet shows it.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.tables.table import Ruled, as_it_was, write_table
from stages.tables.verdicts import ASKED_AS, PAIR_SAID, PAIR_VERDICTS, REASONS, SAID, VERDICTS

_NO_VERDICTS = "README.md"
_SEPARATORS = (",", ";", "\t")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_SHA256 = "^[0-9a-f]{64}$"
_ROW = "row"


@dataclass(frozen=True)
class _Form:
    """How the rows of a kind of file are.

    Attributes:
        columns: that it has, and what holds of every row.
        words: what a column may say; where it need not say anything, it may be empty.
        wrong: what must not be together in a row, by what is said of it.
    """

    columns: Ruled
    words: Mapping[str, Sequence[str]]
    wrong: Mapping[str, pl.Expr]


_said, _species, _reason = pl.col("verdict"), pl.col("species"), pl.col("reason")
_OF_IMAGES = _Form(
    VERDICTS,
    {"verdict": SAID, "reason": REASONS, "asked_as": ASKED_AS},
    {
        "a relabel needs the species": (_said == "relabel") & _species.is_null(),
        f"a drop needs a reason, one of {', '.join(REASONS)}": (_said == "drop") & _reason.is_null(),
        "a reason is of a drop only: empty it, or write drop": (_said != "drop") & _reason.is_not_null(),
        "a species is of a relabel only, or of a drop for one_of_observation: empty it, or write relabel": (
            (_said != "relabel") & _reason.ne_missing("one_of_observation") & _species.is_not_null()
        ),
    },
)
_OF_PAIRS = _Form(
    PAIR_VERDICTS,
    {"verdict": PAIR_SAID},
    {"an image is no pair with itself: delete the row": pl.col("image_name") == pl.col("other_name")},
)


def read_verdicts(folder: Path) -> pl.DataFrame:
    """Read what all reviewers said of photos; a folder that is missing or empty holds nothing.

    Args:
        folder: with a CSV a reviewer, named like the reviewer; a README.md and hidden files are passed over.

    Returns:
        Columns of ``VERDICTS`` and reviewer, sorted by image_name and reviewer.

    Raises:
        UserError: it is no folder; a file is no such CSV in UTF-8, lacks a column or has another one, or one of its
            rows lacks a value, has a word that is none, contradicts itself, or is of an image of which another row says
            something else.
    """
    return _read_folder(folder, _OF_IMAGES)


def read_pair_verdicts(folder: Path) -> pl.DataFrame:
    """Read what all reviewers said of pairs of photos; a folder that is missing or empty holds nothing.

    Args:
        folder: as ``read_verdicts``.

    Returns:
        Columns of ``PAIR_VERDICTS`` and reviewer, sorted by image_name, other_name and reviewer; image_name is the
        lower of the two, whichever way a file has it.

    Raises:
        UserError: as ``read_verdicts``.
    """
    return _read_folder(folder, _OF_PAIRS)


def write_verdicts(frame: pl.DataFrame, path: Path) -> None:
    """Write what one reviewer said of photos: sorted by image_name, a line a row, whole or not at all.

    Text that is empty is written as none, and control characters as visible escapes.

    Args:
        frame: columns of ``VERDICTS``; others are left out.
        path: of the reviewer's CSV.

    Raises:
        ValueError: ``read_verdicts`` would refuse a row; the message says it.
    """
    _write(frame, path, _OF_IMAGES)


def write_pair_verdicts(frame: pl.DataFrame, path: Path) -> None:
    """Write what one reviewer said of pairs of photos, as ``write_verdicts``, sorted by image_name and other_name.

    Args:
        frame: columns of ``PAIR_VERDICTS``; others are left out. The two may stand in either order.
        path: of the reviewer's CSV.

    Raises:
        ValueError: ``read_pair_verdicts`` would refuse a row; the message says it.
    """
    _write(frame, path, _OF_PAIRS)


def _write(frame: pl.DataFrame, path: Path, form: _Form) -> None:
    table = _in_order(_tidied(frame.select(form.columns.keys()), form), form).with_row_index(_ROW, offset=2)
    if wrong := _first_wrong(table, form):
        raise ValueError(f"{path}, {wrong}")
    write_table(table, form.columns, path)


def _read_folder(folder: Path, form: _Form) -> pl.DataFrame:
    if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
        raise UserError(f"{folder} is no folder, and must be one, with a CSV a reviewer: bring it back with git")
    files = [path for path in sorted(folder.iterdir()) if _may_be_verdicts(path)] if folder.is_dir() else []
    if others := [path for path in files if path.suffix.lower() != ".csv" or not path.is_file()]:
        raise UserError(f"{others[0]} is no CSV of a reviewer: save it as one (NAME.csv), or take it out of {folder}")
    schema = form.columns | {"reviewer": pl.String}
    read = [_read_file(path, form).with_columns(reviewer=pl.lit(path.stem)) for path in files]
    return pl.concat([pl.DataFrame(schema=schema), *read]).sort(*form.columns.unique, "reviewer")


def _may_be_verdicts(path: Path) -> bool:
    """Whether a file is to be looked at: none that tells people of the folder, nor what programs leave beside files."""
    return path.name != _NO_VERDICTS and not path.name.startswith((".", "~$")) and not path.name.endswith("~")


def _read_file(path: Path, form: _Form) -> pl.DataFrame:
    columns = list(form.columns)
    # Rows as a spreadsheet numbers them, whose first is the header.
    numbered, places = _cells(path, columns)
    cells = {name: [row[place] for _, row in numbered] for name, place in zip(columns, places, strict=True)}
    rows = pl.DataFrame({_ROW: [number for number, _ in numbered], **cells}, {_ROW: pl.Int64, **form.columns})
    rows = _tidied(rows.with_columns(as_it_was(pl.col(columns))), form)
    # A row that two branches brought is there twice, which says no more than once.
    rows = rows.unique(columns, keep="first", maintain_order=True)
    if wrong := _first_wrong(rows, form):
        raise UserError(f"{path}, {wrong}")
    return rows.drop(_ROW)


def _cells(path: Path, columns: list[str]) -> tuple[list[tuple[int, list[str]]], list[int]]:
    """Give the rows that are not empty, each with its number and a cell for each of the header's; and columns' places.

    Raises:
        UserError: the file is no CSV in UTF-8 with these columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: save it as `CSV UTF-8`") from None
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        # As a stream, so that what a quoted cell holds stays as it is, its line breaks too.
        rows = list(enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), start=1))
    except csv.Error as error:
        raise UserError(f"{path} is no CSV ({error}): see to the quotes in it") from None
    rows = [(number, [cell.strip() for cell in row]) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]
    header = rows[0][1] if rows else []
    while header and not header[-1]:
        header = header[:-1]
    names = [name.lower() for name in header]
    for number, row in rows:
        if row[0].startswith(_CONFLICT):
            raise UserError(
                f"{path}, row {number:,}: a merge was left undone: keep the rows of both sides, and delete the lines "
                f"that begin with {', '.join(_CONFLICT[:3])}"
            )
    if sorted(names) != sorted(columns):
        lacks, has = (sorted({*one} - {*other}) for one, other in ((columns, names), (names, columns)))
        differs = [f"{verb} {', '.join(found)}" for verb, found in (("lacks", lacks), ("has", has)) if found]
        said = "; it ".join(differs) or "has a column twice"
        raise UserError(f"{path} must have the columns {','.join(columns)} and no others (it {said})"[:1_000])
    # Two branches that both began the file have each a header.
    rows = [(number, row) for number, row in rows if [cell.lower() for cell in row[: len(names)]] != names]
    if long := [(number, row) for number, row in rows if any(row[len(names) :])]:
        number, row = long[0]
        raise UserError(f"{path}, row {number:,} has {len(row)} cells where {len(names)} are: see to its quotes")
    # Some spreadsheets leave out the empty cells at the end of a row.
    filled = [(number, [*row[: len(names)], *[""] * (len(names) - len(row))]) for number, row in rows]
    return filled, [names.index(name) for name in columns]


def _tidied(rows: pl.DataFrame, form: _Form) -> pl.DataFrame:
    """Give rows without white space around text; empty text is none, words are small, the lower image is the first."""
    text = pl.col(form.columns.keys()).str.strip_chars().replace("", None)
    rows = rows.with_columns(text).with_columns(pl.col(form.words.keys()).str.to_lowercase())
    if "other_name" not in form.columns:
        return rows
    turned = pl.col("image_name") > pl.col("other_name")
    both = (("image_name", "other_name"), ("sha256", "other_sha256"))
    return rows.with_columns(
        pl.when(turned).then(other).otherwise(name).alias(name) for pair in both for name, other in (pair, pair[::-1])
    )


def _in_order(rows: pl.DataFrame, form: _Form) -> pl.DataFrame:
    return rows.sort(*form.columns.unique)


def _first_wrong(rows: pl.DataFrame, form: _Form) -> str | None:
    """Say which row, the first, is not as it must be, why, and what to do; ``None`` where all are."""
    digests, names = list(form.columns.sizes), list(form.columns.unique)
    said = {
        **{f"{name} is missing": pl.col(name).is_null() for name in form.columns.required},
        **{
            f"{name} must be 64 hexadecimal digits, as in the inventory": ~pl.col(name).str.contains(_SHA256)
            for name in digests
        },
        **{
            f"{name} must be one of {', '.join(words)}": ~pl.col(name).is_in(words)
            for name, words in form.words.items()
        },
        **form.wrong,
    }
    wrong = rows.select(
        _ROW, *form.columns, found=pl.coalesce(pl.when(where).then(pl.lit(what)) for what, where in said.items())
    ).filter(pl.col("found").is_not_null())
    if wrong.height:
        row = wrong.sort(_ROW).row(0, named=True)
        found = row.get(row["found"].partition(" ")[0])
        return f"row {row[_ROW]:,}: {row['found']}{'' if found is None else f' (found {found!r:.80})'}"
    twice = rows.filter(pl.struct(names).is_duplicated()).sort(_ROW)
    if twice.is_empty():
        return None
    key = twice.row(0, named=True)
    same = twice.filter(pl.col(name) == key[name] for name in names)[_ROW].to_list()
    of = " and ".join(key[name] for name in names)
    return f"rows {same[0]:,} and {same[1]:,} are both of {of:.160}: keep the one that holds, and delete the other"
