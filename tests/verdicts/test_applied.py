"""Verdicts on the embedded sample, by the stages themselves: what changes in the tables, and what is said."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from stages.tables.cache_filter import AVAILABLE, REJECTED
from stages.tables.export import RECORDS
from stages.tables.split import LEFT_OUT, SPLIT
from stages.tables.table import read_table, write_table
from stages.verdicts.reading import write_verdicts
from tests.support import ROOT, SAMPLE
from tests.support.running import complaint, run_here
from tests.support.verdicts import verdict, verdicts_of

TABLES = ("available", "images", "rejected")


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A repo root with the sample, and what the stages up to ``split`` make of it without verdicts."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, folder)
    source = folder / "data/sources/sample"
    source.mkdir(parents=True)
    for path in SAMPLE.iterdir():
        if not path.name.endswith("verdicts"):
            (source / path.name).symlink_to(path)
    for stage in ("export", "cache_filter", "near_duplicates", "split"):
        assert run_here(stage, folder).returncode == 0
    return folder


@pytest.fixture
def repo(exported: Path, tmp_path: Path) -> Path:
    """A copy of it, free to be changed."""
    return shutil.copytree(exported, tmp_path / "repo", symlinks=True)


def splits(repo: Path) -> pl.DataFrame:
    return pl.concat(read_table(repo / f"data/splits/{name}.parquet", SPLIT) for name in ("train", "val", "test"))


def say_of(row: dict, *words: str, **more: str) -> dict:
    return verdict(0, row["species"], *words, **more) | {name: row[name] for name in ("image_name", "sha256")}


def look_through(repo: Path, *rows: dict) -> str:
    """Let Ana say this, and filter; gives what was said."""
    write_verdicts(verdicts_of(*rows), repo / "data/sources/sample/verdicts/ana.csv")
    result = run_here("cache_filter", repo)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def content(repo: Path, *names: str) -> list[bytes]:
    return [(repo / f"data/{name}.parquet").read_bytes() for name in names]


def report(repo: Path) -> dict:
    return json.loads((repo / "data/reports/cache_filter.json").read_text())


def metrics(repo: Path) -> dict:
    return json.loads((repo / "metrics/cache_filter.json").read_text())


def of_two_species(repo: Path) -> int:
    for stage in ("near_duplicates", "split"):
        assert run_here(stage, repo).returncode == 0
    left_out = read_table(repo / "data/left_out.csv", LEFT_OUT)
    return left_out.filter(pl.col("reason").str.ends_with("_of_two_species")).height


def test_who_confirms_or_skips_changes_no_byte(repo):
    before = content(repo, *TABLES)
    images = splits(repo)
    rows = [say_of(row, "confirm", asked_as="random") for row in images.head(60).iter_rows(named=True)]
    said = look_through(repo, *rows, say_of(images.row(60, named=True), "skip"))
    assert content(repo, *TABLES) == before
    assert "61 verdicts of 1 reviewers (confirm 60, skip 1): 0 images are relabeled" in said
    assert "label errors of the whole set: 0.0% (95 % interval 0.0% to" in said
    assert metrics(repo)["label_error_rate"] == 0.0


def test_one_relabeled_photo_takes_its_observation_along(repo):
    images = splits(repo)
    of_three = images.filter(pl.len().over("observation_id") >= 3, pl.col("observation_id").is_not_null())
    row = of_three.sort("observation_id").row(0, named=True)
    other = images.filter(pl.col("species") != row["species"])["species"][0]
    condemned = of_two_species(repo)
    before = content(repo, "images", "rejected")
    look_through(repo, say_of(row, "relabel", f"{other} L."))
    found = read_table(repo / "data/available.parquet", AVAILABLE).filter(observation_id=row["observation_id"])
    assert found["species"].to_list() == [other] * found.height
    assert found.height >= 3
    assert content(repo, "images", "rejected") == before  # nothing is packed again
    assert report(repo)["review"]["relabeled"]["along_with_another"] == found.height - 1
    assert metrics(repo)["relabeled"] == found.height
    assert of_two_species(repo) == condemned
    assert {*splits(repo).filter(observation_id=row["observation_id"])["species"]} == {other}


def test_who_relabels_one_photo_of_each_wrong_observation_gets_the_true_table(repo):
    """Wrong labels in, verdicts on them, and not a byte is other than with right labels."""
    truth = content(repo, *TABLES)
    images = splits(repo).sort("observation_id", "image_name")
    # A copy that only looks like a photo of the observation gets a verdict of its own, and is not among these.
    alone = pl.col("observation_id").n_unique().over("group") == 1
    first = images.filter(alone & pl.col("group").is_first_distinct() & pl.col("observation_id").is_not_null())
    flipped = first.sample(25, seed=1)
    species = images["species"].unique().sort()
    wrong = {
        row["group"]: species[(species.index_of(row["species"]) + 1) % len(species)]
        for row in flipped.iter_rows(named=True)
    }
    of_group = images.select("image_name", pl.col("group").replace_strict(wrong, default=None).alias("wrong"))
    records = read_table(repo / "data/records.parquet", RECORDS)
    mislabeled = records.join(of_group, on="image_name", how="left", maintain_order="left")
    mislabeled = mislabeled.with_columns(species=pl.coalesce("wrong", "species"))
    write_table(mislabeled, RECORDS, repo / "data/records.parquet")
    assert run_here("cache_filter", repo).returncode == 0
    assert content(repo, *TABLES) != truth
    rows = [
        say_of(row | {"species": wrong[row["group"]]}, "relabel", row["species"])
        for row in flipped.iter_rows(named=True)
    ]
    look_through(repo, *rows)
    assert content(repo, *TABLES) == truth


def test_what_is_dropped_is_listed(repo):
    row = splits(repo).row(0, named=True)
    said = look_through(repo, say_of(row, "drop", "not_a_plant"))
    assert "1 are dropped (not_a_plant 1)" in said
    rejected = read_table(repo / "data/rejected.parquet", REJECTED).filter(verdict="dropped_by_review")
    assert rejected["image_name"].to_list() == [row["image_name"]]
    assert not read_table(repo / "data/available.parquet", AVAILABLE)["image_name"].is_in([row["image_name"]]).any()
    assert metrics(repo)["dropped_by_review"] == 1


def test_what_reviewers_disagree_on_is_left_out_and_named(repo):
    row = splits(repo).filter(pl.col("observation_id").is_unique()).row(0, named=True)
    write_verdicts(verdicts_of(say_of(row, "drop", "drawing")), repo / "data/sources/sample/verdicts/bo.csv")
    said = look_through(repo, say_of(row, "confirm"))
    assert "1 images are left out, as verdicts on them or their plant contradict each other" in said
    assert f"such as on {row['image_name']}: the report lists these" in said
    rejected = read_table(repo / "data/rejected.parquet", REJECTED).filter(verdict="reviewers_disagree")
    assert rejected["image_name"].to_list() == [row["image_name"]]
    listed = report(repo)["review"]["reviewers_disagree"]["said"]
    assert [(entry["reviewer"], entry["verdict"]) for entry in listed] == [("ana", "confirm"), ("bo", "drop")]


def test_a_file_that_cannot_be_read_is_one_line_and_nothing_is_lost(repo):
    before = content(repo, *TABLES)
    path = repo / "data/sources/sample/verdicts/ana.csv"
    path.parent.mkdir(parents=True)
    path.write_text("image_name,verdict\n")
    assert "ana.csv must have the columns image_name,sha256" in complaint(run_here("cache_filter", repo))
    assert content(repo, *TABLES) == before


def test_verdicts_that_leave_nothing_are_one_line(repo):
    available = read_table(repo / "data/available.parquet", AVAILABLE).unique("image_name")
    rows = [say_of(row, "drop", "drawing") for row in available.iter_rows(named=True)]
    write_verdicts(verdicts_of(*rows), repo / "data/sources/sample/verdicts/ana.csv")
    result = run_here("cache_filter", repo)
    assert result.returncode == 1
    assert "no record's image can be used" in result.stderr
    assert "look at the verdicts" in result.stderr
