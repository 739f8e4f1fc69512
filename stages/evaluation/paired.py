"""Two models side by side on the images that both are tested on, and that neither has seen.

Their tests may be others: images are the same by their bytes (sha256), species by their names. What stands on one side
only, is labeled otherwise, or was in either model's train or val, is left out, counted and listed.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from stages.evaluation.answers import answers_of, check_rows
from stages.evaluation.differences import Difference, class_difference, image_difference
from stages.evaluation.intervals import Estimate, mean_per_class, share
from stages.evaluation.matching import match_observations
from stages.learning.trained_on import mark_seen
from stages.runtime.errors import UserError

FIGURES = ("top1", "top5", "mean_per_class_accuracy")


@dataclass(frozen=True)
class Side:
    """One model's side of a comparison.

    Attributes:
        predictions: of its test, columns of ``PREDICTIONS``.
        test: image_name, sha256, species and group of its test.
        species: in its order of labels.
        trained_on: what it has seen, columns of ``TRAINED_ON``.
        name: what it is called in messages.
        temperature: by which its logits are divided before they become probabilities.
    """

    predictions: pl.DataFrame
    test: pl.DataFrame
    species: list[str]
    trained_on: pl.DataFrame
    name: str = "a model"
    temperature: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """Two models on common images.

    Attributes:
        counts: base_images and head_images, of each test; added and removed, in one test alone; of these
            added_of_new_species and removed_of_dropped_species, which the other model does not know; common, in both
            tests; of these seen (by either model, itself or by others of its group), seen_itself, relabeled,
            of_unknown_species (that either model has no label for), and compared, what is left; observations, of these;
            base_own_seen and head_own_seen, of each model's own test what that model has seen.
        images: what is compared, in the order of image_name (as head calls them): image_name, sha256, species, group,
            base_hit, head_hit, base_said, head_said, base_probability, head_probability (of what is said; the last four
            are null where a model's logits are no numbers).
        left_out: what is not: image_name, sha256, reason (added, removed, seen, relabeled or of_unknown_species, the
            first that holds), base_species, head_species.
        base_own: the first model's figures, of ``FIGURES``, on all of its own test.
        head_own: the second model's on all of its own.
        differences: of ``FIGURES``, on what is compared.
        species: of the compared images, a row each of those species with a change: species, images, groups, base_hits,
            head_hits, gained, lost, difference (images gained less lost); those that gained most first.
    """

    counts: dict[str, int]
    images: pl.DataFrame
    left_out: pl.DataFrame
    base_own: dict[str, Estimate]
    head_own: dict[str, Estimate]
    differences: dict[str, Difference]
    species: pl.DataFrame


def compare(base: Side, head: Side, *, min_groups: int, flips: int = 9_999, seed: int = 1) -> Comparison:
    """Compare two models, image by image.

    Args:
        base: the first model, against which the other is held.
        head: the second model.
        min_groups: with fewer observations there is no interval, with fewer that have changed no verdict.
        flips: how often signs are drawn for mean per-class accuracy; the others need no draws.
        seed: of the draws.

    Raises:
        UserError: predictions and test of a side are not of the same images, or labels mean other species.
    """
    of_base, of_head = _answered(base), _answered(head)
    both = of_base.join(of_head, on=["sha256", "copy"], how="full", suffix="_head", coalesce=True)
    observations = match_observations(
        pl.concat([side.test.select("image_name", "sha256", "group") for side in (base, head)]),
        pl.concat([base.trained_on, head.trained_on]),
    )
    both = both.drop("group", "group_head").join(observations, on="sha256", how="left")
    known = pl.col("known") & pl.col("known_head")
    reason = (
        pl.when(pl.col("species").is_null()).then(pl.lit("added"))
        .when(pl.col("species_head").is_null()).then(pl.lit("removed"))
        .when("seen").then(pl.lit("seen"))
        .when(pl.col("species") != pl.col("species_head")).then(pl.lit("relabeled"))
        .when(~known).then(pl.lit("of_unknown_species"))
    )  # fmt: skip
    name = pl.coalesce("image_name_head", "image_name")
    both = both.with_columns(reason=reason, name=name).sort("name", "sha256", "copy")
    images, left_out = both.filter(pl.col("reason").is_null()), both.filter(pl.col("reason").is_not_null())
    return Comparison(
        counts=_count(images, left_out, base, head),
        images=images.select(
            "sha256", "species", "group", image_name="name", base_hit="top1", head_hit="top1_head",
            base_said="said", head_said="said_head", base_probability="probability",
            head_probability="probability_head",
        ).select("image_name", pl.exclude("image_name")),
        left_out=left_out.select(
            "sha256", "reason", image_name="name", base_species="species", head_species="species_head"
        ).select("image_name", pl.exclude("image_name")),
        base_own=_estimates(of_base, min_groups),
        head_own=_estimates(of_head, min_groups),
        differences=_differences(images, min_groups=min_groups, flips=flips, seed=seed),
        species=_by_species(images),
    )  # fmt: skip


def _answered(side: Side) -> pl.DataFrame:
    """Give what a model said of each image of its test, and whether it was right.

    Returns:
        image_name, sha256, copy (0, 1, ... of images with the same bytes, by their names), species, group, known
        (whether its species has a label), top1, top5, said, probability.
    """
    test = side.test.select("image_name", "sha256", "species", "group")
    rows = side.predictions.select("image_name", "sha256", "label").join(
        test, on=["image_name", "sha256"], how="inner", maintain_order="left"
    )
    if not rows.height == test.height == side.predictions.height:
        raise UserError(
            f"predictions of {side.name} are not of the images of its test ({side.predictions.height:,} predictions, "
            f"{test.height:,} images, {rows.height:,} in both): they are of different runs"
        )
    answers = answers_of(side.predictions, where=f"the table of predictions of {side.name}")
    names = pl.DataFrame({"label": range(len(side.species)), "labeled": side.species})
    names = names.cast({"label": pl.Int32, "labeled": pl.String})
    rows = rows.join(names, on="label", how="left", maintain_order="left")
    wrong = rows.filter(pl.col("label").is_not_null() & ~pl.col("labeled").eq_missing(pl.col("species")))
    if wrong.height:
        found = wrong.row(0, named=True)
        raise UserError(
            f"predictions of {side.name} are of another order of labels than its species: {found['image_name']} of "
            f"{found['species']} has label {found['label']}, which is {found['labeled'] or 'no species'}"
        )
    check_rows(answers, where=f"the table of predictions of {side.name}")
    finite = pl.Series(answers.finite)
    first = pl.DataFrame({"label": answers.said.astype(np.int32) if len(answers) else []})
    said = first.cast(pl.Int32).join(names, on="label", how="left", maintain_order="left")["labeled"]
    probability = np.zeros(len(answers))
    if answers.finite.any():
        probability[answers.finite] = answers.take(answers.finite).top_probabilities(side.temperature)[:, 0]
    hits = answers.finite & (answers.ranks >= 0)
    return rows.select(
        "image_name", "sha256", "species", "group",
        known=pl.col("label").is_not_null(),
        top1=pl.Series(hits & (answers.ranks < 1)),
        top5=pl.Series(hits & (answers.ranks < 5)),
        said=pl.when(finite).then(said),
        probability=pl.when(finite).then(pl.Series(probability)),
    ).sort("sha256", "image_name").with_columns(copy=pl.int_range(pl.len()).over("sha256"))  # fmt: skip


def _count(images: pl.DataFrame, left_out: pl.DataFrame, base: Side, head: Side) -> dict[str, int]:
    added, removed = left_out.filter(reason="added"), left_out.filter(reason="removed")
    seen = left_out.filter(reason="seen")
    return {
        "base_images": base.test.height,
        "head_images": head.test.height,
        "added": added.height,
        "added_of_new_species": added.filter(~pl.col("species_head").is_in(base.species)).height,
        "removed": removed.height,
        "removed_of_dropped_species": removed.filter(~pl.col("species").is_in(head.species)).height,
        "common": images.height + left_out.height - added.height - removed.height,
        "seen": seen.height,
        "seen_itself": seen.filter("itself").height,
        "relabeled": left_out.filter(reason="relabeled").height,
        "of_unknown_species": left_out.filter(reason="of_unknown_species").height,
        "compared": images.height,
        "observations": images["group"].n_unique(),
        "base_own_seen": _own_seen(base),
        "head_own_seen": _own_seen(head),
    }


def _own_seen(side: Side) -> int:
    """Count the images of a model's own test that it has seen, or others of their observations."""
    return int(mark_seen(side.test.select("image_name", "sha256", "group"), side.trained_on)["seen"].sum())


def _estimates(rows: pl.DataFrame, min_groups: int, *, suffix: str = "") -> dict[str, Estimate]:
    """Give the figures of a model on some images, by ``FIGURES``."""
    groups, labels = _numbers(rows["group"]), _numbers(rows["species"])
    top1, top5 = (rows[f"{name}{suffix}"].to_numpy() for name in ("top1", "top5"))
    return {
        "top1": share(top1, groups, labels, min_groups=min_groups),
        "top5": share(top5, groups, labels, min_groups=min_groups),
        "mean_per_class_accuracy": mean_per_class(top1, groups, labels, min_groups=min_groups),
    }


def _differences(images: pl.DataFrame, *, min_groups: int, flips: int, seed: int) -> dict[str, Difference]:
    base, head = (_estimates(images, min_groups, suffix=suffix) for suffix in ("", "_head"))
    groups, labels = _numbers(images["group"]), _numbers(images["species"])
    found = {}
    for name in FIGURES:
        hits = "top5" if name == "top5" else "top1"
        of_base, of_head = images[hits].to_numpy(), images[f"{hits}_head"].to_numpy()
        found[name] = (
            class_difference(
                base[name], head[name], of_base, of_head, groups, labels, min_groups=min_groups, flips=flips, seed=seed
            )
            if name == "mean_per_class_accuracy"
            else image_difference(base[name], head[name], of_base, of_head, groups, min_groups=min_groups)
        )
    return found


def _by_species(images: pl.DataFrame) -> pl.DataFrame:
    base, head = pl.col("top1"), pl.col("top1_head")
    rows = images.group_by("species").agg(
        images=pl.len(),
        groups=pl.col("group").n_unique(),
        base_hits=base.sum(),
        head_hits=head.sum(),
        gained=(head & ~base).sum(),
        lost=(base & ~head).sum(),
    )
    rows = rows.with_columns(pl.exclude("species").cast(pl.Int64)).filter(pl.col("gained") + pl.col("lost") > 0)
    return rows.with_columns(difference=pl.col("gained") - pl.col("lost")).sort(
        "difference", "species", descending=[True, False]
    )


def _numbers(names: pl.Series) -> np.ndarray:
    """Number names by their order, int64."""
    return names.rank("dense").to_numpy().astype(np.int64) if len(names) else np.zeros(0, np.int64)
