"""Feeding the model: packed JPEGs to batches.

What an image looks like is a pure function of (seed, epoch, image, how often it came before in this epoch), and the
order one of (seed, epoch). So a run can go on from any epoch, and the number of loader processes changes nothing.

The workers decode, cut and mirror on uint8 (``augment.py``); color, erasing and mixing work on whole batches on the
device (``device.py``), as a jitter costs a CPU core more than everything else together.
"""

import atexit
import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from stages.config.schema import Augment, Sampling
from stages.learning.augment import augment, cut_center
from stages.learning.device import Batch, Key
from stages.learning.rng import IMAGE, ORDER, TRAIN_EVAL, generator
from stages.learning.split import PackedSplit
from stages.runtime.errors import UserError

# How often a class is drawn, by the power of its number of images.
_POWERS: dict[Sampling, float] = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}


class PackedImages(Dataset[Batch]):
    """The images of a split, or some, at ``image_px``: augmented to train, cut out of the middle without ``params``.

    It gives whole batches: an image is decoded into memory that is used again for the next one, and what is seen of it
    goes straight to its place in the batch. Copies and fresh memory would cost more than the decode itself.
    """

    def __init__(
        self,
        packed: PackedSplit,
        image_px: int,
        params: Augment | None = None,
        *,
        seed: int = 0,
        chosen: np.ndarray | None = None,
    ) -> None:
        """Prepare; ``chosen``, int64, are the images to take, by default all: indices are places in it."""
        self.packed = packed
        self.chosen = np.arange(len(packed)) if chosen is None else chosen
        self.image_px = image_px
        self.params = params
        self.seed = seed
        self._decoded = np.empty(3 * packed.size_px**2, np.uint8)

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def labels(self) -> np.ndarray:
        """Labels, int64 [images]."""
        return self.packed.labels[self.chosen]

    def name(self, index: int) -> str:
        """Give the name of an image."""
        return self.packed.name(self.chosen[index])

    def __getitems__(self, keys: list[Key]) -> Batch:
        """Give the images of some keys as a batch.

        Raises:
            UserError: a packed image does not decode; it is named.
        """
        pixels = _batch_memory((len(keys), self.image_px, self.image_px, 3))
        jitter = None
        if self.params and self.params.jitter:
            jitter = torch.empty(len(keys), 3)
        for place, (epoch, index, time) in enumerate(keys):
            image, seen = self._decode(index), pixels[place].numpy()
            if self.params is None:
                seen[:] = cut_center(image, self.image_px)
                continue
            rng = generator(self.seed, IMAGE, epoch, index, time)
            if jitter is not None:
                spread = self.params.jitter
                jitter[place] = torch.from_numpy(rng.uniform(1 - spread, 1 + spread, 3))
            augment(image, self.params, rng, seen)
        labels = torch.from_numpy(self.packed.labels[self.chosen[[index for _, index, _ in keys]]])
        return Batch(pixels, jitter, labels, keys[0])

    def _decode(self, index: int) -> np.ndarray:
        try:
            return simplejpeg.decode_jpeg(self.packed.jpeg(self.chosen[index]), buffer=self._decoded)
        except (ValueError, SystemError) as error:
            raise UserError(
                f"the packed image {self.name(index)} is damaged ({error}): bring data/packed back with `dvc checkout`"
            ) from None


def choose_train_eval(images: int, number: int, seed: int) -> np.ndarray:
    """Draw up to ``number`` of a split's images, the same ones every time: int64, in the split's order."""
    return np.sort(generator(seed, TRAIN_EVAL).permutation(images)[:number])


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


def times_before(order: np.ndarray) -> np.ndarray:
    """Say of each place of an order, int64 [images], how often its image came before: it shall look otherwise again."""
    by_image = np.argsort(order, kind="stable")
    first_of_image = np.searchsorted(order[by_image], order[by_image], side="left")
    times = np.empty_like(order)
    times[by_image] = np.arange(len(order)) - first_of_image
    return times


def divide(images: int, at_most: int, *, unit: int = 1) -> list[int]:
    """Divide images into as few parts as possible of ``at_most`` each, as equal as they can be, the larger ones first.

    A network with a norm after its pooling cannot learn from one image alone, and a part that is small beside the
    others would count for as much as they do. So there is a part of one image only where there is no other way: where
    ``at_most`` is 1 or 2, or there is one image in all.

    Args:
        images: their number, 0 or more.
        at_most: images a part, 1 or more.
        unit: parts are multiples of it, but for the last one of an odd number: 2 where images are mixed in pairs.

    Returns:
        The sizes of the parts, which sum up to ``images``.
    """
    if not images:
        return []
    unit = min(unit, at_most)
    # An odd number's last image may be one more in a part of pairs where the limit is odd, too.
    one_more = images % unit and at_most % unit
    parts = max(1, -(-(images - one_more) // (at_most - at_most % unit)))
    return divide_into(parts, images, unit=unit)


def divide_into(parts: int, images: int, *, unit: int = 1) -> list[int]:
    """Divide images into so many parts; all else is as for ``divide``."""
    units, rest = divmod(images, unit)
    sizes = [unit * (units // parts + (part < units % parts)) for part in range(parts)]
    sizes[-1] += rest
    return sizes


class EpochBatches(Sampler[list[Key]]):
    """The micro-batches of an epoch, from any step on, as lists of keys.

    A step takes the next images of the epoch's order, up to ``step_images``: the epoch is divided evenly into steps, a
    step among processes, and what a process has of it into micro-batches of ``micro_images`` at the most; see
    ``divide``. Together they are all images, each once. Where a step has fewer than two images for each process,
    some have nothing to do in it.

    Attributes:
        epoch: which one comes next.
        start: its first step.
        micro_images: may change between epochs, and between steps by an iteration from there.
    """

    def __init__(
        self,
        labels: np.ndarray,
        *,
        step_images: int,
        micro_images: int,
        seed: int | None = None,
        sampling: Sampling = "natural",
        pairs: bool = False,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """Prepare.

        Args:
            labels: int64 [images].
            step_images: images a step, of all processes together, at the most.
            micro_images: images a micro-batch, at the most.
            seed: of the order; ``None`` for the images' own.
            sampling: how often classes are drawn.
            pairs: images are mixed in pairs, which no division shall part.
            process: of the processes that work together, the one that these batches are for.
            processes: their number.
        """
        self.labels = labels
        self.step_images = step_images
        self.micro_images = micro_images
        self.seed = seed
        self.sampling: Sampling = sampling
        self.process = process
        self.processes = processes
        self.epoch = 0
        self.start = 0
        # Micro-batches of two leave one image alone of every odd number.
        self._unit = 2 if pairs or (micro_images == 2 and step_images % 2 == 0) else 1
        self._ends = np.cumsum([0, *divide(len(labels), step_images, unit=self._unit)])

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return len(self._ends) - 1

    def images_in(self, step: int) -> int:
        """Give the number of images of a step, of all processes together."""
        return int(self._ends[step + 1] - self._ends[step])

    def micro_batches_in(self, step: int) -> int:
        """Give the number of this process's micro-batches in a step."""
        return len(self._micro_batches(step))

    def leaves_one_alone(self) -> bool:
        """Say whether a micro-batch of the epoch, of any process, has one image."""
        steps = {int(images) for images in np.diff(self._ends)}
        shares = {share for images in steps for share in self._shares(images)}
        return any(1 in divide(share, self.micro_images, unit=self._unit) for share in shares)

    def indices(self, step: int | None = None) -> np.ndarray:
        """Give the images of this process, int64, in a step or in all that are left of the epoch."""
        order = epoch_order(self.labels, self.seed, self.epoch, self.sampling)
        steps = range(self.start, self.steps) if step is None else [step]
        parts = [order[part] for at in steps for part in self._micro_batches(at)]
        return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)

    def _micro_batches(self, step: int) -> list[slice]:
        """Give the places in the epoch's order of this process's micro-batches in a step."""
        of_processes = self._shares(self.images_in(step))
        if self.process >= len(of_processes):
            return []
        first = int(self._ends[step]) + sum(of_processes[: self.process])
        ends = first + np.cumsum([0, *divide(of_processes[self.process], self.micro_images, unit=self._unit)])
        return [slice(int(start), int(end)) for start, end in pairwise(ends)]

    def _shares(self, images: int) -> list[int]:
        """Give the images of each process that has some, in a step of so many."""
        return divide_into(min(self.processes, max(1, images // 2)), images, unit=self._unit)

    def __len__(self) -> int:
        return sum(map(self.micro_batches_in, range(self.start, self.steps)))

    def __iter__(self) -> Iterator[list[Key]]:
        order = epoch_order(self.labels, self.seed, self.epoch, self.sampling)
        order = np.stack([order, times_before(order)], axis=1)
        for step in range(self.start, self.steps):
            for part in self._micro_batches(step):
                # The epoch goes with the index: workers that live on from epoch to epoch learn it that way.
                yield [(self.epoch, int(index), int(time)) for index, time in order[part]]


class PackedLoader(DataLoader[Batch]):
    """The loader of a split.

    Attributes:
        images: what it loads.
        batches: which of them come together; also to be set to another epoch or step.
    """

    def __init__(self, images: PackedImages, batches: EpochBatches, *, workers: int) -> None:
        """Prepare.

        Args:
            images: the split.
            batches: which images come together.
            workers: loader processes; 0 decodes in the training process itself.
        """
        # Forked children of a process with OpenMP threads can hang; the forkserver starts them clean. It imports once
        # what each of them would import anew: seconds a loader, and a training has three.
        start = multiprocessing.get_context("forkserver") if workers else None
        if start:
            start.set_forkserver_preload([name for name in sys.modules if name.partition(".")[0] == "stages"])
        super().__init__(
            images,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_whole,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context=start,
            worker_init_fn=_end_with_parent,
        )
        self.images, self.batches = images, batches


def _end_with_parent(_worker: int) -> None:
    """Let a loader process end when the training process does, by whatever means, and not before.

    torch looks at the parent's number for that; under a forkserver that is the forkserver, which lives as long as its
    children do. And a Ctrl-C goes to all processes of a terminal: the training still needs batches to stop in good
    order.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


@atexit.register
def _end_loader_processes() -> None:
    """End the loader processes that are left when this process ends, as it does after an error.

    multiprocessing would ask them to by SIGTERM, which they ignore, and wait without end.
    """
    for process in multiprocessing.active_children():
        if process.daemon:  # those that multiprocessing ends, too
            process.kill()


def _batch_memory(shape: tuple[int, ...]) -> torch.Tensor:
    """Give uint8 memory for a batch; in a loader process shared with the training process, as what is not is copied."""
    if torch.utils.data.get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    # torch has no public call for it; its own default_collate does the same.
    storage = torch.UntypedStorage._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def _whole(batch: Any) -> Any:
    """Leave a batch as it is: the dataset made it whole."""
    return batch
