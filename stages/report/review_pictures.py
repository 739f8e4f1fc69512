"""Pictures in a review: photos as thumbnails, plots as they are or smaller, each as a URI that holds all of it."""

import base64
import io

from PIL import Image, UnidentifiedImageError

THUMBNAIL_PX = 160
_THUMBNAIL_QUALITY = 78
_PLOT_QUALITY = 80
# Of what a picture's bytes raise, whatever wrote them.
_DAMAGED = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)
_KINDS = {"PNG": "png", "JPEG": "jpeg", "GIF": "gif", "WEBP": "webp"}


def thumbnail(jpeg: bytes) -> str | None:
    """Give a photo as a small JPEG without what stands beside its pixels, as a URI; ``None`` of what is no picture."""
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            return _uri(_saved(small, "JPEG", _THUMBNAIL_QUALITY), "jpeg")
    except _DAMAGED:
        return None


def plot_picture(content: bytes) -> str | None:
    """Give a plot as a URI, by a WebP of the same size where that is smaller; ``None`` of what is no picture."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = _KINDS.get(image.format or "")
            smaller = _saved(image.convert("RGB"), "WEBP", _PLOT_QUALITY)
    except _DAMAGED:
        return None
    if kind is None or len(smaller) < len(content):
        return _uri(smaller, "webp")
    return _uri(content, kind)


def _saved(image: Image.Image, kind: str, quality: int) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, quality=quality)
    return written.getvalue()


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
