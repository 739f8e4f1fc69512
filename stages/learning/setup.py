"""A training before its first step: what the stage ``train`` and the command ``preflight`` both begin with."""

from pathlib import Path
from typing import Any, NamedTuple

from accelerate import Accelerator

from stages.config.schema import Params
from stages.images.shards import check_shards
from stages.learning.context import TrainContext, check_splits, make_context, new_state
from stages.learning.identity import run_identity
from stages.learning.saved_model import ModelDescription
from stages.learning.split import PackedSplit, open_splits
from stages.learning.state import TrainState
from stages.splitting.label_order import read_labels


class Inputs(NamedTuple):
    """What a training is of.

    Attributes:
        species: in the order of labels.
        packed: the images of train and val.
        identity: of the run.
    """

    species: list[str]
    packed: dict[str, PackedSplit]
    identity: dict[str, Any]


class SetUp(NamedTuple):
    """A training before its first step.

    Attributes:
        state: new.
        description: of its model.
        context: all that it is trained with.
    """

    state: TrainState
    description: ModelDescription
    context: TrainContext


def read_inputs(parameters: dict[str, Any], *, splits: Path, shards: Path) -> Inputs:
    """Read which images and labels there are: seconds, as no pixel is read.

    Args:
        parameters: those of the stage ``train`` as params.yaml has them, by section.
        splits: the folder with labels.csv and the splits' tables.
        shards: the folder of ``pack``.

    Raises:
        UserError: as ``open_splits``, or there is nothing to train on.
    """
    species = read_labels(splits / "labels.csv")
    packed = open_splits(shards, splits, ("train", "val"), species)
    check_splits(packed, parameters["image"]["train_px"])
    return Inputs(species, packed, run_identity(parameters, species, packed))


def set_up(params: Params, inputs: Inputs, accelerator: Accelerator, *, shards: Path) -> SetUp:
    """Read the shards from end to end, and make the run.

    Args:
        params: those of the stage ``train``.
        inputs: of ``read_inputs``.
        accelerator: of ``make_accelerator``.
        shards: the folder of ``pack``.

    Raises:
        UserError: a shard is damaged, or as ``new_state``.
    """
    check_shards(shards)
    state, description = new_state(params, inputs.species, inputs.packed["train"].size_px, accelerator)
    return SetUp(state, description, make_context(inputs.packed, params, description, accelerator))
