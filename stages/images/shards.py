"""The packed format: small, cropped JPEGs in a fixed number of Arrow IPC files, memory-mapped, one image a row.

Which file an image is in follows from its name alone, and a file is sorted by name. So what is packed knows no split
and no label, an image that goes takes a row out of one file, and the other files stay as they are, for DVC too. Arrow's
own readers open a shard, polars and Hugging Face ``datasets`` among them. Random access costs no more than the decode;
on a warm page cache that is as fast as loose files, and DVC moves some hundred files, not fifty thousand.
"""

import hashlib
import os
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.runtime.progress import progress
from stages.runtime.wording import size_in_words
from stages.tables.pack import SHARDS
from stages.tables.table import read_table, write_table

SCHEMA = pa.schema(
    [
        ("image_name", pa.string()),
        ("sha256", pa.string()),  # of the original file
        ("x", pa.int32()),  # the crop: a square in pixels of the original as shown
        ("y", pa.int32()),
        ("side", pa.int32()),
        ("crop", pa.string()),  # how it was found: see stages/images/crop.py
        ("jpeg_sha256", pa.string()),  # of the next column: what a training saw can be told without reading it
        ("jpeg", pa.binary()),
    ]
)
ROWS_A_BATCH = 64
MANIFEST = "shards.csv"
_SIZE = b"size_px"  # key of the schema's metadata: side of the images


@dataclass(frozen=True)
class PackedImage:
    """A row of a shard."""

    image_name: str
    sha256: str
    x: int
    y: int
    side: int
    crop: str
    jpeg_sha256: str
    jpeg: bytes


def shard_of(image_name: str, shards: int) -> int:
    """Say in which of so many shards an image is, from 0: any shard is equally likely, whatever names look like."""
    digest = hashlib.blake2b(image_name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") * shards >> 64


def shard_name(number: int) -> str:
    """Give the file name of a shard."""
    return f"{number:05d}.arrow"


def write_shard(images: Iterable[PackedImage], path: Path, *, size_px: int) -> None:
    """Write a shard, batch by batch: it is never in memory as a whole.

    Args:
        images: those of the shard, sorted by image_name; perhaps none.
        path: its folder must exist.
        size_px: side of all images.
    """
    schema = SCHEMA.with_metadata({_SIZE: str(size_px)})
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        images = iter(images)
        while rows := list(islice(images, ROWS_A_BATCH)):
            columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in SCHEMA]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def write_manifest(folder: Path) -> None:
    """Write shards.csv: the images, size and digest of each shard, by which damage is found."""
    paths = sorted(folder.glob("*.arrow"))
    digests = digest_files(paths)
    rows = [
        (path.name, sum(map(len, _read_shard(path)[1])), path.stat().st_size, digest)
        for path, digest in zip(paths, digests, strict=True)
    ]
    write_table(pl.DataFrame(rows, schema=SHARDS, orient="row"), SHARDS, folder / MANIFEST)


def check_shards(folder: Path) -> None:
    """Read all shards from end to end and hold them against the manifest: better now than in an epoch.

    Raises:
        UserError: a shard is missing, cut or changed; it is named.
    """
    _check_files(folder, _read_manifest(folder))
    if damaged := next(damaged_shards(folder), None):
        raise UserError(f"{folder / damaged} is damaged (its bytes changed): bring it back with `dvc checkout --force`")


def damaged_shards(folder: Path) -> Iterator[str]:
    """Read all shards from end to end and yield the names of those that are missing or not as the manifest says.

    Raises:
        UserError: there is no manifest.
    """
    manifest = _read_manifest(folder)
    # On a terminal and in a log: 10 GB take some seconds, 70 GB a minute or more.
    what = f"check {size_in_words(int(manifest['bytes'].sum()))} of shards"
    digests = digest_files([folder / name for name in manifest["shard"]])
    found = progress(digests, what=what, total=manifest.height, unit="shards")
    for name, digest, expected in zip(manifest["shard"], found, manifest["sha256"], strict=True):
        if digest != expected:
            yield name


class PackedShards:
    """All packed images, memory-mapped; an image has a place, counted through the shards.

    A shard is opened when the first image of it is asked for, and a UserError if it is damaged or of another run than
    the first. It pickles as its folder, so that loader processes map the files themselves.

    Attributes:
        folder: of the shards.
        without: those of them that are not read.
        names: of the others.
        size_px: side of the images.
    """

    def __init__(self, folder: Path, *, without: Collection[str] = ()) -> None:
        """Look at the shards in ``folder``, but for those that are not to be read.

        Raises:
            UserError: a shard is missing, cut or unknown.
        """
        self.folder = folder
        self.without = without
        manifest = _read_manifest(folder)
        _check_files(folder, manifest, without)
        self._names: list[str] = manifest["shard"].to_list()
        self.names = [name for name in self._names if name not in without]
        self._starts = list(accumulate(manifest["images"], initial=0))
        self._opened: dict[int, list[pa.RecordBatch]] = {}
        self.size_px, _ = _read_shard(folder / self.names[0])

    def __len__(self) -> int:
        return self._starts[-1]

    def jpeg(self, place: int) -> memoryview:
        """Give the JPEG bytes of an image, without a copy."""
        batch, row = self._find(place)
        return memoryview(batch.column("jpeg")[row].as_buffer()).cast("B")

    def row(self, place: int) -> PackedImage:
        """Give a whole row."""
        batch, row = self._find(place)
        return PackedImage(*(batch.column(name)[row].as_py() for name in SCHEMA.names))

    def name(self, place: int) -> str:
        """Give the name of an image."""
        batch, row = self._find(place)
        return batch.column("image_name")[row].as_py()

    def table(self) -> pl.DataFrame:
        """Give all rows in the order of their places: the columns of ``SCHEMA``, but jpeg_bytes for jpeg; place, shard.

        Raises:
            UserError: a shard is damaged, or of another run than the others.
        """
        return pl.concat(self._table(number) for number, name in enumerate(self._names) if name not in self.without)

    def _table(self, shard: int) -> pl.DataFrame:
        rows = pa.Table.from_batches(self._shard(shard), SCHEMA)
        lengths = pc.call_function("binary_length", [rows["jpeg"]]).cast(pa.int64())
        frame = pl.DataFrame(pl.from_arrow(rows.drop_columns("jpeg").append_column("jpeg_bytes", lengths)))
        return frame.with_columns(
            place=pl.int_range(self._starts[shard], self._starts[shard + 1], dtype=pl.Int64),
            shard=pl.lit(self._names[shard]),
        )

    def __getstate__(self) -> tuple[Path, Collection[str]]:
        return self.folder, self.without

    def __setstate__(self, state: tuple[Path, Collection[str]]) -> None:
        folder, without = state
        self.__init__(folder, without=without)

    def _find(self, place: int) -> tuple[pa.RecordBatch, int]:
        shard = bisect_right(self._starts, place) - 1
        row = int(place) - self._starts[shard]
        return self._shard(shard)[row // ROWS_A_BATCH], row % ROWS_A_BATCH

    def _shard(self, number: int) -> list[pa.RecordBatch]:
        if (opened := self._opened.get(number)) is not None:
            return opened
        path = self.folder / self._names[number]
        size_px, batches = _read_shard(path)
        if size_px != self.size_px:
            raise UserError(
                f"{path} holds images of {size_px} px, {self.names[0]} of {self.size_px}: they are of different runs, "
                "run `dvc repro pack`"
            )
        images = self._starts[number + 1] - self._starts[number]
        full, rest = divmod(images, ROWS_A_BATCH)
        if [len(batch) for batch in batches] != [ROWS_A_BATCH] * full + [rest] * (rest > 0):
            raise UserError(f"{path} is damaged (it has not its {images} images): run `dvc repro pack`")
        self._opened[number] = batches
        return batches


def shards_of(folder: Path) -> list[str]:
    """Name the shards that the manifest lists."""
    return _read_manifest(folder)["shard"].to_list()


def digest_files(paths: list[Path]) -> Iterator[str | None]:
    """Yield the SHA-256 of each file, or ``None`` where it cannot be read.

    They are read with a few threads: hashing and reading leave the interpreter free.
    """

    def digest(path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(digest, paths)


def _read_manifest(folder: Path) -> pl.DataFrame:
    manifest = read_table(folder / MANIFEST, SHARDS)
    if not manifest.height:
        raise UserError(f"{folder / MANIFEST} lists no shard: run `dvc repro pack` or `dvc pull`")
    sound = pl.all_horizontal(
        pl.col("shard").is_unique() & (pl.col("shard") > pl.col("shard").shift(1, fill_value="")),
        pl.col("images").is_between(0, pl.col("bytes")),
        pl.col("sha256").str.contains("^[0-9a-f]{64}$"),
    ).fill_null(value=False)
    if (wrong := manifest.with_row_index("row", 1).filter(~sound)).height:
        raise UserError(
            f"{folder / MANIFEST} is damaged (its row {wrong['row'][0]} is none that is ever written): bring "
            "it back with `dvc checkout --force`"
        )
    return manifest


def _check_files(folder: Path, manifest: pl.DataFrame, without: Collection[str] = ()) -> None:
    """See that all shards that the manifest lists are there, of the right size, and no others."""
    there = {path.name for path in folder.glob("*.arrow")}
    if unknown := sorted(there - set(manifest["shard"])):
        raise UserError(f"{folder / MANIFEST} does not list {unknown[0]}: bring both back with `dvc checkout --force`")
    for name, size in manifest.filter(~pl.col("shard").is_in(list(without))).select("shard", "bytes").iter_rows():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing: bring it back with `dvc checkout` or `dvc pull`")
        if path.stat().st_size != size:
            raise UserError(f"{path} is damaged (cut or grown): bring it back with `dvc checkout --force`")


def _read_shard(path: Path) -> tuple[int, list[pa.RecordBatch]]:
    """Map a shard; give the side of its images and its batches."""
    try:
        with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
            if not reader.schema.equals(SCHEMA):
                raise UserError(f"{path} has other columns than this version reads: run `dvc repro pack`")
            size_px = int((reader.schema.metadata or {}).get(_SIZE, b"0"))
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
            for batch in batches:
                batch.validate(full=True)
                if any(column.null_count for column in batch.columns):
                    raise UserError(f"{path} is damaged (values are missing): bring it back with `dvc checkout`")
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout`") from None
    return size_px, batches
