"""What a model makes of a split, by one process or several together."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from stages.learning.arithmetic import deterministic_or_said
from stages.learning.data import Batch, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.precision import head_in_float32
from stages.learning.scores import EvalResult, label_ranks
from stages.runtime.progress import progress


def predict(
    model: nn.Module, loader: PackedLoader, color: ColorTransform, accelerator: Accelerator, *, what: str
) -> EvalResult:
    """Let a model look at each image of a split once, and rank its own class.

    Args:
        model: as for ``each_batch``, like all others.
        loader: in the split's own order.
        color: normalization on the device.
        accelerator: of ``make_accelerator``.
        what: it is done for, in words.

    Raises:
        RuntimeError: an image was looked at twice, or not at all.
    """
    parts = [np.empty((0, 3))]  # a row an image: rank, loss, whether its logits are numbers
    for batch, logits in each_batch(model, loader, color, accelerator, what=what):
        losses = nn.functional.cross_entropy(logits, batch.labels, reduction="none")
        part = label_ranks(logits, batch.labels), losses, torch.isfinite(logits).all(1) & torch.isfinite(losses)
        parts.append(np.stack([column.cpu().numpy().astype(np.float64) for column in part], axis=1))
    seen = of_all_processes(np.concatenate(parts), loader, accelerator)
    return EvalResult(seen[:, 0].astype(np.int64), seen[:, 1], loader.batches.labels, seen[:, 2].astype(np.bool_))


def each_batch(
    model: nn.Module, loader: PackedLoader, color: ColorTransform, accelerator: Accelerator, *, what: str
) -> Iterator[tuple[Batch, torch.Tensor]]:
    """Let a model look at each image of a split once: give each batch, on the device, and its logits.

    Of several processes each looks at the images that its loader gives it, or at none.

    Args:
        model: on its device; not one that waits for other processes in each batch, as DDP does.
        loader: in the split's own order.
        color: normalization on the device.
        accelerator: of ``make_accelerator``.
        what: it is done for, in words.

    Yields:
        The batch; and its logits, float32 [images, classes].
    """
    model.eval()
    with head_in_float32(model):
        for loaded in progress(loader, what=what, unit="batches", total=len(loader)):
            batch = loaded.to(accelerator.device)
            with torch.no_grad(), deterministic_or_said(), accelerator.autocast():
                logits = model(color(batch)).float()
            yield batch, logits


def of_all_processes(rows: np.ndarray, loader: PackedLoader, accelerator: Accelerator) -> np.ndarray:
    """Bring together what all processes have of a split, in its order; each of them must ask, and gets all.

    Args:
        rows: float64 [images here, columns], in the order in which this process's loader gave the images.
        loader: of this process.
        accelerator: of ``make_accelerator``.

    Returns:
        float64 [images of the split, columns].

    Raises:
        RuntimeError: an image was looked at twice, or not at all.
    """
    numbered = np.column_stack([loader.batches.indices().astype(np.float64), rows])
    if accelerator.num_processes > 1:
        here = torch.from_numpy(numbered).to(accelerator.device)
        # Processes have one row more or less than others: what makes the parts equally long is taken off again.
        gathered = accelerator.gather(accelerator.pad_across_processes(here, dim=0, pad_index=-1))
        numbered = cast(torch.Tensor, gathered).cpu().numpy()
        numbered = numbered[numbered[:, 0] >= 0]
    numbered = numbered[np.argsort(numbered[:, 0])]
    if not np.array_equal(numbered[:, 0], np.arange(len(loader.batches.labels))):
        raise RuntimeError("the processes did not look at each image once")
    return numbered[:, 1:]
