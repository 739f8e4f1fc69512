"""The network: made by timm, with its starting weights and a head for the species."""

import difflib
from typing import Any, cast

import timm
import torch
from torch import nn

from stages.config.schema import FileWeights, Model, PackageWeights
from stages.learning.activations import use_lean_relu6
from stages.learning.starting_weights import load_but_head, load_in_order, package_file, read_weights
from stages.runtime.errors import UserError
from stages.runtime.machine import user_path


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
        model = timm_model(params.name, image_px, **dropping)
        load_in_order(model, read_weights(package_file(weights), weights.sha256), params.name)
        model.reset_classifier(classes)
        return model
    if weights.kind == "timm":
        return timm_model(params.name, image_px, **dropping, num_classes=classes, pretrained=True)
    model = timm_model(params.name, image_px, **dropping, num_classes=classes)
    if isinstance(weights, FileWeights):
        load_but_head(
            model, read_weights(user_path(weights.path), weights.sha256), _classifier_names(model), params.name
        )
    return model


def timm_model(name: str, image_px: int, **options: Any) -> Any:
    """Make a network of timm's for images of ``image_px``.

    Raises:
        UserError: timm knows no such model, it does not take these options, or its weights could not be had.
    """
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


def head_modules(model: nn.Module) -> list[nn.Linear]:
    """Give the layers that tell classes apart; some networks have two, and in some they are convolutions."""
    return [cast(nn.Linear, model.get_submodule(name)) for name in _classifier_names(model)]


def timm_config(model: Any) -> dict[str, Any]:
    """Give what timm knows of a network's weights: mean, std, the names of its head, ..."""
    return model.pretrained_cfg


def _classifier_names(model: nn.Module) -> list[str]:
    classifier = timm_config(model)["classifier"]
    return [classifier] if isinstance(classifier, str) else list(classifier)
