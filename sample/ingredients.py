"""What composed photos are made of: photographic cut-outs and background photos from Debian packages.

Those of the sample, and more backgrounds for larger populations; what crops are evaluated on is in families.py. Left
out on purpose: cut-outs that are drawn, plastic, or under 100 px on the long side, and backgrounds (or the parts of
them) that are paintings or rendered, or that hold a salient object of their own (a flower, a ladybird, a pier, boats).
"""

import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stages.runtime.errors import UserError

PACKAGES = ("tuxpaint-stamps-default", "mate-backgrounds", "plasma-workspace-wallpapers")
MORE_PACKAGES = (*PACKAGES, "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04")

STAMPS = "usr/share/tuxpaint/stamps"
_MATE = "usr/share/backgrounds/mate/nature"
_PLASMA = "usr/share/wallpapers"
_LOMIRI = "usr/share/backgrounds"

# Species -> cut-outs. The stamps' own captions name a few ("Adenium", "Balsam", "Lavender"), most say "A flower.":
# the names below label the sample's classes and are no botanical determination.
CUTOUTS: dict[str, tuple[str, ...]] = {
    "Adenium obesum": ("plants/flowers/adeenia.png",),
    "Anemone coronaria": ("plants/flowers/anemone_red.png",),
    "Anthurium andraeanum": ("plants/flowers/anthoorium.png",),
    "Carpobrotus edulis": ("plants/flowers/pigface.png",),
    "Gazania rigens": ("plants/flowers/red-gazania.png",),
    "Hibiscus rosa-sinensis": ("plants/flowers/chemparathi.png", "plants/flowers/flower10.png"),
    "Impatiens hawkeri": ("plants/flowers/flower9.png",),
    "Impatiens walleriana": ("plants/flowers/bolsom.png",),
    "Iris germanica": ("plants/flowers/iris.png",),
    "Lactuca sativa": ("plants/lettuce_bolted.png",),
    "Lantana camara": ("plants/flowers/flower7.png",),
    "Lavandula angustifolia": ("plants/lavender.png",),
    "Lycianthes rantonnetii": ("plants/flowers/flower4.png",),
    "Narcissus pseudonarcissus": ("plants/flowers/daffodil.png",),
    "Nephelium lappaceum": ("plants/trees/rambutan.png",),
    "Oxalis pes-caprae": ("plants/flowers/flower5.png",),
    "Petunia × atkinsiana": ("plants/flowers/whitestar-petunia.png",),
    "Pleroma urvilleanum": ("plants/flowers/flower1.png",),
    "Quercus ilex": ("plants/trees/holm_oak.png",),
    "Rosa canina": ("plants/flowers/flower8.png",),
    "Rosa gallica": ("plants/flowers/rose.png",),
    "Solanum melongena": ("plants/eggplant.png",),
    "Tagetes erecta": ("plants/flowers/marigold.png",),
    "Thymus vulgaris": ("plants/thyme.png",),
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


# Photo -> the part of it that is used: left, top, right, bottom, as shares of its sides.
MORE_BACKGROUNDS: dict[str, tuple[float, float, float, float]] = {
    f"{_LOMIRI}/Dragonfly_by_Bolly.jpg": (0, 0, 0.42, 1),
    f"{_LOMIRI}/Kleiber_by_Lukas_Baubkus.jpg": (0, 0, 0.38, 1),
    f"{_LOMIRI}/aitzgorri_by_Aitzol_Berasategi.jpg": (0, 0, 1, 1),
    f"{_LOMIRI}/life_by_Aitzol_Berasategi.jpg": (0, 0, 1, 1),
    f"{_LOMIRI}/picosdeeuropa_by_Aitzol_Berasategi.jpg": (0, 0, 1, 1),
    f"{_LOMIRI}/sunset_by_Aitzol_Berasategi.jpg": (0, 0.5, 0.6, 1),
    f"{_MATE}/Garden.jpg": (0, 0, 0.35, 1),
    f"{_PLASMA}/Kite/contents/images/2560x1600.jpg": (0, 0, 0.6, 1),
    f"{_PLASMA}/OneStandsOut/contents/images/2560x1600.jpg": (0, 0, 0.58, 1),
}

# What lives or grows, of all the package's cut-outs; drawn ones stand in folders of that name, but for these.
LIVING = ("plants", "food", "animals")
DRAWN = ("animals/mammals/hedgehog.png", "food/pizza.png")
_DRAWN_FOLDERS = {"cartoon", "plastic", "toys"}
_SMALLEST_PX = 100
_SKY = (225, 232, 240, 255)


def load_cutouts(root: Path) -> dict[str, list[np.ndarray]]:
    """Load every species' cut-outs, uint8 [h, w, 4] RGBA, from packages unpacked under ``root``.

    Raises:
        UserError: a package is not unpacked there, or a cut-out is under 100 px.
    """
    return {species: [_load_cutout(root / STAMPS / name) for name in names] for species, names in CUTOUTS.items()}


def load_living(root: Path) -> dict[str, np.ndarray]:
    """Load all photographic cut-outs of plants, fruits and animals, uint8 [h, w, 4] RGBA, each under a name of its own.

    Names are made of folder and file and only look like those of species; in the order of the files.

    Raises:
        UserError: there are none, or two of one name.
    """
    cutouts = {}
    stamps = root / STAMPS
    for path in sorted(path.relative_to(stamps) for kind in LIVING for path in (stamps / kind).rglob("*.png")):
        drawn = str(path) in DRAWN or _DRAWN_FOLDERS & set(path.parts)
        if drawn or max((cutout := trim(stamps / path)).shape[:2]) < _SMALLEST_PX:
            continue
        if (name := living_name(path)) in cutouts:
            raise UserError(f"{stamps / path} has the name of another cut-out, {name}: Debian's packages have changed")
        cutouts[name] = cutout
    if not cutouts:
        raise UserError(f"{stamps} holds no cut-outs: Debian's packages have changed")
    return cutouts


def living_name(path: Path) -> str:
    """Make up a name of a cut-out's folder and file that the name rules take for a species'.

    "Flowers rose" they would refuse, as no genus is called so.
    """
    words = re.sub(r"\d", lambda digit: f" {'abcdefghij'[int(digit[0])]} ", path.stem.lower())
    return f"{path.parent.name.capitalize()}ia {'-'.join(re.findall('[a-z]+', words))}"


def load_backgrounds(root: Path) -> list[np.ndarray]:
    """Load the background photos, uint8 [h, w, 3] RGB, sized to 1600 px on the long side."""
    return [load_background(root / name) for name in BACKGROUNDS]


def load_more_backgrounds(root: Path) -> list[np.ndarray]:
    """Load more of them, that the sample does without, from ``MORE_PACKAGES`` unpacked under ``root``."""
    return [load_background(root / name, part) for name, part in MORE_BACKGROUNDS.items()]


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: Debian's packages no longer hold this photo") from None


def _load_cutout(path: Path) -> np.ndarray:
    trimmed = trim(path)
    if max(trimmed.shape[:2]) < _SMALLEST_PX:
        raise UserError(f"{path}: a cut-out under {_SMALLEST_PX} px makes no photo")
    return trimmed


def trim(path: Path) -> np.ndarray:
    """Load a cut-out, uint8 [h, w, 4] RGBA, without its transparent margins; [0, w, 4] where nothing is left.

    Raises:
        UserError: the file is missing.
    """
    with _open(path) as image:
        rgba = np.asarray(image.convert("RGBA"))
    ys, xs = np.nonzero(rgba[..., 3] > 127)
    return rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] if len(ys) else rgba[:0, :0]


def load_background(path: Path, part: tuple[float, float, float, float] = (0, 0, 1, 1)) -> np.ndarray:
    """Load a part of a background photo, uint8 [h, w, 3] RGB, sized to 1600 px on the long side.

    Args:
        path: of the photo; where it is transparent, there is a pale sky.
        part: left, top, right and bottom as shares of its sides.

    Raises:
        UserError: the file is missing.
    """
    with _open(path) as image:
        rgba = image.convert("RGBA")
        rgb = np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, _SKY), rgba).convert("RGB"))
    height, width = rgb.shape[:2]
    left, top, right, bottom = part
    rgb = rgb[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    scale = 1600 / max(rgb.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=method)
