"""A model asked once, and what is kept of its logits, so that no later figure needs it: ``stages.tables.predictions``.

All that decides on an answer is here or below, as predictions are known to be the same by the code of this file.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
import torch
from accelerate import Accelerator
from torch import nn

from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.memory_layout import set_layout
from stages.learning.predict import each_batch, of_all_processes
from stages.learning.saved_model import SavedModel
from stages.learning.scores import label_ranks
from stages.learning.split import PackedSplit
from stages.splitting.genera import number_genera
from stages.tables.predictions import GENUS_TEMPERATURES, TEMPERATURES, TOP_CLASSES, TOP_GENERA


def predict_splits(
    model: SavedModel,
    packed: Mapping[str, PackedSplit],
    species: list[str],
    accelerator: Accelerator,
    *,
    batch_images: int,
) -> dict[str, pl.DataFrame]:
    """Let the model look at each image of some splits once.

    Args:
        model: on the CPU; it goes to the accelerator's device.
        packed: the splits, by name.
        species: in the order of labels.
        accelerator: of ``make_accelerator``.
        batch_images: images that a process looks at at once.

    Returns:
        For each split what ``predict_answers`` gives.
    """
    description = model.description
    color = ColorTransform(description.mean, description.std).to(accelerator.device)
    network = model.network.to(accelerator.device)
    set_layout(network, accelerator.device)  # as in training
    _, genus_of_class = number_genera(species)
    answers = {}
    for name, split in packed.items():
        batches = EpochBatches(
            split.labels,
            step_images=batch_images * accelerator.num_processes,
            micro_images=batch_images,
            process=accelerator.process_index,
            processes=accelerator.num_processes,
        )
        loader = PackedLoader(PackedImages(split, description.image_px), batches, workers=0)
        answers[name] = predict_answers(network, loader, color, accelerator, genus_of_class, what=f"predict {name}")
    return answers


def predict_answers(
    model: nn.Module,
    loader: PackedLoader,
    color: ColorTransform,
    accelerator: Accelerator,
    genus_of_class: np.ndarray,
    *,
    what: str,
) -> pl.DataFrame:
    """Let a model look at each image of a split once, and keep of its logits what figures are made of.

    Args:
        model: as for ``stages.learning.predict.each_batch``, like the next three.
        loader: in the split's own order; a label of -1 is of a species that the model does not know.
        color: normalization on the device.
        accelerator: of ``make_accelerator``.
        genus_of_class: int64 [classes], see ``stages.splitting.genera``.
        what: it is done for, in words.

    Returns:
        The columns of ``PREDICTIONS`` but for names and digests, a row an image in the split's order.

    Raises:
        RuntimeError: an image was looked at twice, or not at all.
    """
    genera = torch.from_numpy(genus_of_class).to(accelerator.device)
    parts = [np.empty((0, sum(_sizes(genus_of_class).values())))]
    for batch, logits in each_batch(model, loader, color, accelerator, what=what):
        parts.append(kept_of(logits, batch.labels, genera).cpu().numpy())
    rows = of_all_processes(np.concatenate(parts), loader, accelerator)
    return table_of(rows, loader.batches.labels, genus_of_class)


def table_of(rows: np.ndarray, labels: np.ndarray, genus_of_class: np.ndarray) -> pl.DataFrame:
    """Give what is kept of some images as a table.

    Args:
        rows: float64 [images, columns], of ``kept_of``.
        labels: int64 [images], -1 where the species is none of the classes, or not known.
        genus_of_class: int64 [classes].

    Returns:
        The columns of ``PREDICTIONS`` but for names and digests, a row an image.
    """
    sizes = _sizes(genus_of_class)
    columns = dict(zip(sizes, np.split(rows, np.cumsum(list(sizes.values()))[:-1], axis=1), strict=True))
    known = labels >= 0
    of_label = {name: pl.Series(columns.pop(name)[:, 0]) for name in ("rank", "own_logit")}
    table = pl.DataFrame(
        {"label": labels}
        | of_label
        | {name: pl.Series(name, values).cast(pl.List(pl.Float64)) for name, values in columns.items()}
    )
    return table.with_columns(
        pl.when(pl.Series(known)).then(pl.col("label", "rank", "own_logit")),
        pl.col("top_classes", "genus_top").cast(pl.List(pl.Int32)),
    )


def kept_of(logits: torch.Tensor, labels: torch.Tensor, genus_of_class: torch.Tensor) -> torch.Tensor:
    """Give what is kept of a batch, in one matrix, whose columns ``_sizes`` names.

    Sums are of float64, as they are rounded later: then no processor or device makes another file of the same logits.

    Args:
        logits: float32 [images, classes].
        labels: int64 [images], -1 where the species is none of the classes.
        genus_of_class: int64 [classes].

    Returns:
        float64 [images, columns].
    """
    finite = torch.isfinite(logits).all(1, keepdim=True)
    own = labels.clamp(min=0)
    ranks = label_ranks(logits, own)[:, None].double()
    values = torch.where(finite, logits.double(), 0)
    top_classes = _largest(values, TOP_CLASSES)
    top_logits = values.gather(1, top_classes)
    others = values.scatter(1, top_classes, -torch.inf)
    rest = [torch.logsumexp(others / float(at), dim=1, keepdim=True) for at in TEMPERATURES]

    shares = torch.exp(values - top_logits[:, :1])
    sums = shares.new_zeros(len(logits), int(genus_of_class.max()) + 1).index_add_(1, genus_of_class, shares)
    genus_top = _largest(sums, TOP_GENERA)
    genus_rest = []
    for place in range(genus_top.shape[1]):
        of_genus = torch.where(genus_of_class == genus_top[:, place, None], others, -torch.inf)
        genus_rest += [torch.logsumexp(of_genus / float(at), dim=1, keepdim=True) for at in GENUS_TEMPERATURES]

    no_number = torch.full_like(ranks, torch.nan)
    return torch.cat(
        [
            torch.where(finite, ranks, logits.shape[1] - 1),
            torch.where(finite, values.gather(1, own[:, None]), no_number),
            top_classes,
            torch.where(finite, top_logits, no_number),
            torch.where(finite, torch.cat(rest, 1), no_number),
            genus_top,
            torch.where(finite, torch.cat(genus_rest, 1), no_number),
        ],
        dim=1,
    )


def _sizes(genus_of_class: np.ndarray) -> dict[str, int]:
    classes, genera = len(genus_of_class), len(np.unique(genus_of_class))
    top, of_genera = min(TOP_CLASSES, classes), min(TOP_GENERA, genera)
    return {
        "rank": 1,
        "own_logit": 1,
        "top_classes": top,
        "top_logits": top,
        "rest": len(TEMPERATURES),
        "genus_top": of_genera,
        "genus_rest": of_genera * len(GENUS_TEMPERATURES),
    }


def _largest(values: torch.Tensor, most: int) -> torch.Tensor:
    """Give the places of the largest values of each row, equal ones in their order, which topk would not hold."""
    return torch.sort(values, dim=1, descending=True, stable=True).indices[:, :most]
