"""weights.json: the starting weights of a profile by models' names, where each file is from and who may use it."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json, write_json


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
    return note
