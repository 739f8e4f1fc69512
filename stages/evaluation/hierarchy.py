"""Right about the genus, at least: genera of what a model says, and the summed probabilities of their species."""

from dataclasses import dataclass

import numpy as np

from stages.evaluation.answers import DIGITS, Answers
from stages.evaluation.evaluated import Evaluated


@dataclass(frozen=True)
class GenusAnswers:
    """What a model says of the genus of each image, by the summed probabilities of its species.

    Attributes:
        said: int64 [images], number of the genus of the largest sum, of those that are kept of each image.
        confidences: float64 [images], its sum, rounded as all that decides.
        hits: bool [images], whether the image is of it.
    """

    said: np.ndarray
    confidences: np.ndarray
    hits: np.ndarray


def genus_answers(evaluated: Evaluated, temperature: float, genus_of_class: np.ndarray) -> GenusAnswers:
    """Give the genus that each image most probably is of; of equal ones, the first that is kept.

    Args:
        evaluated: the images.
        temperature: that logits are divided by.
        genus_of_class: int64 [classes], see ``stages.splitting.genera.number_genera``.
    """
    said, confidences = genus_said(evaluated.answers, temperature, genus_of_class)
    return GenusAnswers(said, confidences, said == genus_of_class[evaluated.labels])


def genus_said(answers: Answers, temperature: float, genus_of_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the genus that each image most probably is of, int64 [images], and its summed probability, rounded.

    Args:
        answers: of the images, labeled or not.
        temperature: that logits are divided by.
        genus_of_class: int64 [classes].
    """
    sums = np.round(answers.genus_probabilities(temperature, genus_of_class), DIGITS)
    images, best = np.arange(len(answers)), sums.argmax(axis=1)
    return answers.genus_top[images, best], sums[images, best]


def within_genus(evaluated: Evaluated, genus_of_class: np.ndarray) -> np.ndarray:
    """Say which images are said to be of a species of their own genus, bool [images]; hits are among them."""
    return genus_of_class[evaluated.answers.said] == genus_of_class[evaluated.labels]
