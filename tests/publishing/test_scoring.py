"""A file's score is that of its own logits, image by image, and a file that does worse is refused with both figures."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from stages.answering.model_folder import load_used_model
from stages.config.schema import Publish
from stages.publishing import scoring
from stages.publishing.scoring import Score, center_pixels, check_score, score, score_figures, scored_rows
from stages.runtime.errors import UserError
from stages.tables.preprocessing import Preprocessing
from tests.support.pictures import jpeg
from tests.support.predictions import evaluated_of, example
from tests.support.saved import RECIPE
from tests.support.used import used_model

LIMITS = Publish(license=None, onnx=["fp32"], max_top1_loss=0.02, max_changed=0.05, scored_images=2000, examples=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of three species, whose network is not asked here."""
    return load_used_model(used_model(tmp_path_factory.mktemp("model")))


def table_file(path: Path, logits: np.ndarray) -> Path:
    """A real ONNX file of known logits: row n of a table, for an image whose pixel is (n % 256, n // 256, 0)."""
    start = np.zeros(4, np.int64)
    nodes = [
        helper.make_node("Slice", ["image", "zeros", "ends", "axes"], ["corner"]),
        helper.make_node("Cast", ["corner"], ["numbers"], to=TensorProto.INT64),
        helper.make_node("Mul", ["numbers", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["row"], keepdims=0),
        helper.make_node("Gather", ["table", "row"], ["logits"], axis=0),
    ]
    constants = {
        "zeros": start[:3], "ends": np.array([1, 1, 2]), "axes": np.array([1, 2, 3]),
        "weights": np.array([1, 256]).reshape(1, 1, 1, 2), "table": logits.astype(np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "table",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 1, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", logits.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def numbered(images: int, at_once: int = 32):
    """Batches of images that say their own number."""
    pixels = np.zeros((images, 1, 1, 3), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = np.arange(images) % 256, np.arange(images) // 256
    return (pixels[start : start + at_once] for start in range(0, images, at_once))


def drawn(seed: int, classes: int = 3):
    made = example(seed, classes=classes, train=40, val=10, test=120, skill=2.0)
    return evaluated_of(made, "test"), made.logits["test"]


def scored(tmp_path, model, test, logits) -> Score:
    model = replace(model, genus_of_class=np.zeros(logits.shape[1], np.int64))
    path = table_file(tmp_path / "model.onnx", logits)
    return score(path, "model.onnx", numbered(len(test)), test, model, of_images=1000, min_groups=10)


@pytest.mark.parametrize("classes", [3, 30])
def test_a_file_of_the_same_logits_has_the_models_own_figures(tmp_path, model, classes):
    test, logits = drawn(1, classes)
    found = scored(tmp_path, model, test, logits)
    right = (logits.argmax(1) == test.labels).mean()
    assert found.original.value == found.top1.value == pytest.approx(right)
    assert (found.images, found.of_images, found.changed) == (120, 1000, 0)
    assert found.largest_difference < 1e-5
    assert found.difference.verdict == "no difference shown"
    check_score(found, LIMITS)


@settings(max_examples=8)  # each is a file that onnxruntime loads
@given(seed=st.integers(0, 50), noise=st.floats(0.0, 6.0))
def test_a_score_is_what_numpy_says_of_the_logits(tmp_path_factory, model, seed, noise):
    test, logits = drawn(seed % 3)
    rng = np.random.default_rng(seed)
    others = (logits + rng.normal(0, noise, logits.shape)).astype(np.float32)
    found = scored(tmp_path_factory.mktemp("score"), model, test, others)
    before, after = logits.argmax(1) == test.labels, others.argmax(1) == test.labels
    assert found.original.value == pytest.approx(before.mean())
    assert found.top1.value == pytest.approx(after.mean())
    assert found.difference.difference == pytest.approx(after.mean() - before.mean())
    assert (found.difference.gained, found.difference.lost) == ((after & ~before).sum(), (before & ~after).sum())
    assert found.changed == (logits.argmax(1) != others.argmax(1)).sum()
    assert found.largest_difference == pytest.approx(np.abs(others - logits).max(), rel=1e-3, abs=1e-5)


def test_figures_of_a_score_are_rounded_and_hold_both_intervals(tmp_path, model):
    test, logits = drawn(1)
    found = scored(tmp_path, model, test, logits + 1.23456789)
    figures = score_figures(found)
    assert figures["largest_difference"] == 1.2
    assert figures["top1"]["value"] == round(found.top1.value, 5)
    assert figures["original_top1"].keys() == {"value", "low", "high"}
    assert figures["difference"]["words"] == found.difference.words


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("images", [1, 120])
def test_logits_that_are_no_numbers_are_refused(tmp_path, model, value, images):
    """One such image is enough, whatever the limits."""
    test, logits = drawn(1)
    logits = logits.copy()
    logits[:images, 1] = value
    found = scored(tmp_path, model, test, logits)
    assert found.changed >= images
    limits = LIMITS.model_copy(update={"max_top1_loss": 1.0, "max_changed": 1.0})
    with pytest.raises(UserError, match=r"^model.onnx is not published: .*no numbers \(NaN or infinite\)"):
        check_score(found, limits)


@pytest.mark.parametrize(
    ("lost", "gained", "refused_for"),
    [
        (2, 0, []),  # of 120: 0.017
        (3, 0, ["publish.max_top1_loss is 0.02"]),
        (3, 3, []),
        (6, 6, ["publish.max_changed is 0.05"]),
        (9, 0, ["publish.max_top1_loss is 0.02", "publish.max_changed is 0.05"]),
        (0, 6, []),  # 0.05, and not above it
        (0, 7, ["publish.max_changed is 0.05"]),
    ],
)
def test_what_loses_or_changes_more_than_it_may_is_refused_with_both_figures(
    tmp_path, model, lost, gained, refused_for
):
    test, logits = drawn(1)
    logits, rows = logits.copy(), np.arange(len(test))
    right = logits.argmax(1) == test.labels
    for row in rows[right][:lost]:
        logits[row] = -10.0 * (np.arange(3) == test.labels[row])
    for row in rows[~right][:gained]:
        logits[row] = 10.0 * (np.arange(3) == test.labels[row])
    found = scored(tmp_path, model, test, logits)
    assert found.changed == lost + gained
    if not refused_for:
        return check_score(found, LIMITS)
    with pytest.raises(UserError) as refusal:
        check_score(found, LIMITS)
    said = str(refusal.value)
    assert f"({', '.join(refused_for)})" in said
    assert f"{right.mean():.4f}" in said
    assert f"{right.mean() + (gained - lost) / 120:.4f}" in said
    assert f"it says another species of {lost + gained}" in said
    return None


def test_a_file_that_is_none_is_said_in_a_line(tmp_path, model, capfd):
    test, logits = drawn(1)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"^onnxruntime cannot load model.onnx \(.+\)$"):
        score(path, "model.onnx", numbered(len(test)), test, model, of_images=120, min_groups=10)
    table_file(path, logits)
    with pytest.raises(RuntimeError, match="was asked about 119 images, and there are 120"):
        score(path, "model.onnx", numbered(119), test, model, of_images=120, min_groups=10)
    assert capfd.readouterr().err == ""


@given(images=st.integers(1, 6000), at_most=st.integers(1, 3000), digest=st.integers(0, 2**256 - 1))
def test_of_a_large_network_images_are_drawn_by_its_digest(images, at_most, digest):
    sha256 = f"{digest:064x}"
    with torch.device("meta"):
        small, large = nn.Linear(100, 100), nn.Linear(scoring.LARGE, 1)
    assert np.array_equal(scored_rows(small, sha256, images, at_most), np.arange(images))
    rows = scored_rows(large, sha256, images, at_most)
    assert np.array_equal(rows, np.unique(rows))
    assert len(rows) == min(images, at_most)
    assert rows.min() >= 0
    assert rows.max() < images
    assert np.array_equal(rows, scored_rows(large, sha256, images, at_most))


def test_other_weights_draw_other_images():
    with torch.device("meta"):
        large = nn.Linear(scoring.LARGE, 1)
    one, other = (scored_rows(large, digit * 64, 5000, 100) for digit in "12")
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("height", "width"), [(100, 300), (300, 100), (128, 128)])
def test_a_center_crop_is_the_largest_square_in_the_middle(tmp_path, height, width):
    """Red to the left or above, blue to the right or below, and what is in the middle green."""
    side = min(height, width)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = 250
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = (0, 250, 0)
    pixels[top + side :, :] = pixels[:, left + side :] = (0, 0, 250)
    data = jpeg(pixels)
    names = [f"{number:032x}.jpg" for number in range(35)]
    for name in names:
        (tmp_path / name).write_bytes(data)
    recipe = Preprocessing.model_validate({"model_sha256": "0" * 64, **RECIPE})
    rows = [(name, hashlib.sha256(data).hexdigest()) for name in names]
    batches = list(center_pixels(tmp_path, rows, recipe, 48))
    assert [batch.shape for batch in batches] == [(32, 48, 48, 3), (3, 48, 48, 3)]
    found = np.concatenate(batches).astype(int)
    assert np.abs(found - (0, 250, 0)).max() < 40
