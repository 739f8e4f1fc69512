"""What the probes of ``baseline`` and the left-out scores of ``suspects`` cost, at full size: seconds and memory.

    python -m benchmarks.probes [--images 29531 118126] [--classes 2000 5914]

Generated features of 768 dimensions: species within genera, a long tail as the production collection has it, in
observations of 1 to 5 photos, divided 80:10:10. Each part of the stage, and the scores of all images by the fit without
their observation, are timed in a process of their own, in seconds of a processor: on two idle cores half of them pass.
At the larger size the stage runs by its own command, too. Of the whole collection (741,533 images of 8,587 species) no
run is made: each part is scaled from the larger size by its law, which the two sizes are held against.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import ROOT
from benchmarks.population import CLASSES, IMAGES, SPLIT_CLASSES, SPLIT_IMAGES, class_sizes
from stages.config.schema import Probe
from stages.features.chance import against_chance
from stages.features.normalized import normalized
from stages.features.probes import Labeled, ask_left_out, by_images, by_means, by_ridge, scored
from stages.features.renaming import rename
from stages.features.stored import read_features, write_features
from stages.tables.baseline import PROBED
from stages.tables.classes import LABELS, SPLITS
from stages.tables.json_files import write_json
from stages.tables.table import write_table

DIMENSIONS = 768
SHARDS = 16
SPREAD = 7.0  # of images around their species: then the ridge is right of about a third
PROBE = Probe(ridge=0.1, class_weight_power=-0.5, neighbors=5)
SHUFFLES = 1000

Law = Callable[[int, int], float]
# How the work of each part grows with images and classes.
LAWS: dict[str, tuple[str, Law]] = {
    "read and normalize": ("images", lambda images, _: images),
    "ridge: fit, val, test": ("images x (dimensions + 0.2 classes)", lambda n, c: n * (DIMENSIONS + 0.2 * c)),
    "nearest mean: val, test": ("images x classes", lambda images, classes: images * classes),
    "nearest images: val, test": ("images²", lambda images, _: images**2),
    "chance, 1,000 shuffles": ("images", lambda images, _: images),
    "renaming, 1,000 shuffles (only where labels are at chance)": ("images", lambda images, _: images),
    "left-out scores of all": ("images x (2 dimensions + classes)", lambda n, c: n * (2 * DIMENSIONS + c)),
}


def main() -> None:
    """Make both populations, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs=2, default=[SPLIT_IMAGES // 4, SPLIT_IMAGES])
    parser.add_argument("--classes", type=int, nargs=2, default=[2_000, SPLIT_CLASSES])
    parser.add_argument("--parts", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make, arguments.images[0], arguments.classes[0])
    elif arguments.parts:
        measure_parts(arguments.parts)
    else:
        compare(list(zip(arguments.images, arguments.classes, strict=True)))


def compare(sizes: list[tuple[int, int]]) -> None:
    """Measure each size in processes of its own, and print what the whole collection would take."""
    measured = []
    for images, classes in sizes:
        with tempfile.TemporaryDirectory() as name:
            of = ("--images", str(images), str(images), "--classes", str(classes), str(classes))
            run([sys.executable, "-m", "benchmarks.probes", "--make", name, *of], ROOT)
            used, said = run([sys.executable, "-m", "benchmarks.probes", "--parts", name], ROOT)
            print(f"{images:,} x {classes:,}, all parts: {used}", flush=True)
            measured.append(json.loads(said.splitlines()[-1]))
            if (images, classes) == sizes[-1]:
                used, said = run([sys.executable, "-m", "stages.baseline"], Path(name))
                print(f"{said.strip()}\n{images:,} x {classes:,}, the stage baseline: {used}", flush=True)
    small, large = sizes
    print(f"\n| part | {small[0]:,} | {large[0]:,} | grows like | ratio, by that law | {IMAGES:,} x {CLASSES:,} |")
    print("|---|---|---|---|---|---|")
    for part, (law, work) in LAWS.items():
        first, second = (of[part] for of in measured)
        estimate = second * work(IMAGES, CLASSES) / work(*large)
        ratios = f"{second / first:.1f}, {work(*large) / work(*small):.1f}"
        print(f"| {part} | {first:.1f} s | {second:.1f} s | {law} | {ratios} | {estimate:,.0f} s |")


def run(command: list[str], folder: Path) -> tuple[str, str]:
    """Run a command; give what it used, in words, and what it printed.

    Raises:
        RuntimeError: it failed.
    """
    env = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {text[-2000:]}")
    of_processor = used.ru_utime + used.ru_stime
    return f"{seconds:.0f} s, {of_processor:.0f} s of a processor, {used.ru_maxrss / 1024:,.0f} MB", text


def make(root: Path, images: int, classes: int) -> None:
    """Write what ``baseline`` reads: the splits' tables and features of ``SHARDS`` files."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(classes), class_sizes(images, classes, int(0.75 * classes)))
    photos = rng.choice(5, images, p=(0.62, 0.2, 0.1, 0.05, 0.03)) + 1
    groups = np.unique(np.repeat(np.arange(images), photos)[:images] + labels * 10_000_000, return_inverse=True)[1]
    first = np.unique(labels, return_index=True)[1]  # each species has its first observation in train
    split = rng.choice(3, groups.max() + 1, p=(0.8, 0.1, 0.1))
    split[groups[first]] = 0
    split = split[groups]
    directions = np.repeat(rng.normal(size=(-(-classes // 4), DIMENSIONS)), 4, axis=0)[:classes]
    directions = (directions + 0.6 * rng.normal(size=directions.shape)).astype(np.float32)
    table = pl.DataFrame(
        {
            "image_name": [f"{number:032x}.jpg" for number in range(images)],
            "sha256": [f"{number:064x}" for number in range(images)],
            "species": pl.Series(labels).cast(pl.String).str.zfill(5),
            "group": pl.Series(groups).cast(pl.String).str.zfill(8),
            "split": np.array(SPLITS)[split],
        }
    )
    for name in SPLITS:
        write_table(table.filter(split=name), PROBED, root / f"data/splits/{name}.parquet")
    named = pl.DataFrame({"label": range(classes), "species": [f"{number:05}" for number in range(classes)]})
    write_table(named, LABELS, root / "data/splits/labels.csv")
    (root / "data/features").mkdir(parents=True)
    for shard, rows in enumerate(np.array_split(np.arange(images), SHARDS)):
        noise = rng.normal(size=(len(rows), DIMENSIONS)).astype(np.float32)
        names, digests = (table[column][rows].to_list() for column in ("image_name", "sha256"))
        vectors = (1 + directions[labels[rows]] + SPREAD * noise).astype(np.float16)
        write_features(names, digests, digests, vectors, root / f"data/features/{shard:05}.arrow")
    write_json(root / "data/features.json", {"weights": "0" * 64})
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())


def measure_parts(root: Path) -> None:
    """Time each part, and print the seconds as a line of JSON."""
    seconds: dict[str, float] = {}
    parts = iter(LAWS)

    @contextmanager
    def timed() -> Iterator[None]:
        start = time.process_time()
        yield
        seconds[next(parts)] = time.process_time() - start

    with timed():
        everything, rows = read(root)
    classes = int(everything.labels.max()) + 1
    train, val, test = (Labeled(*(of[rows[name]] for of in vars(everything).values())) for name in SPLITS)
    with timed():
        way = by_ridge(train, classes, PROBE)
        said, _ = (scored(images, way).said for images in (val, test))
    for other in (by_means(train, classes), by_images(train, classes, PROBE.neighbors)):
        with timed():
            for images in (val, test):
                scored(images, other)
    with timed():
        against_chance(said, val.labels, val.groups, shuffles=SHUFFLES, seed=1)
    with timed():
        rename(said, val.labels, val.groups, shuffles=SHUFFLES, seed=1)
    with timed():
        ask_left_out(everything, classes, PROBE)
    print(json.dumps(seconds))


def read(root: Path) -> tuple[Labeled, dict[str, np.ndarray]]:
    """Read all images with their labels and groups, and give which rows are of which split."""
    features = read_features(root / "data/features")
    table = pl.concat(pl.read_parquet(root / f"data/splits/{name}.parquet") for name in SPLITS).sort("image_name")
    units, _ = normalized(features.vectors)
    labels, groups = (table[name].cast(pl.Int64).to_numpy() for name in ("species", "group"))
    return Labeled(units, labels, groups), {name: (table["split"] == name).to_numpy() for name in SPLITS}


if __name__ == "__main__":
    main()
