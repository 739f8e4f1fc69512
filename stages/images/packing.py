"""From an original to a packed image, and what makes that the same bytes again."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import simplejpeg

from stages.images.crop import cut
from stages.images.prepare import decode_and_crop
from stages.images.shards import PackedImage
from stages.params import Params

# What makes a packed image of an original, beside the parameters.
_CODE = ("crop.py", "decode.py", "packing.py", "portable.py", "prepare.py")
_LIBRARIES = ("numpy", "opencv-contrib-python-headless", "pillow", "simplejpeg")


def recipe(params: Params) -> str:
    """Give a digest of all that makes a packed image of an original: parameters, code, libraries.

    Two images of one original and one recipe are the same bytes.
    """
    digest = hashlib.sha256(
        f"{params.crop.model_dump_json()} {params.image.pack_px} {params.pack.jpeg_quality}".encode()
    )
    for name in _CODE:
        digest.update(Path(__file__).with_name(name).read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


def pack_image(data: bytes, image_name: str, sha256: str, label: int, params: Params) -> PackedImage:
    """Crop an image and encode it as a JPEG of ``image.pack_px``; the crop is noted in pixels of the original.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    pixels, square, factor = decode_and_crop(data, params.crop, params.image.pack_px)
    piece = cut(pixels, square, params.image.pack_px)
    jpeg = simplejpeg.encode_jpeg(piece, quality=params.pack.jpeg_quality, colorsubsampling="420")
    original = square.scaled(factor)
    return PackedImage(image_name, label, sha256, original.x, original.y, original.side, square.how, jpeg)
