"""A training before its first step: what the stage ``train`` and the command ``preflight`` both begin with."""

from pathlib import Path
from typing import NamedTuple

from accelerate import Accelerator

from stages.config.schema import Params
from stages.images.shards import PackedSplit
from stages.learning.checkpoint import checkpoint_folder
from stages.learning.context import TrainContext, make_context, new_state, open_shards
from stages.learning.model import ModelDescription
from stages.learning.state import TrainState
from stages.splitting.label_order import read_classes

# What makes a run's result, beside parameters and data: a checkpoint of other code is another run's.
CODE = sorted(Path(__file__).parent.glob("*.py"))


class SetUp(NamedTuple):
    """A training before its first step.

    Attributes:
        species: in the order of labels.
        packed: the shards of train and val.
        state: new.
        description: of its model.
        context: all that it is trained with.
        checkpoints: the folder of the run with these parameters, shards and code.
    """

    species: list[str]
    packed: dict[str, PackedSplit]
    state: TrainState
    description: ModelDescription
    context: TrainContext
    checkpoints: Path


def set_up(params: Params, accelerator: Accelerator, *, splits: Path, shards: Path) -> SetUp:
    """Read the splits and shards, and make the run.

    Args:
        params: those of the stage ``train``.
        accelerator: of ``make_accelerator``.
        splits: the folder with classes.csv.
        shards: the folder of ``pack``.

    Raises:
        UserError: as ``open_shards`` and ``new_state``, or no checkpoint can be written.
    """
    species = read_classes(splits / "classes.csv")
    packed = open_shards(shards, species, params)
    state, description = new_state(params, species, accelerator)
    context = make_context(packed, params, description, accelerator)
    # What only warns or stops makes no other run.
    what_counts = params.model_dump_json(exclude={"train": {"max_skipped_steps", "expect_epoch", "expect_top1"}})
    identity = [what_counts, *(split.fingerprint() for split in packed.values())]
    return SetUp(species, packed, state, description, context, checkpoint_folder(*identity, code=CODE))
