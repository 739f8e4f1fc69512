"""The tables between the stages: typed Parquet (zstd), sorted, without timestamps.

Same rows, same bytes: a table's digest in dvc.lock changes only when its content does.
"""

from collections.abc import Collection
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
# What is measured of a file, see stages/images/measure.py; null in all but the first where it was not decoded.
MEASURES: Schema = {
    "state": pl.String,
    "width": pl.Int32,  # in pixels, as shown: after the EXIF rotation; 0 for what is no image
    "height": pl.Int32,
    "grey_std": pl.Float32,
    "even_share": pl.Float32,
    "entropy_bits": pl.Float32,
    "sharpness": pl.Float32,
}
INVENTORY: Schema = {
    "image_name": pl.String,
    "bytes": pl.Int64,
    "sha256": pl.String,
    **MEASURES,
    "phash": pl.Binary,  # 32 bytes
}
AVAILABLE: Schema = RECORDS | {name: INVENTORY[name] for name in ("bytes", "sha256", "width", "height")}
REJECTED: Schema = {name: RECORDS[name] for name in ("image_name", "image_url", "species", "licence")} | {
    "verdict": pl.String,
    **{name: INVENTORY[name] for name in ("bytes", "sha256", *MEASURES)},
}
PAIRS: Schema = {  # images that look alike
    "image_name": pl.String,
    "other_name": pl.String,
    "distance": pl.Int32,  # bits of the perceptual hash that differ
    "mirrored": pl.Boolean,  # whether it is the mirror image that looks alike
}
DISPUTED: Schema = {  # images that look like one of another species, the nearest
    "image_name": pl.String,
    "species": pl.String,
    "other_name": pl.String,
    "other_species": pl.String,
    "distance": pl.Int32,
}
DISTANCES: Schema = {"distance": pl.Int32, "kind": pl.String, "pairs": pl.Int64}
SPLIT: Schema = AVAILABLE | {"group": pl.String}  # image_name of the group's first row
LEFT_OUT: Schema = {  # available images that no split uses
    "image_name": pl.String,
    "species": pl.String,
    "reason": pl.String,
    "split": pl.String,  # where its group is, if it is anywhere
}
ASSIGNMENTS: Schema = {  # in which split an image was, under all that it may be met again by
    **{name: AVAILABLE[name] for name in ("image_name", "sha256", "photo_id", "observation_id")},
    "split": pl.String,
    "used": pl.Boolean,  # whether it stood there itself, or was left out as another photo of its observation
}
CROP_CURVES: Schema = {"kept": pl.Float64, "share_of_images": pl.Float64, "crop": pl.String}
LONG_TAIL: Schema = {"rank": pl.Int32, "images": pl.Int32, "split": pl.String}
CLASS_SIZES: Schema = {"images": pl.String, "classes": pl.Int32}
CREDITS: Schema = {
    "image_name": pl.String,
    "species": pl.String,
    "photographer": pl.String,  # null where the source names nobody
    "licence": pl.String,  # as the source writes it
    "licence_code": pl.String,
    "url": pl.String,
}
SHARDS: Schema = {"shard": pl.String, "bytes": pl.Int64, "sha256": pl.String}
BOXES: Schema = {  # the true box of the subject, in pixels of the image as shown
    "image_name": pl.String,
    "x": pl.Int32,
    "y": pl.Int32,
    "width": pl.Int32,
    "height": pl.Int32,
}
LABELS: Schema = {  # what was done to the names that sources write
    "found": pl.String,
    "species": pl.String,  # null where the name was refused
    "rules": pl.String,  # names of the rules that changed or refused it, joined by "; "
    "images": pl.Int64,
}
PAIRS_OF_LABELS: Schema = {  # labels that are a slip apart, the rarer one first
    "species": pl.String,
    "images": pl.Int64,
    "other": pl.String,
    "other_images": pl.Int64,
    "edits": pl.Int32,
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
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout` or git") from None
    if dict(frame.schema) != wanted:
        found = ", ".join(f"{name} {dtype}" for name, dtype in frame.schema.items())
        raise UserError(f"{path} has other columns than this version writes (found: {found}): make it anew")
    return frame
