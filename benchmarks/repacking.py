"""What a change of the data costs at the production collection's size: seconds of `dvc repro`, new DVC objects.

    python -m benchmarks.repacking [CHECKOUT ...] [--images NUMBER]

Makes the tables of 741,533 images and small JPEGs for them, packs ten elevenths of them, and then changes something,
one after the other: the other eleventh comes (growth by a tenth), 1,000 images are relabeled, another seed divides
them, 100 images go, nothing changes and `pack` runs all the same. After each it says how long `dvc repro split pack`
takes and how many bytes DVC stores anew, as a share of what is packed: the JPEGs are small, and shares are the same
for large ones. Other checkouts of this repo, before or after a change of code, take turns with this one. At the end it
says what it takes to move bytes: a `pack` of 2 GB in which nothing is new. Needs 12 GB of disk a checkout and ten
minutes.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import simplejpeg
import yaml

from benchmarks import ROOT
from benchmarks.full_size import write_no_look_alikes
from benchmarks.population import CLASSES, IMAGES, make_inventory, make_links, make_records, write_nothing_known
from stages.images.previous import PreviousImages
from stages.images.shards import PackedImage, PackedShards, write_manifest, write_shard
from stages.pack import plan_shards
from stages.runtime.yaml_files import read_yaml
from stages.tables.export import RECORDS
from stages.tables.images import IMAGES as IMAGE_ROWS
from stages.tables.inventory import INVENTORY
from stages.tables.links import LINKS
from stages.tables.table import read_table, write_table

STAGES = ("cache_filter", "split", "pack")
FULL_SIZE_GB = 53.6  # of 741,533 images of 448 px, as benchmarks/loading.py has it
RELABELED, DROPPED = 1_000, 100
NOTHING, FORCED = "nothing, but pack runs", ["-f", "-s", "pack"]
MOVED_IMAGES, MOVED_BYTES = 28_000, 72_000  # of each


def main() -> None:
    """Make the images, let each checkout pack and re-pack them, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", type=Path, nargs="*", metavar="CHECKOUT")
    parser.add_argument("--images", type=int, default=IMAGES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_records(arguments.images, max(20, CLASSES * arguments.images // IMAGES))
        inventory = write_images(make_inventory(records), folder / "images")
        repos = {}
        for number, checkout in enumerate([ROOT, *arguments.checkouts]):
            repos[checkout] = folder / f"repo{number}"
            prepare(repos[checkout], checkout.absolute(), records, inventory.head(len(inventory) * 10 // 11))
        print(f"| {arguments.images:,} images | checkout | seconds | new shards, of all | that is, GB | tables, MB |")
        print("|---|---|---|---|---|---|", flush=True)
        changes = {"packed at first": lambda _: None} | changes_of(records, inventory)
        for what, change in changes.items():
            for checkout, repo in repos.items():
                change(repo)
                words = FORCED if what == NOTHING else ["split", "pack"]
                seconds, share, tables = repack(repo, checkout.absolute(), folder / "images", words)
                size = f"{share:.1%} | {share * FULL_SIZE_GB:.2f} | {tables / 1e6:.1f}"
                print(f"| {what} | {checkout.name} | {seconds:.1f} | {size} |", flush=True)
        print_planning(repos[ROOT])
        print_moving(repos[ROOT], folder / "images")


def write_images(inventory: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Write a small JPEG for each image, all different; give the inventory with their sizes and digests."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(100, 156, (48, 64, 3), dtype=np.uint8)
    jpeg = simplejpeg.encode_jpeg(pixels, quality=50)
    sizes, digests = [], []
    for image_name in inventory["image_name"]:
        comment = image_name.encode()
        # A segment of comment behind the start of the image.
        data = jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
        (folder / image_name).write_bytes(data)
        sizes.append(len(data))
        digests.append(hashlib.sha256(data).hexdigest())
    return inventory.with_columns(
        bytes=pl.Series(sizes), sha256=pl.Series(digests), width=pl.lit(64), height=pl.lit(48)
    )


def prepare(repo: Path, checkout: Path, records: pl.DataFrame, inventory: pl.DataFrame) -> None:
    """Make a repo of git and DVC with the stages of a checkout that lead to shards, and their inputs."""
    source = repo / "data/sources/teacher"
    write_nothing_known(source)
    write_table(records, RECORDS, repo / "data/records.parquet")
    write_table(make_links(records), LINKS, repo / "data/links.parquet")
    write_table(inventory, INVENTORY, source / "inventory.parquet")
    write_no_look_alikes(repo / "data/near_duplicates")
    params = read_yaml(checkout / "params.yaml")
    params["profile"] = "teacher"
    params["crop"]["mode"] = "center"
    params["profiles"]["teacher"]["image"] = {"pack_px": 32, "train_px": 32}
    params["inventory"]["min_side_px"] = 16
    if "shard_mb" in params["pack"]:
        params["pack"]["shard_mb"] = 6  # about as many shards as of real images of 512 MB
    write_yaml(repo / "params.yaml", params)
    pipeline = read_yaml(checkout / "dvc.yaml")
    stages = {name: pipeline["stages"][name] for name in STAGES}
    for stage in stages.values():
        # Code is no dependency here: it changes nothing, and stands elsewhere.
        stage["deps"] = [path for path in stage["deps"] if not path.startswith("stages/")]
    write_yaml(repo / "dvc.yaml", {"stages": stages})
    if (checkout / "libraries.yaml").exists():
        shutil.copy(checkout / "libraries.yaml", repo)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=repo, check=True)
    shutil.copytree(ROOT / ".dvc/plots", repo / ".dvc/plots", dirs_exist_ok=True)


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write a YAML file."""
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def changes_of(records: pl.DataFrame, inventory: pl.DataFrame) -> dict[str, Callable[[Path], None]]:
    """Give the changes, by name: each writes another input into a repo."""
    rng = np.random.default_rng(1)
    relabeled = np.zeros(records.height, bool)
    relabeled[rng.choice(records.height, RELABELED, replace=False)] = True
    others = records.with_columns(
        species=pl.when(pl.Series(relabeled)).then(pl.col("species").shuffle(seed=1)).otherwise("species")
    )
    gone = inventory["image_name"].sample(DROPPED, seed=2)
    rest = inventory.filter(~pl.col("image_name").is_in(gone.implode()))
    where = "data/sources/teacher/inventory.parquet"

    def reseed(repo: Path) -> None:
        params = read_yaml(repo / "params.yaml")
        params["split"]["seed"] += 1
        write_yaml(repo / "params.yaml", params)

    return {
        "growth by a tenth": lambda repo: write_table(inventory, INVENTORY, repo / where),
        f"{RELABELED:,} relabeled": lambda repo: write_table(others, RECORDS, repo / "data/records.parquet"),
        "another seed": reseed,
        f"{DROPPED} gone": lambda repo: write_table(rest, INVENTORY, repo / where),
        NOTHING: lambda _: None,
    }


def repack(repo: Path, checkout: Path, images: Path, words: list[str]) -> tuple[float, float, int]:
    """Run `dvc repro` with some words; give its seconds, and what is new in DVC's cache.

    Returns:
        Seconds, new shards as a share of all bytes that are packed, and bytes of new tables and figures.
    """
    cache = repo / ".dvc/cache/files/md5"
    before = set(cache.glob("*/*"))
    environment = os.environ | {"PYTHONPATH": str(checkout), "IMAGE_CACHE_DIR": str(images), "DVC_NO_ANALYTICS": "1"}
    start = time.perf_counter()
    command = [sys.executable, "-m", "dvc", "repro", *words]
    result = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if result.returncode:
        raise SystemExit(result.stdout + result.stderr)
    shards = tables = 0
    for path in set(cache.glob("*/*")) - before:
        with path.open("rb") as file:
            is_shard = file.read(6) == b"ARROW1"
        size = path.stat().st_size
        shards, tables = shards + size * is_shard, tables + size * (not is_shard)
    packed = sum(path.stat().st_size for path in (repo / "data/packed").glob("*.arrow"))
    return seconds, shards / packed, tables


def print_planning(repo: Path) -> None:
    """Print what a pack does before it touches an image: finds out what is there, and what goes where."""
    rows = read_table(repo / "data/images.parquet", IMAGE_ROWS)
    times = []
    for work in (
        lambda: PreviousImages(PackedShards(repo / "data/packed")),
        lambda: plan_shards(rows, 512),
    ):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(
        f"\n{rows.height:,} images: what was packed before is known in {times[0]:.1f} s, the plan in {times[1]:.1f} s."
    )


def print_moving(repo: Path, images: Path) -> None:
    """Print what a pack takes in which every shard is taken over whole: it checks, copies and hashes bytes."""
    rng = np.random.default_rng(2)
    rows = [(f"{number:032x}.jpg", f"{number:064x}") for number in range(MOVED_IMAGES)]
    write_table(pl.DataFrame(rows, schema=IMAGE_ROWS, orient="row"), IMAGE_ROWS, repo / "data/images.parquet")
    pipeline = read_yaml(repo / "dvc.yaml")
    write_yaml(repo / "dvc.yaml", {"stages": {"pack": pipeline["stages"]["pack"]}})
    shutil.rmtree(repo / "data/packed")
    (repo / "data/packed").mkdir()
    for name, of_shard in plan_shards(read_table(repo / "data/images.parquet", IMAGE_ROWS), 512).items():
        packed = (PackedImage(*row, 0, 0, 1, "center", row[1], rng.bytes(MOVED_BYTES)) for row in of_shard)
        write_shard(packed, repo / "data/packed" / name, size_px=32)
    write_manifest(repo / "data/packed")
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-q", "-f", "pack"], cwd=repo, check=True)
    seconds, share, _ = repack(repo, ROOT, images, FORCED)
    size_gb = MOVED_IMAGES * MOVED_BYTES / 1e9
    print(f"\nA pack of {size_gb:.1f} GB in which nothing is new takes {seconds:.1f} s and stores {share:.1%} anew.")


if __name__ == "__main__":
    main()
