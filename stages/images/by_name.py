"""A packed image by its name, from whichever shards are whole."""

import hashlib
from itertools import accumulate
from pathlib import Path

from stages.images.shards import MANIFEST, PackedImage, PackedShards, shard_of
from stages.runtime.errors import UserError
from stages.tables.pack import SHARDS
from stages.tables.table import read_table


class PackedByName:
    """Packed images by their names."""

    def __init__(self, packed: Path) -> None:
        """Look at the shards. Those that are missing or cut are left out; their images are missing, each when asked.

        Raises:
            UserError: there is no manifest, or no shard that is whole.
        """
        manifest = read_table(packed / MANIFEST, SHARDS)
        self._folder = packed
        self._names = manifest["shard"].to_list()
        self._starts = list(accumulate(manifest["images"], initial=0))
        self._broken = {
            name for name, size in manifest.select("shard", "bytes").iter_rows() if not _has(packed / name, size)
        }
        if len(self._broken) == len(self._names):
            raise UserError(f"{packed} has no shard that is whole: bring them back with `dvc checkout` or `dvc pull`")
        self._shards = PackedShards(packed, without=self._broken)

    def jpeg(self, image_name: str, sha256: str) -> bytes:
        """Give the packed JPEG of an image.

        Args:
            image_name: its name.
            sha256: digest of its original.

        Raises:
            UserError: it is not there, damaged, or of another original.
        """
        row = self.row(image_name)
        if row.sha256 != sha256:
            raise UserError(f"{self._folder} has another original of {image_name}: run `dvc repro pack`")
        if hashlib.sha256(row.jpeg).hexdigest() != row.jpeg_sha256:
            raise UserError(
                f"{self._path(image_name)} is damaged at {image_name}: bring it back with `dvc checkout --force`"
            )
        return row.jpeg

    def row(self, image_name: str) -> PackedImage:
        """Find an image in its shard, which is sorted by name.

        Raises:
            UserError: it is not there.
        """
        number = shard_of(image_name, len(self._names))
        path = self._path(image_name)
        if path.name in self._broken:
            raise UserError(f"{path} is missing or cut: bring it back with `dvc checkout --force`")
        low, high = self._starts[number], self._starts[number + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if self._shards.name(middle) < image_name:
                low = middle + 1
            else:
                high = middle
        if low == end or self._shards.name(low) != image_name:
            raise UserError(f"{image_name} is not in {self._folder}: run `dvc repro pack`")
        return self._shards.row(low)

    def _path(self, image_name: str) -> Path:
        return self._folder / self._names[shard_of(image_name, len(self._names))]


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
