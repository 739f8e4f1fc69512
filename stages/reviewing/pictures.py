"""The pictures that are shown: the packed crop, and where the image cache is at hand, the original."""

import hashlib
from itertools import accumulate
from pathlib import Path

import simplejpeg

from stages.images.decode import DecodeError, decode_rgb, read_header, reduction
from stages.images.originals import read_image
from stages.images.shards import MANIFEST, PackedImage, PackedShards, shard_of
from stages.images.shrink import shrink
from stages.runtime.errors import UserError
from stages.tables.pack import SHARDS
from stages.tables.table import read_table

ORIGINAL_PX = 1600  # longest side of an original as it is shown
_QUALITY = 88


class Pictures:
    """Crops and originals by the names of images.

    Attributes:
        cache: directory of the originals; ``None`` where there is none here.
    """

    def __init__(self, packed: Path, cache: Path | None) -> None:
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
        self.cache = cache

    def crop(self, image_name: str, sha256: str) -> bytes:
        """Give the packed JPEG of an image.

        Raises:
            UserError: it is not there, damaged, or of another original.
        """
        row = self._row(image_name)
        if row.sha256 != sha256:
            raise UserError(f"{self._folder} has another original of {image_name}: run `dvc repro pack`")
        if hashlib.sha256(row.jpeg).hexdigest() != row.jpeg_sha256:
            raise UserError(
                f"{self._path(image_name)} is damaged at {image_name}: bring it back with `dvc checkout --force`"
            )
        return row.jpeg

    def square(self, image_name: str) -> tuple[int, int, int] | None:
        """Give x, y and side of the crop in pixels of the original as shown; ``None`` where the crop is not there."""
        try:
            row = self._row(image_name)
        except UserError:
            return None
        return row.x, row.y, row.side

    def original(self, image_name: str, sha256: str) -> bytes:
        """Give an original as a JPEG of at most ``ORIGINAL_PX``, upright.

        Raises:
            UserError: it is not there, or its bytes are others than those that the inventory judged.
        """
        if self.cache is None:
            raise UserError("the image cache is not at hand here: set IMAGE_CACHE_DIR to see originals")
        data = read_image(self.cache, image_name, sha256)
        try:
            pixels = decode_rgb(data, factor=reduction(max(read_header(data)[:2]), ORIGINAL_PX))
        except DecodeError as error:
            raise UserError(f"{self.cache / image_name} does not decode ({error}): run `make inventory`") from None
        return simplejpeg.encode_jpeg(shrink(pixels, ORIGINAL_PX), quality=_QUALITY, colorsubsampling="420")

    def _path(self, image_name: str) -> Path:
        return self._folder / self._names[shard_of(image_name, len(self._names))]

    def _row(self, image_name: str) -> PackedImage:
        """Find an image in its shard, which is sorted by name."""
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


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
