"""Of a spoilt sample the pages say what the pipeline said, and one way to spoil it is gone up to its verdict."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.failed_training as spoiling
from tests.support import ROOT

PAGES = [ROOT / "docs/failed_training.md", ROOT / "docs/es/failed_training.md"]
RECORD = json.loads((ROOT / "docs/failed_training.json").read_text(encoding="utf-8"))


def all_said() -> set[str]:
    return {
        line
        for cause, experiments in RECORD.items()
        if cause != "arithmetic"
        for experiment in experiments.values()
        for line in experiment["said"]
    }


def quoted(page: Path) -> list[str]:
    """The lines of the blocks of a page in which a stage speaks."""
    blocks = re.findall(r"^```text\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_what_a_page_quotes_was_said_word_by_word(page):
    lines = quoted(page)
    assert len(lines) >= 8
    for line in lines:
        assert line in all_said(), line


def test_all_causes_are_recorded_and_their_shares_are_those_of_the_benchmark():
    found = {cause: set(experiments) for cause, experiments in RECORD.items() if cause != "arithmetic"}
    assert found == {cause: set(experiments) for cause, experiments in spoiling.CAUSES.items()}
    for cause, experiments in spoiling.CAUSES.items():
        for name, experiment in experiments.items():
            assert RECORD[cause][name]["spoilt"] == experiment.spoilt


def test_the_record_holds_nothing_of_a_machine():
    text = (ROOT / "docs/failed_training.json").read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:tmp|home|root|work|usr)\b|\d images/s|\d+ threads|checkpoints in", text)
    assert text == json.dumps(RECORD, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_each_cause_has_a_section_with_the_command_that_spoils_the_sample_so():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for cause in spoiling.CAUSES:
            assert f"python -m benchmarks.failed_training ../spoilt {cause}\n" in text or cause == "sound", cause


def test_what_a_page_says_of_the_owners_figures_follows_from_them():
    """By counting, where the benchmark has closed forms."""
    found = RECORD["arithmetic"]
    # So many images that one right answer is 0.03 %, as rounded, and no fewer.
    fewest = next(images for images in range(1, 10_000) if round(100 / images, 2) == 0.03)
    assert abs(found["least_val_images"] - fewest) <= 1
    # 337 species, 186 of them in validation alone, are 44.8 % in train.
    assert round((found["val_species"] - 186) / found["val_species"], 3) == 0.448
    for of in found["val_of"].values():
        assert round(100 * of["right"] / of["images"], 2) == 0.03
        # No true share beyond the interval is so likely to give what was seen, or less, or more.
        assert binomial_at_most(of["right"], of["images"], of["high"]) == pytest.approx(0.025, rel=0.01)
        assert 1 - binomial_at_most(of["right"] - 1, of["images"], of["low"]) == pytest.approx(0.025, rel=0.01)


def binomial_at_most(right: int, images: int, share: float) -> float:
    likely, total = (1 - share) ** images, 0.0
    for number in range(right + 1):
        total += likely
        likely *= (images - number) / (number + 1) * share / (1 - share)
    return total


def test_what_stages_say_is_kept_and_what_depends_on_former_runs_is_not():
    output = """Running stage 'split':
split: images in train 246 of 24 classes
pack: 80 of 326 images are taken over, 2 shards of them whole
train: WARNING: something
train: from the first step; checkpoints in /x
train: data/gate.json says at_chance: labels; GATE=off trains in spite of it
embed: 12 images are taken over
epoch 1: train loss 3.1; 12.3 images/s"""
    assert [line.partition(":")[0] for line in spoiling.told(output)] == ["split", "train", "train"]


def spoil_code(cause: str, name: str, root: Path) -> None:
    """Copy the stages to a folder, each line that an experiment spoils spoilt."""
    shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in spoiling.CAUSES[cause][name].edits:
        path = root / edit.file
        parts = path.read_text(encoding="utf-8").split(edit.old)
        assert len(parts) == 2, f"{edit.file} has not once {edit.old!r}: the benchmark is out of date"
        path.write_text(edit.new.join(parts), encoding="utf-8")
        compile(path.read_text(encoding="utf-8"), path, "exec")


@pytest.mark.parametrize(
    ("cause", "name"), [(cause, name) for cause, of in spoiling.CAUSES.items() for name in of if of[name].edits]
)
def test_the_code_still_has_the_lines_that_are_spoilt(cause, name, tmp_path):
    spoil_code(cause, name, tmp_path)


def test_species_of_validation_under_other_names_are_found_before_a_training(sample, tmp_path):
    """The two stages that find it run by spoilt code; the images are of the sample's own size."""
    root, code = tmp_path / "repo", tmp_path / "code"
    shutil.copytree(sample.root, root)
    spoil_code("label_order", "tables", code)
    said = [run_spoilt(stage, root, code) for stage in ("split", "baseline")]
    assert said[0].startswith("split: images in train 246 of 24 classes")
    assert "baseline: warning: labels: order_differs: val top-1 0.0" in said[1]
    assert json.loads((root / "data/gate.json").read_text(encoding="utf-8")) == {"verdict": "order_differs"}
    assert RECORD["label_order"]["tables"]["gate"] == "order_differs"


def run_spoilt(stage: str, root: Path, code: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(code), "DVC_ROOT": str(root)}
    command = [sys.executable, "-m", f"stages.{stage}"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
