"""Losses of training, for single labels and for mixtures of them."""

import torch
from torch import nn

from stages.config.schema import Train


class Loss(nn.Module):
    """The loss of each image, by ``train.loss``.

    ``cross_entropy`` is the usual one. ``logit_adjusted`` adds to each logit ``logit_tau`` times the logarithm of its
    class's share of the training images, so that a rare class must win by a margin (Menon et al., ICLR 2021); at test
    time the logits are taken as they are, and then favor no class for being common.
    """

    shift: torch.Tensor

    def __init__(self, params: Train, train_images: torch.Tensor) -> None:
        """Prepare for classes with so many training images each, [classes]."""
        super().__init__()
        shift = torch.zeros(len(train_images))
        if params.loss == "logit_adjusted":
            # A class without training images would be infinitely rare.
            share = train_images.double().clamp(min=0.5) / train_images.sum()
            shift = (params.logit_tau * share.log()).float()
        self.register_buffer("shift", shift)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Give float32 [images] for logits [images, classes] and targets, float32 [images, classes], of sum 1."""
        return nn.functional.cross_entropy(logits + self.shift, targets, reduction="none")
