"""timm makes of our config.json the very network that was trained, and of a photo the size that it was trained on."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
from hypothesis import given
from hypothesis import strategies as st

from stages.answering.model_folder import CALIBRATION, LABELS, UsedModel, load_used_model
from stages.config.schema import Model, RandomWeights
from stages.learning.model import create_model
from stages.learning.origin import Origin
from stages.learning.saved_model import WEIGHTS, describe, save_model
from stages.publishing.timm_folder import check_timm_folder, crop_share, write_config
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json, write_json
from stages.tables.preprocessing import PREPROCESSING, write_preprocessing
from tests.support.saved import RECIPE, SEEN
from tests.support.used import USED_SPECIES, used_model


def model_of(folder: Path, name: str, image_px: int, **options: object) -> UsedModel:
    """A model of another network, with random weights, made with some options of timm's."""
    used_model(folder)
    params = Model(name=name, weights=RandomWeights(kind="random"), drop_rate=0.1, drop_path_rate=0.0)
    origin = Origin(name, dict(options))
    network = create_model(params, classes=3, image_px=image_px, seed=1, origin=origin)
    description = describe(network, params, image_px=image_px, pack_px=64, species=USED_SPECIES, origin=origin)
    save_model(folder, network.state_dict(), description, SEEN)
    write_preprocessing(folder / PREPROCESSING, RECIPE, model=folder / WEIGHTS)
    calibration = parse_json((folder / CALIBRATION).read_bytes())
    write_json(folder / CALIBRATION, calibration | {"model_sha256": sha256_of(folder / WEIGHTS)})
    return load_used_model(folder)


@pytest.mark.parametrize(
    ("name", "image_px", "options"),
    [
        ("test_efficientnet", 48, {}),
        ("test_vit", 48, {}),
        ("test_vit", 64, {"global_pool": "avg", "class_token": False}),  # as a model of a hub may say
        ("test_convnext", 64, {}),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", 48, {}),  # of a fixed size, and a tag with another normalization
        ("test_byobnet", 64, {"global_pool": "avg"}),
    ],
)  # fmt: skip
def test_timm_makes_the_same_network_to_the_bit(tmp_path, name, image_px, options):
    model = model_of(tmp_path, name, image_px, **options)
    write_config(tmp_path / "config.json", model, "cc-by-nc-4.0")
    pixels = np.random.default_rng(1).integers(0, 256, (3, image_px, image_px, 3), dtype=np.uint8)
    check_timm_folder(tmp_path, model, pixels)

    written = json.loads((tmp_path / "config.json").read_text())
    about, description = written["pretrained_cfg"], model.saved.description
    assert written["architecture"] == name.partition(".")[0]
    assert (tuple(about["mean"]), tuple(about["std"])) == (description.mean, description.std)
    assert about["input_size"] == [3, image_px, image_px]
    assert about["license"] == "cc-by-nc-4.0"
    assert not about.keys() & {"tag", "url", "hf_hub_id", "origin_url", "file", "source"}
    loaded = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert loaded.pretrained_cfg["label_names"] == USED_SPECIES


def test_other_weights_or_another_network_are_found_out(tmp_path):
    model = model_of(tmp_path / "one", "test_vit", 48)
    other = model_of(tmp_path / "other", "test_efficientnet", 48)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    write_config(tmp_path / "one/config.json", model, None)
    shutil.copy(tmp_path / "other" / WEIGHTS, tmp_path / "one" / WEIGHTS)
    with pytest.raises(UserError, match="timm does not load test_vit from a folder of its own"):
        check_timm_folder(tmp_path / "one", model, pixels)

    network = other.saved.network
    write_config(tmp_path / "other/config.json", other, None)
    check_timm_folder(tmp_path / "other", other, pixels)
    next(network.parameters()).data.mul_(1.0001)
    with pytest.raises(UserError, match="timm makes another network of config"):
        check_timm_folder(tmp_path / "other", other, pixels)
    assert (tmp_path / "other" / LABELS).is_file()


@given(st.integers(32, 2048), st.integers(0, 1024))
def test_the_crop_that_timm_makes_is_of_our_size(image_px, more):
    """timm takes the floor of a quotient, which may be one pixel less than it should."""
    pack_px = image_px + more
    shown = crop_share(image_px, pack_px)
    assert math.floor(image_px / json.loads(json.dumps(shown))) == pack_px
    assert shown == pytest.approx(image_px / pack_px, rel=1e-12)


def test_there_are_sizes_of_which_the_plain_quotient_is_a_pixel_less():
    """Or the property above would test nothing."""
    found = [(a, b) for a in range(32, 400) for b in range(a, 460) if math.floor(a / (a / b)) != b]
    assert found
    assert all(math.floor(a / crop_share(a, b)) == b for a, b in found)
