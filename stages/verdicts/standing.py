"""Which verdicts still hold for the data as they are now, and what each of them claims."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from stages.records.names import Cleaned
from stages.runtime.errors import UserError
from stages.tables.table import Schema

GONE, OTHER_BYTES, OTHER_SPECIES = "image_gone", "other_bytes", "other_species"
"""Why a verdict is stale: no record is of the image; it is another picture by now; it has another species by now."""

STANDING: Schema = {  # a row a verdict
    "image_name": pl.String,
    "sha256": pl.String,
    "given": pl.String,  # after the name rules; null where they refuse it
    "verdict": pl.String,
    "claim": pl.String,  # the species that a relabel or a confirm says is right, after the name rules; else null
    "reason": pl.String,
    "asked_as": pl.String,
    "reviewer": pl.String,
    "names": pl.List(pl.String),  # species of the image's records; null where there are none
    "in_cache": pl.Boolean,  # whether its bytes are known, so that they were compared
    "mended": pl.Boolean,  # whether the source itself has the species that a relabel says
    "stale": pl.String,  # why it does not hold; null where it does
}


def hold(verdicts: pl.DataFrame, rows: pl.DataFrame, spelled: Mapping[str, Cleaned]) -> pl.DataFrame:
    """Hold verdicts against the records.

    Args:
        verdicts: columns of ``VERDICTS`` and reviewer.
        rows: of all records: image_name, species, sha256 (null where the bytes are not known).
        spelled: what the name rules make of each name in ``verdicts``.

    Returns:
        Columns of ``STANDING``, in the order of ``verdicts``.
    """
    after = {name: found.name for name, found in spelled.items()}
    given, species = (pl.col(name).replace_strict(after, return_dtype=pl.String) for name in ("given", "species"))
    is_relabel = pl.col("verdict") == "relabel"
    said = verdicts.with_columns(
        given=given, claim=pl.when(is_relabel).then(species).when(pl.col("verdict") == "confirm").then(given)
    )
    judged = rows.join(verdicts.select("image_name").unique(), on="image_name", how="semi")
    now = judged.group_by("image_name").agg(
        names=pl.col("species").unique().sort(), bytes_now=pl.col("sha256").drop_nulls().first()
    )
    is_given = pl.col("names").list.contains(pl.col("given"))
    is_claimed = pl.col("names").list.contains(pl.col("claim"))
    held = said.join(now, on="image_name", how="left", maintain_order="left").with_columns(
        in_cache=pl.col("bytes_now").is_not_null(),
        mended=(is_relabel & is_claimed & (pl.col("names").list.len() == 1)).fill_null(False),
        stale=pl.when(pl.col("names").is_null())
        .then(pl.lit(GONE))
        .when(pl.col("bytes_now") != pl.col("sha256"))
        .then(pl.lit(OTHER_BYTES))
        .when(~(is_given | (is_relabel & is_claimed)).fill_null(False))
        .then(pl.lit(OTHER_SPECIES)),
    )
    return held.select(pl.col(name).cast(dtype) for name, dtype in STANDING.items())


def hold_after_others(held: pl.DataFrame) -> pl.DataFrame:
    """Let verdicts hold that are of a species which the image has by another verdict.

    Who looks at a photo that somebody has relabeled sees it under its new species, which the source knows nothing of.

    Args:
        held: columns of ``STANDING``, and plant: of the image, null where it is gone.

    Returns:
        The same rows, of which fewer may be stale.
    """
    while True:
        holds = held["stale"].is_null()
        relabels = held.filter(holds & (held["verdict"] == "relabel"))
        known = relabels.select("plant", given="claim", anew=pl.lit(True)).unique()
        follow = held.join(known, on=["plant", "given"], how="left", maintain_order="left")["anew"].fill_null(False)
        follow &= held["stale"] == OTHER_SPECIES
        if not follow.any():
            return held
        held = held.with_columns(stale=pl.when(~follow).then("stale"))


def refuse_no_names(held: pl.DataFrame, verdicts: pl.DataFrame, spelled: Mapping[str, Cleaned], folder: Path) -> None:
    """Stop at a relabel that holds and whose name is none by the name rules.

    Args:
        held: columns of ``STANDING``.
        verdicts: of which it was made, in the same order.
        spelled: what the name rules make of each name.
        folder: with the reviewers' files, for the message.

    Raises:
        UserError: there is one.
    """
    wrong = verdicts.filter(held["stale"].is_null() & (held["verdict"] == "relabel") & held["claim"].is_null())
    if wrong.height:
        row = wrong.row(0, named=True)
        rule = spelled[row["species"]].rules[-1]
        raise UserError(
            f"{folder / row['reviewer']}.csv: {row['image_name']} is relabeled {row['species']!r:.80}, a name that the "
            f"rules refuse ({rule}): write a species' name, or see `names` in params.yaml"
        )
