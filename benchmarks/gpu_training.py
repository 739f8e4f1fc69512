"""What training costs on a GPU, and whether it ends in the same bits there: one run of twelve minutes, prepared.

    python -m benchmarks.gpu_training [--model NAME] [--px 384] [--steps 300] [--batch 8] [--minutes 12]

It draws pictures, packs them as shards, and trains a network from random weights on them by the pipeline's own parts:

1 images a second, the share of time that is waited for data, and memory; against the figure that timm has published
2 DETERMINISTIC=1 and 0, which take turns
3 how many images fit the memory at once, with and without GRADIENT_CHECKPOINTING
4 whether equal runs, and one that was killed and went on, end in the same bits
5 what half precision changes in the loss
6 COMPILE=1

Each training is a process of its own: one that fails is a row that says so. What the minutes have no room for is said,
too. Without a GPU it runs only where a small size is named; its figures then are no figures of a GPU:

    python -m benchmarks.gpu_training --model vit_tiny_patch16_224 --px 64 --steps 8 --batch 4
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext
from pathlib import Path

import torch

from benchmarks.training_jobs import Job, Outcome, Tell, fit, prepare, run_job, teacher_params, train
from stages.runtime.errors import UserError, run
from stages.runtime.wording import size_in_words

MODEL, PX, STEPS, BATCH, MINUTES = "vit_base_patch16_384.augreg_in21k_ft_in1k", 384, 300, 8, 12.0
LARGER = 4  # times the batch, for timm's
# https://github.com/huggingface/pytorch-image-models, results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv
PUBLISHED = {("vit_base_patch16_384", 384): (97.1, "RTX 3090, PyTorch 1.12, AMP, 32 images a step")}
TURNS = 3
MOST_AT_ONCE = 4096
JOB_S = 180.0  # at the most
LEAST_S = 5.0  # a job that has less left is not begun
AS_USUAL = {"DETERMINISTIC": "1", "GRADIENT_CHECKPOINTING": "0", "COMPILE": "0", "NATIVE_CPU": "0"}
NO_TIME = "not run: the minutes were over"


def main(words: list[str] | None = None) -> None:
    """Measure and print.

    Args:
        words: of the command line; ``None`` for those of this process.

    Raises:
        UserError: there is no GPU and no small size was named, or no shards could be made.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help=f"of timm's ({MODEL})")
    parser.add_argument("--px", type=int, help=f"side of what it sees ({PX})")
    parser.add_argument("--steps", type=int, help=f"of the longest training, 4 or more ({STEPS})")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"images a step ({BATCH})")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all of it ({MINUTES:.0f})")
    parser.add_argument("--turns", type=int, default=TURNS, help=f"of DETERMINISTIC=1 and 0 ({TURNS})")
    parser.add_argument(
        "--start", choices=("spawn", "forkserver"), help="of processes: spawn is slow, and safe beside CUDA"
    )
    arguments = parser.parse_args(words)
    on_gpu = torch.cuda.is_available()
    if not on_gpu and None in (arguments.model, arguments.px, arguments.steps):
        raise UserError(
            "there is no GPU here: to see that the script runs, name a small size, such as "
            "--model vit_tiny_patch16_224 --px 64 --steps 8 --batch 4"
        )
    if not on_gpu:
        print("There is no GPU here: these are NO FIGURES OF A GPU, and show only that the script runs.\n", flush=True)
    px, steps = arguments.px or PX, max(4, arguments.steps or STEPS)
    start = multiprocessing.get_context(arguments.start or ("spawn" if on_gpu else "forkserver"))
    if start.get_start_method() == "forkserver":
        start.set_forkserver_preload([train.__module__])
    with tempfile.TemporaryDirectory() as folder:
        pack_px = px * 7 // 6  # as 448 is to 384
        job = Job(Path(folder), teacher_params(), arguments.model or MODEL, px, pack_px, arguments.batch, steps)
        runs = Runs(job, start, time.monotonic() + 60 * arguments.minutes, on_gpu)
        begun = time.monotonic()
        made = runs.do(prepare)
        if made.ended:
            raise UserError(f"no shards were made: {made.ended}")
        print("\n".join(f"- {name}: {value}" for name, value in made.told[0].items()))
        print(f"- network: {job.model} at {px} px, packed {pack_px} px, {steps} steps of {job.batch} images")
        print_speed(runs)
        print_deterministic(runs, arguments.turns)
        print_what_fits(runs)
        print_same_bits(runs)
        print_precision(runs)
        print_compiled(runs)
        print(f"\nAll of it took {(time.monotonic() - begun) / 60:.1f} minutes.", flush=True)


@dataclass(frozen=True)
class Runs:
    """Does jobs while there is time.

    Attributes:
        job: what others are changed from.
        start: how processes start.
        deadline: as ``time.monotonic`` gives it.
        on_gpu: or on a CPU.
    """

    job: Job
    start: BaseContext
    deadline: float
    on_gpu: bool

    def do(
        self, function: Callable[[Job, Tell], None], *, settings: dict[str, str] | None = None, **changes
    ) -> Outcome:
        """Do a job that is changed so, by these settings of the machine."""
        left = self.deadline - time.monotonic()
        if left < LEAST_S:
            return Outcome([], NO_TIME)
        job = replace(self.job, **changes)
        settings = AS_USUAL | (settings or {})
        return run_job(function, job, self.start, timeout_s=min(JOB_S, left), settings=settings)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a section: what is known by now stays, whatever ends the rest."""
    lines = [" | ".join(row).replace("\n", " ") for row in (columns, *rows)]
    ruled = [f"| {lines[0]} |", f"|{'---|' * len(columns)}", *(f"| {line} |" for line in lines[1:])]
    print(f"\n### {title}\n\n" + "\n".join(ruled), flush=True)


def failed(outcome: Outcome, columns: int) -> list[str]:
    """Give the cells of a job that told nothing: why."""
    return [(outcome.ended or "told nothing").replace("|", "/"), *["–"] * (columns - 1)]


def memory(figures: dict) -> str:
    """Say how much memory a training held."""
    reserved = f", {size_in_words(figures['reserved_bytes'])} reserved" if figures["reserved_bytes"] else ""
    return size_in_words(figures["peak_bytes"]) + reserved


def print_speed(runs: Runs) -> None:
    """Print section 1."""
    rate, where = PUBLISHED.get((runs.job.model.partition(".")[0], runs.job.px), (None, None))
    rows = []
    for batch, steps in ((runs.job.batch, runs.job.steps), (LARGER * runs.job.batch, runs.job.steps // LARGER)):
        outcome = runs.do(train, batch=batch, steps=steps)
        rows.append([str(batch), *(speed_cells(outcome, rate if runs.on_gpu else None))])
    columns = ["images a step", "images/s", "of it computing", "waits for data", "peak memory", "of timm's figure"]
    print_table("1 Speed", columns, rows)
    if rate and runs.on_gpu:
        print(f"\ntimm has published {rate} images/s for training it on another GPU: {where}.")


def speed_cells(outcome: Outcome, published: float | None) -> list[str]:
    """Give the cells of a training's speed."""
    if not outcome.told:
        return failed(outcome, 5)
    found = outcome.told[0]
    return [
        f"{found['images_per_s']:.1f}",
        f"{found['computed_per_s']:.1f}",
        f"{found['data_wait_share']:.1%}",
        memory(found),
        f"{found['images_per_s'] / published:.2f}" if published else "–",
    ]


def print_deterministic(runs: Runs, turns: int) -> None:
    """Print section 2: computing alone counts, as loading is the same for both."""
    rates: dict[str, list[float]] = {"1": [], "0": []}
    ended = {}
    for _ in range(turns):
        for value, found in rates.items():
            outcome = runs.do(train, steps=max(4, runs.job.steps // 5), settings={"DETERMINISTIC": value})
            if outcome.told:
                found.append(outcome.told[0]["computed_per_s"])
            else:
                ended[value] = outcome.ended or ""
    rows = []
    for value, found in rates.items():
        cells = [f"{statistics.median(found):.1f}", " ".join(f"{rate:.1f}" for rate in found)] if found else ["–", "–"]
        rows.append([value, *cells, ended.get(value, "–").replace("|", "/")])
    print_table("2 DETERMINISTIC", ["DETERMINISTIC", "computed images/s", "by turn", "did not run"], rows)
    costs = sorted(off / on for on, off in zip(rates["1"], rates["0"], strict=False))
    if costs:
        print(
            f"\nDETERMINISTIC=1 takes {statistics.median(costs):.3f} times as long as 0 ({costs[0]:.3f} to "
            f"{costs[-1]:.3f} in {len(costs)} turns)."
        )


def print_what_fits(runs: Runs) -> None:
    """Print section 3."""
    rows, most = [], max(MOST_AT_ONCE, runs.job.batch) if runs.on_gpu else LARGER * runs.job.batch
    for value in ("0", "1"):
        outcome = runs.do(fit, at_most=most, settings={"GRADIENT_CHECKPOINTING": value})
        for found in outcome.told:
            cells = [f"{found['images_per_s']:.1f}", memory(found)] if found["fits"] else ["too many", "–"]
            rows.append([value, str(found["images"]), *cells])
        if outcome.ended:
            rows.append([value, "–", *failed(outcome, 2)])
        elif outcome.told[-1]["fits"]:
            rows.append([value, f"more than {outcome.told[-1]['images']}", "not tried", "–"])
    print_table("3 What fits", ["GRADIENT_CHECKPOINTING", "images at once", "images/s", "peak memory"], rows)


def print_same_bits(runs: Runs) -> None:
    """Print section 4; on a CPU one DETERMINISTIC will do."""
    steps = max(4, min(40, runs.job.steps))
    rows = []
    for value in ("1", "0") if runs.on_gpu else ("1",):
        settings, killed = {"DETERMINISTIC": value}, {"run": f"killed{value}", "steps": steps}
        straight = [runs.do(train, steps=steps, settings=settings) for _ in range(2)]
        # Steps after the checkpoint are lost, and made again.
        died = runs.do(train, **killed, save_at=steps // 2, kill_at=steps // 2 + 1, settings=settings)
        resumed = runs.do(train, **killed, settings=settings)
        rows.append([value, *bits_cells(straight, died, resumed)])
    columns = ["DETERMINISTIC", "digest", "equal run", f"killed after {steps // 2 + 1} of {steps} steps, went on"]
    print_table("4 The same bits", columns, rows)


def bits_cells(straight: list[Outcome], died: Outcome, resumed: Outcome) -> list[str]:
    """Compare the digests of two equal runs, and of one that was killed and went on."""
    first = straight[0]
    if not first.told:
        return failed(first, 3)
    wanted, cells = first.told[0]["digest"], []
    for outcome in (straight[1], resumed):
        found = outcome.told[0]["digest"] if outcome.told else None
        cells.append(
            (outcome.ended or "told nothing") if found is None else "same" if found == wanted else f"other: {found}"
        )
    if died.ended != "SIGKILL":
        cells[1] = f"was not killed: {died.ended}"
    elif resumed.told and not resumed.told[0]["begun_at"]:
        cells[1] = "found no checkpoint"
    return [wanted, *(cell.replace("|", "/") for cell in cells)]


def print_precision(runs: Runs) -> None:
    """Print section 5: the very same images, steps and first weights."""
    rows = []
    for precision in ("no", "bf16", *(("fp16",) if runs.on_gpu else ())):
        outcome = runs.do(train, precision=precision, steps=max(4, runs.job.steps // 3))
        name = "float32" if precision == "no" else precision
        if not outcome.told:
            rows.append([name, *failed(outcome, 5)])
            continue
        found = outcome.told[0]
        losses = [f"{found['first_loss']:.4f}", f"{found['loss']:.4f}", str(found["skipped"])]
        rows.append([name, *losses, f"{found['computed_per_s']:.1f}", memory(found)])
    columns = ["precision", "first loss", "last loss", "steps skipped", "computed images/s", "peak memory"]
    print_table("5 Precision", columns, rows)


def print_compiled(runs: Runs) -> None:
    """Print section 6."""
    if not runs.on_gpu:
        print("\n### 6 COMPILE\n\nNot tried: on a CPU a minute of compiling says nothing of a GPU.")
        return
    outcome = runs.do(train, settings={"COMPILE": "1"})
    columns = ["COMPILE", "images/s", "of it computing", "waits for data", "peak memory", "–"]
    print_table("6 COMPILE", columns, [["1", *speed_cells(outcome, None)]])


if __name__ == "__main__":
    run(main)
