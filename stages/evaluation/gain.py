"""What people's verdicts brought: two models on the same images, by the labels of before, of now, and of people.

Never the old model on the old labels against the new model on the new ones: that is another question. Each time both
models are held against the same labels, image by image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from stages.evaluation.answers import answers_of
from stages.evaluation.paired import Comparison, Side, compare

KNOWS = ("confirm", "relabel")  # verdicts after which a person knows the species
CORRECTS = ("relabel", "drop")


@dataclass(frozen=True)
class Verdicts:
    """What people have said since the first model.

    Attributes:
        added: rows that only the second has, by what they say.
        asked: the same rows, by why these images were shown.
        removed: rows that only the first has.
        of_test: images of either test that the added rows are of.
        corrected: of these, images that were relabeled or dropped.
        corrected_unasked: of the latter, images of observations of which none was shown by chance.
        whole_test: whether all images of the first's test were looked at.
    """

    added: dict[str, int]
    asked: dict[str, int]
    removed: int
    of_test: int
    corrected: int
    corrected_unasked: int
    whole_test: bool


@dataclass(frozen=True)
class Gain:
    """Two models on common images of their tests.

    Attributes:
        old: by the labels of the first's test.
        new: by the labels of the second's test.
        looked_at: by the latter, images alone of which a person has said the species that they have now.
        otherwise: images of the second's test of which a person has said a species that is not the one they have now.
        relabeled: images of both tests whose labels differ between them.
        verdicts: what people have said in between.
    """

    old: Comparison
    new: Comparison
    looked_at: Comparison
    otherwise: int
    relabeled: int
    verdicts: Verdicts


def measure_gain(
    base: Side, head: Side, base_verdicts: pl.DataFrame, head_verdicts: pl.DataFrame, *, min_groups: int
) -> Gain:
    """Compare two models by three kinds of labels.

    Args:
        base: the model of before.
        head: the model of now.
        base_verdicts: what people had said before: columns of ``VERDICTS`` and reviewer.
        head_verdicts: what they have said by now.
        min_groups: with fewer observations there is no interval.

    Raises:
        UserError: as ``stages.evaluation.paired.compare``.
    """
    before, now = (dict(side.test.select("sha256", "species").iter_rows()) for side in (base, head))
    old, new = (base, relabel(head, before)), (relabel(base, now), head)
    said = head_verdicts.filter(pl.col("verdict").is_in(KNOWS)).select(
        "sha256", said=pl.when(pl.col("verdict") == "relabel").then("species").otherwise("given")
    )
    said = said.unique().join(head.test.select("sha256", "species").unique("sha256"), on="sha256")
    known = said.filter(pl.col("said") == pl.col("species"))["sha256"].unique()
    return Gain(
        old=compare(*old, min_groups=min_groups),
        new=compare(*new, min_groups=min_groups),
        looked_at=compare(*(only(side, known) for side in new), min_groups=min_groups),
        otherwise=len(set(said["sha256"]) - set(known)),
        relabeled=sum(before[digest] != now[digest] for digest in before.keys() & now.keys()),
        verdicts=compare_verdicts(base, head, base_verdicts, head_verdicts),
    )


def compare_verdicts(base: Side, head: Side, before: pl.DataFrame, now: pl.DataFrame) -> Verdicts:
    """Say what people have said in between; arguments as for ``measure_gain``."""
    whole = before.columns
    added = now.join(before, on=whole, how="anti", nulls_equal=True)
    tested = {*base.test["sha256"], *head.test["sha256"]}
    of_test = added.filter(pl.col("sha256").is_in(list(tested)))
    corrected = of_test.filter(pl.col("verdict").is_in(CORRECTS))
    # An observation is judged as a whole, of which one photo was shown.
    groups = pl.concat([side.test.select("sha256", "group") for side in (base, head)]).unique()
    drawn = groups.join(now.filter(asked_as="random"), on="sha256", how="semi").select("group")
    by_chance = set(groups.join(drawn, on="group", how="semi")["sha256"])
    return Verdicts(
        added=_counted(added, "verdict"),
        asked=_counted(added, "asked_as"),
        removed=before.join(now, on=whole, how="anti", nulls_equal=True).height,
        of_test=of_test["sha256"].n_unique(),
        corrected=corrected["sha256"].n_unique(),
        corrected_unasked=len(set(corrected["sha256"]) - by_chance),
        whole_test=bool(base.test.height) and set(base.test["sha256"]) <= set(now["sha256"]),
    )


def relabel(side: Side, species: Mapping[str, str]) -> Side:
    """Give a model's side of a comparison as if its test were labeled otherwise.

    What is kept of its answers has the largest logits: an own class that is none of these stands right behind them, so
    top-1 and top-5 are true, and farther ranks are not.

    Args:
        side: as it is.
        species: of images by their bytes (sha256); others keep theirs.
    """
    numbers = {name: number for number, name in enumerate(side.species)}
    renamed = side.test["sha256"].replace_strict(species, default=None, return_dtype=pl.String)
    test = side.test.with_columns(species=renamed.fill_null(side.test["species"]))
    of_image = dict(test.select("image_name", "species").iter_rows())
    answers = answers_of(side.predictions, where=f"the table of predictions of {side.name}")
    labels = np.array([numbers.get(of_image.get(name, ""), -1) for name in answers.image_name], np.int64)
    changed = labels != answers.labels
    there = answers.top_classes == labels[:, None]
    place = there.argmax(axis=1)
    own = np.where(there.any(axis=1), np.take_along_axis(answers.top_logits, place[:, None], 1)[:, 0], np.nan)
    ranks = (answers.top_logits >= own[:, None]).sum(axis=1) - 1
    ranks = np.where(there.any(axis=1), ranks, answers.top_classes.shape[1])
    own = np.where(there.any(axis=1), own, answers.top_logits[:, -1])
    known = pl.Series(labels >= 0)
    predictions = side.predictions.with_columns(
        label=pl.when(known).then(pl.Series(labels)).cast(pl.Int32),
        rank=pl.when(known).then(pl.when(pl.Series(changed)).then(pl.Series(ranks)).otherwise("rank")).cast(pl.Int32),
        own_logit=pl.when(known)
        .then(pl.when(pl.Series(changed)).then(pl.Series(own)).otherwise("own_logit"))
        .cast(pl.Float32),
    )
    return replace(side, predictions=predictions, test=test)


def only(side: Side, digests: pl.Series) -> Side:
    """Give a side of some images alone, by their bytes."""
    there = pl.col("sha256").is_in(digests.implode())
    return replace(side, predictions=side.predictions.filter(there), test=side.test.filter(there))


def _counted(rows: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(rows.group_by(column).len().sort("len", column, descending=[True, False]).iter_rows())
