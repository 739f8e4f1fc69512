"""A model says what it is, and is believed only where its files say the same: whatever else is there is one line."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file
from torch import nn

from stages.learning.saved_model import load_model, save_model
from stages.runtime.errors import UserError
from stages.splitting.label_order import digest_labels
from tests.support.packed import SPECIES
from tests.support.saved import SEEN, tiny_model, write_labels

FILES = ("model.safetensors", "model.json", "trained_on.parquet")


def seen_by(name: str) -> pl.DataFrame:
    return SEEN.with_columns(image_name=pl.lit(name))


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """Two models, ``one`` and ``two``, of one network and one order of labels, which nobody changes."""
    folder = tmp_path_factory.mktemp("kept")
    write_labels(folder / "labels.csv")
    for seed, name in enumerate(("one", "two")):
        model, description = tiny_model(seed)
        save_model(folder / name, model.state_dict(), description, seen_by(name))
    return folder


@pytest.fixture
def folder(kept, tmp_path) -> Path:
    """A copy of ``one``, with its labels.csv."""
    copy(kept / "one", tmp_path)
    write_labels(tmp_path / "labels.csv")
    return tmp_path


def copy(source: Path, target: Path, names: tuple[str, ...] = FILES) -> None:
    for name in names:
        (target / name).write_bytes((source / name).read_bytes())


def refusal(folder: Path) -> str:
    """The one line with which a model is refused; any other error fails the test."""
    with pytest.raises(UserError) as refused:
        load_model(folder, folder / "labels.csv")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_weights_come_back_as_they_were(folder):
    model, described = tiny_model(0)
    network, description, trained_on = load_model(folder, folder / "labels.csv")
    images = torch.rand(2, 3, 48, 48)
    assert torch.equal(model.eval()(images), network.eval()(images))
    assert described.model_dump().items() <= description.model_dump().items()
    assert trained_on.equals(seen_by("one"))


def test_equal_weights_are_equal_bytes(folder, tmp_path):
    model, description = tiny_model(0)
    for _ in range(8):
        save_model(tmp_path / "again", model.state_dict(), description, seen_by("one"))
        assert all((tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes() for name in FILES)


def test_weights_that_lie_otherwise_in_memory_come_back(tmp_path):
    model, description = tiny_model()
    model.to(memory_format=torch.channels_last)
    write_labels(tmp_path / "labels.csv")
    save_model(tmp_path, model.state_dict(), description, SEEN)
    images = torch.rand(2, 3, 48, 48)
    loaded = load_model(tmp_path, tmp_path / "labels.csv").network
    assert torch.allclose(model.eval()(images), loaded.eval()(images), atol=1e-5)


def test_what_is_normalized_by_comes_back_to_the_bit(tmp_path):
    """Rounded as a figure is, a model would see other colors than those that it was trained with."""
    model, description = tiny_model()
    mean, std = (0.48145466, 1 / 3, 0.1 + 0.2), (0.26862954, 2 / 7, 5e-5)
    described = description.model_copy(update={"mean": mean, "std": std})
    save_model(tmp_path, model.state_dict(), described, SEEN)
    found = load_model(tmp_path, write_labels(tmp_path / "labels.csv")).description
    assert (found.mean, found.std) == (mean, std)


def test_weights_of_another_order_of_labels_are_refused(folder):
    for species in (SPECIES[::-1], SPECIES[:2], [*SPECIES, "Daucus carota"]):
        write_labels(folder / "labels.csv", species)
        assert "its labels mean other species" in refusal(folder)


def test_a_description_cannot_talk_weights_into_another_order(folder):
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace(digest_labels(SPECIES), digest_labels(SPECIES[::-1])))
    write_labels(folder / "labels.csv", SPECIES[::-1])
    assert "model.json are not of one model" in refusal(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_model_is_refused(folder, kept, name):
    """Both were trained on as many species in one order: only the files' own digests tell."""
    copy(kept / "two", folder, (name,))
    assert f"{name}" in refusal(folder)
    copy(kept / "two", folder, tuple(other for other in FILES if other != name))
    (folder / name).write_bytes((kept / "one" / name).read_bytes())
    refusal(folder)
    copy(kept / "two", folder)
    load_model(folder, folder / "labels.csv")


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_cut_or_missing_are_one_line(folder, name):
    content = (folder / name).read_bytes()
    for size in (0, 1, 7, 8, 9, len(content) // 2, len(content) - 30, len(content) - 1):
        (folder / name).write_bytes(content[:size])
        assert re.search(f"{name}.*bring the model back with `dvc checkout --force train`", refusal(folder)), size
    (folder / name).write_bytes(content + b"\0")
    refusal(folder)
    (folder / name).unlink()
    assert f"{name} is missing: train again (`dvc repro train`) or `dvc pull`" in refusal(folder)
    (folder / name).mkdir()
    with pytest.raises((UserError, IsADirectoryError)):  # which is told in one line, too
        load_model(folder, folder / "labels.csv")


def test_weights_that_are_no_file_of_weights_are_one_line(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("/dev/null")
    assert "model.safetensors is damaged" in refusal(folder)


def test_a_bit_that_flips_anywhere_is_found(tmp_path):
    """Of weights so small that each bit of their file can be turned: of its length, its head, its numbers."""
    _, description = tiny_model()
    write_labels(tmp_path / "labels.csv")
    state = {"b.weight": torch.tensor([1.5, -2.0]), "a": torch.tensor(7)}
    save_model(tmp_path, state, description, SEEN)
    assert "model.json is not of these weights" in refusal(tmp_path)  # all is well, but that they are of no network
    # What is held by its digest alone is turned here and there.
    for name, every in zip(FILES, (1, 9, 99), strict=True):
        content = (tmp_path / name).read_bytes()
        for place in range(0, 8 * len(content), every):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            (tmp_path / name).write_bytes(flipped)
            assert "is not of these weights" not in refusal(tmp_path)
        (tmp_path / name).write_bytes(content)


def test_bits_that_flip_in_real_weights_are_found(folder):
    content = (folder / "model.safetensors").read_bytes()
    head = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    for place in [*rng.integers(8, head, 40), *rng.integers(head, len(content), 40), head, len(content) - 1]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        (folder / "model.safetensors").write_bytes(flipped)
        assert "model.safetensors" in refusal(folder)


GOOD = {
    "name": "test_efficientnet", "image_px": 48, "pack_px": 64, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
    "classes": 3, "labels_sha256": "0" * 64, "tensors_sha256": "1" * 64, "trained_on_sha256": "2" * 64, "options": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": [float("nan"), 0.5, 0.5]}, "NaN is no number"),
        ({"mean": [float("inf"), 0.5, 0.5]}, "Infinity is no number"),
        ({"mean": [0.5, 0.5]}, "it has no mean.2"),
        ({"mean": [0.5] * 4}, "mean"),
        ({"mean": ["0.5", 0.5, 0.5]}, "mean.0"),
        ({"mean": [True, 0.5, 0.5]}, "mean.0"),
        ({"mean": [None, 0.5, 0.5]}, "mean.0"),
        ({"mean": 0.5}, "mean"),
        ({"mean": "0.5"}, "mean"),
        ({"mean": {"0": 0.5, "1": 0.5, "2": 0.5}}, "mean"),
        ({"mean": [1e300, 0.5, 0.5]}, "mean.0"),
        ({"mean": [10**400, 0.5, 0.5]}, "mean.0"),
        ({"std": [0.0, 0.25, 0.25]}, "std.0"),
        ({"std": [0.25, -0.25, 0.25]}, "std.1"),
        ({"std": [0.25, 0.25, float("nan")]}, "NaN is no number"),
        ({"std": [0.25, 0.25, 1e-300]}, "std.2"),
        ({"image_px": "48"}, "image_px"),
        ({"image_px": 48.0}, "image_px"),
        ({"image_px": True}, "image_px"),
        ({"image_px": None}, "image_px"),
        ({"image_px": 0}, "image_px"),
        ({"image_px": -48}, "image_px"),
        ({"image_px": 10**30}, "image_px"),
        ({"pack_px": False}, "pack_px"),
        ({"classes": 0}, "classes"),
        ({"classes": 10**12}, "classes"),
        ({"classes": [3]}, "classes"),
        ({"name": 3}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 5000}, "name"),
        ({"labels_sha256": "0" * 63}, "labels_sha256"),
        ({"tensors_sha256": "A" * 64}, "tensors_sha256"),
        ({"tensors_sha256": None}, "tensors_sha256"),
        ({"trained_on_sha256": "\n".join(["0" * 32] * 2)}, "trained_on_sha256"),
        ({"more": 1}, "it has more, which is unknown"),
        ({"classes": ...}, "it has no classes"),
        ({"tensors_sha256": ...}, "it has no tensors_sha256"),
    ],
)  # fmt: skip
def test_a_description_that_is_none_is_one_line(folder, change, said):
    fields = {name: value for name, value in (GOOD | change).items() if value is not ...}
    (folder / "model.json").write_text(json.dumps(fields))
    found = refusal(folder)
    assert re.search(rf"model\.json is damaged \({said}.*\): bring the model back", found), found
    assert len(found) < 400


NUMBERS = st.integers() | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from([*GOOD, "another"]), value=VALUES | st.lists(NUMBERS, min_size=3, max_size=3))
def test_whatever_a_description_says_it_is_refused_in_one_line(kept, field, value):
    """Also where it could be true: the weights know what was written."""
    folder = kept / "fuzzed"
    folder.mkdir(exist_ok=True)
    copy(kept / "one", folder)
    (folder / "labels.csv").write_bytes((kept / "labels.csv").read_bytes())
    fields = json.loads((kept / "one/model.json").read_text())
    (folder / "model.json").write_text(json.dumps(fields | {field: value}))
    assert len(refusal(folder)) < 500


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b"[]", "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (b"\xff\xfe{}", "it is not UTF-8"),
        (json.dumps(GOOD).encode("utf-16"), "it is not UTF-8"),
        (b'{"name": "\xe9"}', "it is not UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (json.dumps(GOOD).replace("{", '{"classes": 3, ', 1).encode(), "classes stands twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (json.dumps(GOOD).replace("48", "9" * 5000).encode(), "4300 digits"),
        (json.dumps(GOOD).replace('"mean": [0.5', '"mean": [1e999').encode(), "mean.0"),
        (json.dumps(GOOD).encode() + b"}", "Extra data"),
        (json.dumps(GOOD | {"name": "\ud800"}).encode(), "name"),
    ],
)
def test_what_is_no_json_is_one_line(folder, content, said):
    (folder / "model.json").write_bytes(content)
    assert re.search(rf"model\.json is damaged \(.*{said}.*\): bring the model back", refusal(folder))


def test_a_model_of_an_earlier_version_is_to_be_trained_again(folder):
    """As this project wrote them until November 2026: they did not say what they were trained on."""
    fields = json.loads((folder / "model.json").read_text())
    before = {name: fields[name] for name in fields if name not in ("tensors_sha256", "trained_on_sha256")}
    (folder / "model.json").write_text(json.dumps(before, indent=2))
    assert re.search(
        r"model\.json is of an earlier version, .* trained on: train again \(`dvc repro train`\)", refusal(folder)
    )


def test_weights_of_an_earlier_version_are_to_be_trained_again(folder):
    state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(state, folder / "model.safetensors", metadata={"labels_sha256": digest_labels(SPECIES)})
    assert "is of an earlier version, or not of this pipeline: train again" in refusal(folder)
    save_file(state, folder / "model.safetensors")
    assert "is of an earlier version, or not of this pipeline: train again" in refusal(folder)


def saved_anew(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """As by somebody's own script that takes care of the head."""
    path = folder / "model.safetensors"
    with safe_open(path, "pt") as weights:
        metadata = weights.metadata()
    path.write_bytes(save(state, metadata=metadata))


def test_weights_of_another_type_shape_or_name_are_refused(folder):
    # Copies: what load_file gives is the file itself, in memory, and that is written anew here.
    state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    first = "conv_stem.weight"
    for changed in (
        {name: tensor.half() for name, tensor in state.items()},
        state | {first: state[first].double()},
        state | {first: state[first].view(torch.int32)},
        state | {first: state[first].transpose(2, 3).contiguous()},
        {name: tensor for name, tensor in state.items() if name != first},
        state | {"more": state[first]},
        {f"module.{name}": tensor for name, tensor in state.items()},
    ):
        saved_anew(folder, {name: tensor.clone() for name, tensor in changed.items()})
        assert "model.safetensors is damaged (its weights are not those that were saved)" in refusal(folder)


@pytest.mark.parametrize("change", [{"name": "test_vit"}, {"name": "no_such_network"}, {"classes": 4}])
def test_a_description_of_another_network_is_one_line(tmp_path, change):
    """Its digests fit, as somebody saved it so."""
    model, description = tiny_model()
    write_labels(tmp_path / "labels.csv")
    save_model(tmp_path, model.state_dict(), description.model_copy(update=change), SEEN)
    assert "model.json is not of these weights" in refusal(tmp_path)


def test_weights_of_another_type_than_their_networks_are_one_line(tmp_path):
    model, description = tiny_model()
    write_labels(tmp_path / "labels.csv")
    save_model(tmp_path, model.double().state_dict(), description, SEEN)
    assert "model.json is not of these weights" in refusal(tmp_path)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_one_line(tmp_path, wrong):
    model, description = tiny_model()
    write_labels(tmp_path / "labels.csv")
    with torch.no_grad():
        nn.init.constant_(model.get_classifier().bias[1:2], wrong)
    save_model(tmp_path, model.state_dict(), description, SEEN)
    assert re.search(
        r"model\.safetensors: weights of classifier\.bias are no numbers .* train again", refusal(tmp_path)
    )
