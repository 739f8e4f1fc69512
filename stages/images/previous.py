"""What was packed before, so that a pack after some new images decodes and crops the new ones alone.

A row is taken over where it is of the same original (by SHA-256) and made by the same recipe: then its bytes are those
that would come out again. A shard with the same rows as before is taken over as a file, where files are still written
in the same way. How they were made is an output beside the shards, and not in them: what reads the shards shall not run
again after a change that changed no pixel.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages.images.shards import PackedImage, PackedShards, damaged_shards, shards_of
from stages.runtime.errors import UserError
from stages.runtime.last_run import GoneError, LastRun, differing, last_run
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
        if shards is not None:
            rows = shards.table()
            self._places = dict(rows.select("sha256", "place").iter_rows())
            self._rows = {name: [] for name in shards.names}
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
def previous_images(shards: Path, made_file: Path, made_by: dict[str, Any]) -> Iterator[PreviousImages]:
    """Open what DVC's cache still holds of the last run's shards, if they were made in the same way.

    Args:
        shards: the stage's output, relative to the repo's root.
        made_file: its other output, which says how they were made.
        made_by: that of this run: the recipe of ``images``, the storage of ``files``; see ``stages.images.packing``.
    """
    with TemporaryDirectory() as name, ExitStack() as opened:
        try:
            last = opened.enter_context(last_run())
            previous = _open(Path(name), last, shards, made_file, made_by)
        except (GoneError, OSError) as error:
            say(f"pack: all images are made: {error}")
            previous = PreviousImages()
        yield previous


def _open(folder: Path, last: LastRun, shards: Path, made_file: Path, made_by: dict[str, Any]) -> PreviousImages:
    before = last.read_json(made_file)
    if others := differing(made_by["images"], before.get("images")):
        raise GoneError(f"the last run had {others}")
    for relative, stored in last.files(shards).items():
        (folder / relative).symlink_to(stored)
    try:
        damaged = set(damaged_shards(folder))
        for name in damaged:
            last.discard(folder / name)
        if len(damaged) == len(shards_of(folder)):
            raise GoneError(f"nothing of the last run's {shards} is left in DVC's cache")
        if damaged:
            say(f"pack: {len(damaged):,} shards in DVC's cache are damaged or gone, first {min(damaged)}: made anew")
        same_files = before.get("files") == made_by["files"]
        return PreviousImages(PackedShards(folder, without=damaged), last.place if same_files else None)
    except UserError:
        raise GoneError(f"the last run's {shards} is of another version") from None
