"""Tables in files: typed Parquet (zstd) or CSV, written whole or not at all, held against their columns when read.

Same rows, same bytes: a table's digest in dvc.lock changes only when its content does.

A CSV is for people too, who open it in a spreadsheet or print it on a terminal, and its text is of strangers. So in
text control characters and those that turn the direction of writing stand as visible escapes, line breaks too: a row is
a line, and this cannot be undone. And what a spreadsheet would run as a formula has an apostrophe before it, which
``read_table`` takes away again.
"""

import re
from collections.abc import Collection
from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing

Schema = dict[str, type[pl.DataType]]

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
        UserError: the file is missing, is no such table or is damaged.
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
    return frame


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
