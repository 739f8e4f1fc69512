"""What the features of a frozen network know of species: three ways to tell, none of which trains the network.

Ridge regression in closed form (``stages.features.ridge``), the nearest class mean, and a vote of the nearest training
images. Each learns from train alone. Which is best depends on the features, so all three are told.
"""

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np

from stages.config.schema import Probe
from stages.features.normalized import normalized
from stages.features.ridge import BLOCK, fit, left_out_scores, sum_by_class

PROBES = ("ridge", "nearest_mean", "nearest_images")
# How much nearer images count for more in the vote: a similarity counts exp(cosine / this) (Wu et al., Unsupervised
# feature learning via non-parametric instance discrimination, CVPR 2018).
VOTE_TEMPERATURE = 0.07
_SAME = 1e-9  # scores that differ by less may stand either way on another processor: they are equal
_NO_MEAN = -2.0  # below any cosine
_AT_ONCE = 2**24  # values of neighbors in memory


@dataclass(frozen=True)
class Told:
    """What a probe says of images.

    Attributes:
        said: int64 [images], the class that it takes each for; -1 where several are equally likely.
        ranks: int64 [images], classes that stand before the image's own, those that are equal to it too; 0 is a hit.
    """

    said: np.ndarray
    ranks: np.ndarray

    def where(self, kept: np.ndarray) -> "Told":
        """Give what is said of those for which a mask, bool [images], is true."""
        return Told(self.said[kept], self.ranks[kept])


@dataclass(frozen=True)
class Labeled:
    """Images with what they are labeled.

    Attributes:
        units: float32 [images, dimensions], features of length 1.
        labels: int64 [images].
        groups: int64 [images], numbers of their observations.
    """

    units: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: np.ndarray) -> "Labeled":
        """Give those for which a mask, bool [images], is true."""
        return self if kept.all() else Labeled(self.units[kept], self.labels[kept], self.groups[kept])


def told(scores: np.ndarray, labels: np.ndarray) -> Told:
    """Say what scores say of images.

    Args:
        scores: float64 [images, classes].
        labels: int64 [images].
    """
    own, best = scores[np.arange(len(labels)), labels], scores.max(axis=1, initial=-np.inf)
    alone = (scores >= best[:, None] - _SAME).sum(axis=1) == 1
    ranks = (scores >= own[:, None] - _SAME).sum(axis=1) - 1
    return Told(np.where(alone, scores.argmax(axis=1), -1) if len(labels) else labels, ranks)


def ask(train: Labeled, parts: dict[str, Labeled], classes: int, probe: Probe) -> dict[str, dict[str, Told]]:
    """Give what each probe says of some images, by its name of ``PROBES`` and the images'.

    Args:
        train: what they learn from, one image or more.
        parts: the images that they are asked for.
        classes: how many there are.
        probe: section ``probe`` of params.yaml.

    Raises:
        UserError: as ``stages.features.ridge.fit``.
    """
    ways = (by_ridge(train, classes, probe), by_means(train, classes), by_images(train, classes, probe.neighbors))
    return {
        name: {part: scored(images, way) for part, images in parts.items()}
        for name, way in zip(PROBES, ways, strict=True)
    }


def ask_left_out(images: Labeled, classes: int, probe: Probe) -> Told:
    """Give what the ridge says of each image of a set from the others, its own observation left out."""
    ridge = fit(
        images.units,
        images.labels,
        classes=classes,
        ridge=probe.ridge,
        class_weight_power=probe.class_weight_power,
    )
    said, ranks = np.full((2, len(images)), -1, np.int64)
    for rows, scores in left_out_scores(ridge, images.units, images.labels, images.groups):
        found = told(scores, images.labels[rows])
        said[rows], ranks[rows] = found.said, found.ranks
    return Told(said, ranks)


def scored(images: Labeled, way: Callable[[np.ndarray], np.ndarray]) -> Told:
    """Say what a way to score says of images, some at a time."""
    starts = range(0, max(len(images), 1), BLOCK)
    blocks = [told(way(images.units[start : start + BLOCK]), images.labels[start : start + BLOCK]) for start in starts]
    return Told(*(np.concatenate([getattr(block, name) for block in blocks]) for name in ("said", "ranks")))


def by_ridge(train: Labeled, classes: int, probe: Probe) -> Callable[[np.ndarray], np.ndarray]:
    """Give what scores images by the ridge of train."""
    return fit(
        train.units, train.labels, classes=classes, ridge=probe.ridge, class_weight_power=probe.class_weight_power
    ).scores


def by_means(train: Labeled, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Give the cosine with the mean of each class's features; a class without training images is the last of all."""
    means, there = normalized(sum_by_class(train.units, train.labels, classes))
    means = means.astype(np.float64)

    def scores(units: np.ndarray) -> np.ndarray:
        found = units.astype(np.float64) @ means.T
        found[:, ~there] = _NO_MEAN
        return found

    return scores


def by_images(train: Labeled, classes: int, neighbors: int) -> Callable[[np.ndarray], np.ndarray]:
    """Give the votes of the nearest training images, which are of other observations, as splits share none."""
    number = min(neighbors, len(train))
    # Some more are looked for in float32, and the nearest of them in float64: whatever the processor, the same.
    candidates = min(2 * neighbors + 8, len(train))
    step = max(1, _AT_ONCE // max(candidates * train.units.shape[1], 1))

    def scores(units: np.ndarray) -> np.ndarray:
        votes = np.zeros((len(units), classes))
        for start in range(0, len(units), step):
            some = units[start : start + step]
            _, near = faiss.knn(some, train.units, candidates, metric=faiss.METRIC_INNER_PRODUCT)
            near.sort(axis=1)  # of equally near ones the first is taken
            similar = np.einsum("nd,nkd->nk", some.astype(np.float64), train.units[near].astype(np.float64))
            similar = np.round(similar / _SAME) * _SAME
            nearest = np.argsort(-similar, axis=1, kind="stable")[:, :number]
            near, similar = (np.take_along_axis(of, nearest, axis=1) for of in (near, similar))
            weights = np.exp((similar - similar[:, :1]) / VOTE_TEMPERATURE)
            np.add.at(votes, (np.arange(start, start + len(some))[:, None], train.labels[near]), weights)
        return votes

    return scores
