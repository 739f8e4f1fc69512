"""weights.json: the starting weights of a profile by models' names, where each file is from and who may use it."""

import math
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json, write_json

# Arguments by which timm's `create_model` does other things than to make a network, as to load a file that has no
# digest; and what a training decides itself.
NO_ARGUMENTS = {
    *("checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "features_only"),
    *("scriptable", "exportable", "no_jit", "model_name", "name", "config", "image_px"),
    *("num_classes", "img_size", "in_chans", "drop_rate", "drop_path_rate"),
}
_LEAST_STD = 1e-6


@dataclass(frozen=True)
class WeightsNote:
    """What is noted of a file of starting weights.

    Attributes:
        file: its name in the profile's folder ``weights``, or in the Python package that it is part of.
        sha256: its digest.
        bytes: its size.
        source: where it was published: an address or a folder.
        revision: which state of that: a commit, or a version; none where the source has no such thing.
        license: as the source says it; none where it says nothing.
        architecture: timm's name of the network.
        model_args: arguments with which that is made.
        config: what timm calls the pretrained config, as far as it makes a result: input size, mean, std, head.
    """

    file: str
    sha256: str
    bytes: int
    source: str
    revision: str | None
    license: str | None
    architecture: str
    model_args: dict[str, Any]
    config: dict[str, Any]

    def said(self) -> dict[str, str | None]:
        """Give what a report says of the file."""
        return {name: getattr(self, name) for name in ("source", "revision", "license", "sha256")}


def read_notes(path: Path) -> dict[str, WeightsNote]:
    """Read the notes, by the models' names; none where there is no such file.

    Raises:
        UserError: the file is no such JSON, or notes a model twice, as after a merge.
    """
    try:
        return {name: _note(entry) for name, entry in parse_json(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} does not say which weights there are ({error}): bring it back with git") from None


def write_notes(path: Path, notes: dict[str, WeightsNote]) -> None:
    """Write the notes, sorted by the models' names."""
    write_json(path, {name: asdict(note) for name, note in notes.items()})


def _note(entry: dict[str, Any]) -> WeightsNote:
    note = WeightsNote(**entry)
    for field in fields(WeightsNote):
        value = getattr(note, field.name)
        kind = {"bytes": int, "model_args": dict, "config": dict}.get(field.name, str)
        if not isinstance(value, kind) and not (value is None and field.name in ("revision", "license")):
            raise ValueError(f"{field.name} is {value!r:.40}")
    if not re.fullmatch("[0-9a-f]{64}", note.sha256):
        raise ValueError(f"sha256 is {note.sha256!r:.80}")
    if Path(note.file).is_absolute() or ".." in Path(note.file).parts:
        raise ValueError(f"file is {note.file!r:.80}")
    check_made(note.model_args, note.config)
    return note


def check_made(model_args: dict[str, Any], config: dict[str, Any]) -> None:
    """See that a network can be made by what is noted of it, as far as that shows without timm.

    Raises:
        ValueError: it cannot; the message says why.
    """
    for name in model_args:
        if name in NO_ARGUMENTS:
            raise ValueError(f"model_args: {name} is no argument of a network")
    for name in ("mean", "std"):
        values = config.get(name, [1.0] * 3)
        if not isinstance(values, list | tuple) or len(values) != 3 or not all(map(_is_number, values)):
            raise ValueError(f"config: {name} must be three numbers (found {values!r:.80})")
        if name == "std" and min(values) < _LEAST_STD:
            raise ValueError(f"config: std must be above 0 (found {values!r:.80})")
    heads = config.get("classifier") or []
    if not all(isinstance(head, str) for head in (heads if isinstance(heads, list | tuple) else [heads])):
        raise ValueError(f"config: classifier must be the name of a layer, or names (found {heads!r:.80})")


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that is larger than any float
        return False
