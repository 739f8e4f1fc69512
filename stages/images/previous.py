"""What was packed before, so that a pack after some new images costs as much as the new ones.

DVC deletes outputs before it runs a stage, but keeps those of the last run in its cache, and dvc.lock names them. A row
is taken over where it is of the same original (by SHA-256) and made by the same recipe: then its bytes are those that
would come out again. The recipe is an output beside the shards, and not in them: `train` depends on the shards, and
shall not run again after a change of code that changed no pixel.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.images.shards import PackedImage, PackedSplit, check_shards
from stages.runtime.errors import UserError
from stages.runtime.lock import locked_outputs


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
def previous_images(
    shards: Path, recipe_file: Path, splits: Collection[str], recipe: dict[str, Any]
) -> Iterator[PreviousImages]:
    """Open what DVC's cache still holds of the last run's shards, if this recipe made them.

    Args:
        shards: the stage's output, relative to the repo's root.
        recipe_file: its other output, which says how they were made.
        splits: their names.
        recipe: see ``stages.images.packing.recipe``.
    """
    usable: list[PackedSplit] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        try:
            if _link_last_run(folder, shards, recipe_file, recipe):
                check_shards(folder, splits)
                usable = [PackedSplit(folder, split) for split in splits]
        # Not there, not whole, or written by another version: all is packed anew.
        except (UserError, DvcException, OSError, ValueError, KeyError, TypeError):
            pass
        yield PreviousImages(usable)


def _link_last_run(folder: Path, shards: Path, recipe_file: Path, recipe: dict[str, Any]) -> bool:
    """Link the files of the last run's shards into ``folder``, if they are of this recipe; say whether they are."""
    outputs = locked_outputs()
    with Repo() as repo:

        def cached(digest: str) -> Path:
            return Path(repo.cache.local.oid_to_path(digest))

        if json.loads(cached(outputs[str(recipe_file)]).read_text(encoding="utf-8")) != recipe:
            return False
        for entry in json.loads(cached(outputs[str(shards)]).read_text(encoding="utf-8")):
            (folder / entry["relpath"]).symlink_to(cached(entry["md5"]))
        return True
