"""Stage ``predict``: what the trained model says of each image of val and test -> data/predictions/.

The network looks at each image once; every figure is made of what is kept of its answers, by `evaluate`, on a CPU and
in seconds. Images of species that the model does not know (``split.keep_unknown``) are predicted too: a good model is
unsure of them. Predictions of the same model, images and labels are taken over from DVC's cache. How the images were
made of originals is noted beside the model, so that it can be asked about other photos in the same way.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import plain_params, stage_params
from stages.images.shards import check_shards
from stages.learning.processes import all_reduce_max, make_accelerator
from stages.learning.saved_model import WEIGHTS, SavedModel, load_model
from stages.learning.split import PackedSplit, open_splits
from stages.predicting.answers import predict_splits
from stages.predicting.previous import predictions_identity, take_over_predictions, write_made_by
from stages.runtime.errors import UserError, run
from stages.runtime.last_run import GoneError
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.splitting.label_order import read_labels
from stages.tables.classes import UNKNOWN, read_split
from stages.tables.predictions import PREDICTIONS
from stages.tables.preprocessing import read_recipe, write_preprocessing
from stages.tables.table import write_table

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
RECIPE_IN = Path("data/packed.json")
MODEL_IN = Path("models")
OUT = Path("data/predictions")
MADE_BY = Path("data/predictions.json")
PREPROCESSING = Path("models/preprocessing.json")

PREDICTED = ("val", "test", UNKNOWN)


def main() -> None:
    """Take the predictions over where they were made before, else make them."""
    params = stage_params("predict")
    accelerator = make_accelerator()  # first: it says how torch computes
    check_libraries("predict")
    model = load_model(MODEL_IN, SPLITS_IN / "labels.csv")
    check_shards(PACKED_IN)
    recipe = read_recipe(RECIPE_IN)
    species = read_labels(SPLITS_IN / "labels.csv")
    packed = open_splits(PACKED_IN, SPLITS_IN, PREDICTED, species)
    tables = {name: read_split(SPLITS_IN, name) for name in PREDICTED}
    check_size(packed["test"], model)

    identity = predictions_identity(plain_params("predict"), species, packed, tables, MODEL_IN)
    found = accelerator.is_main_process and find_predictions(identity)
    if not all_reduce_max(int(found), accelerator):  # the first process decides for all
        batch_images = params.predict.batch_images
        answers = predict_splits(model, packed, species, accelerator, batch_images=batch_images)
        if not accelerator.is_main_process:
            return
        check_numbers(answers, tables)
        with replacing_directory(OUT) as folder:
            for name, table in tables.items():
                whole = pl.concat([table.select("image_name", "sha256"), answers[name]], how="horizontal")
                write_table(whole, PREDICTIONS, folder / f"{name}.parquet")
    if accelerator.is_main_process:
        write_made_by(MADE_BY, identity, OUT)
        write_preprocessing(PREPROCESSING, recipe, model=MODEL_IN / WEIGHTS)
        counts = ", ".join(f"{table.height:,} of {name}" for name, table in tables.items() if table.height)
        taken_over = ": the very same were made before, and are taken over from DVC's cache" if found else ""
        say(f"predict: images {counts} in {OUT}{taken_over}")


def check_size(test: PackedSplit, model: SavedModel) -> None:
    """See that there are test images, of the size that the model takes.

    Raises:
        UserError: there is none, or of another size.
    """
    description = model.description
    if test.size_px != description.pack_px or description.image_px > test.size_px:
        raise UserError(f"{PACKED_IN} holds {test.size_px} px, the model takes {description.pack_px}: run `dvc repro`")
    if not len(test):
        raise UserError("test is empty: a species needs images of three observations to stand in it")


def find_predictions(identity: dict) -> bool:
    """Take the last run's predictions over if DVC's cache holds them, else say why not."""
    try:
        take_over_predictions(identity, OUT, MADE_BY)
    except GoneError as error:
        say(f"predict: no predictions are taken over: {error}")
        return False
    return True


def check_numbers(answers: Mapping[str, pl.DataFrame], tables: Mapping[str, pl.DataFrame]) -> None:
    """Refuse predictions of test images that are no numbers, and say how many of others are.

    Raises:
        UserError: some of the test are none: how many, and the first image.
    """
    for name, answered in answers.items():
        wrong = np.flatnonzero(answered["top_logits"].list.first().is_nan().to_numpy())
        if not len(wrong):
            continue
        first = tables[name]["image_name"][int(wrong[0])]
        what = (
            f"the model's predictions for {len(wrong):,} of {answered.height:,} {name} images are no numbers (NaN or "
            f"infinite), {first} the first"
        )
        if name == "test":
            raise UserError(f"{what}: train again, at a lower train.learning_rate of the profile")
        say(f"predict: warning: {what}: they are left out of every figure")


if __name__ == "__main__":
    run(main)
