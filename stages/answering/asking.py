"""A model that is asked about photos, and what it says: species with probabilities, the genus alone, or nothing.

An answer is made as ``predict`` and ``evaluate`` make theirs, so that the thresholds, which are probabilities of val
images to the last digit, mean the same here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
import torch
from accelerate import Accelerator

from stages.answering.model_folder import UsedModel
from stages.evaluation.abstaining import GENUS, NOTHING, SPECIES, levels
from stages.evaluation.answers import Answers, answers_of
from stages.evaluation.hierarchy import genus_said
from stages.learning.arithmetic import deterministic_or_said
from stages.learning.device import Batch, ColorTransform
from stages.learning.memory_layout import set_layout
from stages.learning.precision import head_in_float32
from stages.predicting.answers import kept_of, table_of

TOP = 5

Level = Literal["species", "genus", "nothing"]
_LEVELS: dict[int, Level] = {SPECIES: "species", GENUS: "genus", NOTHING: "nothing"}


@dataclass(frozen=True)
class Answer:
    """What a model says of a photo.

    Attributes:
        level: what it is sure enough of to say: a species, the genus alone, or nothing.
        species: the ``TOP`` most probable ones, each with its probability, the first one first.
        genus: the most probable one.
        genus_probability: the summed probability of its species.
        logits: of ``species``.
    """

    level: Level
    species: tuple[tuple[str, float], ...]
    genus: str
    genus_probability: float
    logits: tuple[float, ...]


class Asked:
    """A model on its device, ready to be asked.

    Attributes:
        model: the one.
        thresholds: from which probability on it answers.
    """

    def __init__(self, model: UsedModel, accelerator: Accelerator, *, max_risk: float | None = None) -> None:
        """Bring the network to the accelerator's device.

        Args:
            model: of ``load_used_model``.
            accelerator: of ``make_accelerator``.
            max_risk: share of wrong answers that is accepted, one of those that were fitted.

        Raises:
            UserError: there are no thresholds for the risk.
        """
        self.model = model
        self.thresholds = model.calibration.at_risk(max_risk)
        self._accelerator = accelerator
        description = model.saved.description
        self._color = ColorTransform(description.mean, description.std).to(accelerator.device)
        self._network = model.saved.network.to(accelerator.device).eval()
        set_layout(self._network, accelerator.device)  # as in training
        self._genera = torch.from_numpy(model.genus_of_class).to(accelerator.device)

    @property
    def device(self) -> str:
        """Kind of the device that it computes on: ``cpu`` or ``cuda``."""
        return self._accelerator.device.type

    def ask(self, pixels: np.ndarray) -> list[Answer | None]:
        """Ask about photos.

        Args:
            pixels: uint8 [photos, image_px, image_px, 3], of ``prepare_photo``.

        Returns:
            An answer a photo; ``None`` where the network's numbers are none (NaN or infinite).
        """
        if not len(pixels):
            return []
        table = table_of(self._kept(pixels), np.full(len(pixels), -1), self.model.genus_of_class)
        nameless = pl.Series("image_name", [str(number) for number in range(len(pixels))])
        answers = answers_of(table.with_columns(nameless, sha256=pl.lit("")), where="the model's answer")
        with np.errstate(invalid="ignore"):  # of numbers that are none
            return self._say(answers)

    def _say(self, answers: Answers) -> list[Answer | None]:
        temperature = self.model.calibration.temperature
        probabilities = answers.top_probabilities(temperature)
        genus, sums = genus_said(answers, temperature, self.model.genus_of_class)
        level = levels(answers.confidences(temperature), sums, self.thresholds)
        return [
            Answer(
                _LEVELS[int(level[row])],
                tuple(
                    (self.model.species[number], float(share))
                    for number, share in zip(answers.top_classes[row, :TOP], probabilities[row, :TOP], strict=True)
                ),
                self.model.genera[int(genus[row])],
                float(sums[row]),
                tuple(map(float, answers.top_logits[row, :TOP])),
            )
            if answers.finite[row]
            else None
            for row in range(len(answers))
        ]

    def _kept(self, pixels: np.ndarray) -> np.ndarray:
        labels = torch.full((len(pixels),), -1)
        batch = Batch(torch.from_numpy(pixels), None, labels, (0, 0, 0)).to(self._accelerator.device)
        with head_in_float32(self._network), torch.no_grad(), deterministic_or_said(), self._accelerator.autocast():
            logits = self._network(self._color(batch)).float()
        return kept_of(logits, batch.labels, self._genera).cpu().numpy()
