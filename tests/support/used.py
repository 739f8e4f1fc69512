"""A whole folder of a model that is used, in a moment: a tiny network that says what it is wanted to of four colors."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from stages.answering.model_folder import CALIBRATION, LABELS
from stages.answering.photo import prepare_photo
from stages.learning.saved_model import WEIGHTS, ModelDescription, describe, save_model
from stages.runtime.digests import sha256_of
from stages.tables.json_files import write_json
from stages.tables.preprocessing import PREPROCESSING, Preprocessing, write_preprocessing
from tests.support.pictures import jpeg
from tests.support.saved import RECIPE, SEEN, TINY, tiny_model, write_labels

USED_SPECIES = ["Abies alba", "Abies balsamea", "Betula pendula"]
IMAGE_PX, PACK_PX = 48, 64
TEMPERATURE = 1.5
# What it says of photos that are all of one color: the logits of its species.
COLORS: dict[str, tuple[tuple[int, int, int], tuple[float, float, float]]] = {
    "species": ((200, 40, 40), (9.0, 0.0, 1.0)),  # 0.99 of Abies alba
    "other species": ((40, 40, 200), (0.0, 1.0, 9.0)),  # 0.99 of Betula pendula
    "genus": ((40, 200, 40), (6.0, 5.0, 0.0)),  # 0.65 of Abies alba, 0.99 of Abies
    "nothing": ((200, 200, 40), (4.0, 0.0, 4.2)),  # 0.52 of Betula pendula, 0.48 of Abies
}


def photo(of: str, width: int = 160, height: int = 120) -> bytes:
    """Give a JPEG of which the model says a species, another one, the genus alone, or nothing: a key of ``COLORS``."""
    return jpeg(np.full((height, width, 3), COLORS[of][0], np.uint8))


def used_model(folder: Path) -> Path:
    """Write a model with all that its use needs: ``load_used_model(folder)`` loads it.

    At the usual risk of 0.1 it says a species from 0.8 on and a genus from 0.9 on, at 0.2 a species from 0.6 on, and at
    0.05 no genus, whatever its probability.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder / LABELS, USED_SPECIES)
    network, _ = tiny_model(species=USED_SPECIES)
    description = describe(network, TINY, image_px=IMAGE_PX, pack_px=PACK_PX, species=USED_SPECIES)
    preprocessing = Preprocessing.model_validate({"model_sha256": "0" * 64, **RECIPE})
    pixels = np.stack([prepare_photo(photo(of), preprocessing, IMAGE_PX).pixels for of in COLORS])
    teach(network, description, pixels, np.array([logits for _, logits in COLORS.values()]))
    save_model(folder, network.state_dict(), description, SEEN)
    write_preprocessing(folder / PREPROCESSING, RECIPE, model=folder / WEIGHTS)
    write_calibration(folder)
    return folder


def write_calibration(folder: Path) -> None:
    """Write the calibration.json of the model in a folder, as ``evaluate`` would have."""
    thresholds = [
        {"max_risk": 0.05, "species": 0.95, "genus": None},
        {"max_risk": 0.1, "species": 0.8, "genus": 0.9},
        {"max_risk": 0.2, "species": 0.6, "genus": 0.6},
    ]
    calibration = {
        "model_sha256": sha256_of(folder / WEIGHTS),
        "temperature": TEMPERATURE,
        "temperature_at_end": False,
        "val_images": 40,
        "val_groups": 31,
        "thresholds": thresholds,
    }
    write_json(folder / CALIBRATION, calibration)


def teach(network: nn.Module, description: ModelDescription, pixels: np.ndarray, logits: np.ndarray) -> None:
    """Solve the last layer so that some images have the logits that are wanted: there are more weights than images.

    Args:
        network: the one.
        description: of it.
        pixels: uint8 [images, image_px, image_px, 3], what it sees of them.
        logits: float [images, classes].
    """
    images = (pixels / 255 - np.array(description.mean)) / np.array(description.std)
    body: Any = network.eval()
    with torch.no_grad():
        features = body.forward_features(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        features = body.forward_head(features, pre_logits=True).double()
        wanted = torch.from_numpy(logits).double()
        solved = torch.linalg.lstsq(features - features.mean(0), wanted - wanted.mean(0), driver="gelsd").solution
        head = body.get_classifier()
        head.weight.copy_(solved.T)
        head.bias.copy_(wanted.mean(0) - features.mean(0) @ solved)
