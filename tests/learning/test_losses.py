"""A rare class must win by a margin where that is asked for."""

import torch
from torch import nn

from stages.learning.losses import Loss
from tests.support.trainings import changed


def test_a_rare_class_must_win_by_a_margin():
    """Against the formula of Menon et al.; with classes of equal size it is cross-entropy."""
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    targets = nn.functional.one_hot(labels, 3).float()
    sizes = torch.tensor([900, 90, 10])
    found = Loss(changed(loss="logit_adjusted", logit_tau=1.5), sizes)(logits, targets)
    expected = nn.functional.cross_entropy(logits + 1.5 * (sizes / 1000).log(), labels, reduction="none")
    assert torch.allclose(found, expected)
    plain = Loss(changed(), sizes)(logits, targets)
    assert torch.allclose(plain, nn.functional.cross_entropy(logits, labels, reduction="none"))
    assert torch.allclose(Loss(changed(loss="logit_adjusted"), torch.tensor([5, 5, 5]))(logits, targets), plain)
    assert torch.isfinite(Loss(changed(loss="logit_adjusted"), torch.tensor([5, 0, 5]))(logits, targets)).all()
