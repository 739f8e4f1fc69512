"""A step of training, in time and memory, against timm's own train.py on the same images.

    python -m benchmarks.training TIMM_TRAIN_PY [ROUNDS]

TIMM_TRAIN_PY is train.py of https://github.com/huggingface/pytorch-image-models, which the package lacks. Both train
the sample's network at its size from random weights on the packed training images (timm from loose files of the very
same bytes), 16 a step, with the same augmentation (resized crop, mirror), one loader process each, on the CPU. They
take turns; the first steps of each count as warming up. Then: how long ours waits for data, and what checkpoints cost.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import ROOT
from stages.config.reading import validate
from stages.config.schema import Params
from stages.learning.checkpoint import save_checkpoint
from stages.learning.clock import Clock
from stages.learning.context import make_context, new_state
from stages.learning.loop import train
from stages.learning.processes import make_accelerator
from stages.learning.split import open_splits
from stages.learning.state import TrainState
from stages.runtime.yaml_files import read_yaml
from stages.splitting.label_order import read_labels

PACKED, SPLITS = ROOT / "data/packed", ROOT / "data/splits"
EPOCHS, WARM_UP_STEPS, ROUNDS = 3, 6, 3
CHECKPOINT_EVERY_S = 600  # the default


def main() -> None:
    """Let both take turns; print the table."""
    if sys.argv[1:2] == ["--ours"]:
        train_ours()
        return
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        print("benchmarks/training.py: name timm's train.py to compare with: skipped")
        return
    theirs, rounds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(folder)
        ways = {
            "timm's train.py": timm_command(theirs, folder),
            "ours": [sys.executable, "-u", "-m", "benchmarks.training", "--ours"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        memory: dict[str, list[float]] = {name: [] for name in ways}
        said = {}
        for _ in range(rounds):
            for name, command in ways.items():
                step_s, peak_mb, said[name] = run_timed(command, folder)
                seconds[name].append(step_s)
                memory[name].append(peak_mb)
    print("| | seconds a step | ratio | peak memory, MB |\n|---|---|---|---|")
    for name in ways:
        ratio = statistics.median(
            one / other for one, other in zip(seconds[name], seconds["timm's train.py"], strict=True)
        )
        print(
            f"| {name} | {statistics.median(seconds[name]):.3f} | {ratio:.2f} | {statistics.median(memory[name]):.0f} |"
        )
    print("\n" + "\n".join(line for line in said["ours"] if not line.startswith("step")))


def bench_params() -> Params:
    """Give the sample's parameters, with random weights and the same augmentation as timm's."""
    content = read_yaml(ROOT / "params.yaml") | {"profile": "sample"}
    sample = content["profiles"]["sample"]
    sample["model"] |= {"weights": {"kind": "random"}}
    sample["train"] |= {"epochs": EPOCHS}
    content["augment"] |= {"crop": "random_resized", "jitter": 0.0}
    return validate(content)


def train_ours() -> None:
    """Train and print a line a step, then what waiting and a checkpoint cost."""
    os.environ["LOADER_WORKERS"] = "1"
    params, species, accelerator = bench_params(), read_labels(SPLITS / "labels.csv"), make_accelerator()
    packed = open_splits(PACKED, SPLITS, ("train", "val"), species)
    state, description = new_state(params, species, packed["train"].size_px, accelerator)
    context = make_context(packed, params, description, accelerator)
    clocks: list[Clock] = []
    train(
        state,
        context,
        after_step=lambda state: print(f"step {state.step}", flush=True),
        after_epoch=lambda _run, clock: clocks.append(clock),
    )
    later = clocks[1:]
    waiting = sum(clock.waiting_s for clock in later) / sum(clock.seconds for clock in later)
    print(f"Of the time after the first epoch, ours waits {waiting:.2%} for data.")
    checkpoint_s = seconds_of_a_checkpoint(state)
    print(f"A checkpoint takes {checkpoint_s:.2f} s, every {CHECKPOINT_EVERY_S // 60} minutes and epoch.")


def seconds_of_a_checkpoint(state: TrainState) -> float:
    """Give the seconds that saving a run takes, the median of some."""
    with tempfile.TemporaryDirectory() as name:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            save_checkpoint(Path(name), state.state_dict(state.meter))
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def write_files(folder: Path) -> None:
    """Write train and val as folders of loose JPEGs, the bytes of the shards."""
    splits = open_splits(PACKED, SPLITS, ("train", "val"), read_labels(SPLITS / "labels.csv"))
    for split, name in (("train", "train"), ("val", "validation")):
        packed = splits[split]
        for index, label in enumerate(packed.labels):
            path = folder / name / f"{label:03d}" / packed.name(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(packed.jpeg(index))


def timm_command(script: Path, folder: Path) -> list[str]:
    """Give the command line of timm's script for the same training."""
    params = bench_params()
    classes = len(read_labels(SPLITS / "labels.csv"))
    options = {
        "model": params.model.name, "num-classes": classes, "img-size": params.image.train_px, "device": "cpu",
        "batch-size": params.train.batch_images, "epochs": EPOCHS, "opt": "adamw", "lr": params.train.learning_rate,
        "weight-decay": params.train.weight_decay, "clip-grad": params.train.clip_norm, "warmup-epochs": 0,
        "smoothing": params.train.label_smoothing, "drop": params.model.drop_rate, "color-jitter": 0, "workers": 1,
        "log-interval": 1, "output": folder / "out", "class-map": "", "train-interpolation": "bicubic",
    }  # fmt: skip
    words = [word for name, value in options.items() if value != "" for word in (f"--{name}", str(value))]
    return [
        sys.executable, "-u", str(script), "--data-dir", str(folder), "--channels-last",
        "--scale", str(params.augment.min_area), "1.0", *words,
    ]  # fmt: skip


def run_timed(command: list[str], folder: Path) -> tuple[float, float, list[str]]:
    """Run a training; give the median seconds between its lines of steps, its peak memory in MB, and what it said."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        lines, times = [], []
        for line in running.stdout:
            lines.append(line.rstrip())
            if line.startswith(("step ", "Train: ")):
                times.append(time.perf_counter())
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode or len(times) < 2 * WARM_UP_STEPS:
        raise SystemExit("\n".join([*lines[-12:], f"{command[2]} failed"]))
    between = [after - before for before, after in zip(times[WARM_UP_STEPS:], times[WARM_UP_STEPS + 1 :], strict=False)]
    return statistics.median(between), usage.ru_maxrss / 1024, lines


if __name__ == "__main__":
    main()
