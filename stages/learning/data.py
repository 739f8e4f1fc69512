"""Feeding the model: packed JPEGs to batches.

What an image looks like is a pure function of (seed, epoch, image), and the order one of (seed, epoch). So a run can
go on from any epoch, and the number of loader processes changes nothing.

The workers decode, cut and mirror on uint8; colour and normalisation work on whole batches on the device (``Colour``),
as a jitter costs a CPU core more than everything else together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from stages.errors import UserError
from stages.images.shards import PackedSplit

# Added to the streams of random numbers, so that no two uses of one seed draw the same ones.
_ORDER, _IMAGE = 0, 1

Key = tuple[int, int]  # epoch, index


@dataclass(frozen=True)
class Augmentation:
    """How a training image is changed.

    Attributes:
        seed: of all draws.
        flip: mirror half of the images.
        jitter: brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter.
    """

    seed: int
    flip: bool
    jitter: float


@dataclass(frozen=True)
class Batch:
    """Images on their way to the device.

    Attributes:
        pixels: uint8 [images, side, side, 3], RGB.
        jitter: float32 [images, 3], factors of brightness, contrast and saturation.
        labels: int64 [images].
    """

    pixels: torch.Tensor
    jitter: torch.Tensor
    labels: torch.Tensor

    def pin_memory(self) -> "Batch":
        """Called by the loader where the device copies faster from pinned memory."""
        return Batch(self.pixels.pin_memory(), self.jitter.pin_memory(), self.labels.pin_memory())

    def to(self, device: torch.device) -> "Batch":
        """Give the batch on ``device``."""
        return Batch(*(part.to(device, non_blocking=True) for part in (self.pixels, self.jitter, self.labels)))


class PackedImages(Dataset):
    """The images of a split, cut to ``image_px``: at a drawn place to train, in the middle without ``augmentation``."""

    def __init__(self, packed: PackedSplit, image_px: int, augmentation: Augmentation | None = None) -> None:
        self.packed = packed
        self.image_px = image_px
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, key: Key) -> tuple[np.ndarray, np.ndarray, int]:
        """Give (uint8 [side, side, 3], jitter factors float32 [3], label) of the image ``index`` in ``epoch``."""
        epoch, index = key
        try:
            pixels = simplejpeg.decode_jpeg(self.packed.jpeg(index))
        except (ValueError, SystemError) as error:
            name = self.packed.names[index]
            raise UserError(
                f"the packed image {name} is damaged ({error}): bring data/packed back with `dvc checkout`"
            ) from None
        spare_y, spare_x = pixels.shape[0] - self.image_px, pixels.shape[1] - self.image_px
        factors = np.ones(3, np.float32)
        top, left = spare_y // 2, spare_x // 2
        if self.augmentation:
            rng = np.random.default_rng((self.augmentation.seed, _IMAGE, epoch, index))
            top, left = rng.integers(0, spare_y + 1), rng.integers(0, spare_x + 1)
            spread = self.augmentation.jitter
            factors = rng.uniform(1 - spread, 1 + spread, 3).astype(np.float32)
            if self.augmentation.flip and rng.random() < 0.5:
                pixels, left = pixels[:, ::-1], spare_x - left
        piece = pixels[top : top + self.image_px, left : left + self.image_px]
        return np.ascontiguousarray(piece), factors, int(self.packed.labels[index])


class EpochOrder(Sampler[Key]):
    """The order of an epoch: drawn from (seed, epoch), or as the images stand without a seed."""

    def __init__(self, images: int, seed: int | None) -> None:
        self.images = images
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.images

    def __iter__(self) -> Iterator[Key]:
        order = np.arange(self.images)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, _ORDER, self.epoch)).permutation(self.images)
        # The epoch goes with the index: workers that live on from epoch to epoch learn it that way.
        return ((self.epoch, int(index)) for index in order)


class Colour(torch.nn.Module):
    """Jitter and normalisation of a whole batch on its device.

    torchvision's ColorJitter draws once for a batch; here each image has its own factors, which came with it.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        # Luma of ITU-R BT.601.
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1))

    @torch.no_grad()
    def forward(self, batch: Batch) -> torch.Tensor:
        """Give float32 [images, 3, side, side], channels last in memory."""
        images = batch.pixels.permute(0, 3, 1, 2).float() / 255
        if bool((batch.jitter != 1).any()):
            brightness, contrast, saturation = batch.jitter.view(-1, 3, 1, 1, 1).unbind(1)
            images = images * brightness
            grey_level = (images * self.luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
            images = grey_level + (images - grey_level) * contrast
            grey = (images * self.luma).sum(1, keepdim=True)
            images = (grey + (images - grey) * saturation).clamp(0, 1)
        return (images - self.mean) / self.std


def make_loader(images: PackedImages, *, batch_images: int, seed: int | None, workers: int) -> DataLoader:
    """Make the loader of a split.

    Args:
        images: the split.
        batch_images: images a batch; the last one holds what is left, nothing is dropped or counted twice.
        seed: of the order; ``None`` for the order in the shards.
        workers: loader processes; 0 decodes in the training process itself.
    """
    return DataLoader(
        images,
        batch_size=batch_images,
        sampler=EpochOrder(len(images), seed),
        num_workers=workers,
        collate_fn=_collate,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        # Forked children of a process with OpenMP threads can hang; the forkserver starts them clean.
        multiprocessing_context="forkserver" if workers else None,
    )


def _collate(items: list[tuple[np.ndarray, np.ndarray, int]]) -> Batch:
    pixels, factors, labels = zip(*items, strict=True)
    return Batch(
        torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(factors)), torch.tensor(labels, dtype=torch.int64)
    )
