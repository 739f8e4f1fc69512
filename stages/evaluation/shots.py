"""Images of many-, medium- and few-shot classes apart, as the literature on long tails reports them."""

import numpy as np

from stages.config.schema import Shots

SHOTS = ("few_shot", "medium_shot", "many_shot")


def by_shots(train_images: np.ndarray, shots: Shots) -> dict[str, np.ndarray]:
    """Say which images are of few-, medium- and many-shot classes (Liu et al., CVPR 2019), bool [images] each.

    Args:
        train_images: int [images], training images of each image's class.
        shots: where few-shot ends and many-shot begins.

    Returns:
        By the names of ``SHOTS``; a kind of classes without any image is left out.
    """
    few, many = train_images < shots.few_below, train_images > shots.many_above
    members = dict(zip(SHOTS, (few, ~few & ~many, many), strict=True))
    return {name: of for name, of in members.items() if of.any()}
