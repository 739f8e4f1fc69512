"""What becomes of the records by what people said of their photos: other species, dropped, left out as they disagree.

A drop is about what the photo shows: it counts for all images of its bytes. A relabel is about the plant: it counts for
all images of its observation too, as one relabeled photo of three would else throw all three out of ``split``. Where
what was said of a plant does not go together, all of its images are left out, and nobody's word is taken.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.config.schema import Names
from stages.verdicts.counted import count
from stages.verdicts.names import spell
from stages.verdicts.outcome import DISAGREE, DROPPED, MERGED
from stages.verdicts.plants import number_plants
from stages.verdicts.standing import hold, hold_after_others, refuse_no_names


@dataclass(frozen=True)
class Review:
    """What becomes of the records.

    Attributes:
        species: of each record.
        outcome: of each record that is sound: ``DROPPED``, ``DISAGREE``, ``MERGED``, or null as of all others.
        random: of the images that were asked as random: image_name, plant (its number), species (of its record),
            verdict (null where people disagree; ``skip`` where nobody could say), wrong (of its species; null where
            that is not known), used (whether it is sound).
        figures: counts, for the report.
    """

    species: pl.Series
    outcome: pl.Series
    random: pl.DataFrame
    figures: dict[str, Any]


def review(
    rows: pl.DataFrame,
    verdicts: pl.DataFrame,
    links: pl.DataFrame,
    rules: Names,
    *,
    folder: Path,
    synonyms: Path,
) -> Review:
    """Apply verdicts to the records. The order of verdicts, and which reviewer has which, make no difference.

    Args:
        rows: of all records: image_name, image_url, species, document_id, sha256 (null where there is no file), sound.
        verdicts: columns of ``VERDICTS`` and reviewer.
        links: of all records: image_name, kind and value of ``LINKS``.
        rules: section ``names`` of params.yaml.
        folder: with the reviewers' files, for messages.
        synonyms: the CSV of synonyms.

    Raises:
        UserError: a relabel gives no name by the rules, or the synonyms cannot be read.
    """
    said = pl.concat([verdicts["given"], verdicts["species"]]).drop_nulls().unique()
    known = rows["species"].unique()
    spelled = spell(said, known, rules, synonyms)
    held = hold(verdicts, rows, spelled)
    bytes_of = pl.when("sound").then("sha256").alias("sha256")
    plants = number_plants(rows.select("image_name", "species", bytes_of), links)
    judged = rows.with_columns(plant=plants)
    of_image = judged.join(held.select("image_name").unique(), on="image_name", how="semi")
    of_image = of_image.group_by("image_name").agg(pl.col("plant").first(), used=pl.col("sound").any())
    held = hold_after_others(held.join(of_image, on="image_name", how="left", maintain_order="left"))
    refuse_no_names(held, verdicts, spelled, folder)

    holding = held.filter(pl.col("stale").is_null() & (pl.col("verdict") != "skip"))
    decided = _decide(judged, _of_bytes(holding), _of_plants(holding))
    records = judged[decided["row"]].hstack(decided)
    of_rows = rows.select("species").with_row_index("row").join(decided, on="row", how="left", maintain_order="left")
    return Review(
        of_rows.select(species=pl.coalesce("decided", "species")).to_series(),
        of_rows["outcome"],
        _asked_as_random(held),
        count(verdicts, held, records, frozenset(known)),
    )


def _of_bytes(holding: pl.DataFrame) -> pl.DataFrame:
    """Say of the bytes that somebody dropped whether somebody else says what they show: sha256 and disputed."""
    is_drop = pl.col("verdict") == "drop"
    said = holding.group_by("sha256").agg(dropped=is_drop.any(), disputed=~is_drop.all())
    return said.filter("dropped").drop("dropped")


def _of_plants(holding: pl.DataFrame) -> pl.DataFrame:
    """Say of the plants that somebody gave another species: plant, claim, and torn.

    It is torn where there are two claims, or each one is of a photo that somebody else dropped.
    """
    is_drop = pl.col("verdict") == "drop"
    claims = holding.with_columns(disputed=is_drop.any().over("sha256")).filter(pl.col("claim").is_not_null())
    of_plant = claims.group_by("plant").agg(
        # What the source has taken up is only a claim: it must not give the species to what the source added since.
        relabeled=((pl.col("verdict") == "relabel") & ~pl.col("mended")).any(),
        torn=(pl.col("claim").n_unique() > 1) | pl.col("disputed").all(),
        claim=pl.col("claim").min(),
    )
    return of_plant.filter("relabeled").drop("relabeled")


def _decide(judged: pl.DataFrame, bytes_said: pl.DataFrame, plants_said: pl.DataFrame) -> pl.DataFrame:
    """Give what becomes of each sound record of which something was said: row, decided (its species) and outcome."""
    touched = pl.col("plant").is_in(plants_said["plant"].implode()) | pl.col("sha256").is_in(
        bytes_said["sha256"].implode()
    )
    joined = (
        judged.with_row_index("row")
        .filter(pl.col("sound") & touched)
        .join(bytes_said, on="sha256", how="left", maintain_order="left")
        .join(plants_said, on="plant", how="left", maintain_order="left")
    )
    outcome = (
        pl.when(pl.col("disputed").not_())
        .then(pl.lit(DROPPED))
        .when(pl.col("disputed") | pl.col("torn"))
        .then(pl.lit(DISAGREE))
    )
    joined = joined.with_columns(outcome=outcome)
    gets = pl.col("outcome").is_null() & pl.col("claim").is_not_null()
    joined = joined.with_columns(decided=pl.when(gets).then("claim").otherwise("species"))
    # An image that stood under two species is now of one, once: by the record that had it before, else by the first.
    is_changed = pl.col("decided") != pl.col("species")
    ranked = joined.filter(pl.col("outcome").is_null()).sort("image_url", "decided", is_changed, "document_id", "row")
    merged = pl.col("row").is_in(ranked.filter(~pl.struct("image_url", "decided").is_first_distinct())["row"].implode())
    return joined.select(
        "row",
        pl.when(merged).then("species").otherwise("decided").alias("decided"),
        pl.when(merged).then(pl.lit(MERGED)).otherwise("outcome").alias("outcome"),
    )


def _asked_as_random(held: pl.DataFrame) -> pl.DataFrame:
    """Give the images that were asked as random, and what is known of them: see ``Review``."""
    holds = held.filter(pl.col("stale").is_null())
    asked = holds.filter(pl.col("asked_as") == "random")["image_name"].unique()
    said = holds.filter(pl.col("image_name").is_in(asked.implode()))
    opinion = pl.coalesce("claim", "verdict")  # a species, or drop
    opinions = opinion.filter(pl.col("verdict") != "skip")
    images = said.group_by("image_name").agg(
        pl.col("plant").first(),
        pl.col("names").first(),
        pl.col("used").first(),
        number=opinions.n_unique(),
        opinion=opinions.min(),
        dropped=(pl.col("verdict") == "drop").any(),
    )
    agreed = pl.col("number") == 1
    is_right = (pl.col("names").list.len() == 1) & pl.col("names").list.contains(pl.col("opinion"))
    verdict = pl.when(pl.col("number") == 0).then(pl.lit("skip"))
    verdict = verdict.when(agreed & pl.col("dropped")).then(pl.lit("drop"))
    verdict = verdict.when(agreed & is_right).then(pl.lit("confirm")).when(agreed).then(pl.lit("relabel"))
    return images.select(
        "image_name",
        "plant",
        pl.col("names").list.first().alias("species"),
        verdict.alias("verdict"),
        pl.when(agreed).then(pl.col("dropped") | ~is_right).alias("wrong"),
        pl.col("used").fill_null(False),
    ).sort("image_name")
