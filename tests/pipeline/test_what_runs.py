"""The table of docs/what_runs.md is true: each change is made in a clone, and the real `dvc repro` runs what it says.

Here some of them; `make walk` makes all, in ten minutes.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from stages.config.schema import Params
from tests.support import ROOT
from tests.support.clones import git, run_dvc
from tests.support.dvc_yaml import STAGES
from tests.support.walk import CHANGES, Walk, Walked

CURVES = "plots/curves.csv"
# Some of the kinds, in every run.
ALWAYS = [
    "a comment in every file of `stages/`",
    "a file of `runtime/`, `config/` or `cache/`",
    "an image of the test goes",
]
WALKED = list(CHANGES) if os.environ.get("WALK") == "all" else ALWAYS


def rows_of_the_table() -> dict[str, Walked]:
    """What the document says, by change: its columns `runs` and `of these at once`."""
    text = (ROOT / "docs/what_runs.md").read_text(encoding="utf-8")
    rows = {}
    table = text[text.index("| change | runs | of these at once |") :].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        change, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        ran, at_once = (set(STAGES) if cell == "all" else set(re.findall(r"`(\w+)`", cell)) for cell in cells[:2])
        rows[change] = Walked(ran, at_once)
    return rows


def test_the_table_names_every_change_and_only_stages():
    rows = rows_of_the_table()
    assert list(rows) == list(CHANGES)
    assert set(ALWAYS) <= CHANGES.keys()
    assert all(walked.at_once <= walked.ran <= set(STAGES) for walked in rows.values())


def test_the_table_has_a_row_for_each_section_of_the_parameters():
    named = {name for change in rows_of_the_table() for name in re.findall(r"`(\w+)[.`]", change)}
    assert Params.model_fields.keys() <= named


@pytest.fixture(scope="module")
def walk(clone) -> Walk:
    walk = Walk(clone)
    walk.make()
    return walk


@pytest.mark.parametrize("change", WALKED)
def test_a_change_runs_what_the_table_says(walk, change):
    walk.settings.clear()
    walk.back()
    CHANGES[change](walk)
    assert walk.repro() == rows_of_the_table()[change]


def outputs_of(walk: Walk, stage: str) -> list:
    return yaml.safe_load((walk.repo / "dvc.lock").read_text(encoding="utf-8"))["stages"][stage]["outs"]


def test_what_ends_at_once_gives_the_same_to_the_byte_and_can_be_made_anew(walk):
    """And a training that is made anew gives the same as the one before, to the byte, too."""
    walk.settings.clear()
    walk.back()
    before = outputs_of(walk, "train")
    # None of the table's: what ran before, DVC takes from its own run-cache.
    walk.edit("stages/learning/loop.py", "It reads top to bottom.", "It reads from top to bottom.")
    assert walk.repro() == Walked({"train"}, {"train"})
    assert outputs_of(walk, "train") == before
    changed = git(walk.repo, "status", "--porcelain").split()[1::2]
    assert changed == ["dvc.lock", "stages/learning/loop.py"]  # no figure, no curve

    for _ in range(2):  # the second time beside the checkpoint of the first one's end
        assert walk.repro("-f", "-s", "train", RETRAIN="1") == Walked({"train"}, set())
        assert "train: from the first step;" in walk.said
        assert outputs_of(walk, "train") == before
        assert git(walk.repo, "status", "--porcelain").split()[1::2] == changed


def test_processes_that_train_together_end_at_once_together(walk):
    """The first of them finds what was made before, and the others hear of it."""
    walk.settings.clear()
    walk.back()
    names = ("models/run.json", "models/model.safetensors", "models/trained_on.parquet", CURVES)
    made = {name: (walk.repo / name).read_bytes() for name in names}
    for name in made:
        (walk.repo / name).unlink()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DVC_ROOT": str(walk.repo)}
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "stages.train",
    ]
    result = subprocess.run(
        command, cwd=walk.repo, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("train: this very run was made before") == 1
    assert "images to train" not in result.stdout
    assert {name: (walk.repo / name).read_bytes() for name in made} == made


def test_another_host_takes_over_what_it_pulled_without_originals(walk, tmp_path):
    """A clone with a remote, as a reviewer has it: another docstring, an image less."""
    walk.settings.clear()
    walk.back()
    remote = ["remote", "add", "--local", "-d", "there", str(tmp_path / "remote")]
    assert run_dvc(walk.repo, *remote).returncode == 0
    assert run_dvc(walk.repo, "push", "-q").returncode == 0
    git(tmp_path, "clone", "-q", str(walk.repo), "host/repo")
    host = Walk(tmp_path / "host/repo")
    assert run_dvc(host.repo, *remote).returncode == 0
    assert run_dvc(host.repo, "pull", "-q").returncode == 0
    gone = host.image_of_the_test_alone()
    host.drop(gone)
    shutil.rmtree(host.repo / "data/sources/tiny/images")
    CHANGES["a docstring of `learning/model.py`"](host)
    walked = host.repro("evaluate", IMAGE_CACHE_DIR="")
    assert walked == Walked(
        {
            "cache_filter",
            "near_duplicates",
            "split",
            "pack",
            "embed",
            "baseline",
            "train",
            "predict",
            "evaluate",
        },
        {"pack", "embed", "train"},
    )
    assert outputs_of(host, "train") == outputs_of(walk, "train")
    # A new image is one to make, and then it is said where to look for originals.
    host.write_inventory(host.inventory("all.parquet"))
    result = run_dvc(host.repo, "repro", "evaluate", IMAGE_CACHE_DIR="")
    assert result.returncode != 0
    assert "where are the images of profile tiny? Set IMAGE_CACHE_DIR" in result.stderr
