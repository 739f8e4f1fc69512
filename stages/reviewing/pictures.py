"""The pictures that are shown: the packed crop, and where the image cache is at hand, the original."""

from pathlib import Path

import simplejpeg

from stages.images.by_name import PackedByName
from stages.images.decode import DecodeError, decode_rgb, read_header, reduction
from stages.images.originals import read_image
from stages.images.shrink import shrink
from stages.runtime.errors import UserError

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
        self._packed = PackedByName(packed)
        self.cache = cache

    def crop(self, image_name: str, sha256: str) -> bytes:
        """Give the packed JPEG of an image.

        Raises:
            UserError: it is not there, damaged, or of another original.
        """
        return self._packed.jpeg(image_name, sha256)

    def square(self, image_name: str) -> tuple[int, int, int] | None:
        """Give x, y and side of the crop in pixels of the original as shown; ``None`` where the crop is not there."""
        try:
            row = self._packed.row(image_name)
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
