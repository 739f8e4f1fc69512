"""What was packed before, so that a pack after some new images costs as much as the new ones.

DVC deletes data/packed before it runs the stage, but keeps the shards of the last run in its cache, and dvc.lock names
them. A row is taken over where it is of the same original (by SHA-256) and made by the same recipe: then its bytes are
those that would come out again.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from stages.errors import UserError
from stages.images.shards import PackedImage, PackedSplit, check_shards


class PreviousImages:
    """Packed images by the SHA-256 of their originals."""

    def __init__(self, splits: Collection[PackedSplit]) -> None:
        """Index the rows of some splits."""
        self._places = {digest: (split, index) for split in splits for index, digest in enumerate(split.digests)}

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def take(self, image_name: str, sha256: str, label: int) -> PackedImage:
        """Give the packed image of an original, under the name and label that it has now."""
        split, index = self._places[sha256]
        return replace(split.row(index), image_name=image_name, label=label)


@contextmanager
def previous_images(out: Path, splits: Collection[str], recipe: str) -> Iterator[PreviousImages]:
    """Open what DVC's cache still holds of the last run's shards, as far as this recipe made them.

    Args:
        out: the stage's output, relative to the repo's root.
        splits: their names.
        recipe: see ``stages.images.packing.recipe``.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        for relative, path in cached_files(out).items():
            (folder / relative).symlink_to(path)
        try:
            opened = [PackedSplit(folder, split) for split in splits]
            if usable := [split for split in opened if split.imprint.recipe == recipe]:
                check_shards(folder, splits)
        except UserError:  # not there, or not whole, or written by another version: all is packed anew
            usable = []
        yield PreviousImages(usable)


def cached_files(out: Path) -> dict[str, Path]:
    """Give the files of an output directory as dvc.lock names them, where DVC's cache holds them all; else nothing."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        stages = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]
        (oid,) = {
            entry["md5"] for stage in stages.values() for entry in stage.get("outs", ()) if entry["path"] == str(out)
        }
        with Repo() as repo:
            to_path = repo.cache.local.oid_to_path
            listing = json.loads(Path(to_path(oid)).read_text(encoding="utf-8"))
            files = {entry["relpath"]: Path(to_path(entry["md5"])) for entry in listing}
    except (DvcException, OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return {}
    return files if all(path.is_file() for path in files.values()) else {}
