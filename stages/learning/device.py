"""What is done to whole batches on their device: jitter of colors, normalization, random erasing, mixup and cutmix."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing

from stages.config.schema import Augment
from stages.learning.rng import BATCH, generator, global_draws

Key = tuple[int, int, int]  # epoch, index of an image, how often it came before in this epoch


@dataclass(frozen=True)
class Batch:
    """Images on their way to the device.

    Attributes:
        pixels: uint8 [images, side, side, 3], RGB.
        jitter: float32 [images, 3], factors of brightness, contrast and saturation; ``None`` changes no color.
        labels: int64 [images].
        first: of the first image. What is drawn for a batch as a whole is a function of it.
    """

    pixels: torch.Tensor
    jitter: torch.Tensor | None
    labels: torch.Tensor
    first: Key

    def pin_memory(self) -> "Batch":
        """Called by the loader where the device copies faster from pinned memory."""
        return self._map(torch.Tensor.pin_memory)

    def to(self, device: torch.device) -> "Batch":
        """Give the batch on ``device``."""
        return self._map(lambda part: part.to(device, non_blocking=True))

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        jitter = None if self.jitter is None else change(self.jitter)
        return Batch(change(self.pixels), jitter, change(self.labels), self.first)

    def __reduce__(self) -> tuple:
        """Pickle the small parts as bytes: to share memory costs two processes more than bytes so few."""
        jitter = None if self.jitter is None else self.jitter.numpy()
        return _batch_of_arrays, (self.pixels, jitter, self.labels.numpy(), self.first)


def _batch_of_arrays(pixels: torch.Tensor, jitter: np.ndarray | None, labels: np.ndarray, first: Key) -> Batch:
    return Batch(pixels, None if jitter is None else torch.from_numpy(jitter), torch.from_numpy(labels), first)


class ColorTransform(torch.nn.Module):
    """Jitter and normalization of a whole batch on its device.

    torchvision's ColorJitter draws once for a batch; here each image has its own factors, which came with it.
    """

    mean: torch.Tensor
    std: torch.Tensor
    luma: torch.Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        # Luma of ITU-R BT.601.
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1))

    @torch.no_grad()
    def forward(self, batch: Batch) -> torch.Tensor:
        """Give float32 [images, 3, side, side], laid out as the pixels are: channels last."""
        images = batch.pixels.permute(0, 3, 1, 2).float() / 255
        if batch.jitter is not None:
            brightness, contrast, saturation = batch.jitter.view(-1, 3, 1, 1, 1).unbind(1)
            images = images * brightness
            gray_level = (images * self.luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
            images = gray_level + (images - gray_level) * contrast
            gray = (images * self.luma).sum(1, keepdim=True)
            images = (gray + (images - gray) * saturation).clamp(0, 1)
        return (images - self.mean) / self.std


class Mixing:
    """Random erasing (Zhong et al., AAAI 2020), then mixup (Zhang et al., ICLR 2018) or cutmix (Yun et al., ICCV 2019).

    They are timm's, and what they draw is a function of (seed, epoch, first image of the batch).
    """

    def __init__(self, params: Augment, classes: int, *, seed: int, smoothing: float, device: torch.device) -> None:
        """Prepare for batches on ``device``.

        Args:
            params: section ``augment`` of params.yaml.
            classes: their number.
            seed: of all draws.
            smoothing: of the labels.
            device: where the batches are.
        """
        self._classes = classes
        self._seed = seed
        self._smoothing = smoothing
        self._erase = RandomErasing(params.erase, mode="pixel", device=str(device)) if params.erase else None
        self._mix = None
        if params.mixup or params.cutmix:
            self._mix = Mixup(params.mixup, params.cutmix, label_smoothing=smoothing, num_classes=classes)

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, in pairs."""
        return self._mix is not None

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, first: Key) -> tuple[torch.Tensor, torch.Tensor]:
        """Change a batch.

        Args:
            images: float32 [images, 3, side, side], an even number of them where they are mixed: the last batch of an
                epoch may be odd, and is then left as it is.
            labels: int64 [images].
            first: the batch's first image.

        Returns:
            The images, and their targets: float32 [images, classes], summing up to 1.
        """
        if self._erase or self._mix:
            with global_draws(int(generator(self._seed, BATCH, *first).integers(2**63)), images.device):
                if self._erase:
                    images = self._erase(images)
                if self._mix and len(images) % 2 == 0:
                    return self._mix(images, labels)
        targets = torch.nn.functional.one_hot(labels, self._classes).to(images.dtype)
        return images, targets * (1 - self._smoothing) + self._smoothing / self._classes
