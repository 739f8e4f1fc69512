"""Verdicts of people in the fewest words, and populations of records that they are about."""

from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from stages.config.schema import Names
from stages.tables.links import LINKS
from stages.tables.verdicts import PAIR_VERDICTS, REASONS, SAID, VERDICTS
from stages.verdicts.review import Review, review
from tests.support.tables import available_rows, links_of_rows

A, B, C, D = "Rosa canina", "Rosa gallica", "Quercus robur", "Quercus ilex"
SPECIES = (A, B, C, D)


def name(number: int) -> str:
    """The name of an image, as ``available_rows`` numbers them."""
    return f"{number:032x}.jpg"


def digest(number: int) -> str:
    return f"{number:064x}"


def verdict(number: int, given: str, said: str, to: str | None = None, **more: str | None) -> dict:
    """What somebody, Ana if nobody else is named, said of the image of this number; ``to``: a species or a reason."""
    row = dict.fromkeys(VERDICTS) | {"image_name": name(number), "sha256": digest(number), "given": given}
    row |= {"verdict": said, "asked_as": "suspect", "reviewer": "ana"}
    row |= {"species": to} if said == "relabel" else {"reason": to}
    return row | more


def verdicts_of(*rows: dict) -> pl.DataFrame:
    """Verdicts as ``read_verdicts`` gives them."""
    frame = pl.DataFrame(list(rows), schema=VERDICTS | {"reviewer": pl.String}, orient="row")
    return frame.sort("image_name", "reviewer")


def pair_verdicts_of(*rows: tuple[int, int, str] | tuple[int, int, str, str]) -> pl.DataFrame:
    """Verdicts on pairs as ``read_pair_verdicts`` gives them: two numbers of images, a word, perhaps who said it."""
    full = [
        (name(row[0]), digest(row[0]), name(row[1]), digest(row[1]), row[2], None, row[3] if len(row) > 3 else "ana")
        for row in rows
    ]
    return pl.DataFrame(full, schema=PAIR_VERDICTS | {"reviewer": pl.String}, orient="row")


def records_of(*rows: dict, sound: list[bool] | None = None) -> pl.DataFrame:
    """Records as a review takes them; ids of observations and photos beside, for ``links_between``."""
    table = available_rows(list(rows))
    return table.with_columns(sound=pl.Series(sound or [True] * table.height))


def links_between(records: pl.DataFrame) -> pl.DataFrame:
    """What documents of these records say that connects images; those of one document id are of one address."""
    address = records.select(
        "image_name", pl.lit("address").alias("kind"), pl.lit("s").alias("source"), raw="document_id"
    ).with_columns(value="raw", problem=pl.lit(None, pl.String))
    return pl.concat([links_of_rows(records), address.select(LINKS.keys())])


def review_of(records: pl.DataFrame, verdicts: pl.DataFrame, rules: Names, synonyms: Path = Path("none")) -> Review:
    """Review records; without a file of synonyms there are none."""
    links = links_between(records)
    return review(records, verdicts, links, rules, folder=Path("verdicts"), synonyms=synonyms)


@st.composite
def populations(draw, *, twice: bool = True) -> pl.DataFrame:
    """Records of few species that share observations, photos, addresses and bytes, of one species or of two."""
    rows, sound = [], []
    for number in range(draw(st.integers(1, 12))):
        row: dict = {"species": draw(st.sampled_from(SPECIES[:3]))}
        if draw(st.booleans()):
            row["observation_id"] = f"s:{draw(st.integers(0, 3))}"
        if draw(st.integers(0, 3)) == 0:
            row["photo_id"] = f"s:{draw(st.integers(0, 2))}"
        if draw(st.integers(0, 5)) == 0:
            row["sha256"] = digest(draw(st.integers(0, number)))
        if draw(st.integers(0, 5)) == 0:
            row["document_id"] = str(draw(st.integers(0, number)))
        rows.append(row)
        sound.append(draw(st.integers(0, 9)) > 0)
    table = records_of(*rows, sound=sound)
    if twice and draw(st.integers(0, 2)) == 0:  # an image under a second species
        again = table.head(1).with_columns(species=pl.lit(D))
        table = pl.concat([table, again])
    return table.sort("image_url", "species")


@st.composite
def verdicts_on(draw, records: pl.DataFrame, said: tuple[str, ...] = SAID) -> pl.DataFrame:
    """What a few reviewers say of images, some of which are gone, and of species that some of them have."""
    rows = []
    known = {row["image_name"]: row for row in records.iter_rows(named=True)}
    for reviewer in ("ana", "bo", "cy")[: draw(st.integers(1, 3))]:
        for image in draw(st.sets(st.sampled_from([*known, name(99)]), max_size=5)):
            word = draw(st.sampled_from(said))
            to = draw(st.sampled_from(SPECIES if word == "relabel" else REASONS))
            now = known.get(image, {"species": A, "sha256": digest(99)})
            given = now["species"] if draw(st.integers(0, 3)) else draw(st.sampled_from(SPECIES))
            row = verdict(0, given, word, to if word in ("relabel", "drop") else None, reviewer=reviewer)
            asked_as = draw(st.sampled_from(("random", "suspect", "neighbor")))
            bytes_then = now["sha256"] if draw(st.integers(0, 9)) else digest(98)
            rows.append(row | {"image_name": image, "sha256": bytes_then, "asked_as": asked_as})
    return verdicts_of(*rows)
