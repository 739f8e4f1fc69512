"""A trained model on disk: weights, and what says which network they are of and what its labels mean."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from stages.config.schema import Model
from stages.learning.model import timm_config, timm_model
from stages.learning.origin import Origin
from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.splitting.label_order import check_order, digest_labels, read_labels
from stages.tables.json_files import write_json

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class ModelDescription:
    """What is needed to use saved weights; stands in model.json and in the head of model.safetensors.

    Attributes:
        name: of the timm model, as timm itself knows it.
        image_px: side of the square images that it takes.
        pack_px: side of the packed squares that these are cut from.
        mean: by which each channel (RGB, 0 to 1) is normalized.
        std: likewise.
        classes: number of species.
        labels_sha256: digest of their order.
        options: arguments with which timm makes the model besides.
    """

    name: str
    image_px: int
    pack_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: int
    labels_sha256: str
    options: dict[str, Any] = field(default_factory=dict)


def describe(
    model: nn.Module, params: Model, *, image_px: int, pack_px: int, species: list[str], origin: Origin | None = None
) -> ModelDescription:
    """Describe a model for saving; mean and standard deviation are those of its starting weights."""
    mean, std = (cast(tuple[float, float, float], tuple(timm_config(model)[name])) for name in ("mean", "std"))
    name, options = (origin.name, origin.options) if origin else (params.name, {})
    return ModelDescription(name, image_px, pack_px, mean, std, len(species), digest_labels(species), options)


def save_model(folder: Path, state: dict[str, torch.Tensor], description: ModelDescription) -> None:
    """Write model.safetensors and model.json; the digest of the label order stands in both."""
    # One entry only: safetensors writes several in an order of chance, and equal weights must be equal bytes.
    metadata = {"labels_sha256": description.labels_sha256}
    with replacing(folder / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary, metadata=metadata)
    write_json(folder / DESCRIPTION, asdict(description))


def load_model(folder: Path, labels: Path) -> tuple[nn.Module, ModelDescription]:
    """Load a saved model for use with the order of ``labels`` (a labels.csv).

    Raises:
        UserError: something is missing or damaged, or the weights were trained with another order of labels.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    try:
        path.open("rb").close()  # safetensors calls a file that may not be read a missing one
        fields = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        description = ModelDescription(**fields | {"mean": tuple(fields["mean"]), "std": tuple(fields["std"])})
        with safe_open(path, "pt") as weights:
            trained_with = (weights.metadata() or {}).get("labels_sha256", "")
        state = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename or path} is missing: run `dvc repro train` or `dvc pull`") from None
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"the model in {folder} is damaged ({error}): bring it back with `dvc checkout`") from None
    expected = digest_labels(read_labels(labels))
    check_order(trained_with, expected, where=str(path))
    check_order(description.labels_sha256, expected, where=str(folder / DESCRIPTION))
    try:
        model = timm_model(
            description.name, description.image_px, num_classes=description.classes, **description.options
        )
        model.load_state_dict(state)
    except (UserError, RuntimeError, TypeError):
        raise UserError(f"{folder / DESCRIPTION} is not of these weights: bring it back with `dvc checkout`") from None
    return model, description
