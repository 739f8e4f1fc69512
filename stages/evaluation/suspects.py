"""Images whose label a confident model contradicts: the first to look at where labels are of volunteers."""

import numpy as np
import polars as pl

from stages.evaluation.evaluated import Evaluated
from stages.tables.evaluate import MODEL_SUSPECTS


def model_suspects(evaluated: Evaluated, temperature: float, species: list[str], *, confident: float) -> pl.DataFrame:
    """Give the images that a model is sure are of another species than their label's: columns of ``MODEL_SUSPECTS``.

    Args:
        evaluated: images that the model was not trained on.
        temperature: that logits are divided by.
        species: in the order of labels.
        confident: least probability of what is said.

    Returns:
        The surest first, equal ones by name; an image without numbers is none.
    """
    answers = evaluated.answers
    confidences = answers.confidences(temperature)
    rows = np.flatnonzero(answers.finite & ~answers.hits & (confidences >= confident))
    table = pl.DataFrame(
        {
            "image_name": answers.image_name[rows],
            "sha256": answers.sha256[rows],
            "split": [evaluated.split] * len(rows),
            "group": evaluated.group_names[rows],
            "species": evaluated.species[rows],
            "said": pl.Series(species, dtype=pl.String)[answers.said[rows]],
            "probability": confidences[rows],
            "own_probability": np.exp(answers.own_log_probabilities(temperature))[rows],
        },
        schema=dict(MODEL_SUSPECTS),
    )
    return table.sort("probability", "image_name", descending=[True, False])
