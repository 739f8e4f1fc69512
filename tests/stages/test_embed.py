"""Each packed image is looked at once, and never again as long as neither it nor the network is another."""

import json

import numpy as np
import pytest
import yaml

from stages.embed import MADE_BY, OUT
from stages.features.previous import unfinished_folder
from stages.features.stored import read_features, read_file
from stages.images.shards import PackedShards
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg
from tests.support.running import complaint, run_here
from tests.support.stored import init_dvc, object_of, store_run

IMAGES = 23


def pictures(numbers) -> list:
    rows = []
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        rows.append(packed_image(f"{number:04}.jpg", jpeg(pixels), f"{number:064}"))
    return rows


@pytest.fixture
def world(workspace, params_content):
    """A repo root with packed images and a tiny network of random weights."""
    params_content["profiles"]["sample"] |= {
        "image": {"pack_px": 64, "train_px": 48},
        "model": {"name": "test_efficientnet", "weights": {"kind": "random"}},
    }
    params_content["embed"]["batch_images"] = 8
    write_params(workspace, params_content)
    write_images(pictures(range(IMAGES)), workspace / "data/packed")
    return workspace


def write_params(root, content) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def made(root) -> str:
    done = run_here("embed", root)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def files(root) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / OUT).iterdir())}


def store(root) -> dict[str, str]:
    """Let this run be the last one, and delete its outputs, as DVC does before it runs a stage."""
    stored = store_run(root, {str(OUT): files(root), str(MADE_BY): (root / MADE_BY).read_bytes()})
    for path in (root / OUT).iterdir():
        path.unlink()
    (root / OUT).rmdir()
    (root / MADE_BY).unlink()
    return stored


def test_features_have_the_file_numbers_and_rows_of_the_shards(world):
    assert "embed: 23 images, " in made(world)
    packed = PackedShards(world / "data/packed").table()
    for (shard,), of_shard in packed.partition_by("shard", as_dict=True).items():
        found = read_file(world / OUT / str(shard))
        for column in ("image_name", "sha256", "jpeg_sha256"):
            assert getattr(found, column).to_list() == of_shard[column].to_list()
    recipe = json.loads((world / MADE_BY).read_text())
    assert recipe["weights"] is None
    assert recipe["files"].keys() == files(world).keys()


def test_the_same_again_is_taken_over_and_what_is_new_alone_is_looked_at(world):
    init_dvc(world)
    made(world)
    before = files(world)
    store(world)
    assert "the features of 23 of 23 images are taken over" in made(world)
    assert files(world) == before

    store(world)
    write_images(pictures(range(2, IMAGES + 4)), world / "data/packed")  # two go, four come
    said = made(world)
    assert "the features of 21 of 25 images are taken over" in said
    grown = files(world)
    store(world)
    (world / "dvc.lock").unlink()
    assert "images are taken over" not in made(world)
    assert files(world) == grown  # as if all had been looked at


def test_an_image_under_another_name_is_no_new_one(world):
    init_dvc(world)
    made(world)
    store(world)
    renamed = [packed_image(f"x{row.image_name}", row.jpeg, row.sha256) for row in pictures(range(IMAGES))]
    write_images(renamed, world / "data/packed")
    assert "the features of 23 of 23 images are taken over" in made(world)
    assert set(read_features(world / OUT).image_name) == {row.image_name for row in renamed}


@pytest.mark.parametrize("change", ["network", "size", "batch"])
def test_of_another_recipe_nothing_is_taken_over(world, params_content, change):
    init_dvc(world)
    made(world)
    store(world)
    of_profile = params_content["profiles"]["sample"]
    if change == "network":
        of_profile["model"]["name"] = "test_resnet"
    elif change == "size":
        of_profile["image"]["train_px"] = 64
    else:
        params_content["embed"]["batch_images"] = 16
    write_params(world, params_content)
    said = made(world)
    assert "no features of an earlier run are taken over: the last run had other" in said


def test_what_is_damaged_in_dvcs_cache_is_made_anew(world):
    init_dvc(world)
    made(world)
    before = files(world)
    stored = store(world)
    listed = json.loads(object_of(world, stored[str(OUT)]).read_bytes())
    first = object_of(world, listed[0]["md5"])
    first.write_bytes(first.read_bytes()[:-9] + b"\xff" * 9)
    object_of(world, listed[1]["md5"]).unlink()
    assert "2 files of features in DVC's cache are damaged or gone: made anew" in made(world)
    assert not first.exists()
    assert files(world) == before


def test_a_run_that_was_stopped_goes_on(world):
    """What it had finished lies in its folder; a file that a crash damaged counts for nothing."""
    made(world)
    before, recipe = files(world), json.loads((world / MADE_BY).read_text())["recipe"]
    folder = unfinished_folder(recipe)
    folder.mkdir(parents=True)
    (folder / "00000.arrow").write_bytes(before["00000.arrow"])
    (folder / "00001.arrow").write_bytes(before["00001.arrow"][:100])
    done = len(read_file(world / OUT / "00000.arrow"))
    other = folder.with_name("0123456789abcdef") / "00000.arrow"  # of another recipe
    other.parent.mkdir()
    other.write_bytes(before["00000.arrow"])
    said = made(world)
    assert f"embed: goes on where it was stopped: {done} images were done" in said
    assert "embed: stopped runs of other networks or sizes left" in said and other.exists()
    assert files(world) == before
    assert not folder.exists()


def test_images_smaller_than_the_network_sees_are_refused(world, params_content):
    params_content["profiles"]["sample"]["image"] = {"pack_px": 96, "train_px": 96}
    write_params(world, params_content)
    assert "the packed images have 64 px, less than the profile's image.train_px 96" in complaint(
        run_here("embed", world)
    )


@pytest.mark.parametrize("number", [7, 12, 0])
def test_a_batch_in_which_the_place_would_count_is_refused(world, params_content, number):
    params_content["embed"]["batch_images"] = number
    write_params(world, params_content)
    assert "embed.batch_images" in complaint(run_here("embed", world))
