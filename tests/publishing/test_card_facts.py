"""A card is made of one model's reports and tables, or of nothing."""

import json
import shutil
from pathlib import Path

import pytest

from stages.publishing.card_facts import (
    BY_SIZE,
    BY_SPECIES,
    NEVER,
    PAIRS,
    RUN,
    SELECTED,
    SUSPECTS,
    TEST,
    TRAINING,
    StartingWeights,
)
from stages.runtime.errors import UserError
from tests.support.carded import WEIGHTS_SOURCE, facts_in, write_carded
from tests.support.predictions import example

READ = (RUN, TRAINING, TEST, SELECTED, SUSPECTS, BY_SPECIES, PAIRS, NEVER, BY_SIZE)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return write_carded(
        tmp_path_factory.mktemp("made"), example(seed=5, classes=12, train=40, val=30, test=40, skill=2.0)
    )


@pytest.fixture
def root(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "root"))


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def refused(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        facts_in(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_facts_are_read_as_they_were_written(made):
    facts = facts_in(made)
    assert facts.test == json.loads((made / TEST).read_text(encoding="utf-8"))
    assert facts.figure("top1").images == 40
    assert facts.figure("many_shot").images == 0
    assert facts.figure("by_source", "nobody").images == 0
    assert facts.starting_weights == StartingWeights(
        random=False, source=WEIGHTS_SOURCE, revision="abc123", license="apache-2.0", sha256="57" * 32
    )


@pytest.mark.parametrize("path", READ, ids=str)
def test_what_is_missing_is_named_with_what_brings_it(root, path):
    (root / path).unlink()
    said = refused(root)
    assert f"{path} is missing: run `dvc repro" in said


@pytest.mark.parametrize("path", READ, ids=str)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe{}", b'{"a": NaN}', b"{}"])
def test_what_is_damaged_or_of_another_version_is_refused(root, path, content):
    (root / path).write_bytes(content)
    said = refused(root)
    assert str(path) in said
    assert "damaged" in said or "version" in said


def another_temperature(root: Path) -> Path:
    found = json.loads((root / TEST).read_text(encoding="utf-8"))
    change(root / TEST, temperature=found["temperature"] + 0.01)
    return TEST


def other_species(root: Path) -> Path:
    text = (root / BY_SPECIES).read_text(encoding="utf-8").splitlines(keepends=True)
    (root / BY_SPECIES).write_text("".join([text[0], text[2], text[1], *text[3:]]), encoding="utf-8")
    return BY_SPECIES


def another_top1(root: Path) -> Path:
    found = json.loads((root / TEST).read_text(encoding="utf-8"))
    change(root / TEST, top1=found["top1"] | {"value": found["top1"]["value"] - 1 / 40})
    return BY_SPECIES


def no_top1(root: Path) -> Path:
    change(root / TEST, top1=None)
    return BY_SPECIES


def a_pair_less(root: Path) -> Path:
    text = (root / PAIRS).read_text(encoding="utf-8").splitlines(keepends=True)
    (root / PAIRS).write_text("".join(text[:-1]), encoding="utf-8")
    return PAIRS


def a_size_less(root: Path) -> Path:
    text = (root / BY_SIZE).read_text(encoding="utf-8").splitlines(keepends=True)
    (root / BY_SIZE).write_text("".join(text[:-1]), encoding="utf-8")
    return BY_SIZE


@pytest.mark.parametrize(
    "changed", [another_temperature, other_species, another_top1, no_top1, a_pair_less, a_size_less]
)
def test_figures_of_another_model_are_refused(root, changed):
    path = changed(root)
    said = refused(root)
    assert f"{path} is not of the model in {root / 'models'}: run `dvc repro evaluate`" in said


def test_a_training_from_nothing_and_one_from_an_unknown_place_are_told_apart(root):
    change(root / TRAINING, starting_weights={"sha256": None})
    found = facts_in(root).starting_weights
    assert not found.random  # as run.json has a digest
    assert (found.source, found.license) == (None, None)
    identity = json.loads((root / RUN).read_text(encoding="utf-8"))["identity"]
    change(root / RUN, identity=identity | {"weights": {"sha256": None}})
    assert facts_in(root).starting_weights.random
