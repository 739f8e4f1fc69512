"""Weights know the order of their labels, and what is no model is said in one line."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stages.config.schema import FileWeights, Model, PackageWeights, RandomWeights, TimmWeights
from stages.learning.device import Batch, ColorTransform
from stages.learning.model import create_model, head_modules, timm_model
from stages.learning.origin import find_origin
from stages.learning.starting_weights import load_in_order, read_weights
from stages.runtime.errors import UserError
from tests.support.tiny_training import NETWORK, make

TINY = Model(name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.2, drop_path_rate=0.0)


def test_the_samples_starting_weights_are_really_pretrained(params):
    """They know ImageNet: a daisy-like flower is a flower, and that needs all layers to be in their place."""
    model = timm_model(params.model.name, 224).eval()
    load_in_order(model, read_weights(find_origin(params.model, None)).tensors, "x")
    from sklearn.datasets import load_sample_image

    flower = np.ascontiguousarray(load_sample_image("flower.jpg")[:427, 100:527])
    batch = Batch(torch.from_numpy(flower)[None], None, torch.zeros(1), (0, 0))
    images = torch.nn.functional.interpolate(ColorTransform((0.5,) * 3, (0.5,) * 3)(batch), 224, mode="area")
    assert int(model(images).argmax()) == 985  # daisy


def test_creating_the_model_is_a_function_of_the_seed(params):
    one, two, three = (create_model(params.model, classes=5, image_px=224, seed=seed) for seed in (1, 1, 2))
    heads = [model.get_classifier().weight for model in (one, two, three)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_weights_from_a_file_fit_another_number_of_classes(tmp_path):
    source = create_model(TINY, classes=7, image_px=48, seed=9)
    path = tmp_path / "weights.safetensors"
    save_file(source.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = FileWeights(kind="file", path=str(path), sha256=digest)
    model = create_model(TINY.model_copy(update={"weights": weights}), classes=3, image_px=48, seed=1)
    assert torch.equal(model.conv_stem.weight, source.conv_stem.weight)
    assert model.get_classifier().out_features == 3
    with pytest.raises(UserError, match="that file is not of test_vit: of 80 tensors"):
        create_model(TINY.model_copy(update={"weights": weights, "name": "test_vit"}), classes=3, image_px=160, seed=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "vit_enormous"}, "timm knows no model vit_enormous"),
        (
            {"name": "tf_efficientnet_lite00"},
            r"timm knows no model tf_efficientnet_lite00 \(but tf_efficientnet_lite0, ",
        ),
        ({"name": "tf_efficientnet_lite0.no_tag"}, r"knows no model .* \(but tf_efficientnet_lite0\.in1k\)"),
        ({"weights": FileWeights(kind="file", path="/nowhere.pth", sha256="0" * 64)}, "are missing"),
        ({"weights": PackageWeights(kind="package", package="no_such", file="x", sha256="0" * 64)}, "is not installed"),
    ],
)
def test_a_model_that_cannot_be_made_is_one_line(change, said):
    with pytest.raises(UserError, match=said):
        create_model(TINY.model_copy(update=change), classes=3, image_px=48, seed=1)


def test_a_size_that_the_network_cannot_take_is_one_line():
    model = TINY.model_copy(update={"name": "test_vit"})
    with pytest.raises(UserError, match="cannot take 161 px"):
        create_model(model, classes=3, image_px=161, seed=1)


@pytest.mark.parametrize("content", [b"", b"junk", [1, 2], {"a": 1}])
def test_a_file_that_holds_no_weights_is_one_line(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    weights = FileWeights(kind="file", path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(UserError, match=r"cannot be read as weights|holds no weights"):
        create_model(TINY.model_copy(update={"weights": weights}), classes=3, image_px=48, seed=1)


def test_weights_of_another_network_or_digest_are_refused(params):
    with pytest.raises(UserError, match="the tensors of that file are not those of"):
        create_model(params.model.model_copy(update={"name": "test_efficientnet"}), classes=3, image_px=48, seed=1)
    wrong = params.model.weights.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match=r"is not the file that params\.yaml names"):
        create_model(params.model.model_copy(update={"weights": wrong}), classes=3, image_px=48, seed=1)


def test_weights_that_nobody_fetched_are_one_line():
    model = Model(name="test_vit.r160_in1k", weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
    with pytest.raises(UserError, match=r"does not note test_vit\.r160_in1k: run `make weights`"):
        create_model(model, classes=3, image_px=160, seed=1)


def test_the_teachers_network_takes_the_size_of_params():
    """ViT-B/16 at another size than its name says, with random weights: sizes belong to the profile."""
    name = "vit_small_patch16_384.augreg_in21k_ft_in1k"
    model = create_model(TINY.model_copy(update={"name": name}), classes=4, image_px=64, seed=1)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 4)


def test_a_network_that_drops_no_paths_is_one_line():
    with pytest.raises(UserError, match="vgg11 does not take that"):
        create_model(NETWORK.model_copy(update={"name": "vgg11"}), classes=3, image_px=48, seed=1)


def test_heads_are_found(folder):
    state, _ = make(folder)
    (head,) = head_modules(state.model)
    assert head.out_features == 3
