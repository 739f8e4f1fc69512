"""Seconds a training step, with OpenMP threads that wait passively and with threads that spin, idle and busy.

    python -m benchmarks.busy_machine

Each alternative is a process of its own that trains the sample's network on random images. They take turns for
several rounds, first on the machine as it is, then with another process that keeps every core busy. What counts is
the median over the rounds; the ratio is against passive waiting on the idle machine.
"""

import os
import statistics
import subprocess
import sys
import time
from multiprocessing import Event, Process

from benchmarks import ROOT

ROUNDS = 3
STEPS = 6
BUSY_S = 600  # a busy process ends by itself, whatever happens to this one
POLICIES = ("PASSIVE", "ACTIVE")


def measure_step() -> None:
    """Print the median seconds of a step of 16 images of 224 px."""
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", num_classes=24).to(memory_format=torch.channels_last)
    images = torch.rand(16, 3, 224, 224).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        model(images).sum().backward()
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds[1:]))


def step_s(policy: str) -> float:
    """Seconds a step in a process with OMP_WAIT_POLICY set to ``policy``."""
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.busy_machine", "--step"],
        cwd=ROOT,
        env=os.environ | {"OMP_WAIT_POLICY": policy},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    return float(result.stdout.split()[-1])


def keep_busy(stop) -> None:
    """Burn one core."""
    end = time.monotonic() + BUSY_S
    while not stop.is_set() and time.monotonic() < end:
        sum(range(50_000))


def main() -> None:
    """Measure and print the table."""
    seconds = {(load, policy): [] for load in ("idle", "busy") for policy in POLICIES}
    for load in ("idle", "busy"):
        stop = Event()
        burners = [Process(target=keep_busy, args=(stop,), daemon=True) for _ in range(os.cpu_count() or 1)]
        if load == "busy":
            for burner in burners:
                burner.start()
        for _ in range(ROUNDS):
            for policy in POLICIES:
                seconds[load, policy].append(step_s(policy))
        stop.set()
        if load == "busy":
            for burner in burners:
                burner.join()
    base = statistics.median(seconds["idle", "PASSIVE"])
    print("| machine | threads wait | s a step | ratio | rounds |\n|---|---|---|---|---|")
    for (load, policy), values in seconds.items():
        median = statistics.median(values)
        rounds = " ".join(f"{value:.2f}" for value in values)
        print(f"| {load} | {policy.lower()}ly | {median:.2f} | {median / base:.2f} | {rounds} |")


if __name__ == "__main__":
    measure_step() if "--step" in sys.argv else main()
