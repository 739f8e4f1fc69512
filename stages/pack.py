"""Stage ``pack``: the originals of each split, read once, cropped and sized -> data/packed/*.arrow.

Each original is held against the inventory's digest as it is read, so a run is pinned down to the pixel. The shards
have the same bytes for any number of worker processes.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from stages.cache.directory import cache_directory, reading
from stages.cache.index import note_use
from stages.config.reading import stage_params
from stages.config.schema import Params
from stages.images.originals import map_originals
from stages.images.packing import pack_image, recipe
from stages.images.previous import PreviousImages, previous_images
from stages.images.shards import PackedImage, ShardMetadata, write_manifest, write_shards
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory, write_json
from stages.runtime.progress import progress, say
from stages.runtime.wording import size_in_words
from stages.splitting.label_order import digest_classes, read_classes
from stages.tables.classes import SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import read_table

SPLITS_IN = Path("data/splits")
OUT = Path("data/packed")
RECIPE = Path("data/packed.json")
METRICS = Path("metrics/pack.json")
REPORT = Path("data/reports/pack.json")


def main() -> None:
    """Pack every split and count what was packed."""
    params = stage_params("pack")
    cache = cache_directory(params.profile)
    classes = read_classes(SPLITS_IN / "classes.csv")
    rows = {name: label_rows(read_table(SPLITS_IN / f"{name}.parquet", SPLIT), classes, name) for name in SPLITS}
    metadata = ShardMetadata(params.image.pack_px, digest_classes(classes))
    made_by = recipe(params)

    figures, taken_over = {}, 0
    with (
        reading(cache),
        previous_images(OUT, RECIPE, SPLITS, made_by) as previous,
        replacing_directory(OUT) as folder,
    ):
        for name in SPLITS:
            packed = write_shards(
                pack_rows(rows[name], cache, params, previous),
                folder,
                name,
                shard_bytes=params.pack.shard_mb * 1_000_000,
                metadata=metadata,
            )
            figures[name] = count(progress(packed, what=f"pack {name}", total=len(rows[name])))
            taken_over += sum(sha256 in previous for _, sha256, _ in rows[name])
        write_manifest(folder)
    note_use(cache, pl.Series([image_name for split in rows.values() for image_name, _, _ in split]))
    write_json(RECIPE, made_by)
    images, size = (sum(figures[name][what] for name in SPLITS) for what in ("images", "bytes"))
    write_json(REPORT, figures)
    write_json(METRICS, {"packed_images": images, "packed_bytes": size})
    again = f", {taken_over:,} of them taken over from the last run" if taken_over else ""
    say(f"pack: {images:,} images of {params.image.pack_px} px{again}, {size_in_words(size)}, in {OUT}")


def label_rows(table: pl.DataFrame, classes: list[str], split: str) -> list[tuple[str, str, int]]:
    """Give image_name, sha256 and label of a split's images.

    Raises:
        UserError: a species has no label.
    """
    labels = pl.DataFrame({"species": classes, "label": range(len(classes))}, schema_overrides={"species": pl.String})
    labeled = table.join(labels, on="species", how="left", maintain_order="left")
    if unknown := labeled.filter(pl.col("label").is_null())["species"].unique().sort().to_list():
        raise UserError(f"{SPLITS_IN / 'classes.csv'} does not list {unknown[0]} of {split}: run `dvc repro split`")
    return labeled.select("image_name", "sha256", "label").rows()


def pack_rows(
    rows: list[tuple[str, str, int]], cache: Path, params: Params, previous: PreviousImages, *, workers: int = -1
) -> Iterator[PackedImage]:
    """Yield the packed image of each row, in their order: taken over where it was packed before, else made.

    Args:
        rows: image_name, sha256 and label.
        cache: the image cache's directory.
        params: sections ``crop``, ``image`` and ``pack``.
        previous: what was packed before by the same recipe.
        workers: processes, -1 for one a core.
    """
    new = [row for row in rows if row[1] not in previous]
    made = map_originals(partial(pack_image, params=params), new, cache, workers=workers)
    for image_name, sha256, label in rows:
        yield previous.take(image_name, sha256, label) if sha256 in previous else next(made)


def count(images: Iterator[PackedImage]) -> dict[str, Any]:
    """Count packed images, their bytes, and how their crops were found."""
    number, size, crops = 0, 0, Counter[str]()
    for image in images:
        number += 1
        size += len(image.jpeg)
        crops[image.crop] += 1
    return {"images": number, "bytes": size, "bytes_an_image": round(size / number) if number else 0, "crops": crops}


if __name__ == "__main__":
    run(main)
