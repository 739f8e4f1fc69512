"""Tables and documents like the production collection: long-tailed, in observations, from two sources, with errors.

Seeded: the same arguments give the same population.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import numpy as np
import polars as pl

from stages.runtime.outputs import write_bytes
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY
from stages.tables.links import LINKS

# The last export of the production collection, and the split that was reported of it.
IMAGES, CLASSES, INATURALIST_IMAGES, CACHED = 741_533, 8_587, 365_025, 62_821
SPLIT_IMAGES, SPLIT_CLASSES, SPLIT_CLASSES_OF_TWO = 118_126, 5_914, 4_410

_SIGMA = 1.84  # of the logarithm of class sizes: then 913 of the 4,410 classes have two images, as val - test says
_LICENSES = ("cc-by-nc", "cc-by-nc", "cc-by-nc", "cc-by", "cc0", "cc-by-sa", None)
_SYLLABLES = tuple(
    f"{consonant}{vowel}"
    for consonant in ("b", "c", "d", "l", "m", "n", "p", "r", "s", "t", "v", "qu")
    for vowel in "aeiou"
)


def class_sizes(images: int, classes: int, with_two_or_more: int) -> np.ndarray:
    """Give images in each class, the largest first: a log-normal tail over classes of one image, int64 [classes]."""
    quantiles = (np.arange(with_two_or_more, 0, -1) - 0.5) / with_two_or_more
    normal = np.sqrt(2) * _inverse_erf(2 * quantiles - 1)
    wanted = images - (classes - with_two_or_more)
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        sizes = 2 + np.floor(np.exp(middle + _SIGMA * normal)).astype(np.int64)
        low, high = (middle, high) if sizes.sum() < wanted else (low, middle)
    sizes[0] += wanted - sizes.sum()
    return np.concatenate([sizes, np.ones(classes - with_two_or_more, np.int64)])


def make_records(
    images: int = IMAGES, classes: int = CLASSES, *, with_two_or_more: int | None = None, seed: int = 1
) -> pl.DataFrame:
    """Make records: columns of ``RECORDS``, sorted by URL and species as ``export`` sorts them."""
    rng = np.random.default_rng(seed)
    sizes = class_sizes(images, classes, with_two_or_more or int(classes * 0.9))
    names = _species_names(classes, rng)
    species = np.repeat(np.arange(classes), sizes)
    # Observations of one to five photos, of one species and source.
    photos = rng.choice(5, images, p=(0.62, 0.2, 0.1, 0.05, 0.03)) + 1
    observation = np.repeat(np.arange(images), photos)[:images] + species * 10_000_000
    observation = np.unique(observation, return_inverse=True)[1]
    from_inaturalist = (rng.random(observation.max() + 1) < INATURALIST_IMAGES / IMAGES)[observation]
    number = rng.permutation(images)
    urls = [
        f"https://inaturalist-open-data.s3.amazonaws.com/photos/{100_000_000 + 7 * n}/original.jpeg"
        if inaturalist
        else f"https://herbarium.example/collections/plants/images/{n:09d}/full/max/0/default.jpg"
        for n, inaturalist in zip(number.tolist(), from_inaturalist.tolist(), strict=True)
    ]
    drawn = rng.integers(len(_LICENSES), size=images)
    source = np.where(from_inaturalist, "inaturalist", "legacy")
    no_observation = ~from_inaturalist & (rng.random(images) < 0.3)
    return pl.DataFrame(
        {
            "image_url": urls,
            "image_name": [hashlib.md5(url.encode()).hexdigest() + ".jpg" for url in urls],
            "photo_id": pl.Series(100_000_000 + 7 * number).cast(pl.String),
            "observation_id": pl.Series(observation).cast(pl.String),
            "species": pl.Series(names)[species],
            "source": source,
            "license": pl.Series(_LICENSES, dtype=pl.String)[drawn],
            "observer": pl.Series(observation % 9973).cast(pl.String),
            "document_id": [f"69000000a1b2c3d4{n:08x}" for n in number.tolist()],
        }
    ).with_columns(
        photo_id=pl.when(pl.Series(from_inaturalist)).then(pl.format("inaturalist:{}", "photo_id")),
        observation_id=pl.when(~pl.Series(no_observation)).then(pl.col("source") + ":" + pl.col("observation_id")),
        observer=pl.lit("observer") + pl.col("observer"),
    ).select(RECORDS.keys()).sort("image_url", "species")  # fmt: skip


def write_nothing_known(source: Path) -> None:
    """Write what a profile's folder must have, and of which there is nothing: synonyms, earlier splits, verdicts."""
    write_bytes(source / "synonyms.csv", b"synonym,accepted\n")
    for folder in ("assignments", "verdicts", "pair_verdicts"):
        write_bytes(source / folder / "README.md", b"None yet.\n")


def make_links(records: pl.DataFrame) -> pl.DataFrame:
    """Make the links of records, by their ids alone: columns of ``LINKS``."""
    kinds = ("observation_id", "photo_id")
    ids = records.unpivot(on=kinds, index=["image_name", "source"], variable_name="kind", value_name="value")
    said = ids.drop_nulls("value").with_columns(
        raw=pl.col("value").str.extract(r":(.*)", 1), problem=pl.lit(None, pl.String)
    )
    return said.select(LINKS.keys()).sort("image_name", "kind")


def make_inventory(records: pl.DataFrame, files: int | None = None, *, seed: int = 2) -> pl.DataFrame:
    """Make the inventory of a cache that holds so many of the records' images, drawn (all by default): ``INVENTORY``.

    One in fifty is broken, blank or blurred, one in two hundred has the bytes of another of its species.
    """
    rng = np.random.default_rng(seed)
    names = records["image_name"].unique().sort().sample(files or records["image_name"].n_unique(), seed=seed)
    number = len(names)
    kind = rng.choice(4, number, p=(0.98, 0.005, 0.005, 0.01))
    decoded = kind != 1
    digests = np.array([hashlib.sha256(name.encode()).hexdigest() for name in names])
    repeated = np.flatnonzero(rng.random(number) < 0.005)
    digests[repeated] = digests[np.maximum(repeated - 1, 0)]
    hashes = rng.integers(0, 256, (number, 32), dtype=np.uint8)
    hashes[repeated] = hashes[np.maximum(repeated - 1, 0)]
    measures = {
        "gray_std": np.where(kind == 2, 0.5, rng.uniform(15, 80, number)).round(3),
        "even_share": rng.uniform(0.1, 0.7, number).round(3),
        "banding": rng.uniform(0, 0.05, number).round(3),
        "level_peaks": rng.uniform(0, 0.05, number).round(3),
        "flatness": rng.uniform(0, 0.5, number).round(3),
        "filled_share": np.zeros(number),
        "sharpness": np.where(kind == 3, 0.02, rng.uniform(0.15, 1.0, number)).round(3),
        "phash": [row.tobytes() for row in hashes],
    }
    table = pl.DataFrame(
        {
            "image_name": names,
            "bytes": rng.integers(200_000, 3_000_000, number),
            "sha256": digests,
            "state": np.where(decoded, "decoded", "truncated"),
            "width": 2048,
            "height": 1536,
            **measures,
        },
        schema=INVENTORY,
        strict=False,
    )
    only_decoded = (pl.when(pl.col("state") == "decoded").then(name).alias(name) for name in measures)
    return table.with_columns(only_decoded).sort("image_name")


def make_documents(records: pl.DataFrame, *, seed: int = 3) -> Iterator[dict[str, Any]]:
    """Give documents of which ``export`` makes the records: names in several spellings, one in a thousand of no use."""
    spellings = ("{}", "{}", "{}", "{}", "{}", "{}", "{} L.", "{} (Mill.) DC.", "{}  ")
    rng = np.random.default_rng(seed)
    spelled = rng.integers(len(spellings), size=records.height).tolist()
    useless = (rng.random(records.height) < 0.001).tolist()
    for row, spelling, error in zip(records.iter_rows(named=True), spelled, useless, strict=True):
        name = spellings[spelling].format(row["species"])
        identity = bson.ObjectId(row["document_id"])
        if error:
            yield {"_id": bson.ObjectId(b"\xff" + identity.binary[1:]), "comment": "imported by mistake"}
        if row["source"] == "inaturalist":
            yield {
                "_id": identity,
                "image_url": row["image_url"],
                "photo": {
                    "id": int(row["photo_id"].split(":")[1]),
                    "license_code": row["license"],
                    "attribution": row["observer"],
                },
                "observation": {"id": int(row["observation_id"].split(":")[1]), "user": {"login": row["observer"]}},
                "taxon": {"name": name, "rank": "species"},
                "place": {"text": "somewhere in the hills " * 3},
            }
        else:
            sighting = row["observation_id"] and int(row["observation_id"].split(":")[1])
            yield {
                "_id": identity,
                "url": row["image_url"],
                "scientific_name": name,
                "rights": row["license"],
                "sighting": sighting,
                "author": row["observer"],
                "notes": "pressed, mounted, scanned " * 4,
            }


def _species_names(number: int, rng: np.random.Generator) -> list[str]:
    """Make up so many binomials, four to nine species a genus."""
    names: set[str] = set()
    while len(names) < number:
        genus = "".join(rng.choice(_SYLLABLES, rng.integers(2, 5))).capitalize() + "ia"
        for _ in range(rng.integers(4, 10)):
            names.add(f"{genus} {''.join(rng.choice(_SYLLABLES, rng.integers(2, 5)))}lis")
    return sorted(names)[:number]


def _inverse_erf(values: np.ndarray) -> np.ndarray:
    from scipy.special import erfinv

    return erfinv(values)
