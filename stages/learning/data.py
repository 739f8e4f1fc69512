"""Feeding the model: packed JPEGs to batches.

What an image looks like is a pure function of (seed, epoch, image), and the order one of (seed, epoch). So a run can
go on from any epoch, and the number of loader processes changes nothing.

The workers decode, cut and mirror on uint8 (``augment.py``); colour, erasing and mixing work on whole batches on the
device (``device.py``), as a jitter costs a CPU core more than everything else together.
"""

import math
from collections.abc import Iterator

import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from stages.errors import UserError
from stages.images.shards import PackedSplit
from stages.learning.augment import augment, cut_center
from stages.learning.device import Batch, Key
from stages.learning.draws import IMAGE, ORDER, generator
from stages.params import Augment, Sampling

# How often a class is drawn, by the power of its number of images.
_POWERS: dict[Sampling, float] = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}


class PackedImages(Dataset):
    """The images of a split at ``image_px``: augmented to train, cut out of the middle without ``params``.

    It gives whole batches: an image is decoded into memory that is used again for the next one, and what is seen of it
    goes straight to its place in the batch. Copies and fresh memory would cost more than the decode itself.
    """

    def __init__(self, packed: PackedSplit, image_px: int, params: Augment | None = None, *, seed: int = 0) -> None:
        self.packed = packed
        self.image_px = image_px
        self.params = params
        self.seed = seed
        self._decoded = np.empty(3 * packed.imprint.size_px**2, np.uint8)

    def __len__(self) -> int:
        return len(self.packed)

    def __getitems__(self, keys: list[Key]) -> Batch:
        """Give the images of some (epoch, index) as a batch.

        Raises:
            UserError: a packed image does not decode; it is named.
        """
        pixels = _batch_memory((len(keys), self.image_px, self.image_px, 3))
        jitter = None
        if self.params and self.params.jitter:
            jitter = torch.empty(len(keys), 3)
        for place, (epoch, index) in enumerate(keys):
            image, seen = self._decode(index), pixels[place].numpy()
            if self.params is None:
                seen[:] = cut_center(image, self.image_px)
                continue
            rng = generator(self.seed, IMAGE, epoch, index)
            if jitter is not None:
                spread = self.params.jitter
                jitter[place] = torch.from_numpy(rng.uniform(1 - spread, 1 + spread, 3))
            augment(image, self.params, rng, seen)
        labels = torch.from_numpy(self.packed.labels[[index for _, index in keys]])
        return Batch(pixels, jitter, labels, keys[0])

    def _decode(self, index: int) -> np.ndarray:
        try:
            return simplejpeg.decode_jpeg(self.packed.jpeg(index), buffer=self._decoded)
        except (ValueError, SystemError) as error:
            name = self.packed.names[index]
            raise UserError(
                f"the packed image {name} is damaged ({error}): bring data/packed back with `dvc checkout`"
            ) from None


def epoch_order(labels: np.ndarray, seed: int | None, epoch: int, sampling: Sampling = "natural") -> np.ndarray:
    """Give the order of an epoch: indices int64 [images], a pure function of (seed, epoch).

    Without a seed it is the images' own order. ``natural`` takes each image once. The others draw as many images, a
    class as often as the square root of its number of images says, or each class equally often (Kang et al., ICLR
    2020); within a class every image is taken once before one is taken again.

    Args:
        labels: int64 [images].
        seed: of all epochs.
        epoch: from 0.
        sampling: how often classes are drawn.
    """
    if seed is None:
        return np.arange(len(labels))
    rng = generator(seed, ORDER, epoch)
    if sampling == "natural":
        return rng.permutation(len(labels))
    _, sizes = np.unique(labels, return_counts=True)
    weights = sizes ** _POWERS[sampling]
    drawn = rng.multinomial(len(labels), weights / weights.sum())
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    taken = [
        np.concatenate([rng.permutation(members) for _ in range(-(-number // len(members)))])[:number]
        for members, number in zip(by_class, drawn, strict=True)
        if number
    ]
    return rng.permutation(np.concatenate(taken))


class EpochOrder(Sampler[Key]):
    """The keys of an epoch, in the order of ``epoch_order``; of several processes each has its own part of them."""

    def __init__(
        self,
        labels: np.ndarray,
        seed: int | None,
        sampling: Sampling = "natural",
        *,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """Give every ``processes``-th image from the ``process``-th on: together all, each once."""
        self.labels = labels
        self.seed = seed
        self.sampling = sampling
        self.process = process
        self.processes = processes
        self.epoch = 0

    def __len__(self) -> int:
        return len(range(self.process, len(self.labels), self.processes))

    def __iter__(self) -> Iterator[Key]:
        order = epoch_order(self.labels, self.seed, self.epoch, self.sampling)[self.process :: self.processes]
        # The epoch goes with the index: workers that live on from epoch to epoch learn it that way.
        return ((self.epoch, int(index)) for index in order)


def make_loader(
    images: PackedImages,
    *,
    batch_images: int,
    seed: int | None,
    workers: int,
    sampling: Sampling = "natural",
    process: int = 0,
    processes: int = 1,
) -> DataLoader:
    """Make the loader of a split.

    Args:
        images: the split.
        batch_images: images a batch; the last one holds what is left, nothing is dropped or counted twice.
        seed: of the order; ``None`` for the order in the shards.
        workers: loader processes; 0 decodes in the training process itself.
        sampling: how often classes are drawn.
        process: of the processes that train or evaluate together, the one that this loader feeds.
        processes: their number.
    """
    return DataLoader(
        images,
        batch_size=batch_images,
        sampler=EpochOrder(images.packed.labels, seed, sampling, process=process, processes=processes),
        num_workers=workers,
        collate_fn=_whole,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        # Forked children of a process with OpenMP threads can hang; the forkserver starts them clean.
        multiprocessing_context="forkserver" if workers else None,
    )


def _batch_memory(shape: tuple[int, ...]) -> torch.Tensor:
    """Give uint8 memory for a batch; in a loader process shared with the training process, as what is not is copied."""
    if torch.utils.data.get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    # torch has no public call for it; its own default_collate does the same.
    storage = torch.UntypedStorage._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def _whole(batch: Batch) -> Batch:
    """Leave a batch as it is: the dataset made it whole."""
    return batch
