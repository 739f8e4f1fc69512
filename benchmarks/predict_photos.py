"""How fast photos come to a model that is asked about them, against `pack` on the same files; with and without network.

    python -m benchmarks.predict_photos [PHOTOS]

The photos (240) have 2048 x 1536 px and 1.46 MB, as those of the production collection are on average; sizes and
network are the sample's. In each round, one after the other: `pack` crops them (as many processes as cores), `make
predict` reads and crops them, the network looks at as many squares that are in memory, and `make predict` does all of
it, to the line of JSON. On a CPU reading and network share the cores, so that the last one cannot be much faster
than both one after the other; on a GPU it should be as fast as the slower one.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import simplejpeg

from benchmarks import ROOT
from benchmarks.inventory import photo
from stages.answering.answered import answer_photos
from stages.answering.asking import Asked
from stages.answering.model_folder import CALIBRATION, LABELS, load_used_model
from stages.answering.photo_files import find_photos
from stages.answering.preparing import prepare_photos
from stages.answering.wording import as_json
from stages.commands.predict_photos import BATCH_ON_CPU, BATCH_ON_GPU
from stages.config.reading import validate
from stages.config.schema import Model, Params, RandomWeights
from stages.images.packing import recipe
from stages.images.previous import PreviousImages
from stages.learning.model import create_model
from stages.learning.processes import make_accelerator
from stages.learning.saved_model import WEIGHTS, describe, save_model
from stages.pack import pack_rows
from stages.runtime.digests import sha256_of
from stages.runtime.yaml_files import read_yaml
from stages.tables.classes import LABELS as LABEL_COLUMNS
from stages.tables.json_files import write_json
from stages.tables.preprocessing import PREPROCESSING, write_preprocessing
from stages.tables.table import write_table
from stages.tables.trained_on import TRAINED_ON

PHOTOS, ROUNDS = 240, 5
SPECIES = [f"Genus{number // 4} species{number}" for number in range(1000)]
PACK, FEED, NETWORK, ALL = "pack", "read and crop", "network alone", "all of it"


def main() -> None:
    """Make photos and a model, measure, print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS
    accelerator = make_accelerator()
    params = validate(read_yaml(ROOT / "params.yaml") | {"profile": "sample"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_photos(folder / "photos", number)
        asked = Asked(load_used_model(write_model(folder / "model", params)), accelerator)
        ways = ways_of(folder / "photos", rows, params, asked)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        of_processors: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(1 + ROUNDS):  # the first round starts processes and fills the page cache
            for way, work in ways.items():
                start, busy = time.perf_counter(), processor_seconds()
                work()
                seconds[way].append(time.perf_counter() - start)
                of_processors[way].append(processor_seconds() - busy)
    print(f"{number} photos, {os.cpu_count()} cores, {accelerator.device.type}, median of {ROUNDS} rounds\n")
    print("| | photos/s | of pack's, round by round | processor ms a photo |\n|---|---|---|---|")
    for way, values in seconds.items():
        of_pack = [base / own for base, own in zip(seconds[PACK][1:], values[1:], strict=True)]
        rate = number / statistics.median(values[1:])
        ratio = f"{statistics.median(of_pack):.2f} ({min(of_pack):.2f} to {max(of_pack):.2f})"
        busy = 1000 * statistics.median(of_processors[way][1:]) / number
        print(f"| {way} | {rate:.1f} | {ratio} | {busy:.1f} |")
    one_after_the_other = [a + b for a, b in zip(seconds[FEED][1:], seconds[NETWORK][1:], strict=True)]
    of_both = [base / own for base, own in zip(one_after_the_other, seconds[ALL][1:], strict=True)]
    print(f"\nAll of it, against reading and network one after the other: {statistics.median(of_both):.2f}")


def processor_seconds() -> float:
    """Give what this process and its workers have had of the processors so far, which others at work change little."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def write_photos(folder: Path, number: int) -> list[tuple[str, str]]:
    """Write photos; give name and digest of each."""
    folder.mkdir()
    contents = [simplejpeg.encode_jpeg(photo(seed), quality=91) for seed in range(12)]
    rows = []
    for place in range(number):
        data = contents[place % len(contents)]
        (folder / f"{place:05}.jpg").write_bytes(data)
        rows.append((f"{place:05}.jpg", hashlib.sha256(data).hexdigest()))
    return rows


def write_model(folder: Path, params: Params) -> Path:
    """Write a folder with a network of the sample's kind, with random weights, in the sample's sizes."""
    folder.mkdir()
    kind = Model(name="tf_efficientnet_lite0", weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)
    network = create_model(kind, classes=len(SPECIES), image_px=params.image.train_px, seed=1)
    sizes = {"image_px": params.image.train_px, "pack_px": params.image.pack_px}
    seen = pl.DataFrame([("train", "a", "0" * 64, "a")], schema=TRAINED_ON, orient="row")
    save_model(folder, network.state_dict(), describe(network, kind, species=SPECIES, **sizes), seen)
    write_table(pl.DataFrame({"label": range(len(SPECIES)), "species": SPECIES}), LABEL_COLUMNS, folder / LABELS)
    sections = {name: getattr(params, name).model_dump() for name in ("crop", "pack")}
    made = recipe(sections | {"image": {"pack_px": params.image.pack_px}})
    write_preprocessing(folder / PREPROCESSING, made, model=folder / WEIGHTS)
    calibration = {
        "model_sha256": sha256_of(folder / WEIGHTS), "temperature": 1.0, "temperature_at_end": False,
        "val_images": 1, "val_groups": 1, "thresholds": [{"max_risk": 0.1, "species": 0.5, "genus": 0.5}],
    }  # fmt: skip
    write_json(folder / CALIBRATION, calibration)
    return folder


def ways_of(folder: Path, rows: list[tuple[str, str]], params: Params, asked: Asked) -> dict[str, Callable[[], object]]:
    """Give what is measured, by its name."""
    sources = find_photos([str(folder)]).sources
    preprocessing, side = asked.model.preprocessing, asked.model.saved.description.image_px
    batch = BATCH_ON_GPU if asked.device == "cuda" else BATCH_ON_CPU
    squares = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)

    def feed() -> None:
        for one in prepare_photos(sources, preprocessing, workers=-1):
            assert one.cropped is not None

    def ask_all() -> None:
        photos = prepare_photos(sources, preprocessing, workers=-1)
        for one in answer_photos(photos, asked, batch_photos=batch):
            as_json(one)

    return {
        PACK: lambda: list(pack_rows(rows, folder, params, PreviousImages())),
        FEED: feed,
        NETWORK: lambda: [asked.ask(squares) for _ in range(len(rows) // batch)],
        ALL: ask_all,
    }


if __name__ == "__main__":
    main()
