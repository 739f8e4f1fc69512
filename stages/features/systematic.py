"""Whose images are suspected more often than others' of the same species: errors that have a system.

One observer who mistakes a species, a host that serves the wrong photos: each photo alone is a suspect among many, all
of them together are a cause that can be mended at its source (Lefort et al., Cooperative learning of Pl@ntNet's
Artificial Intelligence algorithm, 2024, weigh each user by such agreement).

Some species are mistaken more often than others, so within each species the suspected groups of one observer are held
against those of all: by chance their number is hypergeometric, and the sum over the species is tested, exactly (the
conditional test of stratified tables: Cochran, 1954; Mantel and Haenszel, 1959). A group counts once: its photos are
mistaken together. Where a species has photos of one observer alone there is nothing to hold them against, and it tells
nothing.
"""

import math
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from scipy.special import gammaln, ndtr

from stages.features.seen import Seen
from stages.features.suspicion import Suspicion

KINDS = ("observer", "source", "host")
DIGITS = 5
EXACT = 2_000  # suspected groups up to which the sum's distribution is worked out; beyond it is a normal one

_P_DIGITS = 3  # significant


def evidence(seen: Seen, suspicion: Suspicion) -> pl.DataFrame:
    """Give what ``systematic`` compares: the images with evidence, which are suspected, and where they are from."""
    images = seen.images.with_columns(
        suspected=pl.Series(suspicion.contradicted),
        observer=pl.col("observer").str.strip_chars().replace("", None),
        host=pl.col("image_url").map_elements(host_of, pl.String),
    ).filter(pl.Series(~suspicion.no_evidence))
    return images.select("species", "group", "suspected", *KINDS)


def host_of(url: str) -> str | None:
    """Give the host of a URL; ``None`` where it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def systematic(images: pl.DataFrame) -> pl.DataFrame:
    """Compare the suspects of each value of some columns with those of other values.

    Args:
        images: those with evidence: species, group, suspected (Boolean), and any columns of text, which may be null.

    Returns:
        Columns of ``stages.tables.suspects.SYSTEMATIC``, the lowest p first: all values of at least one suspected group
        that can be compared.
    """
    kinds = [name for name in images.columns if name not in ("species", "group", "suspected")]
    tables = [_of_kind(images, kind) for kind in kinds]
    return pl.concat(tables).sort("p", "kind", "value")


def _of_kind(images: pl.DataFrame, kind: str) -> pl.DataFrame:
    known = images.select("species", "group", "suspected", value=kind).drop_nulls("value")
    counted = known.group_by("value").agg(images=pl.len(), suspects=pl.col("suspected").sum())
    # A group's photos are mistaken together: it is suspected where half of them are.
    cells = known.group_by("value", "species", "group").agg(suspected=pl.col("suspected").mean() >= 0.5)
    of_value = cells.group_by("value", "species").agg(own=pl.len(), suspected=pl.col("suspected").sum())
    of_species = cells.group_by("species").agg(all=pl.len(), all_suspected=pl.col("suspected").sum())
    compared = of_value.join(of_species, on="species").filter(pl.col("own") < pl.col("all"))
    elsewhere = (pl.col("all_suspected") - pl.col("suspected")) / (pl.col("all") - pl.col("own"))
    rows = (
        compared.sort("value", "species")
        .group_by("value", maintain_order=True)
        .agg(
            groups=pl.col("own").sum(),
            suspected_groups=pl.col("suspected").sum(),
            expected_groups=(pl.col("own") * elsewhere).sum(),
            own=pl.col("own"),
            all=pl.col("all"),
            all_suspected=pl.col("all_suspected"),
        )
    )
    tested = rows.filter(pl.col("suspected_groups") > 0)
    p = [
        chance(suspected, np.array(own), np.array(every), np.array(all_suspected))
        for suspected, own, every, all_suspected in tested.select(
            "suspected_groups", "own", "all", "all_suspected"
        ).iter_rows()
    ]
    found = tested.with_columns(p=pl.Series(p, dtype=pl.Float64), kind=pl.lit(kind)).join(counted, on="value")
    # Of all that were tested, of which those without a suspected group would be last.
    return found.with_columns(
        q=_false_share(found["p"].to_numpy(), tested=rows.height), expected_groups=pl.col("expected_groups").round(2)
    ).select("kind", "value", "images", "suspects", "groups", "suspected_groups", "expected_groups", "p", "q")


def chance(suspected: int, own: np.ndarray, every: np.ndarray, all_suspected: np.ndarray) -> float:
    """Give the probability that by chance so many groups of one value are suspected, or more.

    Args:
        suspected: groups of the value that are, over all species.
        own: int [species], groups of the value.
        every: int [species], groups of all values.
        all_suspected: int [species], of these the suspected ones.

    Returns:
        0 to 1, rounded to three significant digits.
    """
    at_most = np.minimum(own, all_suspected)
    some = np.flatnonzero(at_most > 0)
    if int(at_most.sum()) <= EXACT:
        of_sum = np.ones(1)
        for number, total, drawn in zip(own[some], every[some], all_suspected[some], strict=True):
            of_sum = np.convolve(of_sum, _hypergeometric(int(number), int(total), int(drawn)))
        p = float(of_sum[suspected:].sum())
    else:
        number, total, drawn = (values[some].astype(np.float64) for values in (own, every, all_suspected))
        mean = float((number * drawn / total).sum())
        variance = float((number * drawn * (total - number) * (total - drawn) / (total**2 * (total - 1))).sum())
        p = float(ndtr((mean - suspected + 0.5) / math.sqrt(variance))) if variance else float(suspected <= mean)
    return float(f"{min(max(p, 0.0), 1.0):.{_P_DIGITS}g}")


def _hypergeometric(own: int, total: int, drawn: int) -> np.ndarray:
    """Give the probabilities of 0, 1, ... of ``own`` among ``drawn`` of ``total``, float64 [min(own, drawn) + 1]."""
    k = np.arange(min(own, drawn) + 1)
    possible = k >= own + drawn - total

    def log_ways(of: np.ndarray | int, some: np.ndarray | int) -> np.ndarray:
        return gammaln(np.add(of, 1)) - gammaln(np.add(some, 1)) - gammaln(np.subtract(of, some) + 1)

    with np.errstate(invalid="ignore"):
        logs = log_ways(own, k) + log_ways(total - own, drawn - k) - log_ways(total, drawn)
    return np.where(possible, np.exp(logs), 0.0)


def _false_share(p: np.ndarray, *, tested: int) -> np.ndarray:
    """Give the share of false ones among the values of so small a p (Benjamini and Hochberg, 1995), float64, rounded.

    Args:
        p: float64 [values].
        tested: values that were tested, those that are not in ``p`` with a larger one.
    """
    order = np.argsort(p, kind="stable")
    shares = p[order] * tested / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum(np.minimum.accumulate(shares[::-1])[::-1], 1.0)
    return np.round(found, DIGITS)
