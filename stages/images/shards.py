"""The packed format: small, cropped JPEGs in a few big Arrow IPC files, memory-mapped, one image a row.

Arrow's own readers open a shard, polars and Hugging Face ``datasets`` among them. A split is read as one sequence with
random access at no cost but the decode; on a warm page cache that is as fast as loose files, and DVC moves twenty
shards in the time that it needs to look at fifty thousand files.
"""

import hashlib
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.runtime.progress import progress
from stages.runtime.wording import size_in_words
from stages.tables.pack import SHARDS
from stages.tables.table import read_table, write_table

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
MANIFEST = "shards.csv"
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


@dataclass(frozen=True)
class ShardMetadata:
    """What stands in each shard beside its images.

    Attributes:
        size_px: side of the images.
        classes_sha256: digest of classes.csv: labels mean nothing without it.
    """

    size_px: int
    classes_sha256: str


def write_shards(
    images: Iterable[PackedImage], folder: Path, split: str, *, shard_bytes: int, metadata: ShardMetadata
) -> Iterator[PackedImage]:
    """Write a split's images to ``{split}-00000.arrow``, ``{split}-00001.arrow``, ... and pass them on.

    Args:
        images: in the order in which they shall stand.
        folder: must exist.
        split: train, val or test.
        shard_bytes: a shard is closed before its JPEGs grow over this (one image larger than this gets its own).
        metadata: what stands in each shard beside them.
    """
    schema = SCHEMA.with_metadata({_CLASSES: metadata.classes_sha256, _SIZE: str(metadata.size_px)})
    images = iter(images)
    image = next(images, None)
    # A split without images gets an empty shard, so that a missing file is always a mistake.
    for number in itertools.count():
        with _shard_writer(folder / f"{split}-{number:05d}.arrow", schema) as write_rows:
            rows, filled = [], 0
            while image is not None and (not filled or filled + len(image.jpeg) <= shard_bytes):
                filled += len(image.jpeg)
                rows.append(image)
                if len(rows) == ROWS_A_BATCH:
                    write_rows(rows)
                    rows = []
                yield image
                image = next(images, None)
            if rows:
                write_rows(rows)
        if image is None:
            return


def write_manifest(folder: Path) -> None:
    """Write shards.csv: the size and digest of each shard, by which damage is found."""
    paths = sorted(folder.glob("*.arrow"))
    rows = [(path.name, path.stat().st_size, digest) for path, digest in zip(paths, _digests(paths), strict=True)]
    write_table(pl.DataFrame(rows, schema=SHARDS, orient="row"), SHARDS, folder / MANIFEST)


def check_shards(folder: Path, splits: Collection[str]) -> None:
    """Read the shards of some splits from end to end and hold them against the manifest: better now than in an epoch.

    Raises:
        UserError: a shard is missing, cut or changed; it is named.
    """
    paths = [path for split in splits for path in _listed(folder, split)]
    total = sum(path.stat().st_size for path in paths)
    expected = dict(read_table(folder / MANIFEST, SHARDS).select("shard", "sha256").iter_rows())
    # On a terminal and in a log: 10 GB take some seconds, 70 GB a minute or more.
    found = progress(_digests(paths), what=f"check {size_in_words(total)} of shards", total=len(paths), unit="shards")
    for path, digest in zip(paths, found, strict=True):
        if digest != expected[path.name]:
            raise UserError(f"{path} is damaged (its bytes changed): bring it back with `dvc checkout --force`")


class PackedSplit:
    """A split's shards as one sequence of (JPEG bytes, label), memory-mapped.

    Attributes:
        labels: int64 [images].
        names: image names, in the same order.
        digests: SHA-256 of the originals, in the same order.
        metadata: what stands in each shard beside its images.

    It pickles as its paths, so that loader processes map the files themselves.
    """

    def __init__(self, folder: Path, split: str) -> None:
        """Open the shards of ``split`` in ``folder``.

        Raises:
            UserError: a shard is missing or damaged, or of another run than the first.
        """
        self._folder = folder
        self._paths = _listed(folder, split)
        self._open()

    def __len__(self) -> int:
        return len(self.labels)

    def jpeg(self, index: int) -> memoryview:
        """Give the JPEG bytes of an image, without a copy."""
        batch, row = self._place(index)
        return memoryview(batch.column("jpeg")[row].as_buffer()).cast("B")

    def row(self, index: int) -> PackedImage:
        """Give a whole row."""
        batch, row = self._place(index)
        return PackedImage(*(batch.column(name)[row].as_py() for name in SCHEMA.names))

    def fingerprint(self) -> str:
        """Give a digest of the shards, pixels included, from the manifest."""
        manifest = read_table(self._folder / MANIFEST, SHARDS)
        names = [path.name for path in self._paths]
        return hashlib.sha256(repr(manifest.filter(pl.col("shard").is_in(names)).rows()).encode()).hexdigest()

    def __getstate__(self) -> tuple[Path, list[Path]]:
        return self._folder, self._paths

    def __setstate__(self, state: tuple[Path, list[Path]]) -> None:
        self._folder, self._paths = state
        self._open()

    def _open(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        labels, self.names, self.digests, found_metadata = [], [], [], set()
        for path in self._paths:
            for batch in _read_shard(path, found_metadata):
                self._batches.append(batch)
                labels.append(batch.column("label").to_numpy())
                self.names += batch.column("image_name").to_pylist()
                self.digests += batch.column("sha256").to_pylist()
        if len(found_metadata) != 1:
            raise UserError(f"{self._folder}: its shards are of different runs: run `dvc repro pack`")
        self.metadata: ShardMetadata = found_metadata.pop()
        self.labels = np.concatenate([np.empty(0, np.int64), *labels]).astype(np.int64)
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)])[:-1]

    def _place(self, index: int) -> tuple[pa.RecordBatch, int]:
        batch = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._batches[batch], int(index - self._starts[batch])


def _listed(folder: Path, split: str) -> list[Path]:
    """Give the shards of a split that the manifest lists; all are there, of the right size."""
    sizes = dict(read_table(folder / MANIFEST, SHARDS).select("shard", "bytes").iter_rows())
    paths = [folder / name for name in sizes if name.startswith(f"{split}-")]
    there = {path.name for path in folder.glob("*.arrow")}
    if unknown := sorted(there - sizes.keys()):
        raise UserError(f"{folder / MANIFEST} does not list {unknown[0]}: bring both back with `dvc checkout --force`")
    if not paths:
        raise UserError(f"{folder / MANIFEST} lists no shard of {split}: run `dvc repro pack` or `dvc pull`")
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path} is missing: bring it back with `dvc checkout` or `dvc pull`")
        if path.stat().st_size != sizes[path.name]:
            raise UserError(f"{path} is damaged (cut or grown): bring it back with `dvc checkout --force`")
    return paths


def _digests(paths: list[Path]) -> Iterator[str]:
    """Yield the SHA-256 of each file, read with a few threads: hashing and reading leave the interpreter free."""

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(digest, paths)


def _read_shard(path: Path, found_metadata: set[ShardMetadata]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a shard and add its metadata to ``found_metadata``."""
    try:
        with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
            if not reader.schema.equals(SCHEMA):
                raise UserError(f"{path} has other columns than this version reads: run `dvc repro pack`")
            metadata = reader.schema.metadata or {}
            classes, size = (metadata.get(key, b"").decode() for key in (_CLASSES, _SIZE))
            found_metadata.add(ShardMetadata(int(size or 0), classes))
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


@contextmanager
def _shard_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[list[PackedImage]], None]]:
    """Give what writes rows to a shard, batch by batch: a shard is never in memory as a whole."""
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:

        def write_rows(rows: list[PackedImage]) -> None:
            columns = [pa.array([getattr(row, name) for row in rows], SCHEMA.field(name).type) for name in SCHEMA.names]
            writer.write_batch(pa.record_batch(columns, schema=schema))

        yield write_rows
