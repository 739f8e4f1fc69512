"""What `evaluate` costs at full size: seconds and memory of the whole stage, a process of its own.

    python -m benchmarks.evaluation [IMAGES [CLASSES]]

Predictions are generated, of logits that no network made: as many images in val as in the test, a tenth as many of
unknown species, and 93,761 in train. The aim is 20 s and 1 GB for 12,000 images of 8,587 classes. Making them takes
minutes, and is not counted.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import ROOT
from tests.support.predictions import example, write_example

IMAGES, CLASSES, TRAIN_IMAGES = 12_000, 8_587, 93_761


def main() -> None:
    """Generate, run, print the table."""
    words = [int(word) for word in sys.argv[1:]]
    images, classes = (*words, *(IMAGES, CLASSES)[len(words) :])
    made = example(
        classes=classes, train=TRAIN_IMAGES, val=images, test=images, unknown=images // 10, skill=5.0, keep_logits=False
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("params.yaml", "dvc.yaml", "libraries.yaml"):
            (folder / file).write_bytes((ROOT / file).read_bytes())
        write_example(folder, made)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)}
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "stages.evaluate"], cwd=folder, env=environment, check=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        parts = {"predictions": "data/predictions/*", "tables": "data/evaluation/*", "plots": "plots/*"}
        stored = {what: sum(path.stat().st_size for path in folder.glob(of)) / 1e6 for what, of in parts.items()}
    print("\n| test images | classes | seconds | at work | peak, GB | predictions, MB | tables, MB | plots, MB |")
    print("|---|---|---|---|---|---|---|---|")
    sizes = " | ".join(f"{size:.2f}" for size in stored.values())
    times = f"{seconds:.1f} | {used.ru_utime + used.ru_stime:.1f}"
    print(f"| {images:,} | {classes:,} | {times} | {used.ru_maxrss / 1e6:.2f} | {sizes} |")


if __name__ == "__main__":
    main()
