"""The inventory over a cache that has not changed, and over new files, against what the machine can decode.

    python -m benchmarks.inventory [NEW_FILES]

The cache that has not changed has 62,821 files. The new ones (1,920) are photos of 2048 x 1536 px and 1.46 MB, as
those of the production collection are on average; beside `take_inventory` runs the bare strict decode of the same
files, read from the same folder, with as many processes. The two take turns.
"""

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import yaml

from benchmarks import ROOT
from stages.cache.directory import File, list_files
from stages.cache.index import ImageIndex
from stages.commands.inventory import FILES_A_TASK, take_inventory
from stages.images.decode import decode_gray, read_header
from stages.images.measure import SIDE_PX
from stages.runtime.parallel import parallel_map
from stages.runtime.yaml_files import read_yaml

UNCHANGED, NEW, ROUNDS = 62_821, 1_920, 5


def main() -> None:
    """Measure both, print the tables."""
    new = int(sys.argv[1]) if len(sys.argv) > 1 else NEW
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unchanged = measure_unchanged(folder / "unchanged")
        ratios, rates = measure_new(folder / "new", new)
    print("| `make inventory` over unchanged files | seconds |\n|---|---|")
    print(f"| {UNCHANGED:,} | {unchanged:.2f} |")
    print("\n| over new files | images/s | of the decode limit, median of the rounds |\n|---|---|---|")
    print(f"| bare decode | {rates[0]:.0f} | 1.00 |\n| `take_inventory` | {rates[1]:.0f} | {ratios:.2f} |")


def measure_unchanged(folder: Path) -> float:
    """Give the seconds of the whole command over files that it knows, the best of some rounds."""
    images = folder / "images"
    images.mkdir(parents=True)
    content = simplejpeg.encode_jpeg(photo(1)[::16, ::16].copy(), quality=80)
    for number in range(UNCHANGED):
        (images / image_name(number)).write_bytes(content)
    params = read_yaml(ROOT / "params.yaml") | {"profile": "teacher"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder), "IMAGE_CACHE_DIR": str(images)}
    seconds = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        command = [sys.executable, "-m", "stages.commands.inventory"]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def measure_new(folder: Path, number: int) -> tuple[float, tuple[float, float]]:
    """Give the share of the decode limit that the inventory reaches, and images a second of limit and inventory."""
    folder.mkdir()
    contents = [simplejpeg.encode_jpeg(photo(seed), quality=91) for seed in range(12)]
    for place in range(number):
        (folder / image_name(place)).write_bytes(contents[place % len(contents)])
    files = list(list_files(folder))
    tasks = [files[start : start + FILES_A_TASK] for start in range(0, len(files), FILES_A_TASK)]
    limits, ours = [], []
    for _ in range(1 + ROUNDS):  # the first round starts the processes
        start = time.perf_counter()
        for _ in parallel_map(partial(decode, folder), tasks):
            pass
        limits.append(number / (time.perf_counter() - start))
        start = time.perf_counter()
        with ImageIndex(folder) as index:
            take_inventory(folder, files, index, max_megapixels=200, all_anew=True)
        ours.append(number / (time.perf_counter() - start))
    ratios = [one / limit for one, limit in zip(ours[1:], limits[1:], strict=True)]
    mean_mb = statistics.mean(map(len, contents)) / 1e6
    print(f"photos of {mean_mb:.2f} MB; ratios of the rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return statistics.median(ratios), (statistics.median(limits[1:]), statistics.median(ours[1:]))


def decode(folder: Path, files: list[File]) -> int:
    """Read and decode files as the inventory must, and do nothing else."""
    total = 0
    for file in files:
        data = (folder / file.image_name).read_bytes()
        total += decode_gray(data, read_header(data), min_side_px=SIDE_PX).shape[0]
    return total


def photo(seed: int) -> np.ndarray:
    """Give a picture with structure at every scale, uint8 [1536, 2048, 3]."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((1536, 2048, 3), np.float32)
    for cells in (4, 16, 64, 256):
        layer = rng.uniform(0, 255, (3 * cells // 4, cells, 3)).astype(np.float32)
        pixels += cv2.resize(layer, (2048, 1536), interpolation=cv2.INTER_CUBIC) / 4
    return np.clip(pixels + rng.normal(0, 5, pixels.shape), 0, 255).astype(np.uint8)


def image_name(number: int) -> str:
    """Give a name as the cache has them."""
    return hashlib.md5(str(number).encode()).hexdigest() + ".jpg"


if __name__ == "__main__":
    main()
