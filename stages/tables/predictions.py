"""Columns of what the stage ``predict`` writes: what a model says of each image, enough for every figure made later.

Of an image's logits, one a class, these are kept: its own, the largest, and how much all others weigh together, at some
temperatures. With that the probabilities of the largest at any temperature follow without the network. How near they
are to those of all logits, at a temperature of 0.5 to 2 and at 0.25 to 4 (``tests/evaluation/test_answers.py``):

    of logits that fall off evenly                a species  0.0001, 0.0005    a genus  0.001, 0.003
    of the worst of 2,000 classes, made up                   0.001,  0.005              0.005, 0.015
    of the worst of 8,587 classes, made up                   0.003,  0.01

The worst is where one class stands out behind those kept, and all others are far below it. A genus is of 60 species
there. Top-k with one logsumexp of all logits is not enough: that of another temperature cannot be told from it.
"""

import re
from pathlib import Path

import numpy as np
import polars as pl

from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json
from stages.tables.table import SHA256_CHARACTERS, Ruled

TOP_CLASSES = 10  # the largest logits, or all where there are fewer classes
TOP_GENERA = 3  # those of the largest summed probability at a temperature of 1, or all
COLDEST, HOTTEST = 0.25, 4.0  # temperatures that logits may be divided by
# At which the weight of what is not kept is known: of all classes, and of each genus. They begin with half of the
# coldest, as squared probabilities are those of half a temperature. Others are other columns: rename those of ``rest``,
# or tables of before are read wrongly.
TEMPERATURES = np.exp(np.linspace(np.log(COLDEST / 2), np.log(HOTTEST), 13))
GENUS_TEMPERATURES = TEMPERATURES[::2]

PREDICTIONS = Ruled(
    {
        "image_name": pl.String,
        "sha256": pl.String,  # of the original
        "label": pl.Int32,  # the image's own; null where its species is none of the model's
        "rank": pl.Int32,  # classes that the model puts before it, equal ones too; 0 is a top-1 hit; null without label
        "own_logit": pl.Float32,  # null without label
        "top_classes": pl.List(pl.Int32),  # by falling logit, equal ones by label
        "top_logits": pl.List(pl.Float32),  # NaN where any logit of the image is NaN or infinite
        # Logarithm of the summed exp(logit / temperature) of all classes but these, a temperature each; -inf of none.
        "rest": pl.List(pl.Float32),
        "genus_top": pl.List(pl.Int32),  # by falling probability, equal ones by number; see stages.splitting.genera
        # The same as rest, of the genus's classes that are none of top_classes: the first genus's, the second's, ...
        "genus_rest": pl.List(pl.Float32),
    },
    unique=("image_name",),
    required=("sha256", "top_classes", "top_logits", "rest", "genus_top", "genus_rest"),
    sizes={"sha256": SHA256_CHARACTERS},
)


def read_model_sha256(path: Path) -> str:
    """Read which model made predictions: the digest of its weights.

    Args:
        path: of the predictions.json beside them.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        found = parse_json(path.read_bytes())["identity"]["model"]
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro predict` or `dvc pull`") from None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{64}", found):
        raise UserError(f"{path} is damaged: bring it back with `dvc checkout predict`")
    return found
