"""The stage from made-up features: what was planted is found, written by its columns, drawn and said."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from stages.runtime.yaml_files import read_yaml
from stages.tables.classes import LABELS, SPLITS
from stages.tables.near_duplicates import PAIRS
from stages.tables.split import SPLIT
from stages.tables.suspects import LOOK_ALIKES, SPECIES_PAIRS, SUSPECTS, SYSTEMATIC
from stages.tables.table import read_table, write_table
from stages.tables.verdicts import PAIR_VERDICTS, VERDICTS
from stages.verdicts.random_order import random_order
from tests.support.features import write_made_up
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg
from tests.support.running import complaint, run_here
from tests.support.tables import available_rows

SPECIES = [f"Genus{number} species{number}" for number in range(6)]
A_SPECIES, PHOTOS = 8, 2  # observations of each, and photos of each of these
IMAGES = len(SPECIES) * A_SPECIES * PHOTOS
ANN = range(3)  # observations of the first species that ann calls the second


def made() -> tuple[pl.DataFrame, np.ndarray]:
    """Images of six species in observations, of which one observer mistakes three, and their features."""
    rng = np.random.default_rng(1)
    middles = rng.normal(size=(len(SPECIES), 40)) + 1
    rows, vectors = [], []
    for number in range(IMAGES):
        observation = number // PHOTOS
        true = observation // A_SPECIES
        mistaken = observation in ANN
        rows.append(
            {
                "image_name": f"{hashlib.md5(str(number).encode()).hexdigest()}.jpg",
                "sha256": f"{number:064x}",
                "image_url": f"https://host{observation % 2}.example/{number}.jpg",
                "species": SPECIES[1 if mistaken else true],
                "observer": "ann" if mistaken else f"observer {observation % 5}",
                "source": "inaturalist",
                "license": "cc-by" if number % 7 else None,
                "group": str(observation),
                "split": SPLITS[observation % 3],
            }
        )
        vectors.append(middles[true] + 0.5 * rng.normal(size=40))
    kept = [{name: value for name, value in row.items() if name not in ("group", "split")} for row in rows]
    added = {name: pl.Series([row[name] for row in rows]) for name in ("group", "split")}
    return available_rows(kept).with_columns(**added).select(SPLIT.keys()), np.array(vectors)


def square(number: int) -> np.ndarray:
    return np.broadcast_to(np.array([number * 37 % 256, number * 91 % 256, 99], np.uint8), (64, 64, 3))


def write_world(root: Path, images: pl.DataFrame, vectors: np.ndarray) -> None:
    for split in SPLITS:
        write_table(images.filter(pl.col("split") == split), SPLIT, root / f"data/splits/{split}.parquet")
    names = sorted(set(SPECIES) | set(images["species"]))
    labels = pl.DataFrame({"label": range(len(names)), "species": names})
    write_table(labels, LABELS, root / "data/splits/labels.csv")
    write_table(pl.DataFrame(schema=PAIRS), PAIRS, root / "data/near_duplicates/pairs.parquet")
    digests = images["sha256"].to_list()
    write_made_up(root / "data/features", images["image_name"].to_list(), vectors, sha256=digests)
    packed = [packed_image(name, jpeg(square(n)), digests[n]) for n, name in enumerate(images["image_name"])]
    write_images(packed, root / "data/packed")


@pytest.fixture
def world(workspace):
    write_world(workspace, *made())
    change(workspace, listed=5, pictured=2)
    return workspace


def change(root: Path, **values: object) -> None:
    content = read_yaml(root / "params.yaml")
    content["suspects"] |= values
    (root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def written(root: Path) -> dict[str, bytes]:
    files = [*(root / "data/suspects").iterdir(), root / "data/reports/suspects.json", root / "plots/suspects.png"]
    return {path.name: path.read_bytes() for path in [*files, root / "metrics/suspects.json"]}


def test_what_was_planted_is_found_and_said(world):
    done = run_here("suspects", world)
    assert done.returncode == 0, done.stderr
    images = read_table(world / "data/suspects/images.parquet", SUSPECTS)
    assert images["rank"].to_list() == list(range(1, IMAGES + 1))
    rows, _ = made()
    mistaken = set(rows.filter(pl.col("observer") == "ann")["image_name"])
    first = images.head(len(mistaken))
    assert set(first["image_name"]) == mistaken
    assert {candidates[0] for candidates in first["candidates"]} == {SPECIES[0]}
    assert set(first["species"]) == {SPECIES[1]}
    assert sorted(images["isolation_rank"]) == list(range(1, IMAGES + 1))
    systems = read_table(world / "data/suspects/systematic.csv", SYSTEMATIC)
    assert systems.row(0, named=True)["value"] == "ann"
    assert systems.row(0, named=True)["suspected_groups"] == len(ANN)
    species = read_table(world / "data/suspects/species_pairs.csv", SPECIES_PAIRS)
    assert set(species.row(0)[:2]) == {SPECIES[0], SPECIES[1]}
    read_table(world / "data/suspects/look_alikes.parquet", LOOK_ALIKES)
    report = json.loads((world / "data/reports/suspects.json").read_text())
    metrics = json.loads((world / "metrics/suspects.json").read_text())
    right = 1 - metrics["suspects"] / IMAGES
    assert metrics["left_out_top1"] == report["left_out_top1"]["value"] == pytest.approx(right, abs=1e-5)
    assert report["left_out_top1"]["low"] < right < report["left_out_top1"]["high"]
    assert report["systematic"]["observer"] == 1
    assert "ann" in done.stdout
    assert "nobody has judged one yet" in done.stdout
    assert Image.open(world / "plots/suspects.png").width > 500
    assert (world / "plots/suspects.png").stat().st_size <= 300_000


def test_what_is_listed_has_neighbors_of_other_groups_and_so_has_the_random_sample(world):
    assert run_here("suspects", world).returncode == 0
    images = read_table(world / "data/suspects/images.parquet", SUSPECTS)
    at_random = random_order(images["image_name"])[:5]
    wanted = (pl.col("rank") <= 5) | (pl.col("isolation_rank") <= 5) | pl.col("image_name").is_in(at_random)
    assert images.select(wanted == pl.col("neighbors").is_not_null()).to_series().all()
    groups = dict(images.select("image_name", "group").iter_rows())
    for name, nearby in images.drop_nulls("neighbors").select("image_name", "neighbors").iter_rows():
        assert len(set(nearby)) == 8
        assert all(groups[other] != groups[name] for other in nearby)


def test_the_order_of_rows_files_and_numbers_of_groups_changes_nothing(world):
    assert run_here("suspects", world).returncode == 0
    before = written(world)
    images, vectors = made()
    order = np.random.default_rng(2).permutation(IMAGES)
    shuffled = images[order].with_columns(group=pl.lit("g") + pl.col("group"))
    for split in SPLITS:
        write_table(shuffled.filter(pl.col("split") == split), SPLIT, world / f"data/splits/{split}.parquet")
    write_made_up(
        world / "data/features", shuffled["image_name"].to_list(), vectors[order], sha256=shuffled["sha256"].to_list()
    )
    assert run_here("suspects", world).returncode == 0
    after = written(world)
    assert {name for name in before if before[name] != after[name]} == {"images.parquet"}  # it has the groups' names


def verdict(row: dict, said: str, asked_as: str) -> dict:
    relabel = {"species": SPECIES[0]} if said == "relabel" else {}
    return {"image_name": row["image_name"], "sha256": row["sha256"], "given": row["species"], "verdict": said,
            "asked_as": asked_as} | relabel  # fmt: skip


def test_verdicts_show_what_the_ranking_is_worth_and_are_not_drawn_again(world):
    assert run_here("suspects", world).returncode == 0
    images = read_table(world / "data/suspects/images.parquet", SUSPECTS)
    rows = images.head(12).to_dicts()
    said = [verdict(row, "relabel" if number < 9 else "confirm", "suspect") for number, row in enumerate(rows)]
    said += [verdict(row, "confirm", "random") for row in images.tail(11).to_dicts()]
    folder = world / "data/sources/sample/verdicts"
    write_table(pl.DataFrame(said, schema=dict(VERDICTS)), VERDICTS, folder / "ann.csv")
    done = run_here("suspects", world)
    assert "of those that people judged 75% of 12 were wrong, of those shown at random 0% of 11" in done.stdout
    report = json.loads((world / "data/reports/suspects.json").read_text())
    assert report["shown_so_far"]["suspect"]["wrong"]["value"] == 0.75
    assert report["shown_so_far"]["random"]["wrong"]["images"] == 11
    # What is listed goes on behind what was judged; no rank and no score is another one.
    again = read_table(world / "data/suspects/images.parquet", SUSPECTS)
    assert again.drop("neighbors").equals(images.drop("neighbors"))
    assert again["neighbors"].null_count() <= images["neighbors"].null_count()


def test_a_pair_that_looks_alike_is_proposed_until_it_is_judged(world):
    images, vectors = made()
    vectors[40] = vectors[90] + 0.01
    write_world(world, images, vectors)
    pair = sorted(images["image_name"][[40, 90]])
    assert run_here("suspects", world).returncode == 0
    table = read_table(world / "data/suspects/look_alikes.parquet", LOOK_ALIKES)
    assert [table.row(0, named=True)[name] for name in ("image_name", "other_name")] == pair
    digests = dict(images.select("image_name", "sha256").iter_rows())
    rows = [{"image_name": pair[0], "sha256": digests[pair[0]], "other_name": pair[1],
             "other_sha256": digests[pair[1]], "verdict": "different"}]  # fmt: skip
    folder = world / "data/sources/sample/pair_verdicts"
    write_table(pl.DataFrame(rows, schema=dict(PAIR_VERDICTS)), PAIR_VERDICTS, folder / "ann.csv")
    assert run_here("suspects", world).returncode == 0
    again = read_table(world / "data/suspects/look_alikes.parquet", LOOK_ALIKES)
    assert pair not in [list(row) for row in again.select("image_name", "other_name").iter_rows()]


@pytest.mark.parametrize(
    ("species", "observations"),
    [(1, 8), (6, 1), (1, 1)],  # one species; each of one observation; one observation at all
)
def test_where_nothing_can_be_compared_it_is_said(workspace, species, observations):
    images, vectors = made()
    number = pl.col("group").cast(pl.Int64)
    kept = images.filter((number // A_SPECIES < species) & (number % A_SPECIES >= A_SPECIES - observations))
    kept = kept.filter(pl.col("observer") != "ann")
    places = [images["image_name"].to_list().index(name) for name in kept["image_name"]]
    write_world(workspace, kept, vectors[places])
    done = run_here("suspects", workspace)
    assert done.returncode == 0, done.stderr
    table = read_table(workspace / "data/suspects/images.parquet", SUSPECTS)
    assert table["no_evidence"].all()
    assert table["score"].null_count() == kept.height
    assert "nothing tells its worth" in done.stdout
    assert json.loads((workspace / "metrics/suspects.json").read_text()) == {}


def test_what_is_missing_or_of_another_run_is_named(world):
    images, vectors = made()
    names, digests = images["image_name"].to_list(), images["sha256"].to_list()
    write_made_up(world / "data/features", names[1:], vectors[1:], sha256=digests[1:])
    assert f"data/features holds no features of {names[0]}" in complaint(run_here("suspects", world))
    write_made_up(world / "data/features", names, vectors, sha256=["f" * 64, *digests[1:]])
    assert f"data/features holds features of other bytes of {names[0]}" in complaint(run_here("suspects", world))
    write_made_up(world / "data/features", names, vectors, sha256=digests)
    write_images([packed_image(names[0], jpeg(square(0)), digests[0])], world / "data/packed")
    assert "data/packed does not hold" in complaint(run_here("suspects", world))
    assert not (world / "plots/suspects.png").exists()
    write_images(
        [packed_image(n, b"\xff\xd8\xff", d) for n, d in zip(names, digests, strict=True)], world / "data/packed"
    )
    assert "data/packed does not decode" in complaint(run_here("suspects", world))
    train = images.filter(pl.col("split") == "train")
    both = pl.concat([images.filter(pl.col("split") == "val"), train.with_columns(split=pl.lit("val"))])
    write_table(both, SPLIT, world / "data/splits/val.parquet")
    assert "is in two splits of data/splits: run `dvc repro split`" in complaint(run_here("suspects", world))
