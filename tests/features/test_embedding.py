"""An image's features are the same bytes at any place, beside any others, by any number of loaders and processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from simplejpeg import decode_jpeg

from stages.config.schema import Model, RandomWeights
from stages.features.embedding import embed, make_network, recipe
from stages.images.shards import PackedShards
from stages.learning.model import timm_config
from stages.learning.origin import find_origin
from stages.learning.processes import make_accelerator
from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.packed import packed_image, write_images, write_split
from tests.support.pictures import jpeg

NETWORKS = ("test_efficientnet", "test_vit", "test_convnext", "test_resnet", "test_mambaout", "test_byobnet")
IMAGE_PX = 48
IMAGES = 61  # a prime: the last batch is never full


def model(name: str) -> Model:
    return Model(name=name, weights=RandomWeights(kind="random"), drop_rate=0.5, drop_path_rate=0.0)


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    write_split(folder, "train", IMAGES)
    return folder


def embedded(folder: Path, name: str, places, *, batch_images: int = 8, workers: int = 0) -> np.ndarray:
    params = model(name)
    network = make_network(params, find_origin(params, None), IMAGE_PX)
    parts = embed(
        network,
        PackedShards(folder),
        [int(place) for place in places],
        make_accelerator(),
        image_px=IMAGE_PX,
        batch_images=batch_images,
        workers=workers,
    )
    return np.concatenate(list(parts))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_images", [8, 24, 32])
def test_neither_place_nor_neighbors_change_a_bit(packed, name, batch_images):
    rows = embedded(packed, name, range(IMAGES), batch_images=batch_images)
    assert rows.dtype == np.float16 and len(rows) == IMAGES
    assert len(np.unique(rows, axis=0)) == IMAGES  # they are of the images
    rng = np.random.default_rng(batch_images)
    for images in (IMAGES, 17, 1):
        order = rng.permutation(IMAGES)[:images]
        assert np.array_equal(embedded(packed, name, order, batch_images=batch_images), rows[order])


def test_features_are_the_networks_own(packed):
    """Held against the network itself, image by image, by its own forward pass without a head."""
    params = model("test_vit")
    network = make_network(params, find_origin(params, None), IMAGE_PX)
    shards = PackedShards(packed)
    config = timm_config(network)
    mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
    for place, row in enumerate(embedded(packed, "test_vit", range(5))):
        pixels = decode_jpeg(shards.jpeg(place))
        corner = (64 - IMAGE_PX) // 2
        square = torch.from_numpy(pixels[corner : corner + IMAGE_PX, corner : corner + IMAGE_PX].copy())
        image = ((square.float() / 255 - mean) / std).permute(2, 0, 1)[None]
        with torch.no_grad():
            wanted = network.forward_head(network.forward_features(image), pre_logits=True)[0]
        assert row.astype(np.float32) == pytest.approx(wanted.numpy(), abs=2e-3)


def test_loaders_change_nothing(packed):
    plain = embedded(packed, "test_efficientnet", range(IMAGES))
    assert np.array_equal(embedded(packed, "test_efficientnet", range(IMAGES), workers=2), plain)


@pytest.mark.slow
def test_two_processes_give_what_one_does(packed, tmp_path):
    """Each of them gets all rows."""
    script = tmp_path / "both.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from tests.features.test_embedding import IMAGES, embedded\n"
        "rows = embedded(Path(sys.argv[1]), 'test_efficientnet', range(IMAGES))\n"
        "np.save(Path(sys.argv[2]) / f\"{os.environ['RANK']}.npy\", rows)\n",
        encoding="utf-8",
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(script), str(packed), str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    alone = embedded(packed, "test_efficientnet", range(IMAGES))
    for rank in (0, 1):
        assert np.array_equal(np.load(tmp_path / f"{rank}.npy"), alone)


def test_nothing_is_asked_for_nothing(packed):
    params = model("test_vit")
    network = make_network(params, find_origin(params, None), IMAGE_PX)
    parts = embed(network, PackedShards(packed), [], make_accelerator(), image_px=IMAGE_PX, batch_images=8, workers=0)
    assert list(parts) == []


def test_features_that_are_no_numbers_are_refused_with_the_images_name(tmp_path):
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    shards = write_images([packed_image("a.jpg", jpeg(black)), packed_image("b.jpg", jpeg(white))], tmp_path, shards=1)
    params = model("test_vit")
    network = make_network(params, find_origin(params, None), IMAGE_PX)

    def blow_up(_module, _inputs, output):
        return output * torch.where(output[:, :1] == output[0, 0], 1.0, 1e6)

    network.register_forward_hook(blow_up)
    with pytest.raises(UserError, match=r"features of b\.jpg are no numbers of 16 bits"):
        list(embed(network, shards, [0, 1], make_accelerator(), image_px=IMAGE_PX, batch_images=8, workers=0))


def test_a_recipe_is_of_all_that_makes_a_feature():
    one = model("test_vit")
    of_one = recipe(find_origin(one, None), image_px=48, batch_images=8)
    assert of_one == recipe(find_origin(one, None), image_px=48, batch_images=8)
    others = [
        recipe(find_origin(model("test_resnet"), None), image_px=48, batch_images=8),
        recipe(find_origin(one, None), image_px=56, batch_images=8),
        recipe(find_origin(one, None), image_px=48, batch_images=16),
    ]
    assert all(other != of_one for other in others)
