"""Do other processors train to the same bits, and what do the settings for that cost?

    python -m benchmarks.same_bits [--cost]

The first table has a row a processor: this one, and those that QEMU imitates where qemu-x86_64 is installed (Debian's
package qemu-user; a minute or more each). Each trains ``tests.support.same_bits``. The second, with ``--cost``, has the
seconds of a training step with the portable settings against those with all that this processor has (NATIVE_CPU=1), for
the sample's network and for a small ViT, by the product's own parts; alternatives take turns.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import ROOT

IMITATED = ("Haswell", "EPYC-Milan")
NETWORKS = {"tf_efficientnet_lite0": 224, "vit_tiny_patch16_224": 224}
ROUNDS, STEPS, IMAGES = 5, 6, 16
TIMEOUT_S = 1800


def this_processor() -> str:
    """Name this machine's processor as Linux does, with family and model."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    known = dict(line.split("\t", 1) for line in lines[:26] if "\t" in line)
    said = {name: value.lstrip("\t: ") for name, value in known.items()}
    return f"{said.get('model name')}, family {said.get('cpu family')}, model {said.get('model')}"


def digests(imitated: str | None, folder: str) -> list[str]:
    """Train in a process of its own, on an imitated processor or on this one; give a digest a network."""
    qemu = ["qemu-x86_64", "-cpu", imitated] if imitated else []
    command = [*qemu, sys.executable, "-m", "tests.support.same_bits", folder]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return [line.split()[1] for line in result.stdout.splitlines() if len(line.split()) == 2]


def step_s(name: str, px: int, *, native: bool) -> float:
    """Give the median seconds of a step in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.same_bits", "--step", name, str(px)]
    environment = os.environ | {"NATIVE_CPU": str(int(native))}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    return float(result.stdout.split()[-1])


def measure_step(name: str, px: int) -> None:
    """Print the median seconds of a step of ``IMAGES`` images of noise."""
    import torch

    from stages.config.schema import Model, RandomWeights
    from stages.learning.model import create_model
    from stages.learning.processes import make_accelerator
    from stages.learning.state import init_state
    from tests.support.tiny_training import PARAMS

    accelerator = make_accelerator()
    network = Model(name=name, weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)
    state = init_state(create_model(network, classes=24, image_px=px, seed=1), PARAMS, accelerator)
    state.model.train()
    images, labels = torch.rand(IMAGES, 3, px, px), torch.arange(IMAGES)
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        torch.nn.functional.cross_entropy(state.model(images), labels).backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds[1:]))


def print_digests() -> None:
    """Train on each processor that there is, and print the table."""
    print("| processor | tf_efficientnet_lite0 | test_vit |\n|---|---|---|", flush=True)
    imitated = IMITATED if shutil.which("qemu-x86_64") else ()
    with tempfile.TemporaryDirectory() as folder:
        for name in (None, *imitated):
            row = " | ".join(f"`{digest}`" for digest in digests(name, f"{folder}/packed"))
            print(f"| {f'{name}, imitated by QEMU' if name else this_processor()} | {row} |", flush=True)
    if not imitated:
        print("qemu-x86_64 is not installed: no other processor was tried")


def print_cost() -> None:
    """Time both settings in turns, and print the table."""
    print("| network | portable, s a step | all that there is, s | ratio | of rounds |\n|---|---|---|---|---|")
    for name, px in NETWORKS.items():
        pairs = [(step_s(name, px, native=False), step_s(name, px, native=True)) for _ in range(ROUNDS)]
        ratios = sorted(ours / native for ours, native in pairs)
        ours, native = (statistics.median(values) for values in zip(*pairs, strict=True))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"| {name} | {ours:.2f} | {native:.2f} | {statistics.median(ratios):.2f} | {spread} |", flush=True)


def main() -> None:
    """Print one table, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--step", nargs=2, metavar=("NETWORK", "PX"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        measure_step(arguments.step[0], int(arguments.step[1]))
        return
    print_digests()
    if arguments.cost:
        print_cost()


if __name__ == "__main__":
    main()
