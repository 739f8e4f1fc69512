"""From an original to a packed image, and what makes that the same bytes again."""

from pathlib import Path
from typing import Any

import simplejpeg

from stages.config.schema import Params
from stages.images.crop import cut
from stages.images.prepare import decode_and_crop
from stages.images.shards import PackedImage
from stages.runtime.provenance import code_digest, library_versions

# What makes a packed image of an original, beside the parameters.
_CODE = tuple(
    Path(__file__).with_name(name) for name in ("crop.py", "decode.py", "packing.py", "portable.py", "prepare.py")
)


def recipe(params: Params) -> dict[str, Any]:
    """Give all that makes a packed image of an original: parameters, code, libraries; it can be written as JSON.

    Two images of one original and one recipe are the same bytes.
    """
    return {
        "crop": params.crop.model_dump_json(),  # as text: a file of figures rounds numbers
        "pack_px": params.image.pack_px,
        "jpeg_quality": params.pack.jpeg_quality,
        "code": code_digest(_CODE),
        "libraries": library_versions(),
    }


def pack_image(data: bytes, image_name: str, sha256: str, label: int, params: Params) -> PackedImage:
    """Crop an image and encode it as a JPEG of ``image.pack_px``; the crop is noted in pixels of the original.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    prepared = decode_and_crop(data, params.crop, params.image.pack_px)
    piece = cut(prepared.pixels, prepared.square, params.image.pack_px)
    jpeg = simplejpeg.encode_jpeg(piece, quality=params.pack.jpeg_quality, colorsubsampling="420")
    square = prepared.in_original(prepared.square)
    return PackedImage(image_name, label, sha256, square.x, square.y, square.side, square.how, jpeg)
