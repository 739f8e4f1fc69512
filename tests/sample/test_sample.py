"""The embedded sample has the shape of the production collection, and its maker makes it again."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bson
import numpy as np
import polars as pl
import pytest
from PIL import Image

from sample.compose import Photo, Scene, defocus, draw_scene, hide, shift_hue, take_photo
from sample.ingredients import living_name, load_living
from sample.make import CACHED_IMAGES, make_sample
from stages.images.decode import decode_rgb, read_header
from stages.images.verdict import VERDICTS, verdict
from stages.records.document import Mended, Unreadable
from stages.records.dump import read_dump
from stages.records.named_records import name_records
from stages.records.names import NameCleaner
from stages.records.repeated_images import drop_repeated
from stages.records.shapes import DocumentReader
from stages.records.synonyms import read_synonyms
from stages.records.tabulate import shape_records
from stages.tables.compare_crops import BOXES
from stages.tables.inventory import INVENTORY
from stages.tables.table import read_table
from tests.support import SAMPLE
from tests.support.pictures import picture


@pytest.fixture(scope="module")
def documents() -> list[dict]:
    return [document for document in read_dump(SAMPLE / "dump/plants.bson.gz") if not isinstance(document, Unreadable)]


@pytest.fixture(scope="module")
def inventory(params) -> pl.DataFrame:
    table = read_table(SAMPLE / "inventory.parquet", INVENTORY)
    return table.with_columns(verdict=verdict(params.inventory))


def test_it_is_small_enough_for_git():
    sizes = [path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()]
    assert sum(sizes) <= 12_000_000
    assert max(sizes) < 1_000_000


def test_documents_of_three_shapes(documents):
    shapes = Counter(
        "inaturalist" if "photo" in document else "array" if "images" in document else "legacy"
        for document in documents
    )
    assert len(documents) >= 450
    assert min(shapes.values()) >= 3
    assert any(len(document.get("images", [])) > 1 for document in documents)
    identifiers = [document["_id"] for document in documents]
    assert len(set(identifiers)) == len(documents)


def test_ids_of_every_type_are_there_and_a_byte_and_a_document_that_cannot_be_read(documents):
    sightings = {type(document["sighting"]) for document in documents if "sighting" in document}
    assert sightings == {int, float, str, bool, list, dict, bson.Decimal128, bson.Binary}
    assert sum(isinstance(document, Mended) for document in documents) == 1
    everything = list(read_dump(SAMPLE / "dump/plants.bson.gz"))
    assert sum(isinstance(document, Unreadable) for document in everything) == 1


def test_the_long_tail(documents, inventory, params):
    cleaner = NameCleaner(params.names, read_synonyms(SAMPLE / "synonyms.csv").by_hand)
    shaped = shape_records(documents, DocumentReader(params.documents))
    records, _, _ = name_records(shaped.records.table().drop_nulls("species"), cleaner)
    records = drop_repeated(records)
    sound = inventory.filter(pl.col("verdict") == "sound")
    images = records.join(sound, on="image_name", how="semi").group_by("species").len()["len"].sort()
    assert images.len() == 24
    assert images.sum() >= 300
    assert (images == 1).sum() >= 2
    assert (images == 2).sum() >= 2
    assert images.is_between(3, 5).sum() >= 2
    assert (images >= 30).sum() >= 3


def test_every_verdict_occurs_but_too_large_and_cut(inventory):
    assert set(inventory["verdict"]) == set(VERDICTS) - {"too_large", "cut_and_saved_again"}


def test_the_pictures_are_of_every_frame_and_size(inventory):
    sound = inventory.filter(pl.col("verdict") == "sound")
    ratio = (sound["width"] / sound["height"]).to_numpy()
    assert (ratio > 1.9).any()
    assert (ratio < 0.8).any()
    long_side = sound.select(pl.max_horizontal("width", "height")).to_series()
    assert long_side.quantile(0.05) >= 480
    assert long_side.max() <= 800


def test_true_boxes_lie_in_their_images_and_mostly_off_center(inventory):
    boxes = read_table(SAMPLE / "boxes.parquet", BOXES)
    both = boxes.join(inventory, on="image_name", suffix="_image", how="inner")
    assert both.height == boxes.height
    assert (both["x"] >= 0).all()
    assert (both["x"] + both["width"] <= both["width_image"]).all()
    assert (both["y"] + both["height"] <= both["height_image"]).all()
    share = both.select(
        pl.max_horizontal("width", "height") / pl.min_horizontal("width_image", "height_image")
    ).to_series()
    assert share.min() > 0.08
    assert share.max() <= 0.61
    off = (both["x"] + both["width"] / 2) / both["width_image"] - 0.5
    assert (off.abs() > 0.05).mean() > 0.6


def test_odd_but_sound_images_are_there():
    orientations, modes = Counter(), Counter()
    for path in (SAMPLE / "images").iterdir():
        try:
            with Image.open(path) as image:
                modes[image.mode] += 1
                orientations[read_header(path.read_bytes())[2]] += 1
        except (OSError, SyntaxError):
            continue
    assert modes["CMYK"] >= 1
    assert modes["L"] >= 1
    assert orientations[6] == 1


def test_an_observation_has_up_to_five_photos(documents):
    photos = Counter(document["observation"]["id"] for document in documents if "observation" in document)
    assert set(photos.values()) >= {1, 2, 3, 4, 5}


@pytest.fixture(scope="module")
def made() -> Iterator[tuple]:
    """The sample's maker run on made-up ingredients, twice; a quarter of the photos of each species say as much."""
    rng = np.random.default_rng(0)
    cutouts = {}
    for number in range(24):
        cutout = np.zeros((120, 120, 4), np.uint8)
        cutout[20:100, 20:100] = (*rng.integers(0, 256, 3), 255)
        cutouts[f"Species {number}"] = [cutout]
    backgrounds = [picture(1600, 1000, seed) for seed in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sample.make.CACHED_IMAGES", tuple(-(-images // 4) for images in CACHED_IMAGES))
        yield make_sample(cutouts, backgrounds, seed=7), make_sample(cutouts, backgrounds, seed=7)


def test_the_same_seed_makes_the_same_sample(made):
    one, two = made
    assert one.documents == two.documents
    assert one.files == two.files
    assert one.boxes == two.boxes


def test_file_names_are_the_digests_of_urls(made):
    sample, _ = made
    urls = {document.get("image_url") or document.get("url") for document in sample.documents}
    urls |= {image["href"] for document in sample.documents for image in document.get("images", [])}
    names = {hashlib.md5(url.encode()).hexdigest() + ".jpg" for url in urls if url}
    assert set(sample.files) <= names


def test_the_box_is_where_the_plant_is():
    cutout = np.zeros((150, 100, 4), np.uint8)
    cutout[..., 0] = 255
    cutout[10:140, 10:90, 3] = 255
    meadow = np.full((1000, 1600, 3), (20, 120, 20), np.uint8)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scene = draw_scene(cutout, meadow, rng)
        assert isinstance(scene, Scene)
        photo = take_photo(scene, rng)
        red = (photo.pixels[..., 0].astype(int) - photo.pixels[..., 1]) > 60
        ys, xs = np.nonzero(red)
        x, y, width, height = photo.box
        assert abs(xs.min() - x) <= 3
        assert abs(xs.max() + 1 - x - width) <= 3
        assert abs(ys.min() - y) <= 3
        assert abs(ys.max() + 1 - y - height) <= 3


@pytest.mark.parametrize("seed", range(8))
def test_a_share_of_the_subject_is_hidden_from_one_side_and_nothing_else_changes(seed):
    red = np.zeros((200, 300, 3), np.uint8)
    red[60:140, 100:220] = (255, 0, 0)
    photo = hide(Photo(red, (100, 60, 120, 80)), np.full((400, 600, 3), 90, np.uint8), 0.4, np.random.default_rng(seed))
    assert photo.box == (100, 60, 120, 80)
    left = (photo.pixels[60:140, 100:220, 1] < 45).mean()
    assert left == pytest.approx(0.6, abs=0.06)
    far = np.ones((200, 300), bool)
    far[40:160, 80:240] = False
    assert not photo.pixels[far].any()


def test_hues_turn_and_transparency_stays():
    cutout = np.full((4, 4, 4), (200, 40, 40, 77), np.uint8)
    assert shift_hue(cutout, 120)[0, 0].tolist() == pytest.approx([40, 200, 40, 77], abs=4)
    assert shift_hue(cutout, -120)[0, 0].tolist() == pytest.approx([40, 40, 200, 77], abs=4)
    assert np.allclose(shift_hue(cutout, 0), cutout, atol=2)


def test_cut_outs_that_are_drawn_or_small_or_lifeless_are_left_out(tmp_path):
    def stamp(name: str, side: int) -> None:
        path = tmp_path / "usr/share/tuxpaint/stamps" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rgba = np.zeros((200, 200, 4), np.uint8)
        rgba[20 : 20 + side, 10 : 10 + side] = 255
        Image.fromarray(rgba).save(path)

    for name in ("animals/birds/Blue_Heron2.png", "plants/thyme.png"):
        stamp(name, 120)
    for name in ("animals/birds/cartoon/duck.png", "food/pizza.png", "household/tools/saw.png"):
        stamp(name, 120)
    stamp("plants/moss.png", 99)
    stamp("plants/nothing.png", 0)
    found = load_living(tmp_path)
    assert {name: cutout.shape for name, cutout in found.items()} == {
        "Birdsia blue-heron-c": (120, 120, 4),
        "Plantsia thyme": (120, 120, 4),
    }


def test_names_of_living_things_are_names_to_the_rules(params):
    """Of a benchmark's 175 classes the rules once refused 45, and nobody noticed."""
    cleaner = NameCleaner(params.names, {})
    for path in ("flowers/rose.png", "trees/tree2.png", "fruit/Kiwi.png", "plants/mosses/moss.png"):
        name = living_name(Path(path))
        assert cleaner.clean(name).name == name


def test_out_of_focus_is_less_sharp_and_as_bright():
    photo = Photo(picture(), (1, 2, 3, 4))
    soft = defocus(photo, 2.0)
    assert soft.box == photo.box
    assert (
        np.abs(np.diff(soft.pixels.astype(int), axis=1)).mean()
        < 0.5 * np.abs(np.diff(photo.pixels.astype(int), axis=1)).mean()
    )
    assert soft.pixels.mean() == pytest.approx(photo.pixels.mean(), abs=1)


def test_one_photo_of_the_cache_decodes_to_its_inventory_size(inventory):
    rotated = [
        row for row in inventory.filter(pl.col("verdict") == "sound").iter_rows(named=True)
        if read_header((SAMPLE / "images" / row["image_name"]).read_bytes())[2] == 6
    ]  # fmt: skip
    (row,) = rotated
    pixels = decode_rgb((SAMPLE / "images" / row["image_name"]).read_bytes())
    assert pixels.shape[:2] == (row["height"], row["width"])
