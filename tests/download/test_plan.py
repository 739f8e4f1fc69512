"""A plan says how long a download takes, by limits and by what hosts have sent."""

import polars as pl
import pytest

from stages.download.ledger import HostRecord
from stages.download.plan import days_of, plan_hosts, plan_table
from stages.records.inaturalist import OPEN_DATA_HOST


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
