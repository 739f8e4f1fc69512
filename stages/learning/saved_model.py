"""A trained model on disk: weights, what says which network they are of and what its labels mean, and what it has seen.

Its files hold each other, so that a bit that flips in one of them, or a file of another model, does not go unseen:

    model.safetensors --digest of--> model.json --digest of--> trained_on.parquet, order of labels, tensors
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import polars as pl
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from stages.config.schema import Count, Model, Pixels, Sha256
from stages.learning.model import timm_config, timm_model
from stages.learning.origin import DESCRIPTION, DESCRIPTION_DIGEST, Origin
from stages.learning.trained_on import TRAINED_ON_FILE, read_trained_on, write_trained_on
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.splitting.label_order import check_order, digest_labels, read_labels
from stages.tables.json_files import parse_json, write_json

WEIGHTS = "model.safetensors"
_BRING_BACK = "bring the model back with `dvc checkout --force train`"
_TRAIN_AGAIN = "train again (`dvc repro train`)"

# Of 0 to 1, or of 0 to 255 for some networks; what no camera gives is a slip.
_Mean = Annotated[float, Field(ge=-1000, le=1000)]
_Std = Annotated[float, Field(ge=1e-6, le=1000)]


class ModelDescription(BaseModel):
    """What is needed to use weights; stands in model.json.

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

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1, max_length=1000)]
    image_px: Pixels
    pack_px: Pixels
    # JSON has lists alone: so a list is taken for a tuple, and nothing in it for anything else.
    mean: Annotated[tuple[_Mean, _Mean, _Mean], Field(strict=False)]
    std: Annotated[tuple[_Std, _Std, _Std], Field(strict=False)]
    classes: Count
    labels_sha256: Sha256
    options: dict[str, Any]


class SavedDescription(ModelDescription):
    """A description as it is saved, with what it says of the files beside it.

    Attributes:
        tensors_sha256: digest of the weights: of the names, types, shapes and bytes of all tensors.
        trained_on_sha256: digest of trained_on.parquet.
    """

    tensors_sha256: Sha256
    trained_on_sha256: Sha256


class SavedModel(NamedTuple):
    """A model as it comes back.

    Attributes:
        network: on the CPU.
        description: of it.
        trained_on: the images that it has seen, columns of ``stages.tables.trained_on.TRAINED_ON``.
    """

    network: nn.Module
    description: SavedDescription
    trained_on: pl.DataFrame


def describe(
    model: nn.Module, params: Model, *, image_px: int, pack_px: int, species: list[str], origin: Origin | None = None
) -> ModelDescription:
    """Describe a model for saving; mean and standard deviation are those of its starting weights."""
    mean, std = (tuple(map(float, timm_config(model)[name])) for name in ("mean", "std"))
    return ModelDescription(
        name=origin.name if origin else params.name,
        image_px=image_px,
        pack_px=pack_px,
        mean=cast(tuple[float, float, float], mean),
        std=cast(tuple[float, float, float], std),
        classes=len(species),
        labels_sha256=digest_labels(species),
        options=origin.options if origin else {},
    )


def save_model(folder: Path, state: dict[str, torch.Tensor], description: ModelDescription, seen: pl.DataFrame) -> None:
    """Write model.safetensors, model.json and trained_on.parquet, each with the digest of those that it holds.

    Args:
        folder: for models.
        state: the weights.
        description: of their network.
        seen: the images that it was trained and selected on, columns of ``stages.tables.trained_on.TRAINED_ON``.
    """
    write_trained_on(seen, folder)
    saved = SavedDescription(
        **dict(description),
        tensors_sha256=_digest_tensors(state),
        trained_on_sha256=sha256_of(folder / TRAINED_ON_FILE),
    )
    write_json(folder / DESCRIPTION, saved.model_dump())
    # One entry only: safetensors writes several in an order of chance, and equal weights must be equal bytes.
    metadata = {DESCRIPTION_DIGEST: sha256_of(folder / DESCRIPTION)}
    with replacing(folder / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary, metadata=metadata)


def load_model(folder: Path, labels: Path) -> SavedModel:
    """Load a saved model for use with the order of ``labels`` (a labels.csv).

    Raises:
        UserError: something is missing or damaged, is of another model or an earlier version, or the weights were
            trained with another order of labels.
    """
    path = folder / WEIGHTS
    description, digest = _read_description(folder / DESCRIPTION)
    written_for, state = _read_weights(path)
    if written_for is None:
        raise UserError(f"{path} is of an earlier version, or not of this pipeline: {_TRAIN_AGAIN}")
    if written_for != digest:
        raise UserError(f"{path} and {folder / DESCRIPTION} are not of one model: {_BRING_BACK}")
    if _digest_tensors(state) != description.tensors_sha256:
        raise UserError(f"{path} is damaged (its weights are not those that were saved): {_BRING_BACK}")
    trained_on = _read_trained_on(folder / TRAINED_ON_FILE, description)
    check_order(description.labels_sha256, digest_labels(read_labels(labels)), where=str(folder / DESCRIPTION))
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(
                f"{path}: weights of {name} are no numbers (NaN or infinite): lower the profile's "
                f"train.learning_rate and {_TRAIN_AGAIN}"
            )
    return SavedModel(_network(description, state, folder), description, trained_on)


def check_saved(description: Path, trained_on: Path) -> None:
    """See that a model is one that this version can load, by the files that are small.

    Args:
        description: a model.json, wherever it is.
        trained_on: the trained_on.parquet that belongs to it.

    Raises:
        UserError: it is none.
    """
    _read_trained_on(trained_on, _read_description(description)[0])


def _network(description: SavedDescription, state: dict[str, torch.Tensor], folder: Path) -> nn.Module:
    wrong = UserError(f"{folder / DESCRIPTION} is not of these weights: {_BRING_BACK}")
    try:
        network: nn.Module = timm_model(
            description.name, description.image_px, num_classes=description.classes, **description.options
        )
        own = network.state_dict()
        network.load_state_dict(state)
    except (UserError, RuntimeError, TypeError):
        raise wrong from None
    if any(own[name].dtype != tensor.dtype for name, tensor in state.items()):
        raise wrong  # which load_state_dict would convert without a word
    return network


def _read_description(path: Path) -> tuple[SavedDescription, str]:
    """Read a model.json; give its digest, too."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {_TRAIN_AGAIN} or `dvc pull`") from None
    try:
        found = parse_json(content)
        if found.keys() | {"options"} == ModelDescription.model_fields.keys():
            raise UserError(
                f"{path} is of an earlier version, which did not say what a model was trained on: {_TRAIN_AGAIN}"
            )
        return SavedDescription.model_validate(found), hashlib.sha256(content).hexdigest()
    except ValidationError as error:
        said = _in_words(error)
    except ValueError as error:
        said = str(error)
    raise UserError(f"{path} is damaged ({said}): {_BRING_BACK}") from None


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"it has no {place}"
    if first["type"] == "extra_forbidden":
        return f"it has {place:.80}, which is unknown"
    return f"{place}: {first['msg']}, found {first['input']!r:.80}"


def _read_weights(path: Path) -> tuple[str | None, dict[str, torch.Tensor]]:
    """Read a model.safetensors: the digest in its head, and its tensors."""
    try:
        path.open("rb").close()  # safetensors calls a file that may not be read a missing one
        with safe_open(path, "pt") as weights:
            tensors = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118
            return (weights.metadata() or {}).get(DESCRIPTION_DIGEST), tensors
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {_TRAIN_AGAIN} or `dvc pull`") from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of what is on it
        raise UserError(f"{path} is damaged ({error}): {_BRING_BACK}") from None


def _read_trained_on(path: Path, description: SavedDescription) -> pl.DataFrame:
    if not path.is_file():
        raise UserError(f"{path} is missing: {_TRAIN_AGAIN} or `dvc pull`")
    if sha256_of(path) != description.trained_on_sha256:
        raise UserError(f"{path} is damaged or of another model (its digest is not that of the model): {_BRING_BACK}")
    return read_trained_on(path)


def _digest_tensors(state: dict[str, torch.Tensor]) -> str:
    """Give the SHA-256 of all tensors, by name: of what they are called, their types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        numbers: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest.update(numbers)
    return digest.hexdigest()
