"""The whole loop: wrong labels come in, suspects name them, a person says so on the page, the next run is better.

The person knows the truth of each photo, and uses the keys that the page offers.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import read_split
from stages.tables.export import RECORDS
from stages.tables.suspects import SUSPECTED, SUSPECTS
from stages.tables.table import read_table, write_table
from tests.support.chromium import chromium, needs_chromium
from tests.support.review_data import served
from tests.support.running import run_here

SEED = 20261129
SHARE = 0.08  # of the training images get another species, whole observations
AGAIN = ("cache_filter", "near_duplicates", "split", "baseline", "suspects")  # no pixel and no feature changes


def run_all(root: Path, *stages: str) -> str:
    said = ""
    for stage in stages:
        done = run_here(stage, root)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    return said


def labels_of(root: Path) -> dict[str, str]:
    """The species of each image of the splits."""
    tables = (read_split(root / "data/splits", name, SUSPECTED) for name in ("train", "val", "test"))
    return dict(pl.concat(tables).select("image_name", "species").iter_rows())


def report_of(root: Path, stage: str) -> dict:
    return json.loads((root / f"data/reports/{stage}.json").read_text(encoding="utf-8"))


def right_in_val_and_test(root: Path) -> int:
    """Images that the baseline's probe is right of."""
    return sum(report_of(root, "baseline")["labels"][split]["against_chance"]["hits"] for split in ("val", "test"))


def give_wrong_labels(root: Path, images: pl.DataFrame) -> set[str]:
    """Let the records of some observations of train name another species; give the images of these."""
    rng = np.random.default_rng(SEED)
    train = images.filter(split="train")
    # A species keeps two observations to learn from.
    several = train.filter(pl.col("group").n_unique().over("species") > 3)["group"].unique().sort()
    wanted = SHARE * train.height
    species_of = dict(train.select("group", "species").iter_rows())
    members = dict(train.group_by("group").agg("image_name").iter_rows())
    others = sorted(set(train["species"]))
    wrong: dict[str, str] = {}
    touched: set[str] = set()
    for group in rng.permutation(several.to_list()):
        own = species_of[group]
        if len(wrong) >= wanted or own in touched:
            continue
        touched.add(own)
        other = str(rng.choice([name for name in others if name != own]))
        wrong |= dict.fromkeys(members[group], other)
    records = read_table(root / "data/records.parquet", RECORDS)
    renamed = records["image_name"].replace_strict(wrong, default=None, return_dtype=pl.String)
    write_table(records.with_columns(species=pl.coalesce(renamed, "species")), RECORDS, root / "data/records.parquet")
    return set(wrong)


@pytest.fixture(scope="module")
def world(sample, tmp_path_factory):
    """The sample with wrong labels, on a split that is remembered; and the truth."""
    root = tmp_path_factory.mktemp("mended") / "repo"
    shutil.copytree(sample.root, root)
    assert run_here("commands.remember", root).returncode == 0
    truth = dict(read_table(root / "data/available.parquet", AVAILABLE).select("image_name", "species").iter_rows())
    wrong = give_wrong_labels(root, sample.images)
    run_all(root, *AGAIN)
    return root, truth, wrong


def judge_all(page, truth: dict[str, str], *, most: int) -> int:
    """Answer questions by keys, as who knows the truth does; give how many."""
    for number in range(most):
        question = page.run(
            "state.question && [state.question.photos[0].name, state.question.given, state.question.candidates]"
        )
        if question is None:
            return number
        name, given, candidates = question
        turn = page.run("state.turn")
        right = truth[name]
        if right == given:
            page.press("1")
        elif right in candidates[:4]:
            page.press(str(2 + candidates.index(right)))
        else:
            page.press("/")
            page.until("document.querySelector('#search[open]')")
            page.type(right)
            page.until("document.querySelectorAll('#found li').length > 0")
            page.press("Enter")
        page.until(f"state.turn !== {turn!r}")
    return most


@needs_chromium
def test_wrong_labels_are_named_judged_on_the_page_and_mended_by_the_next_run(world, tmp_path):
    root, truth, wrong = world
    before = labels_of(root)
    assert {name for name, species in before.items() if truth[name] != species} == wrong
    assert len(wrong) >= 15
    right_before = right_in_val_and_test(root)
    suspects = read_table(root / "data/suspects/images.parquet", SUSPECTS)
    first = set(suspects.sort("rank")["image_name"].head(2 * len(wrong)))
    assert len(first & wrong) >= 0.75 * len(wrong)

    with served(root, reviewer="Ana Núñez") as review, chromium(tmp_path, of_this_machine=True) as browser:
        page = browser.open(review.url)
        page.until("typeof state !== 'undefined' && state && state.question")
        answered = judge_all(page, truth, most=100)
        assert not page.errors
        code, said = review.stop()
    assert code == 0
    assert "Traceback" not in said
    assert answered >= 30
    file = root / "data/sources/sample/verdicts/ana-nunez.csv"
    assert file.is_file()

    run_all(root, *AGAIN)
    after = labels_of(root)
    left = {name for name, species in after.items() if truth[name] != species}
    assert left < wrong
    assert len(left) <= 0.3 * len(wrong)
    assert not {name for name in after if name in before and truth[name] == before[name] != after[name]}
    splits = {name: set(read_split(root / "data/splits", name, SUSPECTED)["image_name"]) for name in ("val", "test")}
    assert all(truth[name] == after[name] for of_split in splits.values() for name in of_split)
    assert right_in_val_and_test(root) > right_before
    shown = report_of(root, "suspects")["shown_so_far"]
    assert shown["suspect"]["wrong"]["value"] > 0.3 > shown["random"]["wrong"]["value"]
