"""Tables in files: typed Parquet (zstd) or CSV, written whole or not at all, held against their columns when read.

Same rows, same bytes: a table's digest in dvc.lock changes only when its content does.
"""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing

Schema = dict[str, type[pl.DataType]]

_ROW_GROUP = 131_072


def write_table(frame: pl.DataFrame, schema: Schema, path: Path) -> None:
    """Write ``frame`` to ``path``, whole or not at all; a path that ends in .csv gets a CSV, any other Parquet.

    Raises:
        polars.exceptions.PolarsError: the frame's columns or types are not those of ``schema``.
    """
    typed = frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in schema.items())
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            typed.write_csv(temporary)
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
            pl.read_csv(content, schema=schema, columns=list(wanted))
            if path.suffix == ".csv"
            else pl.read_parquet(content, columns=None if only is None else list(wanted))
        )
    except pl.exceptions.ColumnNotFoundError as error:
        missing = str(error).splitlines()[0]
        raise UserError(f"{path} has other columns than this version writes ({missing}): make it anew") from None
    except pl.exceptions.SchemaError:
        raise UserError(f"{path} has other columns than this version writes: make it anew") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout` or git") from None
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
