"""What is exported is the network with its normalization inside, for any batch, in float32 and in float16."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from stages.learning.device import Batch, ColorTransform
from stages.learning.model import timm_model
from stages.learning.saved_model import ModelDescription
from stages.publishing.onnx_files import OPSET, check_size, export_onnx, metadata_of, save_onnx, to_float16
from stages.runtime.errors import UserError

SPECIES = ["Petunia × atkinsiana", "Rosa canina", "Rosa gallica"]


def description_of(name: str, image_px: int, **others: object) -> ModelDescription:
    return ModelDescription(
        name=name, image_px=image_px, pack_px=64, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), classes=3,
        labels_sha256="1a" * 32, options={}, **others,
    )  # fmt: skip


@pytest.fixture(scope="module")
def vit():
    """A small transformer with random weights, and what became of it."""
    torch.manual_seed(1)
    network = timm_model("test_vit", 48, num_classes=3).eval()
    description = description_of("test_vit", 48)
    return network, description, export_onnx(network, description, metadata_of(description, SPECIES, "2b" * 32))


def pixels_of(images: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(images).integers(0, 256, (images, side, side, 3), dtype=np.uint8)


def ask(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": pixels})[0])


def own_logits(network: nn.Module, description: ModelDescription, pixels: np.ndarray) -> np.ndarray:
    batch = Batch(torch.from_numpy(pixels), None, torch.zeros(len(pixels)), (0, 0, 0))
    with torch.no_grad():
        return network(ColorTransform(description.mean, description.std)(batch)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("images", [1, 3, 17])
def test_it_gives_the_networks_logits_of_raw_pixels(vit, images):
    network, description, model = vit
    pixels = pixels_of(images)
    wanted = own_logits(network, description, pixels)
    assert np.abs(ask(model, pixels) - wanted).max() < 1e-5
    half, cut = to_float16(model)
    assert cut == 0
    assert np.abs(ask(half, pixels) - wanted).max() < 1e-2
    assert half.ByteSize() < 0.9 * model.ByteSize()
    assert wanted.std() > 1e-3  # or any network would do


@pytest.mark.slow
def test_it_is_saved_with_its_labels_and_passes_the_standards_checker(vit, tmp_path):
    _, description, model = vit
    save_onnx(model, tmp_path / "model.onnx")
    loaded = onnx.load(tmp_path / "model.onnx")
    about = {entry.key: entry.value for entry in loaded.metadata_props}
    assert json.loads(about["label_names"]) == SPECIES
    assert about["labels_sha256"] == description.labels_sha256
    assert "48, 48, 3" in about["input"]
    assert [(entry.domain, entry.version) for entry in loaded.opset_import] == [("", OPSET)]
    content = (tmp_path / "model.onnx").read_bytes()
    assert b".py" not in content


@pytest.mark.slow
def test_weights_beyond_float16_are_counted_and_not_cut_in_the_original(vit):
    network, description, model = vit
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    head = next(tensor for tensor in copy.graph.initializer if tensor.name.endswith("head.weight"))
    weights = onnx.numpy_helper.to_array(head).copy()
    weights[0, 0], weights[1, 1] = 1e6, -1e6
    head.CopyFrom(onnx.numpy_helper.from_array(weights, head.name))
    half, cut = to_float16(copy)
    assert cut == 1
    of_half = next(tensor for tensor in half.graph.initializer if tensor.name.endswith("head.weight"))
    found = onnx.numpy_helper.to_array(of_half)
    assert (found.dtype, found[0, 0], found[1, 1]) == (np.float16, 65504, -65504)
    assert onnx.numpy_helper.to_array(head)[0, 0] == 1e6
    assert np.abs(ask(model, pixels_of(2)) - own_logits(network, description, pixels_of(2))).max() < 1e-5


class _Odd(nn.Module):
    """A network that decides by what it sees, which no graph can hold."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) if float(images.sum()) > 0 else images.amax((2, 3))


@pytest.mark.slow
def test_a_network_that_cannot_be_exported_is_named_in_a_line(capfd):
    with pytest.raises(UserError, match=r"^torch cannot export odd to ONNX \(.+\): let publish.onnx .* be \[\]$"):
        export_onnx(_Odd(), description_of("odd", 16), {})
    assert capfd.readouterr() == ("", "")


def test_a_network_beyond_what_a_file_holds_is_refused_before_the_export():
    with torch.device("meta"):
        network = nn.Linear(30_000, 20_000)
    with pytest.raises(UserError, match=r"weights are 2.4 GB, and a file of ONNX holds 2 GB"):
        check_size(network)
    with torch.device("meta"):
        check_size(nn.Linear(20_000, 20_000))
