"""What a model makes of a split, by one process or several together."""

from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from stages.learning.arithmetic import deterministic_or_said
from stages.learning.data import PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.scores import EvalResult, label_ranks
from stages.runtime.progress import progress


@torch.no_grad()
def predict(
    model: nn.Module, loader: PackedLoader, color: ColorTransform, accelerator: Accelerator, *, what: str
) -> EvalResult:
    """Let a model look at each image of a split once.

    Of several processes each looks at the images that its loader gives it, or at none, and gets the predictions of all.

    Args:
        model: on its device; not one that waits for other processes in each batch, as DDP does.
        loader: in the split's own order.
        color: normalization on the device.
        accelerator: of ``make_accelerator``.
        what: it is done for, in words.

    Raises:
        RuntimeError: an image was looked at twice, or not at all.
    """
    model.eval()
    batches = loader.batches
    parts = [np.empty((0, 3))]  # a row an image: rank, loss, whether its logits are numbers
    for loaded in progress(loader, what=what, unit="batches", total=len(loader)):
        batch = loaded.to(accelerator.device)
        with deterministic_or_said(), accelerator.autocast():
            logits = model(color(batch)).float()
        losses = nn.functional.cross_entropy(logits, batch.labels, reduction="none")
        part = label_ranks(logits, batch.labels), losses, torch.isfinite(logits).all(1) & torch.isfinite(losses)
        parts.append(np.stack([column.cpu().numpy().astype(np.float64) for column in part], axis=1))
    seen = np.concatenate(parts)
    seen = _of_all(np.column_stack([batches.indices().astype(np.float64), seen]), accelerator)
    if not np.array_equal(seen[:, 0], np.arange(len(batches.labels))):
        raise RuntimeError("the processes did not look at each image once")
    return EvalResult(seen[:, 1].astype(np.int64), seen[:, 2], batches.labels, seen[:, 3].astype(np.bool_))


def _of_all(parts: np.ndarray, accelerator: Accelerator) -> np.ndarray:
    """Bring rows of all processes together, by their first column."""
    if accelerator.num_processes > 1:
        here = torch.from_numpy(parts).to(accelerator.device)
        # Processes have one row more or less than others: what makes the parts equally long is taken off again.
        gathered = accelerator.gather(accelerator.pad_across_processes(here, dim=0, pad_index=-1))
        parts = cast(torch.Tensor, gathered).cpu().numpy()
        parts = parts[parts[:, 0] >= 0]
    return parts[np.argsort(parts[:, 0])]
