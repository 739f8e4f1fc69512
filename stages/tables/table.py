"""Tables in files: typed Parquet (zstd) or CSV, written whole or not at all, held against their columns when read.

Same rows, same bytes: a table's digest in dvc.lock changes only when its content does.

What is read may have been changed by hand, merged, or be of an older version: so it is also held against what holds of
the rows of every such table (``Ruled``), and the first row that is not so is named.

A CSV is for people too, who open it in a spreadsheet or print it on a terminal, and its text is of strangers. So in
text control characters and those that turn the direction of writing stand as visible escapes, line breaks too: a row is
a line, and this cannot be undone. And what a spreadsheet would run as a formula has an apostrophe before it, which
``read_table`` takes away again.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import reduce
from operator import xor
from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing

Schema = dict[str, type[pl.DataType] | pl.DataType]

SHA256_CHARACTERS = 64
_ROW_GROUP = 131_072
_UNFIT = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {chr(code): ascii(chr(code))[1:-1] for code in _UNFIT}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_ESCAPED = re.compile("|".join(map(re.escape, _CHARACTERS)))
_ANY_UNFIT = r"[\x00-\x1f\x7f-\x9f\x{202a}-\x{202e}\x{2066}-\x{2069}]"
# Apostrophes are among what may stand before the sign: a text that has some already gets one more, and loses it again.
# A spreadsheet in Spanish or German takes a semicolon for the end of a cell.
_FORMULA = r"(^|;)([\s\p{Cf}'\"]*[=+\-@＝＋－＠])"
_KEPT_FORMULA = r"(^|;)'([\s\p{Cf}'\"]*[=+\-@＝＋－＠])"


class Ruled(Schema):
    """The columns of a table, and what holds of the rows of every such table.

    Attributes:
        required: columns in which each row has a value.
        unique: names of columns in which, taken together, no two rows are alike; they are ``required``.
        sizes: of columns of digests and hashes, how many characters or bytes each of their values has. What these are
            is not looked at: the wrong digest is found where the file is read.
    """

    def __init__(
        self,
        columns: Mapping[str, type[pl.DataType] | pl.DataType],
        *,
        required: Iterable[str] = (),
        unique: Iterable[str] = (),
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        """Take the columns with their types, and what is above."""
        super().__init__(columns)
        self.unique = tuple(unique)
        self.required = tuple(dict.fromkeys([*self.unique, *required]))
        self.sizes = dict(sizes or {})
        assert {*self.required, *self.sizes} <= self.keys()


def write_table(frame: pl.DataFrame, schema: Schema, path: Path) -> None:
    """Write ``frame`` to ``path``, whole or not at all; a path that ends in .csv gets a CSV, any other Parquet.

    Raises:
        polars.exceptions.PolarsError: the frame's columns or types are not those of ``schema``.
    """
    typed = frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in schema.items())
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            typed.with_columns(no_formula(_visible(pl.col(pl.String)))).write_csv(temporary)
        else:
            typed.write_parquet(temporary, compression="zstd", statistics=False, row_group_size=_ROW_GROUP)


def read_table(path: Path, schema: Schema, *, only: Collection[str] | None = None) -> pl.DataFrame:
    """Read the table at ``path`` and hold it against ``schema``.

    Args:
        path: of a table that ``write_table`` wrote.
        schema: of the whole table.
        only: columns to read, where others are large and not needed.

    Raises:
        UserError: the file is missing, is no such table or is damaged, or one of its rows is not as those of such a
            table are.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: run `dvc repro` (or `dvc pull`), or bring the file back with git")
    content = path.read_bytes()
    wanted = {name: dtype for name, dtype in schema.items() if only is None or name in only}
    try:
        frame = (
            pl.read_csv(content, schema=schema, columns=list(wanted)).with_columns(as_it_was(pl.col(pl.String)))
            if path.suffix == ".csv"
            else pl.read_parquet(content, columns=None if only is None else list(wanted))
        )
    except pl.exceptions.ColumnNotFoundError as error:
        missing = str(error).splitlines()[0]
        raise UserError(f"{path} has other columns than this version writes ({missing}): make it anew") from None
    except pl.exceptions.SchemaError:
        raise UserError(f"{path} has other columns than this version writes: make it anew") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise UserError(f"{path} is damaged ({said}): bring it back with `dvc checkout` or git") from None
    if dict(frame.schema) != wanted:
        lacks, has = (
            {*one.items()} - {*other.items()} for one, other in ((wanted, frame.schema), (frame.schema, wanted))
        )
        differs = "; ".join(
            f"{what} {', '.join(sorted(f'{name} ({dtype})' for name, dtype in columns))}"
            for what, columns in (("it lacks", lacks), ("it has", has))
            if columns
        )
        raise UserError(f"{path} has other columns than this version writes ({differs}): make it anew")
    if isinstance(schema, Ruled) and (wrong := _broken_rule(frame, schema)):
        raise UserError(f"{path}, {wrong}: bring the file back with `dvc checkout` or git, or make it anew")
    return frame


def _broken_rule(frame: pl.DataFrame, schema: Ruled) -> str | None:
    """Say which row, the first, is not as the schema says; ``None`` where all are. Columns not read may be so.

    At 741,533 rows this takes 5 to 20 ms.
    """
    for name in schema.required:
        if name in frame.columns and frame[name].null_count():
            row = frame[name].is_null().arg_max() or 0
            return f"row {row + 1:,}: {name} is missing"
    for name, size in schema.sizes.items():
        if name not in frame.columns:
            continue
        column = frame[name]
        wrong = (column.bin.size() if column.dtype == pl.Binary else column.str.len_bytes()) != size
        if wrong.any():
            row = wrong.fill_null(False).arg_max() or 0
            unit = "bytes" if column.dtype == pl.Binary else "characters"
            return f"row {row + 1:,}: {name} must have {size} {unit} (found {column[row]!r:.80})"
    if schema.unique and set(schema.unique) <= set(frame.columns) and not _are_unlike(frame, schema.unique):
        rows = frame.select(key=pl.struct(schema.unique))
        row = int((~rows["key"].is_first_distinct()).arg_max() or 0)
        before = rows["key"].index_of(rows["key"][row])
        said = ", ".join(f"{name} {value!r:.80}" for name, value in rows["key"][row].items())
        return f"row {row + 1:,} stands there twice, in row {1 + (before or 0):,} too ({said})"
    return None


def _are_unlike(frame: pl.DataFrame, names: tuple[str, ...]) -> bool:
    """Whether no two rows are alike in these columns: at a glance where they are sorted by them, as most tables are."""
    alike = None  # rows that are like the one before in the columns so far; at first all but the first row
    for name in names:
        column = frame[name]
        here, before = (column[1:], column[:-1]) if alike is None else (column[alike], column[alike - 1])
        no_later = (~(here > before)).arg_true().to_numpy()
        if (here[no_later] < before[no_later]).any():
            hashes = [frame[column].hash(seed) for seed, column in enumerate(names)]
            # Where two hashes are equal, that may be by chance.
            return reduce(xor, hashes).n_unique() == frame.height or not frame.select(names).is_duplicated().any()
        alike = no_later + 1 if alike is None else alike[no_later]
        if not len(alike):
            return True
    return False


def no_formula(text: pl.Expr) -> pl.Expr:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    return text.str.replace_all(_FORMULA, "${1}'${2}")


def as_it_was(text: pl.Expr) -> pl.Expr:
    """Give text as it was before ``no_formula``."""
    return text.str.replace_all(_KEPT_FORMULA, "${1}${2}")


def with_control_characters(text: str) -> str:
    """Give text with control characters for what stands for them in a CSV, most likely as it was.

    What somebody wrote with a backslash, and so looks like one of them, becomes one too.
    """
    return _ESCAPED.sub(lambda found: _CHARACTERS[found[0]], text)


def _visible(text: pl.Expr) -> pl.Expr:
    """Give text with visible escapes for control characters."""
    return pl.when(text.str.contains(_ANY_UNFIT)).then(text.str.replace_many(_ESCAPES)).otherwise(text)
