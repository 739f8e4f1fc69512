"""How much the rest of the data speaks against the label of each image, by ridge regression without its own group.

Ranked, never filtered: the trials that chose this method, and what others reach on the same features, are in
benchmarks/suspects.py.
"""

from dataclasses import dataclass

import numpy as np

from stages.config.schema import Probe
from stages.features.ridge import fit, left_out_scores

DIGITS = 5  # that scores are rounded to, before anything is put in order by them
CANDIDATES = 5

_SPARE = 3  # beyond these: as good as another by rounding


@dataclass(frozen=True)
class Suspicion:
    """What the rest of the data says of each image; scores are about 1 for what it is and 0 for what it is not.

    Attributes:
        score: float64 [images], by how much the best other species is above its own; NaN where there is no evidence.
        own_score: float64 [images], of its own species.
        candidates: int64 [images, up to 5], labels of other species by falling score, equal ones by their label.
        candidate_scores: float64 [images, up to 5].
        no_evidence: bool [images]: its species has no other group, or there is no other species.
    """

    score: np.ndarray
    own_score: np.ndarray
    candidates: np.ndarray
    candidate_scores: np.ndarray
    no_evidence: np.ndarray

    @property
    def contradicted(self) -> np.ndarray:
        """Which images the rest of the data takes for another species, bool [images]."""
        return np.nan_to_num(self.score, nan=-1.0) > 0

    @property
    def taken_for(self) -> np.ndarray:
        """What the rest of the data takes an image for where it contradicts its species: int64 labels, else -1."""
        found = np.full(len(self.score), -1, np.int64)
        wrong = np.flatnonzero(self.contradicted)
        found[wrong] = self.candidates[wrong, :1].max(axis=1, initial=-1)
        return found


def suspect(features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, classes: int, probe: Probe) -> Suspicion:
    """Say of each image how much the rest of the data speaks against its label.

    Args:
        features: float32 [images, dimensions], of length 1.
        labels: int64 [images], 0 to classes - 1.
        groups: int64 [images], numbers of their groups.
        classes: how many there are; one without images is nobody's candidate.
        probe: the ridge's penalty and the weight of classes.

    Raises:
        UserError: as ``stages.features.ridge.fit``.
    """
    ridge = fit(features, labels, classes=classes, ridge=probe.ridge, class_weight_power=probe.class_weight_power)
    absent = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
    wide = min(CANDIDATES, max(classes - len(absent) - 1, 0))
    found = Suspicion(
        score=np.full(len(labels), np.nan),
        own_score=np.zeros(len(labels)),
        candidates=np.zeros((len(labels), wide), np.int64),
        candidate_scores=np.zeros((len(labels), wide)),
        no_evidence=_alone(labels, groups) | (wide == 0),
    )
    taken = min(wide + _SPARE, classes)
    for rows, scores in left_out_scores(ridge, features, labels, groups):
        place = np.arange(len(rows))
        found.own_score[rows] = np.round(scores[place, labels[rows]], DIGITS) + 0.0  # no -0.0
        scores[place, labels[rows]] = -np.inf
        scores[:, absent] = -np.inf
        best = np.argpartition(scores, classes - taken, axis=1)[:, classes - taken :]
        of_best = np.round(np.take_along_axis(scores, best, 1), DIGITS) + 0.0
        order = np.lexsort((best, -of_best), axis=1)[:, :wide]
        found.candidates[rows] = np.take_along_axis(best, order, 1)
        found.candidate_scores[rows] = np.take_along_axis(of_best, order, 1)
    known = np.flatnonzero(~found.no_evidence)
    found.score[known] = np.round(found.candidate_scores[known, :1].sum(1) - found.own_score[known], DIGITS) + 0.0
    return found


def _alone(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Say which images have no other group of their species: nothing can speak for their label."""
    least = np.full(int(labels.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    most = np.full(len(least), np.iinfo(np.int64).min)
    np.minimum.at(least, labels, groups)
    np.maximum.at(most, labels, groups)
    return least[labels] == most[labels]


def ranks(suspicion: Suspicion, names: np.ndarray) -> np.ndarray:
    """Rank images from 1, the most suspicious first, equal ones by name; no evidence comes last: int64 [images].

    Of those without evidence the ones come first that another species claims most.

    Args:
        suspicion: of the images.
        names: [images].
    """
    claimed = np.nan_to_num(suspicion.candidate_scores[:, :1], nan=-np.inf).max(1, initial=-np.inf)
    by = np.where(suspicion.no_evidence, claimed, suspicion.score)
    order = np.lexsort((names, -by, suspicion.no_evidence))
    found = np.empty(len(names), np.int64)
    found[order] = np.arange(1, len(names) + 1)
    return found
