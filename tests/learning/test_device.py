"""Colors, erasing and mixing of whole batches: as torchvision has them, and drawn alike again."""

import random

import numpy as np
import pytest
import torch

from stages.config.schema import Augment
from stages.learning.augment import augment
from stages.learning.device import Batch, ColorTransform, Mixing
from tests.support.tiny_training import PLAIN, RICH


def mixed(augmentation: Augment, first=(0, 0), labels=(0, 1, 2, 1)) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.arange(len(labels) * 3 * 16 * 16, dtype=torch.float32).reshape(-1, 3, 16, 16) / 1000
    mixing = Mixing(augmentation, 3, seed=1, smoothing=0.1, device=torch.device("cpu"))
    return mixing(images.clone(), torch.tensor(labels), first)


def test_targets_are_smoothed_labels_where_nothing_is_mixed():
    images, targets = mixed(PLAIN)
    logits = torch.randn(4, 3)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1]), label_smoothing=0.1)
    assert torch.allclose(torch.nn.functional.cross_entropy(logits, targets), expected)
    assert torch.equal(images, torch.arange(4 * 3 * 256, dtype=torch.float32).reshape(4, 3, 16, 16) / 1000)


@pytest.mark.parametrize("without", ["nothing", "mixup", "cutmix"])
def test_mixing_is_a_function_of_the_batch_and_targets_sum_to_one(without):
    augmentation = RICH if without == "nothing" else RICH.model_copy(update={without: 0.0})
    (one, targets), (again, targets_again), (other, _) = (
        mixed(augmentation),
        mixed(augmentation),
        mixed(augmentation, first=(1, 0)),
    )
    assert torch.equal(one, again)
    assert torch.equal(targets, targets_again)
    assert not torch.equal(one, other)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert (targets.max(1).values < 0.95).any()
    # The last batch of an epoch may be odd: it is not mixed, and keeps its labels.
    assert mixed(augmentation, labels=(0, 1, 2))[1].argmax(1).tolist() == [0, 1, 2]


def test_what_is_drawn_leaves_the_global_generators_alone():
    states = random.getstate(), torch.get_rng_state()
    mixed(RICH)
    augment(np.zeros((64, 64, 3), np.uint8), RICH, np.random.default_rng(0), np.empty((48, 48, 3), np.uint8))
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_color_only_normalises_what_has_no_jitter():
    pixels = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    out = ColorTransform((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))(Batch(pixels, None, torch.zeros(2), (0, 0)))
    expected = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.2, 0.1]
    ).view(3, 1, 1)
    assert torch.allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_jitter_is_torchvisions_brightness_contrast_and_saturation(which):
    """Each alone, as torchvision.transforms.functional does it; ours gives every image its own factor."""
    import torchvision.transforms.functional as reference

    pixels = torch.randint(60, 180, (3, 8, 8, 3), dtype=torch.uint8)
    factors = torch.ones(3, 3)
    factors[:, which] = torch.tensor([0.8, 1.0, 1.15])
    out = ColorTransform((0.0,) * 3, (1.0,) * 3)(Batch(pixels, factors, torch.zeros(3), (0, 0)))
    adjust = (reference.adjust_brightness, reference.adjust_contrast, reference.adjust_saturation)[which]
    images = pixels.permute(0, 3, 1, 2) / 255
    expected = torch.stack([adjust(image, float(f)) for image, f in zip(images, factors[:, which], strict=True)])
    assert torch.allclose(out, expected, atol=2e-3)
