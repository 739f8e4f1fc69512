"""Pictures, and files of them in every format."""

import io

import numpy as np
import simplejpeg
from PIL import Image


def picture(width: int = 160, height: int = 120, seed: int = 0) -> np.ndarray:
    """A picture with structure at every scale, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height), 3)
    noise = rng.normal(0, 6, (height, width, 3))
    fine = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((width, height), 3)
    return np.clip(0.7 * np.asarray(coarse) + 0.3 * np.asarray(fine) + noise, 0, 255).astype(np.uint8)


def exif_jpeg(pixels: np.ndarray, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, "JPEG", exif=exif, quality=95)


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality)


def encoded(pixels: np.ndarray, file_format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, file_format, **options)
    return buffer.getvalue()
