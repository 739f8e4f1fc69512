"""How the parameters of smart crop are found: weights of the cues by regression, the choices of the search by trial."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from stages.config.schema import Crop
from stages.config.schema import Cues as Weights
from stages.evaluation.crops import Box, overlap
from stages.images.crop import best_square, center_crop
from stages.images.saliency import Cues, map_of

PLACES_A_PHOTO = 120  # drawn for the regression
# What a choice must keep to, if one does. On photos that it was not made on it does a little worse: so that there 2 in
# 100 crops at most are worse than center crop, it must be less here.
MOST_WORSE, LEAST_SHARE = 0.0175, 1.3
WORSE_BY = 0.05  # of the subject that center crop keeps and smart crop does not
CHOICES = [
    {"center_sigma": sigma, "min_gain": gain, "area_price": price, "margin": margin}
    for sigma, gain, price, margin in product(
        (0.45, 0.5), (0.02, 0.03, 0.045), (0.05, 0.07, 0.1, 0.2), (1.35, 1.5, 1.7)
    )
]


class Seen(NamedTuple):
    """A photo as the search for a crop sees it."""

    cues: Cues
    width: int
    height: int
    box: Box


class Kept(NamedTuple):
    """What the crops of some photos are worth, each float64 [photos].

    Attributes:
        smart: share of the subject that smart crop keeps.
        center: that center crop keeps.
        smart_share: of smart crop that is the subject.
        center_share: of center crop.
        off: 1 where the subject is off center by a tenth of the short side.
        size: the subject's box as a share of the frame.
        aspect: width by height of the frame.
        fell_back: 1 where smart crop did.
    """

    smart: np.ndarray
    center: np.ndarray
    smart_share: np.ndarray
    center_share: np.ndarray
    off: np.ndarray
    size: np.ndarray
    aspect: np.ndarray
    fell_back: np.ndarray

    def of(self, photos: Sequence[int]) -> "Kept":
        """Give the rows of some photos."""
        return Kept(*(column[list(photos)] for column in self))

    @property
    def missed(self) -> np.ndarray:
        """1 where smart crop keeps less than half."""
        return (self.smart < 0.5).astype(float)

    @property
    def worse(self) -> np.ndarray:
        """1 where center crop keeps clearly more."""
        return (self.smart < self.center - WORSE_BY).astype(float)

    @property
    def better(self) -> np.ndarray:
        """1 where smart crop keeps clearly more."""
        return (self.smart > self.center + WORSE_BY).astype(float)


def fit_weights(photos: Sequence[Seen], *, seed: int = 0, without: str = "") -> Weights:
    """Fit the weights of the cues: logistic regression on whether a place lies in the subject's box.

    That plants are near the middle is fitted along, so that no cue takes it over, and left out of the weights.

    Args:
        photos: what it learns from.
        seed: draws the places.
        without: a cue that is not to be used.
    """
    rng = np.random.default_rng(seed)
    rows, truths = [], []
    for cues, width, height, (left, top, box_w, box_h) in photos:
        map_h, map_w = cues.texture.shape
        y, x = rng.integers(map_h, size=PLACES_A_PHOTO), rng.integers(map_w, size=PLACES_A_PHOTO)
        across, down = (x + 0.5) / map_w, (y + 0.5) / map_h
        off_center = (2 * across - 1) ** 2 + (2 * down - 1) ** 2 - 2 / 3
        used = [sign * cue[y, x] for name, sign, cue in _signed(cues) if name != without]
        rows.append(np.column_stack([*used, off_center]))
        inside = (left <= across * width) & (across * width < left + box_w)
        truths.append(inside & (top <= down * height) & (down * height < top + box_h))
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(np.concatenate(rows), np.concatenate(truths))
    names = [name for name, _, _ in _signed(photos[0].cues) if name != without]
    weights = {name: max(0.0, round(float(one), 2)) for name, one in zip(names, fitted.coef_[0], strict=False)}
    bias = {"bias": round(float(fitted.intercept_[0]), 2)}
    return Weights(**dict.fromkeys(Weights.model_fields, 0.0) | weights | bias)


def _signed(cues: Cues) -> list[tuple[str, int, np.ndarray]]:
    return [
        ("surrounded", 1, cues.surrounded), ("compact", -1, cues.spread),
        ("texture", 1, cues.texture), ("residual", 1, cues.residual),
    ]  # fmt: skip


def choose(measured: Sequence[Kept], rows: np.ndarray) -> int:
    """Choose by what each of the ``CHOICES`` is worth on some photos.

    Args:
        measured: for each choice, on all photos, by weights that these photos took no part in.
        rows: bool [photos]; which of them count.

    Returns:
        The number of that which keeps most, of those that keep to the two limits, or break them least.
    """

    def worth(number: int) -> tuple[float, float]:
        kept = measured[number]
        share = kept.smart_share[rows].mean() / kept.center_share[rows].mean()
        broken = max(0.0, kept.worse[rows].mean() - MOST_WORSE) + max(0.0, LEAST_SHARE - share)
        return -broken, kept.smart[rows].mean()

    return max(range(len(measured)), key=worth)


def crop_all(photos: Sequence[Seen], params: Crop) -> Kept:
    """Crop photos by their cues, and hold the crops against the true boxes."""
    rows = []
    for cues, width, height, box in photos:
        smart, middle = best_square(map_of(cues, params), width, height, params), center_crop(width, height)
        area = box[2] * box[3]
        held = [overlap(box, square) for square in (smart, middle)]
        short = min(width, height)
        off = max(abs(box[0] + box[2] / 2 - width / 2), abs(box[1] + box[3] / 2 - height / 2)) / short
        rows.append((
            held[0] / area, held[1] / area, held[0] / smart.side**2, held[1] / middle.side**2, off >= 0.1,
            area / (width * height), width / height, smart.how != "smart",
        ))  # fmt: skip
    return Kept(*np.array(rows, float).T)
