"""Which species are taken for which: pairs, and a row a species. Never a table of classes by classes."""

import polars as pl

from stages.evaluation.evaluated import Evaluated
from stages.evaluation.intervals import share
from stages.splitting.genera import genus_of
from stages.tables.evaluate import CONFUSED_PAIRS, NEVER_RIGHT, SPECIES

DRAWN_PAIRS = 20  # the largest, that plots show

_COUNTS = ("train_images", "train_observations", "test_images", "test_observations")


def confused_pairs(test: Evaluated, species: list[str]) -> pl.DataFrame:
    """Count the images of a species that are said to be of another: columns of ``CONFUSED_PAIRS``.

    Args:
        test: the images.
        species: in the order of labels.

    Returns:
        The pairs of most images first, equal ones by name.
    """
    of_species = pl.DataFrame({"species": test.species}).group_by("species").agg(of_images=pl.len())
    pairs = _answers(test, species).filter(~pl.col("hit")).group_by("species", "said")
    counted = pairs.agg(images=pl.len(), groups=pl.col("group").n_unique()).join(of_species, on="species")
    same = pl.col("species").map_elements(genus_of, pl.String) == pl.col("said").map_elements(genus_of, pl.String)
    return _typed(counted.with_columns(same_genus=same), CONFUSED_PAIRS).sort(
        "images", "species", "said", descending=[True, False, False]
    )


def drawn_pairs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Give the pairs to draw, columns of ``stages.tables.evaluate.DRAWN_PAIRS``: the first of ``confused_pairs``."""
    named = pairs.head(DRAWN_PAIRS).with_columns(pair=pl.format("{} -> {}", "species", "said"))
    return named.select("pair", "images", "groups", "of_images")


def species_table(
    test: Evaluated, classes: pl.DataFrame, pairs: pl.DataFrame, species: list[str], *, min_groups: int
) -> pl.DataFrame:
    """Say of each species how the test went: columns of ``SPECIES``, in the order of labels.

    Args:
        test: the images.
        classes: numbers of images and observations of each species, columns of ``stages.tables.classes.CLASSES``.
        pairs: of ``confused_pairs``.
        species: in the order of labels.
        min_groups: with fewer observations a species has no interval.
    """
    answers = _answers(test, species)
    right = answers.filter("hit").group_by("species").agg(hits=pl.len())
    said = answers.group_by(species="said").agg(said_images=pl.len())
    taken_for = pairs.unique("species", keep="first", maintain_order=True).select(
        "species", most_taken_for="said", taken_for_images="images"
    )
    mistaken_from = pairs.unique("said", keep="first", maintain_order=True).select(
        species="said", most_mistaken_from="species", mistaken_from_images="images"
    )
    table = pl.DataFrame({"species": species}).join(
        classes.select("species", *_COUNTS), on="species", how="left", maintain_order="left"
    )
    for part in (right, said, taken_for, mistaken_from, _intervals(test, species, min_groups)):
        table = table.join(part, on="species", how="left", maintain_order="left")
    return _typed(
        table.with_columns(
            pl.col("hits", "said_images").fill_null(0), genus=pl.col("species").map_elements(genus_of, pl.String)
        ).with_columns(
            accuracy=pl.when(pl.col("test_images") > 0).then(pl.col("hits") / pl.col("test_images")),
            precision=pl.when(pl.col("said_images") > 0).then(pl.col("hits") / pl.col("said_images")),
        ),
        SPECIES,
    )


def never_right(table: pl.DataFrame) -> pl.DataFrame:
    """Give the species of ``species_table`` with test images of which none is hit, those of most images first."""
    missed = table.filter((pl.col("test_images") > 0) & (pl.col("hits") == 0))
    return missed.select(NEVER_RIGHT.keys()).sort("test_images", "species", descending=[True, False])


def _answers(test: Evaluated, species: list[str]) -> pl.DataFrame:
    """Give a row an image: species, said, group, hit."""
    return pl.DataFrame(
        {
            "species": test.species,
            "said": pl.Series(species, dtype=pl.String)[test.answers.said],
            "group": test.groups,
            "hit": test.answers.hits,
        }
    )


def _intervals(test: Evaluated, species: list[str], min_groups: int) -> pl.DataFrame:
    """Give the interval of the accuracy of each species that has as many groups: species, low, high."""
    images = pl.DataFrame({"species": test.species, "row": range(len(test)), "group": test.groups})
    of_species = images.group_by("species").agg("row", groups=pl.col("group").n_unique())
    rows = []
    for name, members in of_species.filter(pl.col("groups") >= min_groups).select("species", "row").iter_rows():
        found = share(test.answers.hits[members], test.groups[members], test.labels[members], min_groups=min_groups)
        rows.append((name, found.low, found.high))
    return pl.DataFrame(rows, schema={"species": pl.String, "low": pl.Float64, "high": pl.Float64}, orient="row")


def _typed(table: pl.DataFrame, schema: dict) -> pl.DataFrame:
    return table.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
