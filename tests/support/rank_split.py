"""What each of several processes does that rank splits together: run by a test under torchrun.

    rank_split.py OUT PACKED ...

Every process writes the ranks that it got of each split to OUT.<its number>.npz: those of validation, and those that
are kept of a model's answers.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from stages.config.schema import Model, RandomWeights
from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.model import create_model
from stages.learning.predict import predict
from stages.learning.processes import make_accelerator
from stages.predicting.answers import predict_answers
from tests.support.packed import open_split


def main(out: str, *folders: str) -> None:
    """Rank the split ``train`` of each folder by a network of random weights."""
    accelerator = make_accelerator()
    torch.set_num_threads(1)
    network = Model(name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)
    model = create_model(network, classes=3, image_px=48, seed=1)
    ranks = []
    for folder in folders:
        packed = open_split(Path(folder), "train")
        batches = EpochBatches(
            packed.labels,
            step_images=4 * accelerator.num_processes,
            micro_images=4,
            process=accelerator.process_index,
            processes=accelerator.num_processes,
        )
        loader = PackedLoader(PackedImages(packed, 48), batches, workers=0)
        color = ColorTransform((0.5,) * 3, (0.25,) * 3)
        ranks.append(predict(model, loader, color, accelerator, what="test").ranks)
        kept = predict_answers(model, loader, color, accelerator, np.array([0, 1, 1]), what="test")
        ranks.append(kept["rank"].to_numpy().astype(np.int64))
    np.savez(f"{out}.{accelerator.process_index}.npz", *ranks)


if __name__ == "__main__":
    main(*sys.argv[1:])
