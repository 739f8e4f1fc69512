"""What is in the cache is used if it is sound, no placeholder, and under an allowed license; all else is counted."""

import hashlib
import json

import numpy as np
import polars as pl
import pytest

from stages.cache_filter import judge, summarize
from stages.config.schema import License
from stages.contact_sheet import read_tile
from stages.images.measure import measure
from stages.records.licenses import CODES, allowed_records, license_code
from stages.report.contact_sheet import Row, Tile, draw_contact_sheet
from stages.tables.cache_filter import AVAILABLE, REJECTED
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY
from stages.tables.table import read_table, write_table
from tests.conftest import ROOT, available_rows, complaint, encoded, run_stage


def inventory_of(*rows: dict) -> pl.DataFrame:
    sound = {"state": "decoded", "bytes": 9, "width": 500, "height": 400, "gray_std": 50.0, "even_share": 0.2}
    sound |= {"entropy_bits": 7.0, "sharpness": 0.4, "phash": bytes(32)}
    full = [{"image_name": f"{n:032x}.jpg", "sha256": f"{n:064x}"} | sound | row for n, row in enumerate(rows)]
    return pl.DataFrame(full, schema=INVENTORY)


def judged(records: list[dict], inventory: list[dict], params, allowed=None) -> list[str]:
    table = available_rows(records).select(RECORDS.keys())
    return judge(table, inventory_of(*inventory), params.inventory, allowed)["verdict"].to_list()


def test_every_record_has_a_verdict(params):
    records = [{}, {}, {}, {}]
    inventory = [{}, {"gray_std": 1.0}, {"state": "truncated", "gray_std": None, "sharpness": None}]
    assert judged(records, inventory, params) == ["sound", "blank", "truncated", "not_in_cache"]


@pytest.mark.parametrize(("photos", "verdict"), [(2, "sound"), (3, "placeholder")])
def test_the_same_bytes_for_several_photos_are_a_placeholder(params, photos, verdict):
    records = [{"photo_id": f"p{n}"} for n in range(photos)] + [{"photo_id": "another"}]
    inventory = [{"sha256": "same"}] * photos + [{}]
    inventory = [row | {"image_name": f"{n:032x}.jpg"} for n, row in enumerate(inventory)]
    assert judged(records, inventory, params) == [verdict] * photos + ["sound"]


def test_one_photo_under_many_addresses_is_no_placeholder(params):
    names = [{"image_name": f"{n:032x}.jpg", "sha256": "same"} for n in range(6)]
    by_id = [{"photo_id": "p"}] * 6
    by_url = [{"image_url": f"http{'s' * (n % 2)}://host.example/1.jpg?{n}"} for n in range(6)]
    assert set(judged(by_id, names, params)) == {"sound"}
    assert set(judged(by_url, names, params)) == {"sound"}


def test_a_placeholder_that_is_blank_counts_as_blank(params):
    records = [{"photo_id": f"p{n}"} for n in range(4)]
    inventory = [{"image_name": f"{n:032x}.jpg", "sha256": "same", "gray_std": 0.0} for n in range(4)]
    assert judged(records, inventory, params) == ["blank"] * 4


def test_only_allowed_licenses_are_used(params):
    licenses = ["CC-BY-NC 4.0", "cc0", None, "All rights reserved", "https://creativecommons.org/licenses/by/4.0/"]
    records = [{"license": license} for license in licenses]
    inventory = [{}] * 5
    refused = "license_not_allowed"
    assert judged(records, inventory, params, ["cc0", "cc-by"]) == [refused, "sound", refused, refused, "sound"]
    assert judged(records, inventory, params, ["none"]) == [refused, refused, "sound", "sound", refused]
    assert set(judged(records, inventory, params)) == {"sound"}
    table = available_rows(records).select(RECORDS.keys())
    assert allowed_records(table, ["cc0"]).height == 1
    assert allowed_records(table, None).height == 5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cc-by-nc", "cc-by-nc"),
        ("CC BY-NC 4.0", "cc-by-nc"),
        ("CC_BY_NC_ND_4_0", "cc-by-nc-nd"),
        ("cc by nc sa 3.0 de", "cc-by-nc-sa"),
        ("http://creativecommons.org/licenses/by-sa/4.0/legalcode", "cc-by-sa"),
        ("Creative Commons Attribution-NonCommercial 4.0", "cc-by-nc"),
        ("(c) someone, some rights reserved (CC BY)", "cc-by"),
        ("CC0 1.0", "cc0"),
        ("CC0_1_0", "cc0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("Public Domain Mark 1.0", "pd"),
        ("pd", "pd"),
        ("Creative Commons Attribution-Share Alike 3.0 Unported", "cc-by-sa"),
        ("Attribution Share Alike", "cc-by-sa"),
        ("Attribution, NonCommercial", "cc-by-nc"),
        ("Attribution 4.0 International", "cc-by"),
        ("Creative Commons Attribution", "cc-by"),
        ("Attribution-NonCommercial-No Derivative Works 3.0", "cc-by-nc-nd"),
        ("CC BY non commercial", "cc-by-nc"),
        ("CC BY, NC", "cc-by-nc"),
        ("CC BY/NC", "cc-by-nc"),
        ("CC BY-NC/SA", "cc-by-nc-sa"),
        ("CC BY\u2011NC 4.0", "cc-by-nc"),
        ("CC BY\u2013NC-ND", "cc-by-nc-nd"),
        ("CC BY-ND-SA", "other"),
        # What is not clear is no free license.
        ("CC BY (non-commercial use only)", "other"),
        ("CC BY, no commercial use", "other"),
        ("Attribution required, ask for permission", "other"),
        ("GFDL", "other"),
        ("© someone", "none"),
        ("all rights reserved", "none"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_licenses_are_told_apart_however_they_are_written(text, code):
    assert license_code(text) == code


def test_params_know_the_licenses_that_the_code_tells_apart():
    assert License.__args__ == CODES


def test_images_are_counted_by_verdict_and_license(params):
    table = available_rows([{"license": "cc0"}, {"license": "CC0"}, {}, {"species": "B"}]).select(RECORDS.keys())
    everything = judge(table, inventory_of({}, {}, {}), params.inventory, None)
    figures = summarize(everything)
    assert figures["by_verdict"] == {"not_in_cache": 1, "sound": 3}
    assert figures["by_license"] == {"cc0": 2, "none": 1}
    assert (figures["species"], figures["species_without_image"]) == (1, 1)


def test_what_is_in_the_cache_and_not_used_is_listed(workspace):
    records = available_rows([{}, {}, {}]).select(RECORDS.keys())
    write_table(records, RECORDS, workspace / "data/records.parquet")
    inventory = inventory_of({}, {"sharpness": 0.01})
    write_table(inventory, INVENTORY, workspace / "data/sources/sample/inventory.parquet")
    assert run_stage("cache_filter", workspace).returncode == 0
    rejected = read_table(workspace / "data/rejected.parquet", REJECTED)
    assert rejected.select("image_name", "verdict").rows() == [(f"{1:032x}.jpg", "too_blurred")]
    assert read_table(workspace / "data/available.parquet", AVAILABLE)["image_name"].to_list() == [f"{0:032x}.jpg"]
    assert json.loads((workspace / "data/reports/cache_filter.json").read_text())["by_verdict"]["too_blurred"] == 1


def test_an_inventory_of_another_version_is_to_be_made_anew(workspace):
    write_table(available_rows([{}]).select(RECORDS.keys()), RECORDS, workspace / "data/records.parquet")
    path = workspace / "data/sources/sample/inventory.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame({"image_name": ["a.jpg"], "verdict": ["sound"]}).write_parquet(path)
    said = complaint(run_stage("cache_filter", workspace))
    assert "inventory.parquet has other columns than this version writes" in said
    assert "make it anew" in said


def test_bytes_that_are_no_image_are_no_formula_either(tmp_path):
    """What a file begins with is shown, and ``$`` begins a formula where it may."""
    tile = Tile(None, "#!/bin/sh\n$A{$B $^$_", "12 bytes")
    draw_contact_sheet([Row("not an image", [tile], [])], tmp_path / "sheet.png", a_side=3)
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_an_image_too_large_to_decode_is_not_decoded_for_the_sheet(tmp_path):
    content = encoded(np.zeros((300, 400, 3), np.uint8), "PNG")
    (tmp_path / "a.jpg").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    tile = read_tile(tmp_path, "a.jpg", digest, len(content), 0.1, caption="")
    assert (tile.pixels, tile.text) == (None, "400 x\n300 px")
    assert read_tile(tmp_path, "a.jpg", digest, len(content), 0.2, caption="").pixels is not None


def test_a_cache_without_a_sound_image_stops_the_filter(workspace):
    records = available_rows([{}]).select(RECORDS.keys())
    write_table(records, RECORDS, workspace / "data/records.parquet")
    write_table(pl.DataFrame(schema=INVENTORY), INVENTORY, workspace / "data/sources/sample/inventory.parquet")
    assert "no record's image can be used" in complaint(run_stage("cache_filter", workspace))
    (workspace / "data/sources/sample/inventory.parquet").unlink()
    assert "inventory.parquet is missing" in complaint(run_stage("cache_filter", workspace))
    assert read_table(workspace / "data/records.parquet", RECORDS).height == 1


@pytest.fixture
def sample(workspace):
    """A workspace with the sample and what the first stages make of it."""
    (workspace / "data/sources").mkdir(parents=True)
    (workspace / "data/sources/sample").symlink_to(ROOT / "data/sources/sample")
    for stage in ("export", "cache_filter"):
        assert run_stage(stage, workspace).returncode == 0
    return workspace


def test_the_sample_has_every_verdict(sample):
    verdicts = json.loads((sample / "data/reports/cache_filter.json").read_text())["by_verdict"]
    assert set(verdicts) == {
        "sound", "not_in_cache", "empty", "not_an_image", "truncated", "too_small", "blank", "extreme_aspect",
        "nearly_blank", "low_information", "too_blurred", "placeholder",
    }  # fmt: skip


def test_the_contact_sheet_is_the_committed_one_and_needs_no_image(sample):
    result = run_stage("contact_sheet", sample)
    assert result.returncode == 0, result.stderr
    picture = sample / "plots/rejected_images.png"
    assert picture.read_bytes() == (ROOT / "plots/rejected_images.png").read_bytes()
    assert picture.stat().st_size < 1_000_000
    # Rejected files are replaced by the next download: a sheet without them is still drawn.
    (sample / "empty").mkdir()
    (sample / "data/sources/sample").unlink()
    (sample / "data/sources/sample").mkdir()
    inventory = ROOT / "data/sources/sample/inventory.parquet"
    (sample / "data/sources/sample/inventory.parquet").write_bytes(inventory.read_bytes())
    result = run_stage("contact_sheet", sample, IMAGE_CACHE_DIR=str(sample / "empty"))
    assert result.returncode == 0, result.stderr
    assert picture.read_bytes() != (ROOT / "plots/rejected_images.png").read_bytes()


def test_a_cache_full_of_sound_images_gives_an_empty_sheet(sample):
    rejected = read_table(sample / "data/rejected.parquet", REJECTED).clear()
    write_table(rejected, REJECTED, sample / "data/rejected.parquet")
    assert "0 rejected images" in run_stage("contact_sheet", sample).stdout


def test_measures_of_what_is_no_image_are_null():
    measured = measure(b"<html>", max_megapixels=1)
    assert (measured.state, measured.gray_std, measured.phash) == ("not_an_image", None, None)
