"""In a run's identity is what makes its result, and nothing else: each line of that."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from stages.config.reading import plain_params
from stages.learning import identity
from stages.learning.identity import run_identity
from stages.learning.origin import Origin
from stages.provenance.code import code_digest
from stages.tables.weights import WeightsNote
from tests.support.packed import SPECIES, open_split, write_split, write_splits

THAT_ONLY_WARN_OR_STOP = {"train.expect_epoch", "train.expect_top1", "train.max_skipped_steps"}
WHERE_WEIGHTS_ARE = {"model.weights.package", "model.weights.file"}  # whose digest is a parameter besides


@pytest.fixture
def packed(tmp_path):
    folder = write_splits(tmp_path / "packed")
    return {name: open_split(folder, name) for name in ("train", "val")}


def identity_of(parameters: dict, species: list[str], packed: dict) -> dict:
    """The identity of a run from the weights that the parameters name; which file that is, other tests change."""
    origin = Origin(parameters["model"]["name"], {}, sha256=parameters["model"]["weights"]["sha256"])
    return run_identity(parameters, species, packed, origin)


def leaves(content: dict, prefix: str = "") -> list[str]:
    return [
        leaf
        for name, value in content.items()
        for leaf in (leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"])
    ]


def changed(content: dict, name: str) -> dict:
    content = copy.deepcopy(content)
    *above, last = name.split(".")
    section = content
    for key in above:
        section = section[key]
    section[last] = "another"
    return content


def test_each_parameter_of_the_stage_makes_another_run_but_for_those_that_only_warn_or_stop(
    workspace, packed, monkeypatch
):
    """Whatever is added to the sections: all that dvc.yaml declares."""
    code = code_digest(identity.CODE)  # once, as it takes the most time
    monkeypatch.setattr(identity, "code_digest", lambda paths: code)
    parameters = plain_params("train")
    first = identity_of(parameters, SPECIES, packed)
    names = leaves(parameters)
    assert {"image.train_px", "model.name", "train.seed", "augment.flip", *THAT_ONLY_WARN_OR_STOP} <= set(names)
    assert "shots" not in parameters
    assert "image.pack_px" not in names
    same = {name for name in names if identity_of(changed(parameters, name), SPECIES, packed) == first}
    assert same == THAT_ONLY_WARN_OR_STOP | WHERE_WEIGHTS_ARE | {"profile"}
    assert "model.weights.sha256" in names


def test_starting_weights_make_another_run_by_what_they_are_and_not_by_where_they_lie(workspace, packed):
    parameters = plain_params("train")
    origin = Origin("net", {"a": 1}, {"mean": [0.5]}, Path("there"), "1" * 64, "2" * 64, ("Abies",))
    first = run_identity(parameters, SPECIES, packed, origin)
    note = WeightsNote("file", "1" * 64, 3, "hub", "commit", "mit", "net", {}, {})
    for elsewhere in ({"path": Path("here")}, {"note": note}):
        assert run_identity(parameters, SPECIES, packed, replace(origin, **elsewhere)) == first
    others = (
        {"name": "other"},
        {"options": {}},
        {"config": {"mean": [0.4]}},
        {"sha256": "3" * 64},
        {"labels": None},
        {"labels_sha256": "4" * 64},
    )
    for other in others:
        assert run_identity(parameters, SPECIES, packed, replace(origin, **other)) != first, other


def test_images_and_the_order_of_labels_make_another_run(workspace, packed, tmp_path):
    parameters = plain_params("train")
    first = identity_of(parameters, SPECIES, packed)
    assert identity_of(parameters, SPECIES, packed) == first
    assert identity_of(parameters, ["Abies", *SPECIES[1:]], packed) != first
    assert identity_of(parameters, SPECIES[::-1], packed) != first
    folder = tmp_path / "packed"
    for split, images in (("train", 30), ("val", 12)):
        write_split(folder, split, images, seed=5)
        others = packed | {split: open_split(folder, split)}
        assert identity_of(parameters, SPECIES, others) != first
    # Images that no training sees make none.
    write_splits(folder)
    write_split(folder, "test", 7)
    again = {name: open_split(folder, name) for name in ("train", "val")}
    assert identity_of(parameters, SPECIES, again) == first


@pytest.mark.parametrize("library", ["torch", "timm", "opencv-contrib-python-headless", "numpy", "accelerate"])
def test_another_version_of_a_library_makes_another_run_but_no_build_of_it(workspace, packed, monkeypatch, library):
    parameters = plain_params("train")

    def with_version(number: str) -> dict:
        monkeypatch.setattr("stages.provenance.libraries.version", lambda name: number if name == library else "1.0")
        return identity_of(parameters, SPECIES, packed)

    assert with_version("2.14.1+cu128") == with_version("2.14.1+cpu") == with_version("2.14.1")
    assert with_version("2.14.2") != with_version("2.14.1")


def test_code_that_computes_makes_another_run_and_what_it_says_does_not(tmp_path):
    copies = [tmp_path / path.name for path in identity.CODE]
    for path, kept in zip(identity.CODE, copies, strict=True):
        text = path.read_text(encoding="utf-8")
        first = code_digest([path])  # alone, as a digest of all is of each
        kept.write_text(f"{text}\n\n# Why this is so.\n", encoding="utf-8")
        assert code_digest([kept]) == first, kept.name
        kept.write_text(text.replace('"""', '"""Again: ', 1), encoding="utf-8")
        assert code_digest([kept]) == first, kept.name
        for begin in ('UserError(f"', 'say(f"', 'RuntimeError("', 'what="', 'unit="'):
            kept.write_text(text.replace(begin, f"{begin}So: "), encoding="utf-8")
            assert code_digest([kept]) == first, kept.name
        kept.write_text(f"{text}\n\nANOTHER = 1\n", encoding="utf-8")
        assert code_digest([kept]) != first, kept.name
    with_one = [copies[0], *identity.CODE[1:]]  # which says ANOTHER
    assert code_digest(with_one) != code_digest(identity.CODE)


def test_what_only_speaks_stops_or_saves_is_none_of_it():
    names = {path.name for path in identity.CODE}
    assert not names & {
        "checkpoint.py",
        "finished.py",
        "health.py",
        "identity.py",
        "summary.py",
        "signals.py",
        "train.py",
        "trained_on.py",
    }
    assert {"loop.py", "losses.py", "augment.py", "model.py", "context.py", "setup.py", "portable.py"} <= names
