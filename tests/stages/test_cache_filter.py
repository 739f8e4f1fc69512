"""What is in the cache is used if it is sound, no placeholder, and under an allowed license; all else is counted."""

import json

import polars as pl
import pytest

from stages.cache_filter import judge, summarize
from stages.records.licenses import allowed_records
from stages.tables.cache_filter import AVAILABLE, REJECTED
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY
from stages.tables.table import read_table, write_table
from tests.support.running import complaint, run_here
from tests.support.tables import available_rows


def inventory_of(*rows: dict) -> pl.DataFrame:
    sound = {"state": "decoded", "bytes": 9, "width": 500, "height": 400, "gray_std": 50.0, "even_share": 0.2}
    sound |= {"sharpness": 0.4, "banding": 0.01, "level_peaks": 0.01, "flatness": 0.1, "filled_share": 0.0}
    sound |= {"phash": bytes(32)}
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


def test_images_are_counted_by_verdict_and_license(params):
    table = available_rows([{"license": "cc0"}, {"license": "CC0"}, {}, {"species": "B"}]).select(RECORDS.keys())
    everything = judge(table, inventory_of({}, {}, {}), params.inventory, None)
    figures = summarize(everything, everything["species"].unique())
    assert figures["by_verdict"] == {"not_in_cache": 1, "sound": 3}
    assert figures["by_license"] == {"cc0": 2, "none": 1}
    assert (figures["species"], figures["species_without_image"]) == (1, 1)


def test_what_is_in_the_cache_and_not_used_is_listed(workspace):
    records = available_rows([{}, {}, {}]).select(RECORDS.keys())
    write_table(records, RECORDS, workspace / "data/records.parquet")
    inventory = inventory_of({}, {"sharpness": 0.01})
    write_table(inventory, INVENTORY, workspace / "data/sources/sample/inventory.parquet")
    assert run_here("cache_filter", workspace).returncode == 0
    rejected = read_table(workspace / "data/rejected.parquet", REJECTED)
    assert rejected.select("image_name", "verdict").rows() == [(f"{1:032x}.jpg", "too_blurred")]
    assert read_table(workspace / "data/available.parquet", AVAILABLE)["image_name"].to_list() == [f"{0:032x}.jpg"]
    assert json.loads((workspace / "data/reports/cache_filter.json").read_text())["by_verdict"]["too_blurred"] == 1


def test_an_inventory_of_another_version_is_to_be_made_anew(workspace):
    write_table(available_rows([{}]).select(RECORDS.keys()), RECORDS, workspace / "data/records.parquet")
    path = workspace / "data/sources/sample/inventory.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame({"image_name": ["a.jpg"], "verdict": ["sound"]}).write_parquet(path)
    said = complaint(run_here("cache_filter", workspace))
    assert "inventory.parquet has other columns than this version writes" in said
    assert "make it anew" in said


def test_a_cache_without_a_sound_image_stops_the_filter(workspace):
    records = available_rows([{}]).select(RECORDS.keys())
    write_table(records, RECORDS, workspace / "data/records.parquet")
    write_table(pl.DataFrame(schema=INVENTORY), INVENTORY, workspace / "data/sources/sample/inventory.parquet")
    assert "no record's image can be used" in complaint(run_here("cache_filter", workspace))
    (workspace / "data/sources/sample/inventory.parquet").unlink()
    assert "inventory.parquet is missing" in complaint(run_here("cache_filter", workspace))
    assert read_table(workspace / "data/records.parquet", RECORDS).height == 1
