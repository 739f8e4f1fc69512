"""Features in files: one Arrow IPC file for each shard of packed images, of the same number, a row an image.

There is no label in them, so relabelling changes none of them, and an image that comes or goes changes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing

ROWS_A_BATCH = 4096
_BACK = "bring it back with `dvc checkout --force`, or run `dvc repro embed`"


@dataclass(frozen=True)
class Features:
    """Features of images, in the order of their files and names.

    Attributes:
        image_name: [images].
        sha256: [images], of the originals.
        jpeg_sha256: [images], of the packed JPEGs that were looked at.
        vectors: float16 [images, dimensions], as the network gives them, not normalized.
    """

    image_name: pl.Series
    sha256: pl.Series
    jpeg_sha256: pl.Series
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)


def schema_of(dimensions: int) -> pa.Schema:
    """Give the columns of a file of features."""
    return pa.schema(
        [
            ("image_name", pa.string()),
            ("sha256", pa.string()),  # of the original
            ("jpeg_sha256", pa.string()),  # of the packed JPEG
            ("feature", pa.list_(pa.float16(), dimensions)),
        ]
    )


def write_features(
    image_name: Sequence[str], sha256: Sequence[str], jpeg_sha256: Sequence[str], vectors: np.ndarray, path: Path
) -> None:
    """Write the features of a shard's images, whole or not at all.

    Args:
        image_name: [images], sorted; perhaps none.
        sha256: [images].
        jpeg_sha256: [images].
        vectors: float16 [images, dimensions].
        path: its folder must exist.
    """
    schema = schema_of(vectors.shape[1])
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float16())
    columns = [
        *(pa.array(list(column), pa.string()) for column in (image_name, sha256, jpeg_sha256)),
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    ]
    table = pa.Table.from_arrays(columns, schema=schema)
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table, max_chunksize=ROWS_A_BATCH)


def read_features(folder: Path) -> Features:
    """Read all features of a folder.

    Raises:
        UserError: there are none, or a file is damaged or of other features than the first.
    """
    paths = sorted(folder.glob("*.arrow"))
    if not paths:
        raise UserError(f"{folder} holds no features: run `dvc repro embed` or `dvc pull`")
    return joined([read_file(path) for path in paths], folder)


def joined(parts: Sequence[Features], folder: Path) -> Features:
    """Put the features of several files together.

    Raises:
        UserError: they are of different networks.
    """
    if len({part.vectors.shape[1] for part in parts}) > 1:
        raise UserError(f"{folder} holds features of different networks: run `dvc repro embed`")
    names, digests, jpegs = (
        pl.concat([getattr(part, name) for part in parts]) for name in ("image_name", "sha256", "jpeg_sha256")
    )
    return Features(names, digests, jpegs, np.concatenate([part.vectors for part in parts]))


def read_file(path: Path) -> Features:
    """Read one file of features.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
            schema = reader.schema
            dimensions = int(getattr(schema.field("feature").type, "list_size", 0)) if "feature" in schema.names else 0
            if not dimensions or not schema.equals(schema_of(dimensions)):
                raise UserError(f"{path} has other columns than this version reads: run `dvc repro embed`")
            table = reader.read_all()
            table.validate(full=True)
            if any(column.null_count for column in table.columns):
                raise UserError(f"{path} is damaged (values are missing): {_BACK}")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro embed` or `dvc pull`") from None
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): {_BACK}") from None
    names, digests, jpegs = (
        pl.Series(name, table[name].to_pylist(), dtype=pl.String) for name in ("image_name", "sha256", "jpeg_sha256")
    )
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table["feature"].chunks]
    flat = np.concatenate([np.empty(0, np.float16), *chunks])
    return Features(names, digests, jpegs, flat.reshape(-1, dimensions))
