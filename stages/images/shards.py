"""The packed format: small, cropped JPEGs in a few big Arrow IPC files, memory-mapped, one image a row.

Arrow's own readers open a shard, polars and Hugging Face ``datasets`` among them. A split is read as one sequence with
random access at no cost but the decode; on a warm page cache that is as fast as loose files, and DVC moves twenty
shards in the time that it needs to look at fifty thousand files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.errors import UserError
from stages.outputs import replacing

SCHEMA = pa.schema(
    [
        ("image_name", pa.string()),
        ("label", pa.int32()),  # of data/splits/classes.csv
        ("sha256", pa.string()),  # of the original file
        ("x", pa.int32()),  # the crop: a square in pixels of the original as shown
        ("y", pa.int32()),
        ("side", pa.int32()),
        ("crop", pa.string()),  # how it was found: see stages/images/crop.py
        ("jpeg", pa.binary()),
    ]
)
ROWS_A_BATCH = 64
_CLASSES, _SIZE = b"classes_sha256", b"size_px"  # keys of the schema's metadata


@dataclass(frozen=True)
class PackedImage:
    """A row of a shard."""

    image_name: str
    label: int
    sha256: str
    x: int
    y: int
    side: int
    crop: str
    jpeg: bytes


def write_shards(
    images: Iterable[PackedImage], folder: Path, split: str, *, shard_bytes: int, size_px: int, classes_sha256: str
) -> Iterator[PackedImage]:
    """Write a split's images to ``{split}-00000.arrow``, ``{split}-00001.arrow``, ... and pass them on.

    Args:
        images: in the order in which they shall stand.
        folder: must exist.
        split: train, val or test.
        shard_bytes: a shard is closed before its JPEGs grow over this (one image larger than this gets its own).
        size_px: side of the images.
        classes_sha256: digest of classes.csv, kept in the shard: labels mean nothing without it.
    """
    schema = SCHEMA.with_metadata({_CLASSES: classes_sha256.encode(), _SIZE: str(size_px).encode()})
    number, shard, filled = 0, [], 0
    for image in images:
        if shard and filled + len(image.jpeg) > shard_bytes:
            _write_shard(folder / f"{split}-{number:05d}.arrow", shard, schema)
            number, shard, filled = number + 1, [], 0
        shard.append(image)
        filled += len(image.jpeg)
        yield image
    # A split without images gets an empty shard, so that a missing file is always a mistake.
    if shard or number == 0:
        _write_shard(folder / f"{split}-{number:05d}.arrow", shard, schema)


class PackedSplit:
    """A split's shards as one sequence of (JPEG bytes, label), memory-mapped.

    Attributes:
        labels: int64 [images].
        names: image names, in the same order.
        classes_sha256: digest of the classes.csv by which the images were labelled.
        size_px: side of the images.

    It pickles as its paths, so that loader processes map the files themselves.
    """

    def __init__(self, folder: Path, split: str) -> None:
        """Open the shards of ``split`` in ``folder``.

        Raises:
            UserError: a shard is missing or damaged, or was labelled by another classes.csv than the first.
        """
        self._paths = sorted(folder.glob(f"{split}-[0-9]*.arrow"))
        if not self._paths:
            raise UserError(f"{folder} holds no shard of {split}: run `dvc repro pack` or `dvc pull`")
        expected = [folder / f"{split}-{number:05d}.arrow" for number in range(len(self._paths))]
        if lost := sorted(set(expected) - set(self._paths)):
            raise UserError(f"{lost[0]} is missing: bring it back with `dvc checkout` or `dvc pull`")
        self._open()

    def __len__(self) -> int:
        return len(self.labels)

    def jpeg(self, index: int) -> memoryview:
        """Give the JPEG bytes of an image, without a copy."""
        batch = int(np.searchsorted(self._starts, index, side="right")) - 1
        return memoryview(self._batches[batch][index - self._starts[batch]].as_buffer()).cast("B")

    def fingerprint(self) -> str:
        """Give a digest of what the shards hold, without reading their pixels: names, digests, crops, labels, sizes."""
        digest = hashlib.sha256(self.classes_sha256.encode())
        for path in self._paths:
            digest.update(f"{path.name} {path.stat().st_size}".encode())
            for batch in self._read(path, set()):
                for column in batch.drop_columns(["jpeg"]).columns:
                    digest.update(repr(column.to_pylist()).encode())
        return digest.hexdigest()

    def __getstate__(self) -> list[Path]:
        return self._paths

    def __setstate__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._open()

    def _open(self) -> None:
        self._batches: list[pa.BinaryArray] = []
        labels, self.names, digests = [], [], set()
        for path in self._paths:
            for batch in self._read(path, digests):
                self._batches.append(batch.column("jpeg"))
                labels.append(batch.column("label").to_numpy())
                self.names += batch.column("image_name").to_pylist()
        if len(digests) != 1:
            raise UserError(f"{self._paths[0].parent}: its shards are of different runs: run `dvc repro pack`")
        self.classes_sha256, size = digests.pop()
        self.size_px = int(size)
        self.labels = np.concatenate([np.empty(0, np.int64), *labels]).astype(np.int64)
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)])[:-1]

    @staticmethod
    def _read(path: Path, digests: set[tuple[str, str]]) -> Iterator[pa.RecordBatch]:
        try:
            with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
                if not reader.schema.equals(SCHEMA):
                    raise UserError(f"{path} has other columns than this version reads: run `dvc repro pack`")
                metadata = reader.schema.metadata or {}
                digests.add((metadata.get(_CLASSES, b"").decode(), metadata.get(_SIZE, b"0").decode()))
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number)
                    batch.validate(full=True)
                    if any(column.null_count for column in batch.columns):
                        raise UserError(f"{path} is damaged (values are missing): bring it back with `dvc checkout`")
                    yield batch
        except PermissionError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout`") from None


def _write_shard(path: Path, images: list[PackedImage], schema: pa.Schema) -> None:
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start in range(0, len(images), ROWS_A_BATCH):
            rows = images[start : start + ROWS_A_BATCH]
            columns = [pa.array([getattr(row, name) for row in rows], SCHEMA.field(name).type) for name in SCHEMA.names]
            writer.write_batch(pa.record_batch(columns, schema=schema))
