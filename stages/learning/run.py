"""A whole run: from its checkpoint or its first step to the weights that are kept."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import polars as pl
from accelerate import Accelerator

from stages.config.schema import Params, Train
from stages.learning.checkpoint import Checkpointer, checkpoint_folder, drop_spare, load_checkpoint
from stages.learning.clock import Clock
from stages.learning.finished import FinishedRun, finished_run
from stages.learning.health import label_warnings, say_warnings
from stages.learning.loop import train
from stages.learning.saved_model import save_model
from stages.learning.scores import Meter
from stages.learning.setup import Inputs, set_up
from stages.learning.state import TrainState
from stages.learning.summary import Pace, describe_epoch, say_summary
from stages.runtime.progress import say
from stages.runtime.signals import stop_requests

Row = dict[str, float]  # figures of an epoch


def make_run(
    params: Params,
    inputs: Inputs,
    accelerator: Accelerator,
    *,
    shards: Path,
    seen: pl.DataFrame,
    out: Path,
    every_s: float,
    anew: bool,
    log: Callable[[list[Row]], AbstractContextManager[Callable[[Row, Clock], None]]],
    warn: Callable[[list[Row]], Sequence[str]],
) -> FinishedRun | None:
    """Train, from the run's checkpoint where there is one, and save the best weights.

    Args:
        params: those of the stage ``train``.
        inputs: what it is of.
        accelerator: of ``make_accelerator``.
        shards: the folder of ``pack``.
        seen: which images it sees, of ``read_seen``.
        out: gets the weights, their description, and what they were trained on.
        every_s: seconds between two checkpoints, at the least.
        anew: a checkpoint of the run's end counts for nothing; one of its middle does.
        log: opens a log that begins with a history; gives what adds an epoch to it.
        warn: says after each epoch what looks wrong in a history.

    Returns:
        How it went; ``None`` in all processes but the first.

    Raises:
        UserError: as ``set_up`` and ``train``, or no checkpoint can be written.
    """
    checkpoints = checkpoint_folder(inputs.identity)
    state, description, context = set_up(params, inputs, accelerator, shards=shards)
    saved = load_checkpoint(checkpoints)
    if saved and goes_on(saved["epoch"], params.train, anew=anew):
        state.load_state_dict(saved)
        if not accelerator.is_main_process:
            state.meter = Meter()  # the saved one is of all processes
    if accelerator.is_main_process:
        say_summary(params, inputs.packed, inputs.species, state, context, folder=checkpoints)
        say_warnings(label_warnings(inputs.packed["train"].labels, inputs.packed["val"].labels))

    with (
        stop_requests() as request,
        log(state.history) if accelerator.is_main_process else nullcontext() as log_epoch,
    ):
        checkpointer = Checkpointer(checkpoints, accelerator, request, every_s=every_s)
        pace = Pace(context)

        def after_step(state: TrainState) -> None:
            checkpointer.after_step(state)
            if log_epoch:
                pace.after_step(state)

        def after_epoch(state: TrainState, clock: Clock) -> None:
            checkpointer.save(state)
            if log_epoch:
                log_epoch(state.history[-1], clock)
                say(describe_epoch(state.epoch, state.history[-1], clock))
                say_warnings(warn(state.history))

        train(state, context, after_step=after_step, after_epoch=after_epoch)
    if not accelerator.is_main_process:
        return None
    save_model(out, state.kept.state, description, seen)
    drop_spare(checkpoints)
    return finished_run(inputs.identity, state, out)


def goes_on(epochs_done: int, params: Train, *, anew: bool) -> bool:
    """Say whether a run goes on from its checkpoint: one that shall be made anew does so from its middle alone."""
    return not anew or epochs_done < params.epochs + params.crt_epochs
