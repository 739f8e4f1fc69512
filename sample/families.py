"""Families of photographic subjects and backgrounds, of which crops are evaluated: each of Debian's packages.

What a choice of crops gains must show on subjects before backgrounds that nobody saw who made it. So subjects and
backgrounds are sorted into families that have little in common, and a choice is judged on a pair of families of which
neither took part in it (``benchmarks/crops.py``). Here stands every photographic plant, fruit and mushroom of
tuxpaint's stamps from 60 px on, and every photographic background that was found in Debian 12's packages, plain and
busy; of a background with a salient object of its own only the part beside it. Animals and the wallpapers of Lomiri are
left out on purpose: they are kept for checks by others.
"""

from pathlib import Path

import numpy as np

from sample.ingredients import STAMPS, load_background, trim
from stages.runtime.errors import UserError

PACKAGES = (
    "tuxpaint-stamps-default", "mate-backgrounds", "plasma-workspace-wallpapers", "lxqt-themes", "lifeograph",
    "manuskript", "mypaint-data-extras", "stellarium-data", "palapeli-data", "budgie-core", "zoph",
)  # fmt: skip
SMALLEST_PX = 60  # of a cut-out's long side

_FOLDERS = {
    "flowers": ("plants/flowers",),
    "trees and leaves": ("plants/trees", "plants"),
    "fruit": ("food/fruit", "food/nuts"),
    "vegetables": ("food/vegetables", "food/spices"),
    "mushrooms": ("plants/mushrooms",),
}
_OF_ANOTHER_FAMILY = {"plants/trees/rambutan.png": "fruit"}

Part = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the sides
_WHOLE: Part = (0, 0, 1, 1)
_MATE = "usr/share/backgrounds/mate/nature"
_PLASMA = "usr/share/wallpapers"
_LXQT = "usr/share/lxqt/wallpapers"
_LIFEOGRAPH = "usr/share/net.sourceforge.Lifeograph/backgrounds"
_PAPER = "usr/share/mypaint/backgrounds"
_STELLARIUM = "usr/share/stellarium/landscapes"
_PALAPELI = "usr/share/palapeli/collection"
_ZOPH = "usr/share/zoph/www/php/templates/default/images/backgrounds"


def _plasma(name: str) -> str:
    return f"{_PLASMA}/{name}/contents/images/2560x1600.jpg"


BACKGROUNDS: dict[str, dict[str, Part]] = {
    "grass and leaves": {
        f"{_MATE}/Blinds.jpg": _WHOLE,
        f"{_MATE}/GreenMeadow.jpg": _WHOLE,
        f"{_MATE}/RainDrops.jpg": _WHOLE,
        _plasma("OneStandsOut"): (0, 0, 0.58, 1),
        _plasma("Path"): _WHOLE,
        f"{_STELLARIUM}/garching/garching-gl1.png": (0, 0.2, 1, 1),
        f"{_STELLARIUM}/garching/garching-gl3.png": (0, 0.2, 1, 1),
        f"{_STELLARIUM}/garching/garching-ground3.png": _WHOLE,
        f"{_STELLARIUM}/guereins/guereinsb.png": _WHOLE,
    },
    "sky and water": {
        f"{_MATE}/Storm.jpg": _WHOLE,
        _plasma("BytheWater"): _WHOLE,
        _plasma("EveningGlow"): (0, 0, 1, 0.5),
        _plasma("Kite"): (0, 0, 0.6, 1),
        _plasma("summer_1am"): _WHOLE,
        f"{_LXQT}/Valendas.png": _WHOLE,
        f"{_LXQT}/after-the-rain.jpg": _WHOLE,
        f"{_LXQT}/beam.png": _WHOLE,
        f"{_LXQT}/cloud.png": _WHOLE,
        f"{_LIFEOGRAPH}/horizon.jpg": _WHOLE,
        f"{_STELLARIUM}/ocean/ocean9.png": _WHOLE,
    },
    "sand, snow and fog": {
        f"{_MATE}/Dune.jpg": _WHOLE,
        _plasma("DarkestHour"): _WHOLE,
        f"{_LXQT}/fog.jpg": _WHOLE,
        f"{_LXQT}/this-is-not-windows.jpg": _WHOLE,
        f"{_LIFEOGRAPH}/fog.jpg": _WHOLE,
        f"{_LIFEOGRAPH}/sands.jpg": _WHOLE,
        f"{_LIFEOGRAPH}/snow.jpg": _WHOLE,
        f"{_STELLARIUM}/hurricane/hurricane2.png": _WHOLE,
        f"{_STELLARIUM}/hurricane/hurricane4.png": _WHOLE,
        f"{_STELLARIUM}/hurricane/hurricane7.png": _WHOLE,
        f"{_STELLARIUM}/hurricane/hurricaneb.png": _WHOLE,
    },
    "paper and wood": {
        f"{_MATE}/Wood.jpg": _WHOLE,
        "usr/share/manuskript/resources/backgrounds/writingdesk.jpg": _WHOLE,
        **{
            f"{_PAPER}/{name}.png": _WHOLE
            for name in (
                "mrmamurk/mamurk_a_2", "mrmamurk/mamurk_b_1", "mrmamurk/mamurk_c_3", "mrmamurk/mamurk_e_2",
                "mrmamurk/mamurk_f_1", "ramon/HR_Canvas 01", "ramon/HR_Cork", "ramon/HR_DecoPaper",
                "ramon/HR_PastelPaper 01", "ramon/HR_PastelPaper 02", "ramon/HR_SketchPaper 02",
            )
        },
    },
    "out of focus": {
        f"{_MATE}/Aqua.jpg": (0, 0, 0.5, 1),
        f"{_MATE}/Garden.jpg": (0, 0, 0.35, 1),
        f"{_MATE}/TwoWings.jpg": (0, 0, 0.36, 1),
        f"{_LXQT}/appleflower.png": (0, 0, 0.5, 1),
        f"{_LXQT}/butterfly.png": (0.6, 0, 1, 1),
        f"{_LXQT}/drop.png": (0.5, 0, 1, 1),
        f"{_LXQT}/Butterfly-Kenneth-Wimer.jpg": (0.6, 0, 1, 1),
        f"{_ZOPH}/fir.jpg": (0, 0, 0.42, 0.6),
    },
    "built": {
        _plasma("ColorfulCups"): _WHOLE,
        _plasma("Grey"): _WHOLE,
        f"{_LIFEOGRAPH}/cloister.jpg": _WHOLE,
        f"{_LIFEOGRAPH}/pier.jpg": (0, 0.42, 1, 1),
        f"{_LIFEOGRAPH}/street.jpg": _WHOLE,
        f"{_LIFEOGRAPH}/trams.jpg": _WHOLE,
        f"{_PALAPELI}/castle-maintenon.jpg": (0, 0.2, 1, 1),
        f"{_PALAPELI}/cincinnati-bridge.jpg": (0, 0.3, 1, 1),
        "usr/share/backgrounds/budgie/default.jpg": (0, 0, 0.6, 1),
    },
}  # fmt: skip

# Photographs of one plant, of which parts of some are backgrounds above, and the box of the plant, drawn by hand: left,
# top, right, bottom, as shares of the sides. A composed photo is none: these say whether crops work on real ones, too.
PHOTOGRAPHS: dict[str, Part] = {
    f"{_LXQT}/appleflower.png": (0.50, 0.24, 0.73, 0.86),
    f"{_LXQT}/butterfly.png": (0.27, 0.24, 0.54, 0.83),
    f"{_LXQT}/drop.png": (0.22, 0.14, 0.60, 0.56),
    f"{_LXQT}/Butterfly-Kenneth-Wimer.jpg": (0.42, 0.49, 0.60, 0.73),
    f"{_LXQT}/flowers.png": (0.46, 0.24, 0.82, 0.58),
    f"{_MATE}/Garden.jpg": (0.36, 0.18, 1.00, 0.97),
    f"{_MATE}/TwoWings.jpg": (0.35, 0.27, 0.95, 0.85),
    f"{_ZOPH}/fir.jpg": (0.07, 0.18, 0.85, 0.98),
    f"{_PALAPELI}/european-honey-bee.jpg": (0.10, 0.22, 0.95, 0.95),
    _plasma("OneStandsOut"): (0.59, 0.44, 0.70, 0.57),
    _plasma("FallenLeaf"): (0.57, 0.30, 0.95, 0.80),
}


def load_subjects(root: Path) -> dict[str, dict[str, np.ndarray]]:
    """Load the cut-outs, uint8 [h, w, 4] RGBA, by family and file, from packages unpacked under ``root``.

    Raises:
        UserError: a family has none.
    """
    families: dict[str, dict[str, np.ndarray]] = {family: {} for family in _FOLDERS}
    for family, folders in _FOLDERS.items():
        for folder in folders:
            for path in sorted((root / STAMPS / folder).glob("*.png")):
                name = str(path.relative_to(root / STAMPS))
                cutout = trim(path)
                if max(cutout.shape[:2]) >= SMALLEST_PX:
                    families[_OF_ANOTHER_FAMILY.get(name, family)][name] = cutout
        if not families[family]:
            raise UserError(f"{root / STAMPS} holds no {family}: Debian's packages have changed")
    return families


def load_places(root: Path) -> dict[str, dict[str, np.ndarray]]:
    """Load the background photos, uint8 [h, w, 3] RGB, sized to 1600 px on the long side, by family and file.

    Raises:
        UserError: one is missing.
    """
    return {
        family: {name: load_background(root / name, part) for name, part in photos.items()}
        for family, photos in BACKGROUNDS.items()
    }


def load_photographs(root: Path) -> dict[str, np.ndarray]:
    """Load the photographs of ``PHOTOGRAPHS``, as ``load_places`` loads backgrounds, by file.

    Raises:
        UserError: one is missing.
    """
    return {name: load_background(root / name) for name in PHOTOGRAPHS}
