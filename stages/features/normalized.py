"""Features of length 1, so that what counts of an image is what it shows and not how strongly."""

import numpy as np

_BLOCK = 16_384  # rows at once in float64


def normalized(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide each image's features by their length (L2).

    Args:
        vectors: float16 or any other float [images, dimensions], as a network gives them.

    Returns:
        float32 [images, dimensions], rows of length 1; and bool [images], which of them are: a row with a value that
        is no number (NaN or infinite), or of zeros alone, has no direction. It is all zeros.
    """
    units = np.zeros(vectors.shape, np.float32)
    sound = np.zeros(len(vectors), bool)
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = vectors[part].astype(np.float64)
        # Divided by the largest first: a square may overflow, or vanish, where the value does not.
        largest = np.abs(block).max(axis=1, initial=0)
        sound[part] = np.isfinite(largest) & (largest > 0)
        block = block[sound[part]] / largest[sound[part], None]
        units[part][sound[part]] = block / np.sqrt(np.einsum("nd,nd->n", block, block))[:, None]
    return units, sound
