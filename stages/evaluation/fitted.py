"""What is fitted on val: a temperature, and the thresholds from which on the model answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.config.schema import Evaluate
from stages.evaluation.abstaining import Thresholds, fit_thresholds
from stages.evaluation.calibration import Temperature, fit_temperature
from stages.evaluation.evaluated import Evaluated
from stages.evaluation.hierarchy import GenusAnswers, genus_answers
from stages.tables.predictions import COLDEST, HOTTEST


@dataclass(frozen=True)
class Sure:
    """How sure a model is of the images of a split, at a temperature.

    Attributes:
        images: the split.
        confidences: float64 [images], of the species that is said, see ``Answers.confidences``.
        genus: what is said of the genus.
    """

    images: Evaluated
    confidences: np.ndarray
    genus: GenusAnswers


def how_sure(images: Evaluated, temperature: float, genus_of_class: np.ndarray) -> Sure:
    """Give how sure a model is; the arguments are those of ``genus_answers``."""
    return Sure(images, images.answers.confidences(temperature), genus_answers(images, temperature, genus_of_class))


@dataclass(frozen=True)
class Fitted:
    """What val says of how to use a model's answers.

    Attributes:
        temperature: that logits are divided by.
        thresholds: for each of ``evaluate.max_risks``.
        val: the images by which they were found, at this temperature.
    """

    temperature: Temperature
    thresholds: list[Thresholds]
    val: Sure

    def content(self, *, model_sha256: str) -> dict[str, Any]:
        """Give what others need to use the model's answers: probabilities, and from which on it should answer.

        Args:
            model_sha256: digest of the weights that gave them.
        """
        return {
            "model_sha256": model_sha256,
            "temperature": self.temperature.value,
            "temperature_at_end": self.temperature.at_end,
            "val_images": self.temperature.images,
            "val_groups": self.temperature.groups,
            "thresholds": [vars(fitted) for fitted in self.thresholds],
        }

    def warnings(self) -> list[str]:
        """Say what could not be fitted, or not as it should be, a line each."""
        said = []
        groups = len(np.unique(self.val.images.groups))
        if not self.temperature.images:
            said.append(f"no temperature is fitted: val has only {groups:,} observations, and 1 is taken")
        if self.temperature.at_end:
            said.append(
                f"the temperature {self.temperature.value:g} stands at the end of those that predictions are known at "
                f"({COLDEST:g} to {HOTTEST:g}): the best one lies beyond it"
            )
        for level in ("species", "genus"):
            if none := [f"{fitted.max_risk * 100:g}%" for fitted in self.thresholds if getattr(fitted, level) is None]:
                said.append(
                    f"no {level} is said at a risk of at most {', '.join(none)}: val has too few images for it, or too "
                    "many wrong ones"
                )
        return said


def fit(val: Evaluated, genus_of_class: np.ndarray, params: Evaluate) -> Fitted:
    """Fit a temperature and thresholds.

    Args:
        val: images that the model was not trained on, all with numbers.
        genus_of_class: int64 [classes], see ``stages.splitting.genera.number_genera``.
        params: section ``evaluate`` of params.yaml.
    """
    temperature = fit_temperature(val, min_groups=params.min_groups)
    sure = how_sure(val, temperature.value, genus_of_class)
    thresholds = [
        fit_thresholds(val, sure.confidences, sure.genus, max_risk=max_risk, min_groups=params.min_groups)
        for max_risk in params.max_risks
    ]
    return Fitted(temperature, thresholds, sure)
