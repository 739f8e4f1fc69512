"""A model that may say nothing, or the genus alone: thresholds for a risk, and what they are worth.

It answers where a probability is at a threshold or above; all images of one probability are answered, or none.
Thresholds are fitted on val, so that the test says what they are worth on other images.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.evaluation.evaluated import Evaluated
from stages.evaluation.hierarchy import GenusAnswers
from stages.evaluation.intervals import Estimate, share
from stages.evaluation.risk_coverage import ends_of_ties

SPECIES, GENUS, NOTHING = 0, 1, 2  # levels of an answer


@dataclass(frozen=True)
class Thresholds:
    """From which probability on a model answers.

    Attributes:
        max_risk: largest share of wrong ones among the answers of each level, in val.
        species: the least probability of a species that is said; ``None``: none is ever said.
        genus: the least summed probability of a genus that is said where no species is; ``None`` likewise.
    """

    max_risk: float
    species: float | None
    genus: float | None


def threshold_at_risk(
    scores: np.ndarray, hits: np.ndarray, groups: np.ndarray, *, max_risk: float, min_groups: int
) -> float | None:
    """Find the lowest threshold at which no larger share of the answers is wrong than ``max_risk``.

    Args:
        scores: float64 [images], by which images are answered.
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        max_risk: largest share of wrong ones among the answers.
        min_groups: observations that must be among the answers: one image that is right shows no risk of 0.

    Returns:
        The score of an image; ``None`` where no threshold does.
    """
    if not len(scores):
        return None
    order = np.argsort(-scores, kind="stable")
    ends = ends_of_ties(scores[order])
    answered, wrong = ends + 1, np.cumsum(~hits[order])[ends]
    first_of_group = np.zeros(len(scores), bool)
    first_of_group[np.unique(groups[order], return_index=True)[1]] = True
    observations = np.cumsum(first_of_group)[ends]
    # A product, as 5 of 100 are at a risk of 0.05 whatever the last bit of a quotient is.
    fitting = np.flatnonzero((wrong <= max_risk * answered + 1e-9) & (observations >= min_groups))
    return float(scores[order][ends[fitting[-1]]]) if len(fitting) else None


def fit_thresholds(
    val: Evaluated, confidences: np.ndarray, genus: GenusAnswers, *, max_risk: float, min_groups: int
) -> Thresholds:
    """Find thresholds for a risk: of the species first, then of the genus among the images that it leaves.

    Args:
        val: images that the model was not trained on.
        confidences: float64 [images], of ``Answers.confidences``.
        genus: of the same images.
        max_risk: see ``Thresholds``.
        min_groups: as for ``threshold_at_risk``.
    """
    hits = val.answers.hits
    species = threshold_at_risk(confidences, hits, val.groups, max_risk=max_risk, min_groups=min_groups)
    left = confidences < (np.inf if species is None else species)
    above = threshold_at_risk(
        genus.confidences[left], genus.hits[left], val.groups[left], max_risk=max_risk, min_groups=min_groups
    )
    return Thresholds(max_risk, species, above)


def levels(confidences: np.ndarray, genus_confidences: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    """Give the level at which each image is answered, int64 [images]: ``SPECIES``, ``GENUS`` or ``NOTHING``.

    Args:
        confidences: float64 [images], of ``Answers.confidences``.
        genus_confidences: float64 [images], of ``GenusAnswers``.
        thresholds: from which on each is said.
    """
    species, above = (np.inf if limit is None else limit for limit in (thresholds.species, thresholds.genus))
    return np.select([confidences >= species, genus_confidences >= above], [SPECIES, GENUS], NOTHING)


def abstaining_figures(
    evaluated: Evaluated, confidences: np.ndarray, thresholds: Thresholds, *, min_groups: int
) -> dict[str, Any]:
    """Say what a model that says a species or nothing is worth.

    Returns:
        coverage, an ``Estimate`` of the share of images that are answered; risk, of the share of wrong ones among them.
    """
    answered = confidences >= (np.inf if thresholds.species is None else thresholds.species)
    return {
        "coverage": _share(answered, evaluated, min_groups),
        "risk": _share(~evaluated.answers.hits, evaluated, min_groups, of=answered),
    }


def backing_off_figures(
    evaluated: Evaluated, confidences: np.ndarray, genus: GenusAnswers, thresholds: Thresholds, *, min_groups: int
) -> dict[str, Any]:
    """Say what a model is worth that says a species, else a genus, else nothing.

    Returns:
        species and genus, each with an ``Estimate`` of its coverage (the share of all images that are answered so) and
        of its precision (the share of right ones among them); nothing, of the share of images without an answer.
    """
    level = levels(confidences, genus.confidences, thresholds)
    rights = {"species": (SPECIES, evaluated.answers.hits), "genus": (GENUS, genus.hits)}
    return {
        name: {
            "coverage": _share(level == number, evaluated, min_groups),
            "precision": _share(right, evaluated, min_groups, of=level == number),
        }
        for name, (number, right) in rights.items()
    } | {"nothing": _share(level == NOTHING, evaluated, min_groups)}


def _share(what: np.ndarray, evaluated: Evaluated, min_groups: int, *, of: np.ndarray | None = None) -> Estimate:
    rows = np.arange(len(what)) if of is None else np.flatnonzero(of)
    return share(what[rows], evaluated.groups[rows], evaluated.labels[rows], min_groups=min_groups)
