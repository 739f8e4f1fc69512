"""What differs between two commits besides their models' answers: parameters, figures, data, curves.

All of it is read from what git and DVC have of each; what a side lacks is ``None``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from stages.evaluation.experiments import flat, of_active_profile

CURVES = ("train_top1", "val_top1", "train_top5", "val_top5")  # columns of plots/curves.csv, beside epoch
_SHARE_OF = {"top1": "top-1", "top5": "top-5"}
_IMAGES_OF = {"train": "training", "val": "validation"}


@dataclass(frozen=True)
class Change:
    """A value by its name, in both; ``None`` where one has none of that name."""

    name: str
    base: Any
    head: Any

    @property
    def difference(self) -> float | None:
        """How much more the second one has, where both are numbers."""
        numbers = [value for value in (self.base, self.head) if isinstance(value, int | float)]
        return numbers[1] - numbers[0] if len(numbers) == 2 and not isinstance(self.base, bool) else None


@dataclass(frozen=True)
class DataChange:
    """What became of images between two versions of the splits.

    An image is known by its bytes; of several with the same ones the first by name is the first in both, and so on.

    Attributes:
        images: by split, of both: images.
        observations: by split, of both: observations.
        added: images that only the second has, by its split.
        removed: images that only the first has, by its split.
        moved: images that are in another split now, those of other bytes under the same name too, which are among
            added and removed as well: image_name (as the second calls it), species, base_split, head_split.
        relabeled: images of another species now: image_name, base_species, head_species.
        new_classes: species that only the second has a label for, sorted.
        gone_classes: species that only the first has a label for.
        same_order: whether each label means the same species in both.
    """

    images: list[Change]
    observations: list[Change]
    added: dict[str, int]
    removed: dict[str, int]
    moved: pl.DataFrame
    relabeled: pl.DataFrame
    new_classes: list[str]
    gone_classes: list[str]
    same_order: bool

    def moves(self) -> dict[str, int]:
        """Count what moved, as ``train -> test``, the most first."""
        counted = (
            self.moved.group_by("base_split", "head_split").len().sort("len", "base_split", descending=[True, False])
        )
        return {f"{base} -> {head}": count for base, head, count in counted.iter_rows()}


def changed_params(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[Change]:
    """Give the parameters that differ, in the order of the second's.

    Those of profiles that a side does not go by are left out; names are without the profile before them.
    """
    of_base, of_head = (dict(of_active_profile(dict(flat(dict(side))))) for side in (base, head))
    return [change for change in _both(of_base, of_head) if _written(change.base) != _written(change.head)]


def all_figures(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[Change]:
    """Give the figures of files of metrics, by name, those that differ and those that do not."""
    return list(_both(dict(flat(dict(base))), dict(flat(dict(head)))))


def _both(base: dict[str, Any], head: dict[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*head, *base]):
        yield Change(name, base.get(name), head.get(name))


def _written(value: Any) -> str:
    return json.dumps(value, default=str)


def compare_splits(base: pl.DataFrame, head: pl.DataFrame, labels: tuple[Sequence[str], Sequence[str]]) -> DataChange:
    """Say what became of images.

    Args:
        base: image_name, sha256, species, group, split of all images of the first's splits.
        head: the same of the second's.
        labels: species in their order of labels, of both.
    """
    # Copies of one file are images of their own, so that what is added and removed makes up what differs.
    sides = [
        side.sort("sha256", "image_name").with_columns(copy=pl.int_range(pl.len()).over("sha256"))
        for side in (base, head)
    ]
    same = ["sha256", "copy"]
    both = sides[1].join(sides[0], on=same, suffix="_base", maintain_order="left")
    added, removed = (one.join(other, on=same, how="anti") for one, other in (sides[::-1], sides))
    renewed = added.join(removed, on="image_name", suffix="_base", maintain_order="left")
    moved = pl.concat([both, renewed], how="diagonal").filter(pl.col("split") != pl.col("split_base"))
    relabeled = both.filter(pl.col("species") != pl.col("species_base"))
    return DataChange(
        images=list(_both(*(_counted(side, pl.len()) for side in (base, head)))),
        observations=list(_both(*(_counted(side, pl.col("group").n_unique()) for side in (base, head)))),
        added=_counted(added, pl.len()),
        removed=_counted(removed, pl.len()),
        moved=moved.select("image_name", "species", base_split="split_base", head_split="split"),
        relabeled=relabeled.select("image_name", base_species="species_base", head_species="species"),
        new_classes=sorted({*labels[1]} - {*labels[0]}),
        gone_classes=sorted({*labels[0]} - {*labels[1]}),
        same_order=list(labels[0]) == list(labels[1]),
    )


def _counted(images: pl.DataFrame, what: pl.Expr) -> dict[str, int]:
    return dict(images.group_by("split", maintain_order=True).agg(what.alias("count")).iter_rows())


def curves_of(frames: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Give a point of each curve and epoch: run, epoch, share, of (top-1 or top-5), images (training or validation).

    Args:
        frames: plots/curves.csv of each run by its name; columns that one lacks are left out.
    """
    points = []
    for run, frame in frames.items():
        for column in CURVES:
            if column not in frame.columns or "epoch" not in frame.columns:
                continue
            images, figure = column.split("_")
            about = {"run": run, "of": _SHARE_OF[figure], "images": _IMAGES_OF[images]}
            points += [
                {"epoch": epoch, "share": share} | about for epoch, share in frame.select("epoch", column).iter_rows()
            ]
    return points
