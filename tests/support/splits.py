"""Populations of images to be divided, and what every division of them promises."""

import polars as pl
from hypothesis import strategies as st

from stages.config.schema import Shots, Split
from stages.split import split_images
from stages.splitting.figures import number_classes, summarize
from stages.splitting.groups import link_images
from stages.splitting.leaks import count_leaks
from stages.splitting.memory import extend_assignments
from stages.tables.links import LINKS
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.remember import ASSIGNMENTS
from stages.tables.table import write_table
from tests.support.tables import available_rows, links_of_rows

SHARES = Split(
    seed=1,
    val_share=0.1,
    test_share=0.1,
    min_images_per_class=1,
    keep_unknown=False,
    max_train_images_per_class=None,
    one_photo_an_observation=False,
)
SHOTS = Shots(few_below=20, many_above=100)
NO_PAIRS, NO_DISPUTES, NOTHING = (pl.DataFrame(schema=schema) for schema in (PAIRS, DISPUTED, ASSIGNMENTS))


@st.composite
def populations(draw) -> pl.DataFrame:
    """Images of a few species, most of them rare, that share observations, photos and bytes here and there."""
    rows = []
    for species in range(draw(st.integers(2, 8))):
        images = draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4, 7, 12, 30]))
        ids = st.none() | st.integers(0, draw(st.sampled_from([2, 8, 60])))
        for _ in range(images):
            links = {"observation_id": draw(ids), "photo_id": draw(ids)}
            row = {link: f"{species}-{value}" for link, value in links.items() if value is not None}
            if draw(st.integers(0, 9)) == 0:
                row["sha256"] = f"same {draw(st.integers(0, 3))}"  # now and then under two species
            rows.append(row | {"species": f"species {species}"})
    return available_rows(rows)


def split_population(rows: pl.DataFrame, params: Split = SHARES) -> pl.DataFrame:
    return split(rows, params=params)[0]


def names(*numbers: int) -> list[str]:
    return [f"{number:032x}.jpg" for number in numbers]


def alike(*pairs: tuple[int, int]) -> pl.DataFrame:
    rows = [(*names(*pair), 5, False) for pair in pairs]
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


def write_inputs(folder, rows: pl.DataFrame) -> None:
    write_table(rows, dict(rows.schema), folder / "data/available.parquet")
    write_table(links_of_rows(rows), LINKS, folder / "data/links.parquet")
    write_table(NO_PAIRS, PAIRS, folder / "data/near_duplicates/pairs.parquet")
    write_table(NO_DISPUTES, DISPUTED, folder / "data/near_duplicates/disputed.csv")


def split(
    rows: pl.DataFrame, assignments: pl.DataFrame = NOTHING, pairs: pl.DataFrame = NO_PAIRS, params: Split = SHARES
):
    return split_images(rows, links_of_rows(rows), pairs, NO_DISPUTES, assignments, params)


def linked(rows: pl.DataFrame, assignments: pl.DataFrame = NOTHING) -> pl.DataFrame:
    return link_images(rows, links_of_rows(rows), assignments)


def known_by(rows: pl.DataFrame) -> pl.DataFrame:
    """All that images may be met again by: image_name, kind, value."""
    digests = rows.select("image_name", kind=pl.lit("sha256"), value="sha256")
    return pl.concat([links_of_rows(rows).select(digests.columns), digests]).drop_nulls()


def leaks(rows: pl.DataFrame, pairs: pl.DataFrame = NO_PAIRS) -> dict[str, int]:
    return count_leaks(rows, links_of_rows(rows), pairs)


def note(assignments: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Remember rows of a split; without a reason they are its own, with one another photo of their group."""
    own = pl.col("reason").is_null() if "reason" in rows.columns else pl.lit(True)
    return extend_assignments(assignments, rows.with_columns(used=own), known_by(rows))


def where(rows: pl.DataFrame) -> dict[str, str]:
    return dict(rows.select("image_name", "split").iter_rows())


def check(rows: pl.DataFrame) -> None:
    """What every split promises."""
    figures = summarize(number_classes(rows), leaks(rows), SHOTS)
    assert set(figures["in_two_splits"].values()) == {0}
    assert figures["share_of_evaluated_classes_in_train"] == 1.0
