"""Stage ``pack``: the originals of all available images, read once, cropped and sized -> data/packed/*.arrow.

What is packed knows no species, label or split: those are tables, and other ones pack nothing again. Each original is
held against the inventory's digest as it is read, so a run is pinned down to the pixel. What the last run made of the
same bytes by the same recipe is taken over, and the image cache is asked for the rest alone. The shards have the same
bytes for any number of worker processes and any history.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl

from stages.cache.directory import cache_directory, reading
from stages.cache.index import note_use
from stages.config.libraries import check_libraries
from stages.config.reading import plain_params, stage_params
from stages.config.schema import Params
from stages.images.originals import map_originals
from stages.images.packing import pack_image, recipe, storage
from stages.images.previous import PreviousImages, previous_images
from stages.images.shards import PackedImage, PackedShards, shard_name, shard_of, write_manifest, write_shard
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import progress, say
from stages.runtime.wording import size_in_words
from stages.tables.images import IMAGES
from stages.tables.json_files import write_figures, write_json
from stages.tables.table import read_table

IMAGES_IN = Path("data/images.parquet")
OUT = Path("data/packed")
RECIPE = Path("data/packed.json")
METRICS = Path("metrics/pack.json")
REPORT = Path("data/reports/pack.json")

Rows = list[tuple[str, str]]  # image_name and sha256


def main() -> None:
    """Plan the shards, take over what is there, make the rest, count what was packed."""
    params = stage_params("pack")
    check_libraries("pack")
    available = read_table(IMAGES_IN, IMAGES)
    if not available.height:
        raise UserError(f"{IMAGES_IN} names no image: run `dvc repro cache_filter`")
    shards = plan_shards(available, params.pack.shards)
    images = sum(map(len, shards.values()))
    made_by = {"images": recipe(plain_params("pack")), "files": storage()}

    with previous_images(OUT, RECIPE, made_by) as previous:
        whole = {name for name, rows in shards.items() if previous.has_shard(name, rows)}
        changed = [rows for name, rows in shards.items() if name not in whole]
        new = [row for rows in changed for row in rows if row[1] not in previous]
        if len(new) < images:
            say(f"pack: {images - len(new):,} of {images:,} images are taken over, {len(whole):,} shards of them whole")
        with replacing_directory(OUT) as folder, originals(params.profile, new) as cache:
            rows = list(chain.from_iterable(changed))
            packed = progress(pack_rows(rows, cache, params, previous), what="pack", total=len(rows))
            for name in shards:
                if name in whole:
                    previous.take_shard(folder / name)
                else:
                    write_shard(islice(packed, len(shards[name])), folder / name, size_px=params.image.pack_px)
            write_manifest(folder)

    write_json(RECIPE, made_by)
    figures = summarize(PackedShards(OUT))
    write_figures(REPORT, figures)
    write_figures(METRICS, {"packed_images": figures["images"], "packed_bytes": figures["bytes"]})
    say(f"pack: {images:,} images of {params.image.pack_px} px, {size_in_words(figures['bytes'])}, in {OUT}")


def plan_shards(images: pl.DataFrame, shards: int) -> dict[str, Rows]:
    """Give the rows of each shard, by its file name, sorted by image_name; of some there may be none.

    Args:
        images: columns of ``IMAGES``.
        shards: their number.
    """
    planned: dict[str, Rows] = {shard_name(number): [] for number in range(shards)}
    for image_name, sha256 in images.sort("image_name").select("image_name", "sha256").iter_rows():
        planned[shard_name(shard_of(image_name, shards))].append((image_name, sha256))
    return planned


@contextmanager
def originals(profile: str, new: Rows) -> Iterator[Path | None]:
    """Hold the image cache while images are read from it; where none is to be made, it need not be there.

    Raises:
        UserError: it is needed and not there.
    """
    if not new:
        yield None
        return
    cache = cache_directory(profile)
    with reading(cache):
        yield cache
    note_use(cache, pl.Series([image_name for image_name, _ in new]))


def pack_rows(
    rows: Rows, cache: Path | None, params: Params, previous: PreviousImages, *, workers: int = -1
) -> Iterator[PackedImage]:
    """Yield the packed image of each row, in their order: taken over where it was packed before, else made.

    Args:
        rows: of all images that are wanted.
        cache: the image cache's directory; ``None`` where all was packed before.
        params: sections ``crop``, ``image`` and ``pack``.
        previous: what was packed before by the same recipe.
        workers: processes, -1 for one a core.
    """
    new = [row for row in rows if row[1] not in previous]
    made = map_originals(partial(pack_image, params=params), new, cache, workers=workers) if cache else iter(())
    for image_name, sha256 in rows:
        yield previous.take(image_name, sha256) if sha256 in previous else next(made)


def summarize(packed: PackedShards) -> dict[str, Any]:
    """Count packed images, their bytes, and how their crops were found."""
    rows = packed.table()
    size = int(rows["jpeg_bytes"].sum())
    crops = dict(rows.group_by("crop").len().sort("crop").iter_rows())
    return {"images": rows.height, "bytes": size, "bytes_an_image": round(size / rows.height), "crops": crops}


if __name__ == "__main__":
    run(main)
