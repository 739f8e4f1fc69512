"""A folder that timm loads by itself: its config.json beside our weights, which are timm's own state dict.

https://huggingface.co/docs/timm/hf_hub; ``timm.create_model("local-dir:FOLDER", pretrained=True)`` needs no more.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.models._hub import save_config_for_hf

from stages.answering.model_folder import UsedModel
from stages.config.schema import PublishLicense
from stages.learning.device import Batch, ColorTransform
from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.runtime.plain_text import first_line
from stages.tables.json_files import write_json

CONFIG = "config.json"
# What timm knows of the starting weights, and what would be said of ours.
_OF_OTHER_WEIGHTS = (
    "tag", "license", "url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "source", "origin_url",
    "paper_name", "paper_ids", "notes", "description", "label_names", "label_descriptions",
)  # fmt: skip


def write_config(path: Path, model: UsedModel, license_id: PublishLicense | None) -> None:
    """Write the config.json by which timm makes the network, with the names of its labels and how images are made.

    What timm's own transform makes of a photo with it is the middle of the photo, as timm knows no other crop.

    Args:
        path: of the file.
        model: of ``load_used_model``.
        license_id: of the model; none is "other", as the license of the starting weights is not that of these.

    Raises:
        UserError: timm cannot write down how the network is made.
    """
    description = model.saved.description
    seen = {
        "input_size": (3, description.image_px, description.image_px),
        "mean": description.mean,
        "std": description.std,
        "interpolation": "bicubic",  # of timm's the nearest to how photos are packed, by 0.7 of 255 levels (RMS)
        "crop_pct": crop_share(description.image_px, description.pack_px),
        "crop_mode": "center",
    }
    with replacing(path) as temporary:
        try:
            save_config_for_hf(
                model.saved.network, str(temporary), model_config={"label_names": model.species}, data_config=seen
            )
        except (ValueError, TypeError) as error:
            raise UserError(
                f"timm cannot write down how {description.name} is made ({first_line(error)}): "
                "it cannot be published as a folder of timm's"
            ) from None
        config: dict[str, Any] = json.loads(temporary.read_bytes())
    kept = {name: value for name, value in config["pretrained_cfg"].items() if name not in _OF_OTHER_WEIGHTS}
    config["pretrained_cfg"] = kept | {"license": license_id or "other"}
    write_json(path, config)


def crop_share(image_px: int, pack_px: int) -> float:
    """Give what timm calls crop_pct: it sizes a photo's short side to floor(image_px / crop_pct), which is pack_px."""
    ratio = image_px / pack_px
    while math.floor(image_px / ratio) < pack_px:  # rounded up by one bit, and the floor is one less
        ratio = math.nextafter(ratio, 0)
    return ratio


def check_timm_folder(folder: Path, model: UsedModel, pixels: np.ndarray) -> None:
    """Load a folder by timm alone, and see that its network is the same one, to the bit.

    Args:
        folder: with config.json and model.safetensors.
        model: whose weights these are; its network as it was loaded, on the CPU.
        pixels: uint8 [images, image_px, image_px, 3], which both look at.

    Raises:
        UserError: timm does not load it, or its logits are others.
    """
    description = model.saved.description
    batch = Batch(torch.from_numpy(pixels), None, torch.zeros(len(pixels), dtype=torch.int64), (0, 0, 0))
    try:
        loaded: Any = timm.create_model(f"local-dir:{folder}", pretrained=True)
    except Exception as error:  # whatever timm meets
        raise UserError(
            f"timm does not load {description.name} from a folder of its own ({first_line(error)})"
        ) from None
    images = ColorTransform(description.mean, description.std)(batch)
    with torch.no_grad():
        ours, theirs = model.saved.network.eval()(images), loaded.eval()(images)
    if ours.shape != theirs.shape or not torch.equal(ours, theirs):
        raise UserError(f"timm makes another network of {CONFIG} than {description.name} was trained as")
