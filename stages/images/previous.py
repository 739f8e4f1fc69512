"""What was packed before, so that a pack after some new images costs as much as the new ones.

A row is taken over where it is of the same original (by SHA-256) and made by the same recipe: then its bytes are those
that would come out again. A shard with the same rows as before is taken over as a file. The recipe is an output beside
the shards, and not in them: what reads the shards shall not run again after a change that changed no pixel.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages.images.shards import PackedImage, PackedShards, damaged_shards, shards_of
from stages.runtime.errors import UserError
from stages.runtime.last_run import GoneError, LastRun, last_run
from stages.runtime.progress import say


class PreviousImages:
    """Packed images of the last run: by the SHA-256 of their originals, and as files."""

    def __init__(self, shards: PackedShards | None = None, place: Callable[[Path, Path], None] | None = None) -> None:
        """Index the rows of shards.

        Args:
            shards: of the last run, where there is one.
            place: puts a file of theirs at another path; without it they are taken over row by row.
        """
        self._shards, self._place_file = shards, place
        self._places: dict[str, int] = {}
        self._rows: dict[str, list[tuple[str, str]]] = {}
        if shards:
            rows = shards.table()
            self._places = dict(rows.select("sha256", "place").iter_rows())
            for (name,), of_shard in rows.partition_by("shard", as_dict=True).items():
                self._rows[str(name)] = of_shard.select("image_name", "sha256").rows()

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def take(self, image_name: str, sha256: str) -> PackedImage:
        """Give the packed image of an original, under the name that it has now."""
        assert self._shards is not None, "nothing is in it"
        return replace(self._shards.row(self._places[sha256]), image_name=image_name)

    def has_shard(self, name: str, rows: list[tuple[str, str]]) -> bool:
        """Say whether there is a file of these very rows: image_name and sha256 of each."""
        return self._place_file is not None and self._rows.get(name) == rows

    def take_shard(self, path: Path) -> None:
        """Put the file of that name at ``path``."""
        assert self._shards is not None and self._place_file is not None, "has_shard() says so"
        self._place_file(self._shards.folder / path.name, path)


@contextmanager
def previous_images(shards: Path, recipe_file: Path, recipe: dict[str, Any]) -> Iterator[PreviousImages]:
    """Open what DVC's cache still holds of the last run's shards, if this recipe made them.

    Args:
        shards: the stage's output, relative to the repo's root.
        recipe_file: its other output, which says how they were made.
        recipe: see ``stages.images.packing.recipe``.
    """
    with TemporaryDirectory() as name, last_run() as last:
        folder = Path(name)
        try:
            previous = _open(folder, last, shards, recipe_file, recipe)
        except (GoneError, UserError, OSError) as error:  # not there, not whole, or written by another version
            say(f"pack: all images are made anew: {error}")
            previous = PreviousImages()
        yield previous


def _open(folder: Path, last: LastRun, shards: Path, recipe_file: Path, recipe: dict[str, Any]) -> PreviousImages:
    before = last.read_json(recipe_file)
    if changed := sorted(name for name in recipe.keys() | before.keys() if recipe.get(name) != before.get(name)):
        raise GoneError(f"the last run had other {' and '.join(changed)}")
    for relative, stored in last.files(shards).items():
        (folder / relative).symlink_to(stored)
    damaged = set(damaged_shards(folder))
    if len(damaged) == len(shards_of(folder)):
        raise GoneError(f"nothing of the last run's {shards} is left in DVC's cache")
    if damaged:
        say(f"pack: {len(damaged):,} shards in DVC's cache are damaged or gone, first {min(damaged)}: made anew")
    return PreviousImages(PackedShards(folder, without=damaged), last.place)
