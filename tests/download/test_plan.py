"""A plan says how long a download takes, by limits and by what hosts have sent."""

import polars as pl
import pytest

from stages.download.ledger import HostRecord
from stages.download.plan import days_of, plan_hosts, plan_sizes, plan_table, sizes_table
from stages.records.inaturalist import OPEN_DATA_HOST, SIZES_PX
from tests.support import ROOT
from tests.support.pages import read_page, value_in


def test_the_plan_of_the_production_collection(params):
    """678,712 originals at 24 GB a day are 41 days; in the size `large` they are 5."""
    original = params.download.model_copy(update={"inaturalist_size": "original"})
    wanted = pl.DataFrame({"host": [OPEN_DATA_HOST] * 678_712})
    (plan,) = plan_hosts(wanted, original, {})
    assert (plan.images, round(plan.days), plan.limited_by) == (678_712, 41, "gb_a_day")
    (plan,) = plan_hosts(wanted, params.download, {})
    assert (round(plan.gb), round(plan.days, 1)) == (124, 5.2)


def test_the_plan_goes_by_what_a_host_has_sent(params):
    wanted = pl.DataFrame({"host": ["static.inaturalist.org"] * 1000 + ["elsewhere.example"] * 10 + [None]})
    known = {"static.inaturalist.org": HostRecord(images=200, bytes=200 * 5_000_000)}
    static, elsewhere, nowhere = plan_hosts(wanted, params.download, known)
    assert static.gb == pytest.approx(5.0)
    assert static.limited_by == "gb_a_day"
    assert (elsewhere.days, elsewhere.limited_by) == (None, "not in download.hosts")
    assert nowhere.host == "(no such URL)"
    table = plan_table([static, elsewhere, nowhere])
    assert "elsewhere.example" in table
    assert table.splitlines()[-1].split()[4] == "1,000"


def test_the_slowest_limit_counts(params):
    limits = params.download.hosts["static.inaturalist.org"]
    assert days_of(limits, 86_400, 0.1) == (1.0, "requests_per_s")
    assert days_of(limits.model_copy(update={"gb_an_hour": 0.5}), 10, 24.0) == (2.0, "gb_an_hour")
    unlimited = limits.model_copy(update=dict.fromkeys(("requests_per_s", "gb_an_hour", "gb_a_day")))
    assert days_of(unlimited, 10, 1.0) == (0.0, "no limit")


def test_the_page_on_downloads_has_the_table_of_sizes_that_the_plan_makes(params):
    """Of the images that the production collection lacks, as params choose now."""
    lacking = value_in(ROOT / "docs/owner.json", "images_to_download")
    wanted = pl.DataFrame({"host": [OPEN_DATA_HOST] * lacking + ["static.inaturalist.org"] * 5})
    table = sizes_table(plan_sizes(wanted, params.download, {}))
    (block,) = [block for _, block in read_page(ROOT / "docs/download.md").blocks if "longest side" in block]
    head = f"{OPEN_DATA_HOST} by download.inaturalist_size, which is {params.download.inaturalist_size}:"
    assert block == f"{head}\n{table}\n"


@pytest.mark.parametrize("chosen", ["original", "large", "medium", "small"])
def test_sizes_weigh_the_same_whatever_is_chosen(params, chosen):
    wanted = pl.DataFrame({"host": [OPEN_DATA_HOST] * 678_712})
    plans = plan_sizes(wanted, params.download.model_copy(update={"inaturalist_size": chosen}), {})
    assert [plan.size for plan in plans] == ["original", "large", "medium"]
    assert [plan.longest_side_px for plan in plans] == [SIZES_PX[plan.size] for plan in plans]
    assert [round(plan.gb) for plan in plans] == [991, 124, 30]
    assert [round(plan.days, 1) for plan in plans] == [41.3, 5.2, 1.6]
    assert [plan.limited_by for plan in plans] == ["gb_a_day", "gb_a_day", "requests_per_s"]


def test_sizes_go_by_what_the_bucket_has_sent(params):
    wanted = pl.DataFrame({"host": [OPEN_DATA_HOST] * 1000})
    known = {OPEN_DATA_HOST: HostRecord(images=200, bytes=200 * 300_000)}  # in the size that params choose, large
    gb = {plan.size: plan.gb for plan in plan_sizes(wanted, params.download, known)}
    assert gb["large"] == pytest.approx(0.3)
    assert gb["original"] == pytest.approx(2.4)
    assert gb["medium"] == pytest.approx(0.3 * (500 / 1024) ** 2)
    assert gb["large"] == pytest.approx(plan_hosts(wanted, params.download, known)[0].gb)


def test_there_are_no_sizes_without_the_bucket(params):
    assert plan_sizes(pl.DataFrame({"host": ["static.inaturalist.org", None]}), params.download, {}) == []
    elsewhere = params.download.model_copy(update={"hosts": {"static.inaturalist.org": None}})
    plans = plan_sizes(pl.DataFrame({"host": [OPEN_DATA_HOST]}), elsewhere, {})
    assert {(plan.days, plan.limited_by) for plan in plans} == {(None, "not in download.hosts")}
