"""What crops are worth, on composed photos with true boxes, half of them of plants and places no tuning has seen.

    python -m benchmarks.crops [PHOTOS_A_HALF]

Composes 1,050 photos from the sample's ingredients, on which `crop` in params.yaml was tuned, and 1,050 from others,
measures center crop and smart crop by the parameters as they are, and smart crop with one choice changed at a time.
The photos come out of memory: a seed makes the same ones again. Needs apt-get and dpkg-deb; fetches 330 MB.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import simplejpeg

from benchmarks import ROOT
from benchmarks.inventory import photo as large_photo
from sample.compose import Photo, draw_scene, take_photo
from sample.ingredients import UNSEEN_PACKAGES, load_backgrounds, load_cutouts, load_unseen
from sample.packages import unpack_packages
from stages.config.schema import Crop
from stages.evaluation.crops import Measured, kept_figures, summarize, tabulate
from stages.images.crop import center_crop, find_crop
from stages.images.decode import decode_rgb
from stages.images.prepare import reduction_for
from stages.runtime.errors import run
from stages.runtime.parallel import parallel_map
from stages.runtime.yaml_files import read_yaml

PHOTOS = 1_050
LARGEST = 0.95  # of the frame's short side; the sample's subjects end at 0.6
SEEDS = {"tuned on": 7, "unseen": 8}

# What is changed, one at a time, and in which words.
CHOICES: dict[str, dict] = {
    "smart, as in params.yaml": {},
    "the spectral residual alone": {"color_power": 0.0},
    "the colors alone": {"residual_floor": 100.0},
    "colors count more": {"color_power": 2.0},
    "the background of the map counts": {"map_floor": 0.0},
    "no bell around the middle": {"center_sigma": 100.0},
    "area costs more": {"area_price": 0.5},
    "no margin": {"margin": 1.0},
    "sides of 30 % and more": {"scales": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]},
    "a thumbnail of 128 px": {"thumbnail_px": 128},
    "a thumbnail of 384 px": {"thumbnail_px": 384},
}


def main() -> None:
    """Compose, measure, print the tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS
    params = Crop(**read_yaml(ROOT / "params.yaml")["crop"])
    params = params.model_copy(update={"mode": "smart"})
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_packages(UNSEEN_PACKAGES, Path(folder))
        cutouts = [cutout for several in load_cutouts(root).values() for cutout in several]
        halves = {"tuned on": (cutouts, load_backgrounds(root)), "unseen": load_unseen(root)}
    for half, (cutouts, backgrounds) in halves.items():
        photos = list(compose(cutouts, backgrounds, number, SEEDS[half]))
        print_half(f"{len(photos):,} photos, {half}", photos, params)
    print_cost(params)


def compose(
    cutouts: Sequence[np.ndarray], backgrounds: Sequence[np.ndarray], number: int, seed: int
) -> Iterator[tuple[bytes, Photo]]:
    """Yield composed photos, each as the JPEG that a web site would serve, and as it was; each of its own seed."""
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        scene = draw_scene(cutouts[rng.integers(len(cutouts))], backgrounds[rng.integers(len(backgrounds))], rng)
        photo = take_photo(scene, rng, largest=LARGEST)
        yield simplejpeg.encode_jpeg(np.ascontiguousarray(photo.pixels), quality=72, colorsubsampling="420"), photo


def print_half(title: str, photos: list[tuple[bytes, Photo]], params: Crop) -> None:
    """Print what center crop, smart crop and its variations are worth, and smart crop by frame, position and size."""
    print(f"\n| {title} | kept | kept, off center | kept, centered | missed | share of the crop | fell back |")
    print("|---|---|---|---|---|---|---|")
    tables = {name: measure(photos, params.model_copy(update=change)) for name, change in CHOICES.items()}
    first = next(iter(tables.values()))
    print_row("center crop", first.filter(pl.col("crop") == "center"), first)
    for name, table in tables.items():
        print_row(name, table.filter(pl.col("crop") == "smart"), table)
    print(f"\n| {title} | images | smart | center |\n|---|---|---|---|")
    for groups in summarize(first)["by"].values():
        for group, figures in groups.items():
            print(f"| {group} | {figures['images']} | {figures['smart']:.3f} | {figures['center']:.3f} |")


def print_row(name: str, rows: pl.DataFrame, table: pl.DataFrame) -> None:
    """Print a row of the figures."""
    figures = kept_figures(rows)
    center = kept_figures(table.filter(pl.col("crop") == "center"))
    off, centered = (
        rows.filter(pl.col("position") == position)["subject_kept"].mean() for position in ("off center", "centered")
    )
    fell_back = rows["how"].is_in(["smart", "center"]).not_().mean()
    share = figures["subject_share_of_crop"] / center["subject_share_of_crop"]
    kept, missed = figures["subject_kept"], figures["subject_missed_share"]
    print(f"| {name} | {kept:.3f} | {off:.3f} | {centered:.3f} | {missed:.1%} | {share:.2f} x | {fell_back:.1%} |")


def measure(photos: list[tuple[bytes, Photo]], params: Crop) -> pl.DataFrame:
    """Crop every photo in both ways; give the table of ``tabulate``."""
    tasks = [[data for data, _ in photos[start : start + 50]] for start in range(0, len(photos), 50)]
    crops = [pair for pairs in parallel_map(partial(crop_both, params), tasks) for pair in pairs]
    names = [str(index) for index in range(len(photos))]
    boxes = {name: photo.box for name, (_, photo) in zip(names, photos, strict=True)}
    return tabulate(dict(zip(names, crops, strict=True)), boxes)


def crop_both(params: Crop, files: list[bytes]) -> list[Measured]:
    """Give both crops of each file."""
    measured = []
    for data in files:
        pixels = decode_rgb(data)
        height, width = pixels.shape[:2]
        measured.append(Measured(find_crop(pixels, params), center_crop(width, height), width, height))
    return measured


def print_cost(params: Crop) -> None:
    """Print what finding a crop adds to decoding an original of 2048 x 1536 px, in full and as ``pack`` does."""
    data = simplejpeg.encode_jpeg(large_photo(1), quality=91)
    decodes = {"in full": 1, "reduced, for 448 px": reduction_for(data, 1536, 448)}
    print("\n| decode | ms | smart crop, ms | smart crop by decode |\n|---|---|---|---|")
    for name, factor in decodes.items():
        decoding, cropping = [], []
        for _ in range(30):
            start = time.perf_counter()
            pixels = decode_rgb(data, factor=factor)
            middle = time.perf_counter()
            find_crop(pixels, params)
            decoding.append(middle - start)
            cropping.append(time.perf_counter() - middle)
        decode_ms, crop_ms = (statistics.median(seconds) * 1e3 for seconds in (decoding, cropping))
        print(f"| {name} ({len(data) / 1e6:.2f} MB) | {decode_ms:.1f} | {crop_ms:.1f} | {crop_ms / decode_ms:.2f} |")


if __name__ == "__main__":
    run(main)
