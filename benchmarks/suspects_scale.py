"""What ``baseline`` and ``suspects`` cost at the size of the reported split: seconds and memory.

    python -m benchmarks.suspects_scale [--size IMAGES CLASSES] ...

Features are made up: 118,126 images of 5,914 species, 768 numbers each, or of the sizes given. What stages say goes to
stderr, with the recall of the inverted file. Needs `dvc repro embed` once, for data/features.json, and 1 GB of disk.
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import ROOT
from benchmarks.population import SPLIT_CLASSES, SPLIT_CLASSES_OF_TWO, SPLIT_IMAGES, class_sizes
from sample.make import encode
from stages.features.stored import write_features
from stages.images.shards import PackedImage, shard_name, write_manifest, write_shard
from stages.runtime.errors import UserError, run
from stages.splitting.figures import number_classes
from stages.tables.classes import CLASSES, LABELS, SPLITS
from stages.tables.near_duplicates import PAIRS
from stages.tables.split import SPLIT
from stages.tables.table import write_table

DIMENSIONS = 768
STAGES = ("baseline", "suspects")


def main() -> None:
    """Measure each size, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs=2, type=int, action="append", metavar=("IMAGES", "CLASSES"))
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = arguments.size or [(SPLIT_IMAGES, SPLIT_CLASSES)]
    if arguments.write:
        images, classes = sizes[0]
        of_two = round(classes * SPLIT_CLASSES_OF_TWO / SPLIT_CLASSES)
        write_scale(arguments.write, *generate(images, classes, with_two_or_more=of_two))
        return
    print(f"on {os.cpu_count()} cores\n| images x features x species | stage | seconds | CPU-seconds | peak GB |")
    print("|---|---|---|---|---|")
    for images, classes in sizes:
        print_scale(images, classes)


def generate(images: int, classes: int, *, with_two_or_more: int, seed: int = 1) -> tuple[pl.DataFrame, np.ndarray]:
    """Make up tables and features like the production collection's: species around genera, photos in observations.

    Returns:
        Columns of ``SPLIT``, sorted by name, and features of the same, float16 [images, dimensions].
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), class_sizes(images, classes, with_two_or_more))
    photos = rng.choice(5, images, p=(0.62, 0.2, 0.1, 0.05, 0.03)) + 1
    observation = np.unique(np.repeat(np.arange(images), photos)[:images] + labels * images, return_inverse=True)[1]
    genera = rng.normal(size=(classes // 5 + 1, DIMENSIONS)).astype(np.float32)
    middles = genera[np.arange(classes) // 5] + rng.normal(size=(classes, DIMENSIONS)).astype(np.float32)
    vectors = np.empty((images, DIMENSIONS), np.float16)
    for start in range(0, images, 4096):
        of = slice(start, start + 4096)
        noise = rng.normal(size=(len(labels[of]), DIMENSIONS)).astype(np.float32)
        vectors[of] = 0.6 * middles[labels[of]] + 1.5 * noise + 3
    order = rng.permutation(images)
    vectors, labels, observation = vectors[order], labels[order], observation[order]
    numbers = pl.Series(range(images))
    drawn = rng.choice(3, int(observation.max()) + 1, p=(0.8, 0.1, 0.1))[observation]
    named = {
        "image_url": [f"https://host{number % 40}.example/{number}.jpg" for number in numbers],
        "image_name": sorted(f"{hashlib.md5(str(number).encode()).hexdigest()}.jpg" for number in numbers),
        "document_id": numbers.cast(pl.String),
        "sha256": pl.Series(["0" * 64]).new_from_index(0, images),
        "species": [f"Genus{number // 5:04} species{number:04}" for number in labels.tolist()],
        "source": np.where(observation % 2, "inaturalist", "legacy"),
        "license": pl.Series(["cc0"]).new_from_index(0, images),
        "observer": [f"observer {number % 9973}" for number in observation.tolist()],
        "group": pl.Series(observation).cast(pl.String),
        "split": np.array(SPLITS, object)[drawn],
    }
    table = pl.DataFrame({name: named.get(name) for name in SPLIT}, schema_overrides=dict(SPLIT), strict=False)
    filled = table.with_columns(pl.lit(1).cast(SPLIT[name]).alias(name) for name in ("bytes", "width", "height"))
    return filled, vectors


def write_scale(root: Path, table: pl.DataFrame, vectors: np.ndarray) -> None:
    """Write what the stages ``baseline`` and ``suspects`` read; all photos are one."""
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, root / name)
    trained = table.filter(pl.col("split") == "train")["species"].unique()
    known = table["species"].is_in(trained.implode())
    table, vectors = table.filter(known), vectors[known.to_numpy()]
    for split in SPLITS:
        write_table(table.filter(pl.col("split") == split), SPLIT, root / f"data/splits/{split}.parquet")
    species = sorted(trained)
    write_table(
        pl.DataFrame({"label": range(len(species)), "species": species}), LABELS, root / "data/splits/labels.csv"
    )
    write_table(number_classes(table), CLASSES, root / "data/splits/classes.csv")
    write_table(pl.DataFrame(schema=PAIRS), PAIRS, root / "data/near_duplicates/pairs.parquet")
    names, digests = table["image_name"].to_list(), table["sha256"].to_list()
    (root / "data/features").mkdir()
    write_features(names, digests, digests, vectors, root / "data/features/00000.arrow")
    shutil.copy(ROOT / "data/features.json", root / "data/features.json")
    photo = encode(np.full((64, 64, 3), 128, np.uint8))
    digest = hashlib.sha256(photo).hexdigest()
    rows = (
        PackedImage(name, sha256, 0, 0, 64, "smart", digest, photo) for name, sha256 in zip(names, digests, strict=True)
    )
    (root / "data/packed").mkdir()
    write_shard(rows, root / "data/packed" / shard_name(0), size_px=64)
    write_manifest(root / "data/packed")


def print_scale(images: int, classes: int) -> None:
    """Print seconds and peak memory of the stages, each by its own command."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # In a process of its own: on Linux, the peak memory of a child counts what its parent held when it started it.
        words = ["--write", folder, "--size", str(images), str(classes)]
        subprocess.run([sys.executable, "-m", "benchmarks.suspects_scale", *words], cwd=ROOT, check=True)
        for stage in STAGES:
            seconds, usage, said = measured(stage, root)
            busy_s, peak_gb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20
            size = f"{images:,} x {DIMENSIONS} x {classes:,}"
            print(f"| {size} | {stage} | {seconds:.0f} | {busy_s:.0f} | {peak_gb:.2f} |", flush=True)
            print(said, file=sys.stderr)


def measured(stage: str, root: Path) -> tuple[float, resource.struct_rusage, str]:
    """Run a stage; give seconds, what it used, and what it says."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(root)}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen([sys.executable, "-m", f"stages.{stage}"], cwd=root, env=environment, stdout=output,
                                 stderr=subprocess.STDOUT)  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
        output.seek(0)
        said = output.read()
    if status:
        raise UserError(f"stages.{stage} failed: {said[-2000:]}")
    return time.perf_counter() - start, usage, said


if __name__ == "__main__":
    run(main)
