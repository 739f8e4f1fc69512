"""`make gain`: what verdicts brought is said of two real commits, and what may mislead is said beside it."""

import io
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages.commands import gain
from stages.runtime.errors import UserError
from stages.tables.verdicts import VERDICTS
from stages.verdicts.reading import write_verdicts
from tests.support.clones import git
from tests.support.predictions import Example
from tests.support.reviewed import drawn, make_reviewed, write_results

pytestmark = pytest.mark.slow
VERDICT_FILE = Path("data/sources/sample/verdicts/ana.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The repo that all tests copy, and its commits."""
    folder = tmp_path_factory.mktemp("gain")
    return folder / "repo", make_reviewed(folder / "repo")


@pytest.fixture
def repo(made, tmp_path, monkeypatch):
    shutil.copytree(made[0], tmp_path / "repo", symlinks=True)
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def run_gain(*words: str) -> str:
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(said):
        patched.setattr(sys, "argv", ["gain", *words])
        gain.main()
    return said.getvalue()


def corrected(made: Example, images: int) -> Example:
    """The same with other species for the first test images, which the model now says, and is right elsewhere too."""
    labels = made.labels("test").copy()
    labels[:images] = (labels[:images] + 1) % len(made.species)
    species = pl.Series([made.species[label] for label in labels])
    now = replace(made, splits=made.splits | {"test": made.splits["test"].with_columns(species=species)})
    return now.with_logits("test", made.logits["test"] + 60 * np.eye(len(made.species))[labels])


def write_ana(before: Example, now: Example, images: int, *, asked_as: str) -> None:
    rows = [
        {
            "image_name": old["image_name"], "sha256": old["sha256"], "given": old["species"],
            "verdict": "relabel" if old["species"] != new["species"] else "confirm",
            "species": new["species"] if old["species"] != new["species"] else None,
            "reason": None, "asked_as": asked_as, "note": None,
        }
        for old, new in zip(
            before.splits["test"][:images].to_dicts(), now.splits["test"][:images].to_dicts(), strict=True
        )
    ]  # fmt: skip
    VERDICT_FILE.parent.mkdir(parents=True, exist_ok=True)
    write_verdicts(pl.DataFrame(rows, schema=VERDICTS), VERDICT_FILE)


def test_what_verdicts_brought_is_said_by_three_kinds_of_labels(repo):
    before = drawn(skill=1.5)
    now = corrected(before, 20)
    write_results(repo, now, top1=0.9)
    write_ana(before, now, 60, asked_as="suspect")
    said = run_gain("--base", "main")
    assert "60 verdicts since main (confirm 40, relabel 20), of images shown as (suspect 60); 60 are of test" in said
    old, new, looked_at = (
        said.split(f"gain: {name}: ")[1].split("\n")[1]
        for name in ("old labels, of main", "new labels", "images that people have looked at, by new labels")
    )
    right = before.logits["test"].argmax(1) == before.labels("test")
    by_new = before.logits["test"].argmax(1) == now.labels("test")
    assert f"top-1 {right.mean():.3f} -> 0.875: better by" in old
    assert f"top-1 {by_new.mean():.3f} -> 1.000: better by" in new
    assert f"top-1 {by_new[:60].mean():.3f} -> 1.000: better by" in looked_at
    assert "gain: 20 images of both tests have another label now" in said
    assert "warning: of 20 test images that were corrected, 20 were not shown by chance" in said
    assert "images are in another split" not in said

    write_ana(before, now, 60, asked_as="random")
    assert "were not shown by chance" not in run_gain()
    write_ana(before, now, 160, asked_as="suspect")
    assert "were not shown by chance" not in run_gain()  # the test as a whole


def test_no_verdicts_in_between_and_a_moved_split_are_said(repo):
    before = drawn(skill=1.5)
    write_ana(before, before, 5, asked_as="random")
    git(repo, "add", "-f", str(VERDICT_FILE))
    git(repo, "commit", "-qm", "verdicts")
    said = run_gain("--base", "HEAD")
    assert "warning: nobody has said anything since HEAD: what differs is not what verdicts brought" in said
    assert "5 images of" in said.split("images that people have looked at")[1]

    moved = before.splits["test"][:8]
    other = replace(
        before,
        splits=before.splits
        | {
            "test": before.splits["test"][8:],
            "train": pl.concat([before.splits["train"], moved.with_columns(split=pl.lit("train"))]),
        },
    )
    other = replace(other, predictions=before.predictions | {"test": before.predictions["test"][8:]})
    write_results(repo, other, top1=0.5)
    said = run_gain("--base", "HEAD")
    assert "warning: 8 images are in another split now: 8 test -> train. The models did not learn from the same" in said
    assert "left out (" in said


def test_what_cannot_be_had_is_one_line(repo, made):
    with pytest.raises(UserError, match=r"data/predictions/test\.parquet: its pipeline does not write it"):
        run_gain("--base", made[1]["before"])
    with pytest.raises(UserError, match="is no commit, branch, tag or experiment"):
        run_gain("--base", "nowhere")
    with pytest.raises(UserError, match="--wait must be seconds"):
        run_gain("--wait", "0")
    VERDICT_FILE.parent.mkdir(parents=True, exist_ok=True)
    VERDICT_FILE.write_text("image_name;sha256\nx;y\n")
    git(repo, "add", "-f", str(VERDICT_FILE))
    git(repo, "commit", "-qm", "damaged")
    VERDICT_FILE.unlink()
    with pytest.raises(UserError, match=r"of HEAD: data/sources/sample/verdicts/ana\.csv"):
        run_gain("--base", "HEAD")
