"""What the sample is composed of: photographic cut-outs and background photos from three Debian packages.

Left out on purpose: cut-outs that are drawn, plastic, or under 100 px on the long side, and backgrounds that are
paintings or rendered, or that hold a salient object of their own (a flower, a ladybird, a pier, boats, a kite).
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stages.errors import UserError

PACKAGES = ("tuxpaint-stamps-default", "mate-backgrounds", "plasma-workspace-wallpapers")

_STAMPS = "usr/share/tuxpaint/stamps/plants"
_MATE = "usr/share/backgrounds/mate/nature"
_PLASMA = "usr/share/wallpapers"

# Species -> cut-outs. The stamps' own captions name a few ("Adenium", "Balsam", "Lavender"), most say "A flower.":
# the names below label the sample's classes and are no botanical determination.
CUTOUTS: dict[str, tuple[str, ...]] = {
    "Adenium obesum": ("flowers/adeenia.png",),
    "Anemone coronaria": ("flowers/anemone_red.png",),
    "Anthurium andraeanum": ("flowers/anthoorium.png",),
    "Carpobrotus edulis": ("flowers/pigface.png",),
    "Gazania rigens": ("flowers/red-gazania.png",),
    "Hibiscus rosa-sinensis": ("flowers/chemparathi.png", "flowers/flower10.png"),
    "Impatiens hawkeri": ("flowers/flower9.png",),
    "Impatiens walleriana": ("flowers/bolsom.png",),
    "Iris germanica": ("flowers/iris.png",),
    "Lactuca sativa": ("lettuce_bolted.png",),
    "Lantana camara": ("flowers/flower7.png",),
    "Lavandula angustifolia": ("lavender.png",),
    "Lycianthes rantonnetii": ("flowers/flower4.png",),
    "Narcissus pseudonarcissus": ("flowers/daffodil.png",),
    "Nephelium lappaceum": ("trees/rambutan.png",),
    "Oxalis pes-caprae": ("flowers/flower5.png",),
    "Petunia × atkinsiana": ("flowers/whitestar-petunia.png",),
    "Pleroma urvilleanum": ("flowers/flower1.png",),
    "Quercus ilex": ("trees/holm_oak.png",),
    "Rosa canina": ("flowers/flower8.png",),
    "Rosa gallica": ("flowers/rose.png",),
    "Solanum melongena": ("eggplant.png",),
    "Tagetes erecta": ("flowers/marigold.png",),
    "Thymus vulgaris": ("thyme.png",),
}

BACKGROUNDS = (
    f"{_MATE}/Blinds.jpg",
    f"{_MATE}/Dune.jpg",
    f"{_MATE}/GreenMeadow.jpg",
    f"{_MATE}/RainDrops.jpg",
    f"{_MATE}/Storm.jpg",
    f"{_MATE}/Wood.jpg",
    f"{_PLASMA}/BytheWater/contents/images/2560x1600.jpg",
    f"{_PLASMA}/DarkestHour/contents/images/2560x1600.jpg",
    f"{_PLASMA}/Path/contents/images/2560x1600.jpg",
    f"{_PLASMA}/summer_1am/contents/images/2560x1600.jpg",
)


def load_cutouts(root: Path) -> dict[str, list[np.ndarray]]:
    """Load every species' cut-outs, uint8 [h, w, 4] RGBA, from packages unpacked under ``root``.

    Raises:
        UserError: a package is not unpacked there, or a cut-out is under 100 px.
    """
    return {species: [_load_cutout(root / _STAMPS / name) for name in names] for species, names in CUTOUTS.items()}


def load_backgrounds(root: Path) -> list[np.ndarray]:
    """Load the background photos, uint8 [h, w, 3] RGB, sized to 1600 px on the long side."""
    return [_load_background(root / name) for name in BACKGROUNDS]


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: unpack the Debian packages {', '.join(PACKAGES)} there first") from None


def _load_cutout(path: Path) -> np.ndarray:
    with _open(path) as image:
        rgba = np.asarray(image.convert("RGBA"))
    ys, xs = np.nonzero(rgba[..., 3] > 127)
    trimmed = rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    if max(trimmed.shape[:2]) < 100:
        raise UserError(f"{path}: a cut-out under 100 px makes no photo")
    return trimmed


def _load_background(path: Path) -> np.ndarray:
    with _open(path) as image:
        rgb = np.asarray(image.convert("RGB"))
    scale = 1600 / max(rgb.shape[:2])
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
