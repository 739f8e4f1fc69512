"""Hits of models on a test that is made up: a long tail of species, in observations of several photos.

Seeded: the same arguments give the same source, and the same generator the same draws of it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

IMAGES, CLASSES = 12_000, 8_587
PHOTOS, PHOTO_SHARES = (1, 2, 3, 4, 5, 8), (0.45, 0.25, 0.13, 0.09, 0.05, 0.03)  # of an observation: 2.19 on average
_SIGMA = 1.84  # of the logarithm of how common a species is: then 58 % of the species in a test have one observation


@dataclass(frozen=True)
class Drawn:
    """Images of a test.

    Attributes:
        groups: int64 [images], numbers of observations.
        labels: int64 [images].
    """

    groups: np.ndarray
    labels: np.ndarray


class Source:
    """Where tests are drawn from: how common each species is, and how hard.

    An image is a hit if its species' ability and what is drawn for it come to more than 0: parts of its observation and
    of its own, each in part the same for all models, and of a variance of 1 together. So a species' accuracy is the
    normal distribution at its ability (a probit model).

    Attributes:
        common: float64 [classes], the share of observations that each species has.
        ability: float64 [classes].
    """

    def __init__(
        self,
        *,
        classes: int = CLASSES,
        ability: float = 0.0,
        slope: float = 0.3,
        spread: float = 0.8,
        together: float = 0.6,
        shared: float = 0.7,
        sigma: float = _SIGMA,
        seed: int = 1,
    ) -> None:
        """Take the arguments.

        Args:
            classes: species.
            ability: of one that is as common as the median.
            slope: what a species gains where it is 2.7 times as common.
            spread: standard deviation of the ability of species that are equally common.
            together: part of the variance that is the observation's; the rest is the image's own.
            shared: part of the variance that is the same for two models.
            sigma: standard deviation of the logarithm of how common they are.
            seed: of the species.
        """
        rng = np.random.default_rng(seed)
        logarithm = sigma * rng.standard_normal(classes)
        self.common = np.exp(logarithm) / np.exp(logarithm).sum()
        self.ability = ability + slope * logarithm + spread * rng.standard_normal(classes)
        self.together, self.shared = together, shared

    def draw(self, rng: np.random.Generator, images: int = IMAGES) -> Drawn:
        """Draw observations of species as common as they are."""
        observations = round(images / np.dot(PHOTOS, PHOTO_SHARES))
        photos = rng.choice(PHOTOS, observations, p=PHOTO_SHARES)
        labels = np.sort(rng.choice(len(self.common), observations, p=self.common))
        return Drawn(np.repeat(np.arange(observations), photos), np.repeat(labels, photos))

    def hits(self, drawn: Drawn, rng: np.random.Generator, *abilities: np.ndarray) -> list[np.ndarray]:
        """Draw what is right, bool [images] a model, of models with these abilities, float64 [classes] each."""
        number = int(drawn.groups.max()) + 1

        def noise(part: float) -> np.ndarray:
            of_group = np.sqrt(part * self.together) * rng.standard_normal(number)
            return of_group[drawn.groups] + np.sqrt(part * (1 - self.together)) * rng.standard_normal(len(drawn.groups))

        shared = noise(self.shared)
        return [ability[drawn.labels] + shared + noise(1 - self.shared) > 0 for ability in abilities]

    def top1(self, ability: np.ndarray) -> float:
        """Give the true top-1 of a model."""
        return float((self.common * ndtr(ability)).sum())

    def mean_per_class(self, drawn: Drawn, ability: np.ndarray) -> float:
        """Give the true mean per-class accuracy of a model on the species of a test."""
        return float(ndtr(ability[np.unique(drawn.labels)]).mean())

    def other(self, gain: float = 0.0, *, spread: float = 0.0, seed: int = 2) -> np.ndarray:
        """Give the abilities of another model, whose true top-1 is so much higher.

        Args:
            gain: of top-1, as a share.
            spread: standard deviation of what each species' ability has more or less.
            seed: of these.
        """
        moved = self.ability + spread * np.random.default_rng(seed).standard_normal(len(self.ability))
        wanted = self.top1(self.ability) + gain
        return moved + brentq(lambda shift: self.top1(moved + shift) - wanted, -2, 2)
