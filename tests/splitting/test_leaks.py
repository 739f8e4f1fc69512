"""One observation under many spellings stands in one split; and where it did not, the counter would say so."""

import itertools
import uuid

import bson
import polars as pl
import pytest

from stages.records.repeated_images import drop_repeated, share_knowledge
from stages.records.shapes import DocumentReader
from stages.records.tabulate import shape_records
from stages.split import split_images
from stages.splitting.leaks import count_leaks
from stages.tables.cache_filter import AVAILABLE
from tests.support.nothing import NULL_LIKE
from tests.support.splits import NO_DISPUTES, NO_PAIRS, NOTHING, SHARES, alike, leaks
from tests.support.tables import available_rows

OBSERVATIONS = 40
STATIC = "https://static.inaturalist.org/photos"

# Ways to write the id of observation n, each list of one observation.
OWN = {
    "int": lambda n: n,
    "float": float,
    "text": str,
    "text of a float": lambda n: f"{n}.0",
    "with a sign": lambda n: f"+{n}",
    "decimal": lambda n: bson.Decimal128(f"{n}.0"),
    "list": lambda n: [n],
}
IDENTIFIERS = {
    "binary": lambda n: bson.Binary.from_uuid(uuid.UUID(int=n)),
    "text": lambda n: str(uuid.UUID(int=n)),
    "capitals": lambda n: str(uuid.UUID(int=n)).upper(),
    "old binary": lambda n: bson.Binary(uuid.UUID(int=n).bytes, 3),
}
OBJECT_IDS = {
    "ObjectId": lambda n: bson.ObjectId(f"{n + 0xA0000:024x}"),
    "text": lambda n: f"{n + 0xA0000:024x}",
    "capitals": lambda n: f"{n + 0xA0000:024X}",
}
COMPOUND = {
    "compound": lambda n: {"plot": n, "year": 2020},
    "in another order": lambda n: {"year": 2020, "plot": n},
    "of floats": lambda n: {"plot": float(n), "year": 2020.0},
}
PAGES = {
    "page": lambda n: f"https://www.inaturalist.org/observations/{n}",
    "http": lambda n: f"http://www.inaturalist.org/observations/{n}",
    "other site": lambda n: f"https://www.naturalista.mx/observations/{n}?locale=es",
    "api": lambda n: f"https://api.inaturalist.org/v1/observations/{n}",
    "capitals": lambda n: f"HTTPS://WWW.INATURALIST.ORG/observations/{n}",
}
KINDS = {"own": OWN, "uuid": IDENTIFIERS, "object id": OBJECT_IDS, "compound": COMPOUND, "page": PAGES}
PAIRS = [
    pytest.param(ways[one], ways[other], id=f"{kind}: {one}, {other}")
    for kind, ways in KINDS.items()
    for one, other in itertools.product(ways, repeat=2)
]


def legacy(url: str, species: str, observation) -> dict:
    return {"url": url, "scientific_name": species, "sighting": observation}


def shaped(params, documents):
    found = shape_records(documents, DocumentReader(params.documents))
    records = drop_repeated(share_knowledge(found.records.table())[0].drop_nulls("species"))
    filled = records.with_row_index("n").with_columns(
        bytes=pl.lit(1, pl.Int64),
        sha256=pl.format("digest {}", "n"),
        width=pl.lit(1, pl.Int32),
        height=pl.lit(1, pl.Int32),
    )
    return filled.select(AVAILABLE.keys()), found.links.table()


def torn_observations(rows: pl.DataFrame, observation_of: dict[str, int]) -> set[int]:
    """Those of which images stand in two splits, by what the test knows."""
    places: dict[int, set[str]] = {}
    for url, split in rows.select("image_url", "split").iter_rows():
        places.setdefault(observation_of[url], set()).add(split)
    return {observation for observation, splits in places.items() if len(splits) > 1}


def check(params, documents, observation_of) -> None:
    rows, links = shaped(params, documents)
    used, left_out = split_images(rows, links, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
    assert left_out.is_empty()
    assert used["split"].n_unique() == 3
    assert torn_observations(used, observation_of) == set()
    assert set(count_leaks(used, links, NO_PAIRS).values()) == {0}
    # A split by image, which knows nothing of observations: the counter sees each that is torn, and no other.
    by_image = used.sort("image_url").with_columns(
        split=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("val")).otherwise(pl.lit("train")),
        group="image_name",
    )
    torn = torn_observations(by_image, observation_of)
    assert torn
    counted = count_leaks(by_image, links, NO_PAIRS)
    assert counted["observation_id"] == len(torn)
    assert counted["group"] == counted["sha256"] == 0


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_an_observation_under_two_spellings_stands_in_one_split(params, one, other):
    documents, observation_of = [], {}
    for n in range(1, OBSERVATIONS + 1):
        for photo, spell in enumerate((one, other)):
            url = f"https://h.example/{n}-{photo}.jpg"
            documents.append(legacy(url, "Abies alba", spell(n)))
            observation_of[url] = n
    check(params, documents, observation_of)


def test_an_observation_of_inaturalist_is_one_through_every_shape(params):
    documents, observation_of = [], {}
    for n in range(1, OBSERVATIONS + 1):
        urls = [f"{STATIC}/{10 * n + photo}/large.jpg" for photo in range(3)]
        documents += [
            {"image_url": urls[0], "photo": {"id": 10 * n}, "observation": {"id": n}, "taxon": {"name": "Abies alba"}},
            {"image_url": urls[1], "species": "Abies alba", "observation_id": n},
            legacy(urls[2], "Abies alba", f"https://www.inaturalist.org/observations/{n}"),
        ]
        observation_of |= dict.fromkeys(urls, n)
    check(params, documents, observation_of)


def test_a_photo_of_inaturalist_is_one_under_two_addresses(params):
    documents, photo_of = [], {}
    for n in range(1, OBSERVATIONS + 1):
        one, other = (
            f"{STATIC}/{n}/large.jpg",
            f"HTTPS://s3.amazonaws.com:443/inaturalist-open-data/photos/{n}/small.jpg",
        )
        documents += [
            {"image_url": one, "photo": {"id": n}, "taxon": {"name": "Abies alba"}},
            legacy(other, "Abies alba", None),
        ]
        photo_of |= {one: n, other: n}
    rows, links = shaped(params, documents)
    used, _ = split_images(rows, links, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
    assert torn_observations(used, photo_of) == set()
    by_image = used.with_columns(
        split=pl.when(pl.col("image_url").str.starts_with("H")).then(pl.lit("val")).otherwise(pl.lit("train"))
    )
    assert count_leaks(by_image, links, NO_PAIRS)["photo_id"] == OBSERVATIONS


def test_one_address_in_two_spellings_is_one_image(params):
    documents = [
        legacy(f"{start}/{n}.jpg?size=large", "Abies alba", None)
        for n in range(OBSERVATIONS)
        for start in ("https://h.example", "HTTP://H.EXAMPLE:80")
    ]
    number_of = {document["url"]: index // 2 for index, document in enumerate(documents)}
    rows, links = shaped(params, documents)
    used, _ = split_images(rows, links, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
    assert torn_observations(used, number_of) == set()
    by_image = used.with_columns(
        split=pl.when(pl.col("image_url").str.starts_with("H")).then(pl.lit("val")).otherwise(pl.lit("train"))
    )
    assert count_leaks(by_image, links, NO_PAIRS)["address"] == OBSERVATIONS


def test_what_a_dropped_record_says_still_links(params):
    """The second record of an image alone knows its observation; a record without a species does as well."""
    documents, observation_of = [], {}
    for n in range(1, OBSERVATIONS + 1):
        urls = [f"https://h.example/{n}-{photo}.jpg" for photo in range(3)]
        documents += [
            {"_id": 1, **legacy(urls[0], "Abies alba", None)},
            {"_id": 2, **legacy(urls[0], "Abies alba", n)},
            {"_id": 3, **legacy(urls[1], "Abies alba", n)},
            {"_id": 4, **legacy(urls[2], "Abies alba", None)},
            {"_id": 5, **legacy(urls[2], None, n)},
        ]  # fmt: skip
        observation_of |= dict.fromkeys(urls, n)
    check(params, documents, observation_of)


def test_an_image_that_nobody_has_still_links(params):
    """Its records say that it is of two observations: so they are one, though it is not in the cache."""
    documents = []
    for n in range(1, OBSERVATIONS + 1):
        documents += [legacy(f"https://h.example/{n}-{photo}.jpg", "Abies alba", 10 * n + photo) for photo in range(2)]
        documents += [legacy(f"https://h.example/{n}.jpg", "Abies alba", 10 * n + photo) for photo in range(2)]
    rows, links = shaped(params, documents)
    there = rows.filter(pl.col("image_url").str.contains("-"))
    used, _ = split_images(there, links, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
    observation_of = {url: int(url.rsplit("/")[-1].split("-")[0]) for url in there["image_url"]}
    assert torn_observations(used, observation_of) == set()


@pytest.mark.parametrize("nothing", [*NULL_LIKE, 0, 0.0, "0", float("nan"), -1, [], {}, False, ["None"], "1.23457E+11"])
def test_what_names_nothing_joins_nothing(params, nothing):
    species = ("Abies alba", "Rosa canina")
    documents = [legacy(f"https://h.example/{n}.jpg", species[n % 2], nothing) for n in range(60)]
    rows, links = shaped(params, documents)
    used, left_out = split_images(rows, links, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
    assert left_out.is_empty()
    assert used["group"].n_unique() == used.height == 60
    assert set(count_leaks(used, links, NO_PAIRS).values()) == {0}
    problems = links.filter(pl.col("kind") == "observation_id")
    assert problems["value"].is_null().all()
    assert problems.height == 60


def test_ids_of_different_things_stay_apart(params):
    """What begins alike, or has the same digits, is not the same; and the counter does not think so either."""
    ids = ["1-23", "12-3", "a" * 300, "a" * 301, {"plot": 1, "photo": 2}, {"plot": 2, "photo": 1}, "A1", "a1"]
    ids += [2**53 + 1, 2**53 + 2, "1.10", "1.1", 77.5, 775, "10.0.0.1", "10.0.1", "x²", "x2", b"77", 3737]
    ids += ["A-1", "A 1", "A_1", "A/1", "2020-01-05", "2020 01 05", -5, 5, "C", "C++", "foo", "foo.", "plot 1 12"]
    ids += ["plot 11 2", "plot1 12", "a b", "ab", "a[b]", "obs:5", "obs:5.0"]
    ids += ["https://app.example/#/obs/1", "https://app.example/#/obs/2", "https://h.example/a.php?id=1"]
    ids += ["https://inaturalist.mirror1.example/observations/7", "https://inaturalist.mirror2.example/observations/7"]
    documents = [legacy(f"https://h.example/{n}.jpg", "Abies alba", value) for n, value in enumerate(ids)]
    rows, links = shaped(params, documents)
    used, _ = split_images(rows, links, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
    assert used["group"].n_unique() == len(ids)
    each_its_own = used.with_columns(split="image_name")
    assert set(count_leaks(each_its_own, links, NO_PAIRS).values()) == {0}


def test_each_kind_of_leak_is_counted():
    rows = available_rows(
        [{"species": "A", "sha256": "s"}] * 2 + [{"species": "A", "photo_id": "p"}] * 2 + [{"species": "A"}] * 2
    )
    rows = rows.with_columns(split=pl.Series(["train", "val"] * 3), group=pl.Series([*"gghhij"]))
    counted = leaks(rows, alike((4, 5)))
    assert counted == {"group": 2, "sha256": 1, "observation_id": 0, "photo_id": 1, "address": 0, "looks": 1}
