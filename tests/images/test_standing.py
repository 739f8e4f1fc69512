"""What a file of the cache is worth follows from its measures, the limits and the tables that name it."""

import polars as pl
import pytest

from stages.cache.directory import list_files
from stages.cache.index import REMEMBERED, ImageIndex
from stages.images.standing import standing_of
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY, MEASURES
from tests.support.image_cache import name
from tests.support.tables import available_rows

SOUND = {
    "state": "decoded", "width": 500, "height": 400, "gray_std": 50.0, "even_share": 0.2, "sharpness": 0.4,
    "banding": 0.0, "level_peaks": 0.0, "flatness": 0.0, "filled_share": 0.0,
}  # fmt: skip
BROKEN = dict.fromkeys(SOUND) | {"width": 0, "height": 0}

OF_A_LIMIT = [
    {"sharpness": 0.001},
    {"banding": 9.0, "level_peaks": 1.0},  # no photo
    {"filled_share": 0.9},  # cut, and saved again
    {"even_share": 1.0},
    {"width": 4000, "height": 100},
    {"width": 20, "height": 20},  # too small
    {"gray_std": 2.0},  # blank by the limit, and no black image
    {"state": "not_decoded", "width": 90_000, "height": 90_000, "gray_std": None},
]
NO_IMAGE = [{"gray_std": 0.0}, *(BROKEN | {"state": state} for state in ("empty", "not_an_image", "truncated"))]


def measures(number: int, row: dict) -> dict:
    return {"image_name": name(number), "bytes": 1000, "sha256": "d", "phash": bytes(32)} | SOUND | row


def standing(cache, params, rows=(), **tables):
    """With an index that knows rows of the first files of a cache."""
    files = sorted(list_files(cache))
    with ImageIndex(cache) as index:
        known = (measures(number, row) | {"mtime_ns": files[number].mtime_ns} for number, row in enumerate(rows))
        index.remember(tuple(row[column] for column in REMEMBERED) for row in known)
        tables = {"allowed_licenses": None} | tables
        return standing_of(files, index, params.inventory, **tables)


@pytest.mark.parametrize("row", OF_A_LIMIT, ids=str)
def test_what_only_a_limit_rejects_is_a_photo(cache, params, row):
    found = standing(cache, params, [row, {}])
    assert (found.limited, found.no_image) == ({name(0)}, set())


@pytest.mark.parametrize("row", NO_IMAGE, ids=str)
def test_what_no_limit_would_let_in_is_no_image(cache, params, row):
    found = standing(cache, params, [row, {}])
    assert found.no_image == {name(0)}
    assert found.why(name(0)) == "no_image"


def test_measures_of_another_file_say_nothing(cache, params):
    files = sorted(list_files(cache))
    with ImageIndex(cache) as index:
        row = measures(0, BROKEN | {"state": "empty"}) | {"mtime_ns": files[0].mtime_ns - 1}
        index.remember([tuple(row[column] for column in REMEMBERED)])
        found = standing_of(files, index, params.inventory, allowed_licenses=None)
    assert found.no_image == set()


def test_the_inventory_says_what_the_index_does_not_know(cache, params):
    rows = [measures(0, BROKEN | {"state": "empty"}), measures(1, {"sharpness": 0.0}), measures(2, {"sharpness": 0.0})]
    inventory = pl.DataFrame([row | {"bytes": 999} if n == 2 else row for n, row in enumerate(rows)], schema=INVENTORY)
    inventory = inventory.select("image_name", "bytes", *MEASURES)
    found = standing(cache, params, [{}], inventory=inventory)
    assert (found.no_image, found.limited) == (set(), {name(1)})  # of the first the index knows better


def test_what_the_last_run_rejected_by_its_limits_counts(cache, params):
    verdicts = ["too_blurred", "blank", "placeholder", "license_not_allowed", "truncated", "not_an_image", "empty"]
    rejected = pl.DataFrame({"image_name": [name(number) for number in range(7)], "verdict": verdicts})
    assert standing(cache, params, rejected=rejected).limited == {name(number) for number in range(4)}


def test_licenses_are_a_limit_and_records_name_what_they_name(cache, params):
    licenses = ["cc0", None, "none", "cc-by", "none"]
    rows = [{"image_name": name(min(n, 3)), "license": license} for n, license in enumerate(licenses)]
    records = available_rows(rows).select(RECORDS.keys())
    found = standing(cache, params, records=records, allowed_licenses=["cc0", "cc-by"])
    assert found.limited == {name(1), name(2)}  # the last image has a second record, with a license that will do
    assert found.recorded == {name(number) for number in range(4)}
    assert [found.why(name(number)) for number in range(5)] == ["not_used", "limit", "limit", "not_used", "no_record"]
    assert standing(cache, params, records=records).limited == set()
    assert standing(cache, params).recorded is None
