"""Stage ``embed``: what the starting network sees in each packed image -> data/features/, a file a shard.

The network is that of the profile, as a training would begin with it, without its head. Its features know no species
and no split, so relabelling changes none of them. Those of the same packed image by the same recipe are taken over from
the last run, and from one that was stopped: what grows costs what is new. `baseline` and `suspects` are made of them.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.sources import weights_note_path
from stages.features.embedding import embed, make_network, recipe
from stages.features.previous import (
    PreviousFeatures,
    previous_features,
    say_what_others_left,
    unfinished_folder,
    write_made_by,
)
from stages.features.stored import write_features
from stages.images.shards import PackedShards, check_shards
from stages.learning.origin import find_origin
from stages.learning.processes import broadcast_from_first, make_accelerator
from stages.runtime.errors import UserError, run
from stages.runtime.machine import machine_count
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say

PACKED_IN = Path("data/packed")
OUT = Path("data/features")
MADE_BY = Path("data/features.json")


def main() -> None:
    """Look at the images that are new, bring all rows into their files, say how they were made."""
    params = stage_params("embed")
    accelerator = make_accelerator()  # first: it says how torch computes
    check_libraries("embed")
    check_shards(PACKED_IN)
    origin = find_origin(params.model, weights_note_path(params.profile))
    side, batch_images = params.image.train_px, params.embed.batch_images
    shards = PackedShards(PACKED_IN)
    if shards.size_px < side:
        raise UserError(
            f"the packed images have {shards.size_px} px, less than the profile's image.train_px {side}: "
            "run `dvc repro pack`"
        )
    network = make_network(params.model, origin, side)
    made_by = recipe(origin, image_px=side, batch_images=batch_images)
    rows = shards.table().select("image_name", "sha256", "jpeg_sha256", "place", "shard")

    unfinished = unfinished_folder(made_by)
    previous = PreviousFeatures()
    if accelerator.is_main_process:
        previous = previous_features(OUT, MADE_BY, made_by, unfinished)
    places = [place for jpeg, place in rows.select("jpeg_sha256", "place").iter_rows() if jpeg not in previous]
    places = broadcast_from_first(places, accelerator)  # the first process knows what is there
    if accelerator.is_main_process and (taken_over := rows.height - len(places)):
        say(f"embed: the features of {taken_over:,} of {rows.height:,} images are taken over")
    on_gpu = accelerator.device.type == "cuda"
    workers = machine_count("LOADER_WORKERS", default=min(8, max(1, (os.cpu_count() or 1) - 1)) if on_gpu else 0)
    parts = embed(network, shards, places, accelerator, image_px=side, batch_images=batch_images, workers=workers)
    if not accelerator.is_main_process:
        for _ in parts:
            pass
        return
    with replacing_directory(OUT) as folder:
        dimensions = write_files(rows, each_row(parts), previous, unfinished)
        for name in rows["shard"].unique():
            shutil.move(unfinished / name, folder / name)
    write_made_by(MADE_BY, made_by, origin.sha256, OUT)
    shutil.rmtree(unfinished, ignore_errors=True)
    say_what_others_left(unfinished)
    say(f"embed: {rows.height:,} images, {dimensions:,} features each, of {origin.name}, in {OUT}")


def each_row(parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Give rows one by one."""
    for part in parts:
        yield from part


def write_files(rows: pl.DataFrame, new: Iterator[np.ndarray], previous: PreviousFeatures, folder: Path) -> int:
    """Write a file of features for each shard that has images, as soon as its rows are there; give the dimensions.

    Args:
        rows: of all packed images in their order: image_name, sha256, jpeg_sha256, shard.
        new: the features of those that are not in ``previous``, float16 [dimensions] each, in that order.
        previous: what was there before.
        folder: gets the files; it is made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dimensions = 0
    for (name,), of_shard in rows.partition_by("shard", as_dict=True, maintain_order=True).items():
        jpegs = of_shard["jpeg_sha256"]
        vectors = [previous.take(jpeg) if jpeg in previous else next(new) for jpeg in jpegs]
        names, digests = of_shard["image_name"].to_list(), of_shard["sha256"].to_list()
        write_features(names, digests, jpegs.to_list(), np.stack(vectors), folder / str(name))
        dimensions = len(vectors[0])
    return dimensions


if __name__ == "__main__":
    run(main)
