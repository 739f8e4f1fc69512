"""Copies of photos are found and nothing else, and a look under two names is disputed."""

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.config.schema import NearDuplicates
from stages.images.decode import decode_rgb
from stages.images.measure import measure
from stages.images.similar import MIRROR
from stages.near_duplicates import find_alike, find_disputed, name_pairs
from stages.splitting.groups import group_rows
from stages.tables.cache_filter import AVAILABLE
from stages.tables.inventory import INVENTORY
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.table import read_table, write_table
from tests.support import ROOT, SAMPLE
from tests.support.hashes import all_pairs, flipped, random_hashes
from tests.support.running import complaint, run_here
from tests.support.splits import linked
from tests.support.tables import available_rows

LIMITS = NearDuplicates(max_distance=24, mirrored=True)


def images_of(hashes: list[bytes], species: str) -> pl.DataFrame:
    rows = available_rows([{"species": name} for name in species])
    return rows.with_columns(phash=pl.Series(hashes, dtype=pl.Binary)).with_row_index("row")


def pairs_by_name(images: pl.DataFrame, limits: NearDuplicates) -> set[tuple[str, str]]:
    """All pairs of images that look alike: image_name and phash are what counts."""
    looks = images.group_by("phash", maintain_order=True).agg("image_name")
    names = looks["image_name"].to_list()
    hashes = np.frombuffer(b"".join(looks["phash"]), np.uint8).reshape(-1, 32)
    pairs = all_pairs(hashes, max_distance=limits.max_distance, mirrored=limits.mirrored)
    different = {
        (one, other)
        for first, second in zip(pairs.first, pairs.second, strict=True)
        for one in names[first]
        for other in names[second]
    }
    return different | {pair for same in names for pair in combinations(same, 2)}


def test_a_thousand_copies_are_no_million_pairs():
    same = random_hashes(1)[0].tobytes()
    images = images_of([same] * 1000, "A" * 1000)
    pairs, counts, totals = find_alike(images, LIMITS)
    assert pairs.height == counts["pairs"].sum() == totals["pairs"] == 999
    assert set(pairs["first"]) == {0}


def test_a_thousand_near_copies_are_no_million_pairs():
    base = random_hashes(1)[0]
    rng = np.random.default_rng(2)
    hashes = [flipped(base, rng.choice(256, 4, replace=False)).tobytes() for _ in range(1000)]
    images = images_of(hashes, "AAB" * 333 + "A")
    pairs, counts, totals = find_alike(images, LIMITS)
    assert totals["pairs"] == counts["pairs"].sum() > 450_000
    assert totals["images_in_pairs"] == 1000
    assert pairs.height < 2000
    assert find_disputed(images, pairs).height == 1000
    # All of a species are still one group, and those of A do not hang together by way of B.
    groups = images.with_columns(group=group_rows(images, linked(images), name_pairs(images, pairs)))
    assert groups.group_by("species").agg(pl.col("group").n_unique())["group"].to_list() == [1, 1]


def naive_disputed(images: pl.DataFrame, max_distance: int) -> set[str]:
    rows = list(images.select("image_name", "species", "phash").iter_rows())
    disputed = set()
    for one, other in combinations(rows, 2):
        bits = [int.from_bytes(row[2], "big") for row in (one, other)]
        mirror = int.from_bytes(MIRROR.tobytes(), "big")
        near = min((bits[0] ^ bits[1]).bit_count(), (bits[0] ^ bits[1] ^ mirror).bit_count()) <= max_distance
        if near and one[1] != other[1]:
            disputed |= {one[0], other[0]}
    return disputed


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.sampled_from("ABC")), min_size=1, max_size=14))
def test_disputed_is_what_looks_like_another_species(rows):
    base = random_hashes(4, seed=5)
    hashes = [flipped(base[which], list(range(0, 2 * bits, 2))).tobytes() for which, bits, _ in rows]
    images = images_of(hashes, "".join(species for *_, species in rows))
    near, _, _ = find_alike(images, LIMITS.model_copy(update={"max_distance": 8}))
    found = find_disputed(images, near)
    assert set(found["image_name"]) == naive_disputed(images, 8)
    assert found.height == found["image_name"].n_unique()
    assert (found["species"] != found["other_species"]).all()


def test_a_look_that_is_linked_anyway_is_counted_apart():
    hashes = random_hashes(1)[0].tobytes()
    images = images_of([hashes] * 3, "AAA").with_columns(observation_id=pl.Series(["o", "o", "p"]))
    counted = find_alike(images, LIMITS)[1].filter(pl.col("pairs") > 0)
    assert set(counted.rows()) == {(0, "found by their looks alone", 1), (0, "one observation, photo or file", 1)}


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """A workspace with the sample and what the stages up to ``near_duplicates`` make of it."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "data/sources").mkdir(parents=True)
    (folder / "data/sources/sample").symlink_to(SAMPLE)
    for stage in ("export", "cache_filter", "near_duplicates"):
        result = run_here(stage, folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def images(sample) -> pl.DataFrame:
    """The sample's available images with their hashes."""
    inventory = read_table(SAMPLE / "inventory.parquet", INVENTORY, only=["image_name", "phash"])
    return read_table(sample / "data/available.parquet", AVAILABLE).join(inventory, on="image_name")


@pytest.fixture(scope="module")
def pixels(images) -> dict[str, np.ndarray]:
    return {name: decode_rgb((SAMPLE / "images" / name).read_bytes()) for name in images["image_name"][::3]}


def test_the_samples_copies_are_found_and_no_other_pair_of_observations(sample, images):
    named = images.select("image_name", "image_url", "photo_id", "observation_id", "sha256")
    pairs = (
        read_table(sample / "data/near_duplicates/pairs.parquet", PAIRS)
        .join(named, on="image_name")
        .join(named, left_on="other_name", right_on="image_name", suffix="_of_other")
    )
    linked = pl.any_horizontal(
        (pl.col(link) == pl.col(f"{link}_of_other")).fill_null(False)
        for link in ("photo_id", "observation_id", "sha256")
    )
    copied = pl.any_horizontal(
        pl.col(url).str.starts_with("https://copies.example/") for url in ("image_url", "image_url_of_other")
    )
    assert pairs.filter(~linked & ~copied).is_empty()
    assert pairs.filter(copied).height == 3
    assert pairs.filter(copied)["mirrored"].sum() == 1
    disputed = read_table(sample / "data/near_duplicates/disputed.csv", DISPUTED)
    assert disputed.height == 4  # two with the same bytes, two by their looks


def test_a_looser_threshold_finds_no_more_in_the_sample(images):
    """The committed threshold is far from where different observations begin to look alike."""
    counts = find_alike(images.with_row_index("row"), LIMITS)[1].filter(pl.col("pairs") > 0)
    assert counts["distance"].max() <= 16


def changed(pixels: np.ndarray, how: str) -> bytes:
    """What the web makes of a picture."""
    image = Image.fromarray(pixels)
    width, height = image.size
    what, _, amount = how.partition(" ")
    if what == "resized":
        size = (round(width * float(amount)), round(height * float(amount)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    if what == "cropped":
        cut = float(amount) / 2
        image = image.crop(
            (round(width * cut), round(height * cut), round(width * (1 - cut)), round(height * (1 - cut)))
        )
    if what == "mirrored":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    buffer = io.BytesIO()
    if what == "webp":
        image.save(buffer, "WEBP", quality=int(amount))
    else:
        image.save(buffer, "JPEG", quality=int(amount) if what == "encoded" else 80)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("how", "least"),
    [
        ("encoded 30", 0.95),
        ("encoded 60", 0.95),
        ("webp 60", 0.95),
        ("resized 0.75", 0.95),
        ("resized 0.5", 0.95),
        ("resized 0.35", 0.95),
        ("resized 1.5", 0.95),
        ("mirrored", 0.95),
        ("cropped 0.01", 0.95),
        ("cropped 0.02", 0.85),
    ],
)
def test_copies_of_photos_are_found_and_nothing_else(params, images, pixels, how, least):
    known = images.select("image_name", "phash", "observation_id").unique("image_name", maintain_order=True)
    copies = pl.DataFrame(
        {
            "image_name": [f"copy of {name}" for name in pixels],
            "phash": [measure(changed(image, how), max_megapixels=200).phash for image in pixels.values()],
        }
    )
    limits = params.near_duplicates
    found = pairs_by_name(pl.concat([known, copies], how="diagonal"), limits)
    recall = sum((name, f"copy of {name}") in found for name in pixels) / len(pixels)
    assert recall >= least
    # What else is found is what the sample itself holds twice.
    in_sample = pairs_by_name(known, limits)
    plain = {tuple(name.removeprefix("copy of ") for name in pair) for pair in found}
    assert {pair for pair in plain if pair[0] != pair[1]} <= in_sample | {pair[::-1] for pair in in_sample}


def test_pairs_are_named_and_counted():
    table = images_of([bytes(32), bytes(32), bytes(31) + b"\x01"], "AAB")
    pairs, _, totals = find_alike(table, LIMITS.model_copy(update={"mirrored": False}))
    assert name_pairs(table, pairs).select("image_name", "other_name", "distance").rows() == [
        (f"{0:032x}.jpg", f"{1:032x}.jpg", 0),
        (f"{0:032x}.jpg", f"{2:032x}.jpg", 1),
    ]
    assert totals == {"pairs": 2, "mirrored_pairs": 0, "images_in_pairs": 3}


def test_an_inventory_that_lacks_an_available_image_is_one_line(workspace):
    write_table(available_rows([{}]), AVAILABLE, workspace / "data/available.parquet")
    write_table(pl.DataFrame(schema=INVENTORY), INVENTORY, workspace / "data/sources/sample/inventory.parquet")
    assert "the inventory has no hash of" in complaint(run_here("near_duplicates", workspace))
