"""How long a download will take, host by host, and what it will weigh: an estimate for the records at hand."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from stages.config.schema import Download, HostLimits
from stages.download.hosts import DAY_S
from stages.download.ledger import HostRecord
from stages.records.inaturalist import OPEN_DATA_HOST, SHARE_OF_ORIGINAL, SIZES_PX

ORIGINAL_BYTES = 1_460_000  # the mean of the production collection's 62,821 originals
PLANNED_SIZES = ("original", "large", "medium")  # smaller ones have less than the teacher sees
NOT_ASKED = "not in download.hosts"
ENOUGH_IMAGES = 100  # that a host has sent, to go by their mean


class HostPlan(NamedTuple):
    """What a host is to be asked for: images, their GB by the estimate, the days that it takes, and what limits it."""

    host: str
    images: int
    gb: float
    days: float | None  # null: the host is not asked, as params do not name it
    limited_by: str


def plan_hosts(wanted: pl.DataFrame, download: Download, known: Mapping[str, HostRecord]) -> list[HostPlan]:
    """Estimate the download of ``wanted``, hosts with most images first.

    Args:
        wanted: the images to ask for, with their host (null where a URL is never asked).
        download: section of params.yaml.
        known: what each host has sent so far: after 100 images their mean size counts, before it that of the production
            collection.
    """
    limits = download.hosts
    plans = []
    for host, images in wanted.group_by("host").len().sort("len", "host", descending=[True, False]).iter_rows():
        gb = images * mean_bytes(host, download, known) / 1e9
        days, limited_by = (None, NOT_ASKED) if host not in limits else days_of(limits[host], images, gb)
        plans.append(HostPlan(host or "(no such URL)", images, gb, days, limited_by))
    return plans


def mean_bytes(host: str | None, download: Download, known: Mapping[str, HostRecord]) -> float:
    """Estimate the bytes of an image of a host."""
    record = known.get(host or "", HostRecord())
    if record.images >= ENOUGH_IMAGES:
        return record.bytes / record.images
    return ORIGINAL_BYTES * (SHARE_OF_ORIGINAL[download.inaturalist_size] if host == OPEN_DATA_HOST else 1.0)


class SizePlan(NamedTuple):
    """What the bucket's images weigh and take in one of iNaturalist's sizes."""

    size: str
    longest_side_px: int
    gb: float
    days: float | None
    limited_by: str


def plan_sizes(wanted: pl.DataFrame, download: Download, known: Mapping[str, HostRecord]) -> list[SizePlan]:
    """Estimate what iNaturalist's bucket of openly licensed photos would be asked for in each size that is worth it.

    Returns:
        The sizes, largest first; none where no image is to be asked there. Other hosts have one size, that of the
        record's URL.
    """
    images = wanted.filter(pl.col("host") == OPEN_DATA_HOST).height
    plans = []
    for size in PLANNED_SIZES if images else ():
        share = SHARE_OF_ORIGINAL[size] / SHARE_OF_ORIGINAL[download.inaturalist_size]
        gb = images * share * mean_bytes(OPEN_DATA_HOST, download, known) / 1e9
        limits = download.hosts.get(OPEN_DATA_HOST)
        days, limited_by = (None, NOT_ASKED) if limits is None else days_of(limits, images, gb)
        plans.append(SizePlan(size, SIZES_PX[size], gb, days, limited_by))
    return plans


def sizes_table(plans: list[SizePlan]) -> str:
    """Put sizes into the lines of a table."""
    rows = [("size", "longest side", "GB", "days", "limited by")]
    for plan in plans:
        rows.append((plan.size, f"{plan.longest_side_px} px", f"{plan.gb:,.1f}", _days(plan.days), plan.limited_by))
    return _aligned(rows)


def days_of(limits: HostLimits, images: int, gb: float) -> tuple[float, str]:
    """Give the days that a host's limits make of a download, and the one that does; 0 days without any."""
    days = {
        "requests_per_s": images / limits.requests_per_s / DAY_S if limits.requests_per_s else 0.0,
        "gb_an_hour": gb / limits.gb_an_hour / 24 if limits.gb_an_hour else 0.0,
        "gb_a_day": gb / limits.gb_a_day if limits.gb_a_day else 0.0,
    }
    longest = max(days, key=days.__getitem__)
    return days[longest], longest if days[longest] else "no limit"


def plan_table(plans: list[HostPlan]) -> str:
    """Put a plan into the lines of a table."""
    rows = [("host", "images", "GB", "days", "limited by")]
    for plan in plans:
        rows.append((plan.host, f"{plan.images:,}", f"{plan.gb:,.1f}", _days(plan.days), plan.limited_by))
    asked = [plan for plan in plans if plan.days is not None]
    longest = max((plan.days or 0 for plan in asked), default=0.0)
    total = ("all that is asked", f"{sum(plan.images for plan in asked):,}", f"{sum(plan.gb for plan in asked):,.1f}")
    rows.append((*total, f"{longest:,.1f}", "hosts side by side"))
    return _aligned(rows)


def _days(days: float | None) -> str:
    return "-" if days is None else f"{days:,.1f}"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    """Give rows as lines, the first and the last column on the left, numbers on the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
