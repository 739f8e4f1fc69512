"""The network: made by timm, with its starting weights and a head for the species."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import timm
import torch
from timm.models import _builder
from torch import nn

from stages.config.schema import Model
from stages.learning.activations import use_lean_relu6
from stages.learning.model_names import config_of
from stages.learning.origin import Origin, find_origin
from stages.learning.starting_weights import Filter, in_words, load_by_name, load_in_order, read_weights
from stages.runtime.errors import UserError
from stages.runtime.plain_text import first_line


def create_model(
    params: Model,
    *,
    classes: int,
    image_px: int,
    seed: int,
    origin: Origin | None = None,
    species: Sequence[str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> nn.Module:
    """Make the network with its starting weights and a new head for ``classes`` species, random from ``seed``.

    Args:
        params: section ``model`` of params.yaml.
        classes: number of species.
        image_px: side of the images.
        seed: of what is random.
        origin: of ``find_origin``; none for weights that no weights.json has to note.
        species: in the order of labels: where a file says which species its head means, their rows are taken over.
        tell: gets a line on what became of a file of weights.

    Raises:
        UserError: timm knows no such model, or the starting weights are missing, changed or of another network.
    """
    torch.manual_seed(seed)
    model = _start(params, origin or find_origin(params, None), classes, image_px, species, tell)
    use_lean_relu6(model)
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, image_px, image_px))
    except Exception as error:  # whatever the network's own checks raise
        raise UserError(
            f"params.yaml: the profile's image.train_px: {params.name} cannot take {image_px} px ({first_line(error)})"
        ) from None
    return model


def _start(
    params: Model,
    origin: Origin,
    classes: int,
    image_px: int,
    species: Sequence[str] | None,
    tell: Callable[[str], None] | None,
) -> nn.Module:
    options: dict[str, Any] = origin.options | {"drop_rate": params.drop_rate}
    if params.drop_path_rate:  # not every network has such paths, and timm refuses what one does not take
        options["drop_path_rate"] = params.drop_path_rate
    if params.weights.kind == "package":
        model = timm_model(origin.name, image_px, config=origin.config, **options)
        load_in_order(model, read_weights(origin).tensors, origin.name)
        model.reset_classifier(classes)
        return model
    options["num_classes"] = classes
    if origin.path is None:
        return timm_model(origin.name, image_px, config=origin.config, **options)
    model, filter_fn = _with_filter(origin, image_px, options)
    found, names = read_weights(origin), _classifier_names(model)
    loaded = load_by_name(model, found, origin, head_names=names, filter_fn=filter_fn, species=species)
    if tell:
        tell(f"starting weights: {in_words(loaded, found, origin, tensors=len(model.state_dict()))}")
    return model


def timm_model(name: str, image_px: int, *, config: dict[str, Any] | None = None, **options: Any) -> Any:
    """Make a network of timm's for images of ``image_px``; ``config`` takes the place of timm's own pretrained config.

    Raises:
        UserError: timm knows no such model, or it does not take these options.
    """
    # A ViT's position embeddings are made for one size.
    size: dict[str, Any] = {"img_size": image_px} if config_of(name).fixed_input_size else {}
    own: dict[str, Any] = {"pretrained_cfg": _as_timm_has_it(config)} if config is not None else {}
    try:
        return timm.create_model(name, **options | size | own)
    except (TypeError, AssertionError) as error:
        raise UserError(f"params.yaml: model: {name} does not take that ({first_line(error)})") from None


def _with_filter(origin: Origin, image_px: int, options: dict[str, Any]) -> tuple[Any, Filter | None]:
    """Make a network without weights, and give the filter by which timm fits a file to it.

    timm hands the filter, which a network may choose by its arguments, to ``load_pretrained`` and to nobody else. So
    that one is another for as long as the network is made.
    """
    filters: list[Filter | None] = []

    def take_filter(*_: Any, filter_fn: Filter | None = None, **__: Any) -> None:
        filters.append(filter_fn)

    before = _builder.load_pretrained
    _builder.load_pretrained = take_filter
    try:
        model = timm_model(origin.name, image_px, config=origin.config, **options, pretrained=True)
    finally:
        _builder.load_pretrained = before
    if not filters:
        raise RuntimeError(f"timm made {origin.name} without load_pretrained: it may be of another version")
    return model, filters[0]


def head_modules(model: nn.Module) -> list[nn.Linear]:
    """Give the layers that tell classes apart; some networks have two, and in some they are convolutions."""
    return [cast(nn.Linear, model.get_submodule(name)) for name in _classifier_names(model)]


def timm_config(model: Any) -> dict[str, Any]:
    """Give what timm knows of a network's weights: mean, std, the names of its head, ..."""
    return model.pretrained_cfg


def _as_timm_has_it(config: dict[str, Any]) -> dict[str, Any]:
    """Give a config that stood in JSON, which has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}


def _classifier_names(model: nn.Module) -> list[str]:
    classifier = timm_config(model)["classifier"]
    if not classifier:
        name = timm_config(model).get("architecture")
        raise UserError(f"params.yaml: the profile's model.name: {name} has no head that tells classes apart")
    return [classifier] if isinstance(classifier, str) else list(classifier)
