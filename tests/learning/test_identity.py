"""In a run's identity is what makes its result, and nothing else: each line of that."""

import copy
import shutil

import pytest

from stages.config.reading import plain_params
from stages.learning import identity
from stages.learning.identity import run_identity
from stages.provenance.code import code_digest
from tests.support.packed import SPECIES, open_split, write_split, write_splits

THAT_ONLY_WARN_OR_STOP = {"train.expect_epoch", "train.expect_top1", "train.max_skipped_steps"}
WHERE_WEIGHTS_ARE = {"model.weights.package", "model.weights.file"}  # whose digest is a parameter besides


@pytest.fixture
def packed(tmp_path):
    folder = write_splits(tmp_path / "packed")
    return {name: open_split(folder, name) for name in ("train", "val")}


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


def test_each_parameter_of_the_stage_makes_another_run_but_for_those_that_only_warn_or_stop(workspace, packed):
    """Whatever is added to the sections: all that dvc.yaml declares."""
    parameters = plain_params("train")
    first = run_identity(parameters, SPECIES, packed)
    names = leaves(parameters)
    assert {"image.train_px", "model.name", "train.seed", "augment.flip", *THAT_ONLY_WARN_OR_STOP} <= set(names)
    assert "shots" not in parameters
    assert "image.pack_px" not in names
    same = {name for name in names if run_identity(changed(parameters, name), SPECIES, packed) == first}
    assert same == THAT_ONLY_WARN_OR_STOP | WHERE_WEIGHTS_ARE
    assert "model.weights.sha256" in names


def test_images_and_the_order_of_labels_make_another_run(workspace, packed, tmp_path):
    parameters = plain_params("train")
    first = run_identity(parameters, SPECIES, packed)
    assert run_identity(parameters, SPECIES, packed) == first
    assert run_identity(parameters, ["Abies", *SPECIES[1:]], packed) != first
    assert run_identity(parameters, SPECIES[::-1], packed) != first
    folder = tmp_path / "packed"
    for split, images in (("train", 30), ("val", 12)):
        write_split(folder, split, images, seed=5)
        others = packed | {split: open_split(folder, split)}
        assert run_identity(parameters, SPECIES, others) != first
    # Images that no training sees make none.
    write_splits(folder)
    write_split(folder, "test", 7)
    again = {name: open_split(folder, name) for name in ("train", "val")}
    assert run_identity(parameters, SPECIES, again) == first


@pytest.mark.parametrize("library", ["torch", "timm", "opencv-contrib-python-headless", "numpy", "accelerate"])
def test_another_version_of_a_library_makes_another_run_but_no_build_of_it(workspace, packed, monkeypatch, library):
    parameters = plain_params("train")

    def with_version(number: str) -> dict:
        monkeypatch.setattr("stages.provenance.libraries.version", lambda name: number if name == library else "1.0")
        return run_identity(parameters, SPECIES, packed)

    assert with_version("2.14.1+cu128") == with_version("2.14.1+cpu") == with_version("2.14.1")
    assert with_version("2.14.2") != with_version("2.14.1")


def test_code_that_computes_makes_another_run_and_what_it_says_does_not(tmp_path):
    copies = [tmp_path / path.name for path in identity.CODE]
    for path, kept in zip(identity.CODE, copies, strict=True):
        shutil.copy(path, kept)
    first = code_digest(copies)
    for kept in copies:
        text = kept.read_text(encoding="utf-8")
        kept.write_text(f"{text}\n\n# Why this is so.\n", encoding="utf-8")
        assert code_digest(copies) == first, kept.name
        kept.write_text(text.replace('"""', '"""Again: ', 1), encoding="utf-8")
        assert code_digest(copies) == first, kept.name
        for begin in ('UserError(f"', 'say(f"', 'RuntimeError("', 'what="', 'unit="'):
            kept.write_text(text.replace(begin, f"{begin}So: "), encoding="utf-8")
            assert code_digest(copies) == first, kept.name
        kept.write_text(f"{text}\n\nANOTHER = 1\n", encoding="utf-8")
        assert code_digest(copies) != first, kept.name
        kept.write_text(text, encoding="utf-8")


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
