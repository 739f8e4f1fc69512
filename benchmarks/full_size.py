"""The data stages at the production collection's size, each by its own command: seconds, memory, growth with size.

    python -m benchmarks.full_size [IMAGES ...]

Makes a seeded population of 741,533 images (and of 5,000,000, to see how time grows; or of the sizes given) and runs
``export`` from a BSON dump, ``cache_filter``, ``near_duplicates`` and ``split`` on it, with an inventory of 62,821
images and of all. Beside them runs the plain script that one writes first, on the same records. At the end it says
what a `dvc repro` costs that has nothing to do. Needs 10 GB of disk for the larger size and some minutes.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bson
import polars as pl
import yaml

from benchmarks import ROOT
from benchmarks.population import (
    CACHED,
    CLASSES,
    IMAGES,
    make_documents,
    make_inventory,
    make_records,
    write_nothing_known,
)
from stages.runtime.yaml_files import read_yaml
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.table import read_table, write_table

ROUNDS = 3
LARGE = 5_000_000


def main() -> None:
    """Measure, print the tables."""
    sizes = [int(word) for word in sys.argv[1:]] or [IMAGES, LARGE]
    figures: dict[tuple[str, int, str], tuple[float, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            measure_size(Path(name), size, figures, repro=size == sizes[0])
    print("\n| command | images | inventory | seconds | peak MB |\n|---|---|---|---|---|")
    for (what, size, inventory), (seconds, peak_mb) in figures.items():
        print(f"| {what} | {size:,} | {inventory} | {seconds:.2f} | {peak_mb:.0f} |")
    if len(sizes) > 1:
        small, large = sizes[:2]
        print("\n| command | time / images, of the larger by the smaller |\n|---|---|")
        for what, size, inventory in figures:
            if size == small and (what, large, inventory) in figures:
                ratio = figures[what, large, inventory][0] / figures[what, small, inventory][0] / (large / small)
                print(f"| {what}, inventory of {inventory} | {ratio:.2f} |")


def measure_size(folder: Path, size: int, figures: dict, *, repro: bool) -> None:
    """Measure every command on a population of ``size`` images; the best of some rounds, as machines are noisy."""
    # In a process of its own: on Linux, the peak memory of a child counts what its parent held when it started it.
    run_command(folder, [sys.executable, "-m", "benchmarks.full_size", "--make-sources", str(size)])
    figures["export", size, "-"] = best(lambda: run(folder, "stages.export"), rounds=1 if size > IMAGES else ROUNDS)

    # Each stage on what the one before it made; the plain script on the same records as JSON lines.
    inventories = {f"{CACHED:,}": CACHED, "all": None} if CACHED < size <= IMAGES else {"all": None}
    for label, files in inventories.items():
        run_command(folder, [sys.executable, "-m", "benchmarks.full_size", "--make-inventory", str(files or 0)])
        # The search for look-alikes is measured up to a million images, see near_duplicates.py beside this.
        stages = ("cache_filter", "near_duplicates", "split") if size <= IMAGES else ("cache_filter", "split")
        if size > IMAGES:
            write_no_look_alikes(folder / "data/near_duplicates")
        rounds = []
        for _ in range(ROUNDS):
            results = {what: run(folder, f"stages.{what}") for what in stages}
            rounds.append(results | {"plain script": run_plain(folder)})
        for what in rounds[0]:
            figures[what, size, label] = min(results[what] for results in rounds)
        both = min(results["cache_filter"][0] + results["split"][0] for results in rounds)
        figures["cache_filter + split", size, label] = (both, 0)
    if repro:
        figures["dvc repro with nothing to do", size, "all"] = no_op(folder)


def make_sources(size: int) -> None:
    """Write a population as a dump and as JSON lines, and a repo's parameters, into the current directory."""
    records = make_records(size, CLASSES if size <= IMAGES else CLASSES * size // IMAGES)
    dump = Path("data/sources/teacher/dump/plants.bson")
    dump.parent.mkdir(parents=True)
    with dump.open("wb") as file:
        for document in make_documents(records):
            file.write(bson.encode(document))
    with Path("dataset_raw.jsonl").open("w", encoding="utf-8") as file:
        for row in records.iter_rows(named=True):
            file.write(json.dumps(row) + "\n")
    write_table(records, RECORDS, Path("made.parquet"))
    prepare(Path.cwd(), dump.name)


def write_inventory(files: int | None) -> None:
    """Write an inventory of so many of the population's images, and their names as a list."""
    inventory = make_inventory(read_table(Path("made.parquet"), RECORDS), files)
    write_table(inventory, INVENTORY, Path("data/sources/teacher/inventory.parquet"))
    Path("cached.txt").write_text("\n".join(inventory["image_name"]))


def write_no_look_alikes(folder: Path) -> None:
    """Write what ``near_duplicates`` writes where nothing looks alike."""
    write_table(pl.DataFrame(schema=PAIRS), PAIRS, folder / "pairs.parquet")
    write_table(pl.DataFrame(schema=DISPUTED), DISPUTED, folder / "disputed.csv")


def prepare(folder: Path, dump: str) -> None:
    """Write a repo's parameters and empty inputs."""
    content = read_yaml(ROOT / "params.yaml") | {"profile": "teacher"}
    content["profiles"]["teacher"]["source"] = {"kind": "dump", "file": dump}
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for name in ("dvc.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, folder)
    write_nothing_known(folder / "data/sources/teacher")


def run(folder: Path, module: str) -> tuple[float, float]:
    """Run a stage by its own command; give seconds and peak MB."""
    return run_command(folder, [sys.executable, "-m", module])


def run_command(folder: Path, command: list[str]) -> tuple[float, float]:
    """Run a command; give seconds and peak MB."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder), "DVC_NO_ANALYTICS": "1"}
    # DVC starts a stage's `python` by the path: it must be this one, whatever shell this was called from.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    # Polars sets this for its own allocator when it is imported, as it is here: a child that finds it is a fifth faster
    # and takes half as much memory again as one that is started from a shell or by DVC.
    environment.pop("_RJEM_MALLOC_CONF", None)
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1e3


def run_plain(folder: Path) -> tuple[float, float]:
    """Run the plain script, this file again under another name of its own."""
    return run_command(folder, [sys.executable, "-m", "benchmarks.full_size", "--plain"])


def plain() -> None:
    """Filter and split as one does first: a line at a time, a set of names, a shuffle, three files."""
    cached = set(Path("cached.txt").read_text().split())
    with Path("dataset_raw.jsonl").open(encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["image_name"] in cached]
    random.Random(1).shuffle(rows)
    eighth, ninth = int(0.8 * len(rows)), int(0.9 * len(rows))
    for name, part in (("train", rows[:eighth]), ("val", rows[eighth:ninth]), ("test", rows[ninth:])):
        with Path(f"plain_{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in part:
                file.write(json.dumps(row) + "\n")


def best(measure, *, rounds: int) -> tuple[float, float]:
    """Give the fastest of some rounds."""
    return min(measure() for _ in range(rounds))


def no_op(folder: Path) -> tuple[float, float]:
    """Say what ``dvc repro`` of the data stages costs when all is up to date."""
    shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", folder)
    who = ["-c", "user.name=b", "-c", "user.email=b@host.example"]
    for words in (["init", "-q"], ["add", "dvc.yaml", "params.yaml", ".gitignore"], [*who, "commit", "-qm", "b"]):
        subprocess.run(["git", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    dvc = [sys.executable, "-m", "dvc"]
    for name in ("records.parquet", "available.parquet"):
        (folder / "data" / name).unlink(missing_ok=True)
    subprocess.run([*dvc, "init", "-q"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    repro = [*dvc, "repro", "-q", "split"]
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots", dirs_exist_ok=True)
    run_command(folder, repro)
    return best(lambda: run_command(folder, repro), rounds=ROUNDS)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--plain"]:
            plain()
        case ["--make-sources", size]:
            make_sources(int(size))
        case ["--make-inventory", files]:
            write_inventory(int(files) or None)
        case _:
            main()
