"""From an original to a packed image, and what makes that the same bytes again."""

import hashlib
from pathlib import Path
from typing import Any

import simplejpeg

from stages.config.schema import Params
from stages.images import shards
from stages.images.crop import cut
from stages.images.prepare import decode_and_crop
from stages.images.shards import PackedImage
from stages.provenance.code import code_digest
from stages.provenance.libraries import PIXELS, STORAGE, installed_versions

# What makes a packed image of an original, beside the parameters.
_MODULES = ("crop", "decode", "jpeg", "packing", "png", "portable", "prepare", "saliency", "shrink")
_CODE = tuple(Path(__file__).with_name(f"{module}.py") for module in _MODULES)


def recipe(parameters: dict[str, Any]) -> dict[str, Any]:
    """Give all that makes a packed image of an original: parameters, code, libraries; it can be written as JSON.

    Two images of one original and one recipe are the same bytes.

    Args:
        parameters: those of the stage ``pack`` as params.yaml has them, by section.
    """
    pack = {name: value for name, value in parameters["pack"].items() if name != "shards"}
    return {
        "parameters": {"crop": parameters["crop"], "image": parameters["image"], "pack": pack},
        "code": code_digest(_CODE),
        "libraries": installed_versions(PIXELS),
    }


def storage() -> dict[str, Any]:
    """Give all that makes a file of packed images, beside the images: a file of another one is no file of this."""
    return {"code": code_digest([Path(shards.__file__)]), "libraries": installed_versions(STORAGE)}


def pack_image(data: bytes, image_name: str, sha256: str, params: Params) -> PackedImage:
    """Crop an image and encode it as a JPEG of ``image.pack_px``; the crop is noted in pixels of the original.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    prepared = decode_and_crop(data, params.crop, params.image.pack_px)
    piece = cut(prepared.pixels, prepared.square, params.image.pack_px)
    jpeg = simplejpeg.encode_jpeg(piece, quality=params.pack.jpeg_quality, colorsubsampling="420")
    square = prepared.in_original(prepared.square)
    jpeg_sha256 = hashlib.sha256(jpeg).hexdigest()
    return PackedImage(image_name, sha256, square.x, square.y, square.side, square.how, jpeg_sha256, jpeg)
