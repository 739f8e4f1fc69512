"""Features that are there already, so that a run after some new images looks at the new ones alone.

A row is taken over where it is of the same packed JPEG (by SHA-256) and the same recipe: then its bytes are those that
would come out again. It may be of the last run, in DVC's cache, or of one that was stopped: what that had finished lies
in a folder of the repo that no commit and no DVC knows, named by the recipe.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from stages.config.schema import Sha256
from stages.features.stored import Features, read_file
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.last_run import GoneError, LastRun, differing, last_run
from stages.runtime.machine import repo_root
from stages.runtime.progress import say
from stages.runtime.wording import size_in_words
from stages.tables.json_files import parse_json, write_json


class MadeBy(BaseModel):
    """What stands beside features.

    Attributes:
        recipe: of ``stages.features.embedding``.
        weights: SHA-256 of the file of starting weights; none where they are random.
        files: SHA-256 of each file of features, by its name.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    recipe: dict[str, Any]
    weights: Sha256 | None
    files: dict[str, Sha256]


class PreviousFeatures:
    """Features by the digest of the packed JPEG that they are of."""

    def __init__(self) -> None:
        """Begin with none."""
        self._rows: dict[str, np.ndarray] = {}

    def add(self, features: Features) -> None:
        """Take the rows of a file."""
        self._rows.update(zip(features.jpeg_sha256, features.vectors, strict=True))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, jpeg_sha256: str) -> bool:
        return jpeg_sha256 in self._rows

    def take(self, jpeg_sha256: str) -> np.ndarray:
        """Give a row, float16 [dimensions]."""
        return self._rows[jpeg_sha256]


def previous_features(out: Path, made_file: Path, recipe: dict[str, Any], unfinished: Path) -> PreviousFeatures:
    """Find the features of this recipe that the last run made, and those of one that was stopped; say what is gone.

    Args:
        out: the stage's output, relative to the repo's root.
        made_file: its other output, which says how they were made.
        recipe: of this run.
        unfinished: of ``unfinished_folder``.
    """
    found = PreviousFeatures()
    try:
        with last_run() as last:
            _add_last(found, last, out, made_file, recipe)
    except (GoneError, OSError) as error:
        say(f"embed: no features of an earlier run are taken over: {error}")
    before = len(found)
    for path in sorted(unfinished.glob("*.arrow")):
        try:
            found.add(read_file(path))
        except UserError:  # of a machine that stopped with it
            path.unlink()
    if len(found) > before:
        say(f"embed: goes on where it was stopped: {len(found) - before:,} images were done")
    return found


def unfinished_folder(recipe: dict[str, Any]) -> Path:
    """Give the folder for what a run of this recipe has done, which is there until all is."""
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    return repo_root() / ".dvc/tmp/features" / digest[:16]


def say_what_others_left(folder: Path) -> None:
    """Say what runs of other recipes that were stopped have left: they may yet go on, so nothing is deleted.

    Args:
        folder: of ``unfinished_folder``.
    """
    left = [path for path in folder.parent.glob("*/*.arrow") if path.parent != folder]
    if left:
        size = size_in_words(sum(path.stat().st_size for path in left))
        say(f"embed: stopped runs of other networks or sizes left {size} in {folder.parent}: delete what is not wanted")


def write_made_by(made_file: Path, recipe: dict[str, Any], weights: str | None, out: Path) -> None:
    """Write what made the features in a folder, and their digests."""
    digests = {path.name: sha256_of(path) for path in sorted(out.iterdir())}
    write_json(made_file, MadeBy(recipe=recipe, weights=weights, files=digests).model_dump())


def _add_last(found: PreviousFeatures, last: LastRun, out: Path, made_file: Path, recipe: dict[str, Any]) -> None:
    try:
        before = MadeBy.model_validate(parse_json(last.read(made_file)))
    except ValueError:
        raise GoneError(f"the last run's {made_file} is of another version") from None
    if others := differing(recipe, before.recipe):
        raise GoneError(f"the last run had {others}")
    gone = 0
    for name, path in last.files(out).items():
        if path.is_file() and sha256_of(path) == before.files.get(name):
            found.add(read_file(path))
            continue
        gone += 1
        if path.is_file():
            last.discard(path)
    if gone:
        say(f"embed: {gone:,} files of features in DVC's cache are damaged or gone: made anew")
