"""A training before its first step: what the stage ``train`` and the command ``preflight`` both begin with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stages.config.schema import Model, Params
from stages.images.shards import check_shards
from stages.learning.identity import run_identity
from stages.learning.origin import Origin, find_origin
from stages.learning.split import PackedSplit, check_splits, open_splits
from stages.splitting.label_order import read_labels

# Inputs are read without torch: what is wrong with them is said in a second, and not after its import.
if TYPE_CHECKING:
    from accelerate import Accelerator

    from stages.learning.context import TrainContext
    from stages.learning.saved_model import ModelDescription
    from stages.learning.state import TrainState


class Inputs(NamedTuple):
    """What a training is of.

    Attributes:
        species: in the order of labels.
        packed: the images of train and val.
        identity: of the run.
        origin: the network and its starting weights.
    """

    species: list[str]
    packed: dict[str, PackedSplit]
    identity: dict[str, Any]
    origin: Origin


class SetUp(NamedTuple):
    """A training before its first step.

    Attributes:
        state: new.
        description: of its model.
        context: all that it is trained with.
    """

    state: "TrainState"
    description: "ModelDescription"
    context: "TrainContext"


def read_inputs(
    parameters: dict[str, Any], *, splits: Path, shards: Path, model: Model, notes: Path | None = None
) -> Inputs:
    """Read which images and labels there are: seconds, as no pixel is read.

    Args:
        parameters: those of the stage ``train`` as params.yaml has them, by section.
        splits: the folder with labels.csv and the splits' tables.
        shards: the folder of ``pack``.
        model: section ``model`` of these.
        notes: weights.json of the profile.

    Raises:
        UserError: as ``find_origin`` and ``open_splits``, or there is nothing to train on.
    """
    origin = find_origin(model, notes)
    species = read_labels(splits / "labels.csv")
    packed = open_splits(shards, splits, ("train", "val"), species)
    check_splits(packed, parameters["image"]["train_px"])
    return Inputs(species, packed, run_identity(parameters, species, packed, origin), origin)


def set_up(params: Params, inputs: Inputs, accelerator: "Accelerator", *, shards: Path) -> SetUp:
    """Read the shards from end to end, and make the run.

    Args:
        params: those of the stage ``train``.
        inputs: of ``read_inputs``.
        accelerator: of ``make_accelerator``.
        shards: the folder of ``pack``.

    Raises:
        UserError: a shard is damaged, or as ``new_state``.
    """
    from stages.learning.context import make_context, new_state

    check_shards(shards)
    size_px = inputs.packed["train"].size_px
    state, description = new_state(params, inputs.species, size_px, accelerator, inputs.origin)
    return SetUp(state, description, make_context(inputs.packed, params, description, accelerator))
