"""Predictions that are there already: what makes them, and finding those of the last run instead of making them anew.

DVC runs the stage ``predict`` for another license or group in a split's table, of which no prediction is made. What is
kept beside them says of which model, images and labels they are: where nothing of that is another, they are taken over
from DVC's cache, on another host too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from stages.config.schema import Sha256
from stages.images import portable
from stages.learning import (
    activations,
    arithmetic,
    augment,
    data,
    device,
    memory_layout,
    model,
    precision,
    predict,
    processes,
    saved_model,
    scores,
)
from stages.learning.split import PackedSplit
from stages.predicting import answers
from stages.provenance.code import code_digest
from stages.provenance.libraries import TRAINING, installed_versions
from stages.runtime.digests import sha256_of
from stages.runtime.last_run import GoneError, differing, last_run
from stages.runtime.outputs import replacing_directory
from stages.splitting import genera
from stages.splitting.label_order import digest_labels
from stages.tables import predictions
from stages.tables.json_files import parse_json, write_json

# What makes an answer of a model and a JPEG. The model itself comes in by its digest, as do images and labels.
_CODE = [
    Path(str(module.__file__))
    for module in (
        activations, answers, arithmetic, augment, data, device, genera, memory_layout, model, portable, precision,
        predict, predictions, processes, saved_model, scores,
    )
]  # fmt: skip


class _MadeBy(BaseModel):
    """What stands beside predictions."""

    model_config = ConfigDict(strict=True, extra="forbid")

    identity: dict[str, Any]
    files: dict[str, Sha256]


def predictions_identity(
    parameters: dict[str, Any],
    species: Sequence[str],
    packed: Mapping[str, PackedSplit],
    tables: Mapping[str, pl.DataFrame],
    models: Path,
) -> dict[str, Any]:
    """Say what makes the predictions of a run: plain values, which can be written as JSON.

    Args:
        parameters: those of the stage ``predict`` as params.yaml has them, by section.
        species: in the order of labels.
        packed: the splits, by name.
        tables: of the splits, by name: image_name and sha256.
        models: the folder of the model. Its weights' digest stands for all of it: they hold that of their description.
    """
    return {
        "parameters": parameters,
        "model": sha256_of(models / saved_model.WEIGHTS),
        "labels": digest_labels(species),
        "images": {name: split.fingerprint for name, split in packed.items()},
        "image_names": {name: _digest_names(table) for name, table in tables.items()},
        "code": code_digest(_CODE),
        "libraries": installed_versions(TRAINING),
    }


def write_made_by(made_file: Path, identity: dict[str, Any], out: Path) -> None:
    """Write what made the predictions in a folder, and their digests."""
    digests = {path.name: sha256_of(path) for path in sorted(out.iterdir())}
    write_json(made_file, {"identity": identity, "files": digests})


def take_over_predictions(identity: dict[str, Any], out: Path, made_file: Path) -> None:
    """Put the predictions of the last run into ``out``, if the same made them.

    Args:
        identity: of ``predictions_identity``.
        out: the folder of predictions, as dvc.yaml names it.
        made_file: beside it, likewise.

    Raises:
        GoneError: something else made them, or DVC's cache does not hold them whole; the message says which.
        OSError: they cannot be written.
    """
    with last_run() as last:
        try:
            before = _MadeBy.model_validate(parse_json(last.read(made_file)))
        except ValueError:
            raise GoneError(f"the last run's {made_file} is of another version") from None
        if others := differing(identity, before.identity):
            raise GoneError(f"the last run had {others}")
        stored = last.files(out)
        if stored.keys() != before.files.keys():
            raise GoneError(f"the last run's {out} has other files than its {made_file.name} says")
        for name, path in stored.items():
            if not path.is_file():
                raise GoneError(f"DVC's cache holds no {out / name} of an earlier run")
            if sha256_of(path) != before.files[name]:
                last.discard(path)
                raise GoneError(f"the last run's {out / name} was damaged in DVC's cache, and is deleted there")
        with replacing_directory(out) as folder:
            for name, path in stored.items():
                last.place(path, folder / name)


def _digest_names(table: pl.DataFrame) -> str:
    digest = hashlib.sha256()
    for name, sha256 in table.select("image_name", "sha256").iter_rows():
        digest.update(f"{name} {sha256}\n".encode())
    return digest.hexdigest()
