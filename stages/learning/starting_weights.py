"""Weights that a training starts from: read from a file of any usual form, and put into a network.

Position embeddings, relative position tables and patch embeddings of another size are resampled, and the names of other
projects translated, by the filter that timm has for each network, as it does for weights that it fetches itself.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import nn

from stages.learning.origin import Origin, check_file
from stages.runtime.errors import UserError
from stages.runtime.plain_text import first_line
from stages.splitting.label_order import digest_labels

Tensors = dict[str, torch.Tensor]
Filter = Callable[..., Tensors]

# Under which key a checkpoint has its weights: an average of them first, as timm itself takes it.
_WRAPPINGS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model_state", "model"),
    *("module", "weights"),
)
_WHERE = "params.yaml: the profile's model.weights"
_SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Found:
    """What a file holds.

    Attributes:
        tensors: by name.
        taken: under which key of the file they stand; empty where they are all of it.
        passed_over: how many tensors of it stand elsewhere.
    """

    tensors: Tensors
    taken: str = ""
    passed_over: int = 0


@dataclass(frozen=True)
class Loaded:
    """What became of the tensors of a file, by name.

    Attributes:
        used: of the network, that have their values from the file.
        resampled: of these, that have another size there.
        renamed: how many of these have other names there.
        prefix: what stands there before each name.
        outside: how many tensors of the file have other names before theirs, and so are of something else.
        ignored: of the file, that the network has no use for.
        head: what became of the head, in words.
    """

    used: list[str]
    resampled: list[str]
    renamed: int
    prefix: str
    outside: int
    ignored: list[str]
    head: str


def read_weights(origin: Origin) -> Found:
    """Read a file of weights; nothing of it is executed.

    Raises:
        UserError: it is missing, is another file than its digest says, or holds no weights.
    """
    path = origin.path
    assert path is not None, "random weights are in no file"
    check_file(origin)
    try:
        if path.suffix == ".safetensors" or _begins_as_safetensors(path):
            return Found(load_file(path))
        # timm's own checkpoints hold the arguments of its script.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises what it meets
        if foreign := _foreign(path):
            raise UserError(
                f"{_WHERE}: {path} holds more than tensors ({_listed(foreign)}), which is not executed: save its "
                "state_dict alone, where you trust it"
            ) from None
        raise UserError(f"{_WHERE}: {path} cannot be read as weights ({first_line(error)})") from None
    found = _unwrapped(content)
    if found is None:
        raise UserError(f"{_WHERE}: {path} holds no weights (a dict of tensors)")
    return found


def load_in_order(model: nn.Module, state: Tensors, name: str) -> None:
    """Load weights whose tensors stand in the model's order under other names.

    Raises:
        UserError: they are of another network than ``name``.
    """
    own = model.state_dict()
    shapes, own_shapes = ([tuple(tensor.shape) for tensor in tensors.values()] for tensors in (state, own))
    if shapes != own_shapes:
        raise UserError(f"{_WHERE}: the tensors of that file are not those of {name}")
    _refuse_no_numbers(state)
    renamed = dict(zip(own, state.values(), strict=True))
    _refuse_quantized(renamed, own)
    model.load_state_dict(renamed)


def load_by_name(
    model: nn.Module,
    found: Found,
    origin: Origin,
    *,
    head_names: Sequence[str],
    filter_fn: Filter | None,
    species: Sequence[str] | None,
) -> Loaded:
    """Load weights by name; the head's rows where it is known which species they mean, else its own stay.

    Args:
        model: gets them; with a head for the species, random by now.
        found: of ``read_weights``.
        origin: of the file.
        head_names: of the layers that tell classes apart.
        filter_fn: timm's, of this network.
        species: in the order of labels; none where it does not matter.

    Raises:
        UserError: they are of another network, or some are no numbers.
    """
    own = model.state_dict()
    is_head = tuple(f"{name}." for name in head_names)
    tensors, prefix = _without_prefix(found.tensors, [key for key in own if not key.startswith(is_head)])
    outside = len(found.tensors) - len(tensors)
    filtered = _filtered(tensors, model, filter_fn, origin.name)
    body = {key: value for key, value in filtered.items() if key in own and not key.startswith(is_head)}
    # Tables of indices are made with the network, and files of other versions of timm lack them.
    missing = [
        key
        for key, value in own.items()
        if key not in body and not key.startswith(is_head) and value.is_floating_point()
    ]
    misfit = [key for key, value in body.items() if value.shape != own[key].shape]
    if missing or misfit:
        wrong = [*misfit, *missing]
        raise UserError(
            f"{_WHERE}: that file is not of {origin.name}: of {len(own)} tensors {len(missing)} are missing and "
            f"{len(misfit)} of another shape ({_listed(wrong)})"
        )
    _refuse_no_numbers(body)
    _refuse_quantized(body, own)
    head, words = _head(own, filtered, is_head, origin, species)
    model.load_state_dict(body | head, strict=False)
    renamed = sum(key not in tensors for key in body)
    # Where a filter gives other names, what it left out cannot be told from what it renamed.
    left_out = [] if renamed else [key for key in tensors if key not in filtered and not key.startswith(is_head)]
    ignored = [*left_out, *(key for key in filtered if key not in own and not key.startswith(is_head))]
    return Loaded(
        used=list(body),
        resampled=[key for key in body if key in tensors and tensors[key].shape != body[key].shape],
        renamed=renamed,
        prefix=prefix,
        outside=outside,
        ignored=ignored,
        head=words,
    )


def in_words(loaded: Loaded, found: Found, origin: Origin, *, tensors: int) -> str:
    """Say in a line what became of a file; ``tensors`` is how many the network has."""
    parts = [f"{len(loaded.used)} of the network's {tensors} tensors are those of {origin.path}"]
    if found.taken:
        over = f", {found.passed_over} tensors beside it are passed over" if found.passed_over else ""
        parts.append(f"its {found.taken} is taken{over}")
    if loaded.prefix:
        beside = f", {loaded.outside} without it are passed over" if loaded.outside else ""
        parts.append(f"their names begin with {loaded.prefix} there{beside}")
    if loaded.renamed:
        parts.append(f"{loaded.renamed} have other names there")
    if loaded.resampled:
        parts.append(f"{len(loaded.resampled)} are resampled ({_listed(loaded.resampled)})")
    if loaded.ignored:
        parts.append(f"{len(loaded.ignored)} of the file are ignored ({_listed(loaded.ignored)})")
    return "; ".join([*parts, loaded.head])


def _head(
    own: Tensors, filtered: Mapping[str, torch.Tensor], is_head: tuple[str, ...], origin: Origin, species: Any
) -> tuple[Tensors, str]:
    """Give the head's tensors with the rows of the file's that are of the same species, and say which."""
    names = [key for key in own if key.startswith(is_head)]
    if not any(key.startswith(is_head) for key in filtered):
        return {}, "the file has no head: a new one"
    if origin.labels_sha256 is None or species is None:
        return {}, "the file does not say which species its head means: a new head"
    labels = origin.labels
    if labels is None and origin.labels_sha256 == digest_labels(species):
        labels = tuple(species)
    if labels is None:
        beside = f"no labels.csv of its order {origin.labels_sha256[:8]} lies beside it"
        return {}, f"the file's head is of another order of classes, and {beside}: a new head"
    row_of = {name: row for row, name in enumerate(labels)}
    shared = [(row, row_of[name]) for row, name in enumerate(species) if name in row_of]
    fits = all(
        key in filtered and filtered[key].shape[1:] == own[key].shape[1:] and len(filtered[key]) == len(labels)
        for key in names
    )
    if not shared or not fits:
        return {}, "the file's head has " + ("another form" if shared else "none of the species") + ": a new head"
    into, of = ([pair[place] for pair in shared] for place in (0, 1))
    head = {}
    for key in names:
        head[key] = own[key].clone()
        head[key][into] = filtered[key][of].to(own[key].dtype)
    _refuse_no_numbers(head)
    if tuple(species) == tuple(labels):
        return head, "its head is taken over, of the same species in the same order"
    new, gone = len(species) - len(shared), len(labels) - len(shared)
    return head, f"its head is renumbered by names: {len(shared)} species taken over, {new} new, {gone} left out"


def _unwrapped(content: Any) -> Found | None:
    """Find the weights in what a checkpoint holds; none where there are none."""
    if not isinstance(content, dict):
        return None
    wrapped = {key: inner for key in _WRAPPINGS if (inner := _unwrapped(content.get(key))) is not None}
    most = max((len(inner.tensors) for inner in wrapped.values()), default=0)
    for key, inner in wrapped.items():
        if 2 * len(inner.tensors) < most:  # settings that are tensors, as the decay of an average
            continue
        others = [value for name, value in content.items() if name != key]
        beside = sum(len(other.tensors) for value in others if (other := _unwrapped(value)) is not None)
        taken = f"{key}.{inner.taken}" if inner.taken else key
        return Found(inner.tensors, taken, inner.passed_over + beside)
    tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor) and isinstance(key, str)}
    return Found(tensors) if tensors else None


def _without_prefix(tensors: Tensors, own: Sequence[str]) -> tuple[Tensors, str]:
    """Take away what stands before the names of most of a network's tensors: ``module.``, ``_orig_mod.``, ``model.``...

    An average of the weights comes first, as a file may hold both.
    """
    wanted = set(own)
    votes: Counter[str] = Counter()
    for key in tensors:
        parts = key.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in wanted:
                votes["".join(f"{part}." for part in parts[:cut])] += 1
    prefix = max(votes, key=lambda prefix: (votes[prefix], "ema" in prefix, -len(prefix)), default="")
    if votes[prefix] * 2 < len(wanted):  # the names of another project, which are timm's to translate
        return clean_state_dict(tensors), ""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}, prefix


def _filtered(tensors: Tensors, model: nn.Module, filter_fn: Filter | None, name: str) -> Tensors:
    if filter_fn is None:
        return tensors
    try:
        try:
            return filter_fn(dict(tensors), model)
        except TypeError:  # some take the weights alone, as timm knows
            return filter_fn(dict(tensors))
    except Exception as error:  # whatever it meets in a file of another network
        raise UserError(f"{_WHERE}: that file is not of {name} ({type(error).__name__}: {first_line(error)})") from None


def _refuse_no_numbers(tensors: Tensors) -> None:
    for key, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UserError(f"{_WHERE}: {key} of that file holds values that are no numbers (NaN or infinite)")


def _refuse_quantized(tensors: Tensors, own: Tensors) -> None:
    """Refuse whole numbers in the place of real ones, which torch would take for these without a word."""
    for key, value in tensors.items():
        if own[key].is_floating_point() and not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise UserError(f"{_WHERE}: {key} of that file holds {kind}, and no real numbers: it is quantized")


def _begins_as_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(10)[8:] == b'{"'


def _foreign(path: Path) -> list[str]:
    """Name the objects in a pickle that are no tensors, if they are why it is not read."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # it is no pickle at all
        return []
    return sorted(name for name in names if name != "argparse.Namespace")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(str(name)[:80] for name in names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
