"""Are labels in another order? A renaming of them is learned on one half of the images and tried on the other.

The whole of a set is once the one half and once the other. Half of each species' observations are in each, as a
renaming says nothing of species that it has not seen. It is one to one: where a rare species is always taken for a
common one that looks like it, the common one keeps its name, and the rare one is not renamed. (The best matching of the
same images that it is tried on says nothing: it reaches 0.25 to 0.44 where labels are shuffled.)
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from stages.features.chance import shuffled_labels

SURE = 0.001  # how rarely the findings below may come of chance
_MORE = 1.5  # times as much right by other names, species alike: else it is some names, and not the order
_TIMES = 5.0  # what shuffled labels reach on average once they are renamed: less is no other order


@dataclass(frozen=True)
class Pair:
    """A class that seems to stand under another's name.

    Attributes:
        given: its label.
        seems: the label that it seems to be.
        images: that are taken for this.
        of: images that are given so.
        groups: observations of the former.
    """

    given: int
    seems: int
    images: int
    of: int
    groups: int


@dataclass(frozen=True)
class Renamed:
    """What a renaming of labels explains.

    Attributes:
        images: whose class has a new name, or its old one, from the other half.
        hits: of them, right by these names.
        given_hits: of them, right as they are given.
        accuracy: share of the former, mean over the classes; one large class that kept its place is no order.
        given_accuracy: share of the latter, likewise.
        p: how likely so many more observations would be right by chance, if both were as good (sign test).
        shuffled: hits of shuffled labels that were renamed as well, on average; None where none were drawn.
        level: hits that these exceed in one of a thousand draws; likewise.
        pairs: classes with another name by all images, those with most evidence first.
    """

    images: int
    hits: int
    given_hits: int
    accuracy: float
    given_accuracy: float
    p: float
    shuffled: float | None
    level: int | None
    pairs: list[Pair]

    @property
    def better(self) -> bool:
        """Whether the new names are surely right of more images than those that are given."""
        return bool(self.pairs) and self.p < SURE

    @property
    def another_order(self) -> bool:
        """Whether most of what the probe knows is under other names.

        Against shuffled labels where these were drawn: of a small set, no sign test may be sure. Else by the sign test.
        """
        if not self.pairs or self.accuracy < _MORE * self.given_accuracy or not self.accuracy:
            return False
        if self.shuffled is None or self.level is None:
            return self.better
        return self.hits > self.level and self.hits >= min(_TIMES * self.shuffled, (self.images + self.shuffled) / 2)


def rename(said: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, shuffles: int, seed: int) -> Renamed:
    """Learn a renaming of labels, and try it.

    Args:
        said: int64 [images], what a probe says; -1 is nothing.
        labels: int64 [images], as they are given.
        groups: int64 [images], numbers of observations.
        shuffles: how often labels are shuffled, to see what a renaming of these explains; or 0.
        seed: of the draws.
    """
    half = halves(labels, groups, seed)
    new, known = _tried(said, labels, half)
    given = known & (said == labels)
    _, units = np.unique(groups, return_inverse=True)
    change = np.bincount(units, weights=new.astype(np.int64) - given)
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    p = float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained + lost else 1.0
    reached = [
        _tried(said, shuffled, halves(shuffled, groups, seed))[0].sum()
        for shuffled in shuffled_labels(labels, groups, shuffles=shuffles, seed=seed)
    ]
    return Renamed(
        images=int(known.sum()),
        hits=int(new.sum()),
        given_hits=int(given.sum()),
        accuracy=_mean_per_class(new[known], labels[known]),
        given_accuracy=_mean_per_class(given[known], labels[known]),
        p=p,
        shuffled=float(np.mean(reached)) if reached else None,
        level=int(np.quantile(reached, 1 - SURE, method="higher")) if reached else None,
        pairs=_pairs(said, labels, groups),
    )


def halves(labels: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Say which images are in the second half, bool [images]: every other observation of each class, drawn.

    Args:
        labels: int64 [images].
        groups: int64 [images], numbers of observations, each of which is in one half as a whole.
        seed: of the draws.
    """
    numbers, unit = np.unique(groups, return_inverse=True)
    of_unit = np.zeros(len(numbers), np.int64)
    of_unit[unit] = labels
    order = np.random.default_rng(seed).permutation(len(numbers))
    order = order[np.argsort(of_unit[order], kind="stable")]
    second = np.zeros(len(numbers), bool)
    second[order[1::2]] = True
    return second[unit]


def one_to_one(said: np.ndarray, labels: np.ndarray) -> dict[int, int]:
    """Give the class that each class seems to be: mostly taken for it, and it mostly given so.

    Args:
        said: int64 [images]; -1 is left out.
        labels: int64 [images].
    """
    cells, images = _cells(said, labels)
    order = np.lexsort((cells[:, 1], cells[:, 0], -images))
    firsts = [np.unique(cells[order, side], return_index=True)[1] for side in (0, 1)]
    mutual = order[np.intersect1d(*firsts, assume_unique=True)]
    return {int(given): int(seems) for given, seems in cells[mutual]}


def _cells(said: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each pair of what is given and what is said, int64 [pairs, 2], and its images, int64 [pairs]."""
    there = said >= 0
    classes = int(max(said.max(initial=0), labels.max(initial=0))) + 1
    cells, images = np.unique(labels[there] * classes + said[there], return_counts=True)
    return np.stack([cells // classes, cells % classes], axis=1), images


def _tried(said: np.ndarray, labels: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Say which images are right by the renaming of the other half, and which have one there; bool [images] each."""
    names = np.full((2, int(labels.max(initial=0)) + 1), -1, np.int64)
    for of in (0, 1):
        learned = half != bool(of)
        for given, seems in one_to_one(said[learned], labels[learned]).items():
            names[of, given] = seems
    renamed = names[half.astype(np.int64), labels]
    known = renamed >= 0
    return known & (renamed == said), known


def _mean_per_class(hits: np.ndarray, labels: np.ndarray) -> float:
    images = np.bincount(labels)
    return float((np.bincount(labels, weights=hits)[images > 0] / images[images > 0]).mean()) if len(labels) else 0.0


def _pairs(said: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> list[Pair]:
    found = []
    for given, seems in one_to_one(said, labels).items():
        if given != seems:
            own = labels == given
            there = own & (said == seems)
            found.append(Pair(given, seems, int(there.sum()), int(own.sum()), len(np.unique(groups[there]))))
    return sorted(found, key=lambda pair: (-pair.groups, -pair.images, pair.given))
