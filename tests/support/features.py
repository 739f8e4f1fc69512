"""Features: of the embedded sample, made by the real stages, and made up ones of which much is known."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.features.stored import Features, read_features, write_features
from stages.tables.classes import read_split
from stages.tables.suspects import SUSPECTED
from tests.support import ROOT
from tests.support.running import run_here

STAGES = ("export", "cache_filter", "near_duplicates", "split", "pack", "embed")


@dataclass(frozen=True)
class Sample:
    """The embedded sample as far as nothing is trained.

    Attributes:
        root: of the repo in which the stages ran.
        features: of all its packed images.
        images: of train, val and test, with the columns of ``SUSPECTED``.
    """

    root: Path
    features: Features
    images: pl.DataFrame

    def vectors(self) -> np.ndarray:
        """The features of ``images``, in their order, of length 1: float64 [images, dimensions]."""
        places = {name: place for place, name in enumerate(self.features.image_name)}
        found = self.features.vectors[[places[name] for name in self.images["image_name"]]].astype(np.float64)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def make_sample(root: Path) -> Sample:
    """Run the stages up to ``embed`` on the embedded sample; some 20 seconds."""
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "data/sources/sample", root / "data/sources/sample")
    for stage in STAGES:
        done = run_here(stage, root)
        assert done.returncode == 0, done.stderr
    images = pl.concat(read_split(root / "data/splits", name, SUSPECTED) for name in ("train", "val", "test"))
    return Sample(root, read_features(root / "data/features"), images)


def write_made_up(
    folder: Path, image_names: list[str], vectors: np.ndarray, *, sha256: list[str] | None = None
) -> None:
    """Write features of images, all in one file.

    Args:
        folder: gets the file; it is made.
        image_names: in any order.
        vectors: [images, dimensions].
        sha256: of the originals; all zeros where they do not matter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = sha256 or ["0" * 64] * len(image_names)
    order = np.argsort(image_names)
    names, digests = [image_names[at] for at in order], [digests[at] for at in order]
    write_features(names, digests, digests, np.asarray(vectors)[order].astype(np.float16), folder / "00000.arrow")
