"""Short trainings by the pipeline's own parts, each in a process of its own: what ``gpu_training`` puts together.

A job tells its figures as it goes. Whatever ends it, a lack of memory or its own kill among them, ends one process.
"""

import colorsys
import hashlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import polars as pl
import timm
import torch
from accelerate import Accelerator

from benchmarks import ROOT
from benchmarks.networks import ending, processor
from stages.config.reading import validate
from stages.config.schema import Params, RandomWeights
from stages.images.shards import PackedImage
from stages.learning.arithmetic import make_deterministic, use_portable_arithmetic
from stages.learning.checkpoint import Checkpointer, load_checkpoint
from stages.learning.context import TrainContext, make_context, new_state
from stages.learning.data import EpochBatches, PackedLoader
from stages.learning.device import Batch
from stages.learning.loop import TooLargeError, begin_phase, set_rate, train_step
from stages.learning.processes import keep_freed_memory, make_accelerator, peak_memory
from stages.learning.schedule import learning_rate
from stages.learning.split import open_splits
from stages.learning.state import TrainState
from stages.runtime.errors import UserError
from stages.runtime.parallel import parallel_map
from stages.runtime.signals import StopRequest
from stages.runtime.yaml_files import read_yaml
from stages.tables.classes import SPLIT_IMAGES
from stages.tables.table import write_table
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg

SPECIES = [f"Color and shape {number}" for number in range(8)]
VAL_IMAGES = 8
SHARDS = 16
PICTURES_A_TASK = 32
WARM_UP_STEPS = 20  # at the most, and a quarter of the steps
RATE, WARM_UP_EPOCHS = 1e-4, 0.1  # from random weights one begins with more than the teacher does


@dataclass(frozen=True)
class Job:
    """What a process is to do.

    Attributes:
        folder: of all jobs; ``packed`` in it holds the shards.
        params: that are changed by what follows.
        model: of timm's.
        px: side of what the network sees.
        pack_px: side of the packed images.
        batch: images a step, all at once.
        steps: of the training; a job that makes shards makes enough for these.
        precision: as accelerate calls it; ``None`` for the one that the pipeline takes.
        run: names the folder of checkpoints, from which it goes on.
        save_at: after so many steps it is saved.
        kill_at: after so many steps the process kills itself.
        at_most: images at once, to find how many fit.
    """

    folder: Path
    params: Params
    model: str
    px: int
    pack_px: int
    batch: int
    steps: int
    precision: str | None = None
    run: str | None = None
    save_at: int | None = None
    kill_at: int | None = None
    at_most: int = 0


class Tell(Protocol):
    """Takes figures of a job, by name."""

    def __call__(self, **figures: Any) -> None:
        """Take some."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        told: its figures, one dict each time that it told some.
        ended: how it ended, in words, where that was not well.
    """

    told: list[dict[str, Any]]
    ended: str | None


def run_job(
    function: Callable[[Job, Tell], None],
    job: Job,
    context: BaseContext,
    *,
    timeout_s: float,
    settings: dict[str, str],
) -> Outcome:
    """Do a job in a process of its own.

    Args:
        function: one of this module.
        job: what to do.
        context: of multiprocessing: how the process starts.
        timeout_s: seconds after which it is killed.
        settings: the machine's, by name.
    """
    told, log = job.folder / "told.jsonl", job.folder / "log"
    for path in (told, log):
        path.write_bytes(b"")
    process = context.Process(target=_do, args=(function, job, settings, told, log))  # type: ignore[attr-defined]
    process.start()
    process.join(timeout_s)
    late = process.is_alive()
    if late:
        process.kill()
        process.join()
    figures = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    if late:
        return Outcome(figures, f"took longer than {timeout_s:.3g} s")
    if process.exitcode:
        said = log.read_text(encoding="utf-8", errors="replace")
        return Outcome(figures, ending(subprocess.CompletedProcess([], process.exitcode, "", said)))
    return Outcome(figures, None)


def _do(function: Callable[[Job, Tell], None], job: Job, settings: dict[str, str], told: Path, log: Path) -> None:
    os.environ.update(settings)
    with log.open("wb") as out, told.open("a", encoding="utf-8") as figures:
        for number in (1, 2):
            os.dup2(out.fileno(), number)

        def tell(**row: Any) -> None:
            print(json.dumps(row), file=figures, flush=True)

        code = 1
        try:
            function(job, tell)
            code = 0
        except BaseException:  # whatever it is, it is a row of the table
            out.write(traceback.format_exc().encode())
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        out.flush()
        # Loader processes end when this one does; to end in good order would wait for them without end.
        os._exit(code)


def describe_machine() -> dict[str, str]:
    """Say on what figures were measured, by name."""
    found = {
        "processor": f"{processor() or platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "timm": timm.__version__,
    }
    if not torch.cuda.is_available():
        return {"GPU": "none"} | found
    of_gpu = torch.cuda.get_device_properties(0)
    with suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        found = {"driver": done.stdout.strip()} | found
    return {
        "GPU": f"{of_gpu.name}, {of_gpu.total_memory / 2**30:.0f} GiB, of capability {of_gpu.major}.{of_gpu.minor}",
        "CUDA": str(torch.version.cuda),
        "cuDNN": str(torch.backends.cudnn.version()),
    } | found


def prepare(job: Job, tell: Tell) -> None:
    """Write shards, and tell of the machine."""
    folder, images = job.folder / "packed", job.steps * job.batch
    names = [f"{split}{number}" for split, many in (("train", images), ("val", VAL_IMAGES)) for number in range(many)]
    tasks = [(names[at : at + PICTURES_A_TASK], job.pack_px) for at in range(0, len(names), PICTURES_A_TASK)]
    packed = [image for some in parallel_map(_draw, tasks, workers=-1 if len(tasks) > 1 else 0) for image in some]
    write_images(packed, folder, shards=SHARDS, size_px=job.pack_px)
    for split in ("train", "val"):
        rows = [row for row in packed if row.image_name.startswith(split)]
        table = {"image_name": [row.image_name for row in rows], "sha256": [row.sha256 for row in rows]}
        species = [SPECIES[class_of(row.image_name)] for row in rows]
        write_table(
            pl.DataFrame(table | {"species": species, "split": split}), SPLIT_IMAGES, folder / f"{split}.parquet"
        )
    tell(**describe_machine())


def class_of(name: str) -> int:
    """Give the class of a picture by its name."""
    return int(name.removeprefix("train").removeprefix("val")) % len(SPECIES)


def _draw(task: tuple[list[str], int]) -> list[PackedImage]:
    names, px = task
    return [packed_image(name, jpeg(draw(name, px)), hashlib.sha256(name.encode()).hexdigest()) for name in names]


def draw(name: str, px: int) -> np.ndarray:
    """Draw a disk or a square of its class's color on noise at every scale: uint8 [px, px, 3]."""
    label = class_of(name)
    rng = np.random.default_rng(list(name.encode()))
    noise = np.zeros((px, px, 3), np.float32)
    for cells, strength in ((4, 50), (32, 30), (px, 12)):
        noise += cv2.resize(rng.normal(0, strength, (cells, cells, 3)).astype(np.float32), (px, px))
    color = [255 * part for part in colorsys.hsv_to_rgb(label / len(SPECIES), 0.7, 0.9)]
    shape = np.zeros((px, px, 3), np.float32)
    side = int(rng.integers(px // 4, px // 2))
    x, y = (int(rng.integers(0, px - side)) for _ in range(2))
    if label % 2:
        cv2.rectangle(shape, (x, y), (x + side, y + side), color, -1)
    else:
        cv2.circle(shape, (x + side // 2, y + side // 2), side // 2, color, -1)
    return np.clip(np.where(shape > 0, shape, 110) + noise, 0, 255).astype(np.uint8)


def train(job: Job, tell: Tell) -> None:
    """Train, or go on from a checkpoint; tell of speed, memory, loss, and the bits of weights and moments.

    Raises:
        UserError: its images are too many for the memory.
    """
    state, context = set_up(job)
    folder = job.folder / job.run if job.run else None
    if folder and (saved := load_checkpoint(folder)):
        state.load_state_dict(saved)
    batches, begun_at = context.train_loader.batches, state.step
    batches.start = begun_at
    seconds, waits, losses, images = [], [], [], []
    loaded = waited_for(context.train_loader, waits)
    for step in range(begun_at, job.steps):
        begun, loss = time.perf_counter(), state.meter.loss
        set_rate(state.optimizer, learning_rate(0, step, batches.steps, context.params))
        try:
            train_step(state, context, loaded)
        except TooLargeError:
            raise UserError(f"{job.batch} images at once are too much for the device's memory") from None
        state.step = step + 1
        seconds.append(time.perf_counter() - begun)
        images.append(batches.images_in(step))
        losses.append((state.meter.loss - loss) / images[-1])
        if folder and state.step == job.save_at:
            Checkpointer(folder, context.accelerator, StopRequest(), every_s=math.inf).save(state)
        if state.step == job.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    warm = min(WARM_UP_STEPS, len(seconds) // 4)
    all_s, waited_s, seen = sum(seconds[warm:]), sum(waits[warm : len(seconds)]), sum(images[warm:])
    last = losses[-max(1, len(losses) // 10) :]
    tell(
        images_per_s=seen / all_s,
        computed_per_s=seen / (all_s - waited_s),
        data_wait_share=waited_s / all_s,
        peak_bytes=peak_memory(context.accelerator),
        reserved_bytes=_reserved(context.accelerator),
        first_loss=losses[0],
        loss=sum(last) / len(last),
        skipped=len(state.skipped),
        begun_at=begun_at,
        precision=context.accelerator.mixed_precision,
        digest=digest(state),
    )


def fit(job: Job, tell: Tell) -> None:
    """Double the images at once, from ``batch``, until they are too many or ``at_most``; tell of each number."""
    state, context = set_up(job)
    images = job.batch
    while images <= job.at_most:
        batches = EpochBatches(np.zeros(images, np.int64), step_images=images, micro_images=images, seed=0)
        here = replace(context, train_loader=PackedLoader(context.train_loader.images, batches, workers=0))
        pixels = torch.randint(0, 256, (images, job.px, job.px, 3), dtype=torch.uint8)
        batch = Batch(pixels, torch.ones(images, 3), torch.arange(images) % len(SPECIES), (0, 0, 0))
        if context.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        try:
            for _ in range(3):
                begun, state.step = time.perf_counter(), 0
                train_step(state, here, iter([batch]))
                seconds.append(time.perf_counter() - begun)
        except TooLargeError:
            tell(images=images, fits=False)
            return
        figures = {"peak_bytes": peak_memory(context.accelerator), "reserved_bytes": _reserved(context.accelerator)}
        tell(images=images, fits=True, images_per_s=images / min(seconds[1:]), **figures)
        images *= 2


def set_up(job: Job) -> tuple[TrainState, TrainContext]:
    """Make a run at its first step."""
    params, folder = params_for(job), job.folder / "packed"
    packed = open_splits(folder, folder, ("train", "val"), SPECIES)
    accelerator = accelerator_in(job.precision)
    state, description = new_state(params, SPECIES, job.pack_px, accelerator)
    context = make_context(packed, params, description, accelerator)
    begin_phase(state, context)
    state.model.train()
    return state, context


def teacher_params() -> Params:
    """Give the committed parameters of the profile ``teacher``."""
    return validate(read_yaml(ROOT / "params.yaml") | {"profile": "teacher"})


def params_for(job: Job) -> Params:
    """Give a job's parameters: for a short training from random weights."""
    params = job.params
    network = params.model.model_copy(update={"name": job.model, "weights": RandomWeights(kind="random")})
    learned = {"epochs": 1, "batch_images": job.batch, "micro_batch_images": job.batch}
    learned |= {"learning_rate": RATE, "warmup_epochs": WARM_UP_EPOCHS}
    image = params.image.model_copy(update={"train_px": job.px, "pack_px": job.pack_px})
    changed = {"model": network, "train": params.train.model_copy(update=learned), "image": image}
    return params.model_copy(update=changed)


def accelerator_in(precision: str | None) -> Accelerator:
    """Give the pipeline's accelerator, or one of another precision that is the same in all else."""
    if precision is None:
        return make_accelerator()
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        use_portable_arithmetic()
        keep_freed_memory()
    accelerator = Accelerator(cpu=not on_gpu, mixed_precision=precision)
    make_deterministic()
    return accelerator


def waited_for(loader: PackedLoader, waits: list[float]) -> Iterator[Batch]:
    """Pass batches on, and note the seconds that each was waited for."""
    batches = iter(loader)
    while True:
        begun = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        waits.append(time.perf_counter() - begun)
        yield batch


def digest(state: TrainState) -> str:
    """Give 16 digits of the bits of weights and of the optimizer's moments."""
    found = hashlib.sha256()
    tensors = list(state.model.state_dict().values())
    for of_weight in state.optimizer.state_dict()["state"].values():
        tensors += [value for value in of_weight.values() if isinstance(value, torch.Tensor)]
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def _reserved(accelerator: Accelerator) -> int:
    """Give the most bytes that torch took from the GPU, those that it holds in reserve with them; 0 on a CPU."""
    return torch.cuda.max_memory_reserved() if accelerator.device.type == "cuda" else 0
