"""The tables between the stages: typed Parquet (zstd), sorted, without timestamps.

Same rows, same bytes: a table's digest in dvc.lock changes only when its content does.
"""

from pathlib import Path

import polars as pl

from stages.errors import UserError
from stages.outputs import replacing

Schema = dict[str, type[pl.DataType]]

RECORDS: Schema = {
    "image_url": pl.String,
    "image_name": pl.String,  # md5(image_url) + ".jpg": the file's name in the image cache
    "photo_id": pl.String,  # one photo has several URLs; null where the source gives no id
    "observation_id": pl.String,  # null where the source knows no observations
    "species": pl.String,
    "source": pl.String,
    "licence": pl.String,  # null means: no open licence
    "observer": pl.String,
    "document_id": pl.String,
}
INVENTORY: Schema = {
    "image_name": pl.String,
    "verdict": pl.String,  # see stages/images/verdict.py
    "bytes": pl.Int64,
    "sha256": pl.String,
    "width": pl.Int32,  # in pixels, as shown: after the EXIF rotation; 0 where it does not decode
    "height": pl.Int32,
}
AVAILABLE: Schema = RECORDS | {name: INVENTORY[name] for name in ("bytes", "sha256", "width", "height")}
SPLIT: Schema = AVAILABLE | {"group": pl.String}  # image_name of the group's first row
BOXES: Schema = {  # the true box of the subject, in pixels of the image as shown
    "image_name": pl.String,
    "x": pl.Int32,
    "y": pl.Int32,
    "width": pl.Int32,
    "height": pl.Int32,
}
CLASSES: Schema = {
    "label": pl.Int32,
    "species": pl.String,
    **{f"{split}_{what}": pl.Int32 for split in ("train", "val", "test") for what in ("images", "observations")},
}
SPLITS = ("train", "val", "test")
SOUND = "sound"  # the one verdict of the inventory that lets an image be used

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


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read the table at ``path`` and hold it against ``schema``.

    Raises:
        UserError: the file is missing, is no such table or is damaged.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: run `dvc repro` (or `dvc pull`), or bring the file back with git")
    content = path.read_bytes()
    try:
        frame = pl.read_csv(content, schema=schema) if path.suffix == ".csv" else pl.read_parquet(content)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout` or git") from None
    if dict(frame.schema) != schema:
        found = ", ".join(f"{name} {dtype}" for name, dtype in frame.schema.items())
        raise UserError(f"{path} has other columns than this version writes (found: {found}): make it anew")
    return frame
