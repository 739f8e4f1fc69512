"""Which images the cache lacks, where each can be asked for, and in what order that helps most."""

from urllib.parse import urlsplit

import polars as pl

from stages.config.schema import Download
from stages.records.inaturalist import at_least, is_in_bucket, open_data_url
from stages.records.licenses import is_open, license_codes

# In the order in which they are asked, each once: a copy of one's own, iNaturalist's public bucket, the record's URL.
ROUTES = ("mirror", "open_data", "original")

_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_of(url: str) -> str | None:
    """Give the host of a URL as params name it, with its port unless that is the scheme's own.

    ``None`` for what is never asked: other schemes than http and https, a user name in the URL, no host, an impossible
    port, a backslash or space before the path (which other readers of URLs take for something else).
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or set(parts.netloc) & set("@\\ ") or port == 0:
        return None
    return parts.hostname if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{parts.hostname}:{port}"


def add_routes(records: pl.DataFrame, download: Download) -> pl.DataFrame:
    """Add a column for each of ``ROUTES``: the URL to ask there, or null.

    Args:
        records: with image_url, image_name and license.
        download: its mirror, and the size of iNaturalist's photos: the bucket is asked in it, and a smaller one is
            asked for nowhere.
    """
    url = pl.col("image_url")
    # The bucket holds photos under Creative Commons licenses and in the public domain.
    in_bucket = open_data_url(url, download.inaturalist_size)
    mirror = None if download.mirror is None else pl.format(f"{download.mirror.rstrip('/')}/{{}}", "image_name")
    licensed = is_open(pl.col("license_code")) | is_in_bucket(url)
    original = at_least(url, download.inaturalist_size)
    return (
        records.with_columns(license_codes(records["license"]))
        .with_columns(
            mirror=pl.lit(None, pl.String) if mirror is None else mirror,
            open_data=pl.when(licensed & (in_bucket != original)).then(in_bucket),
            original=original,
        )
        .drop("license_code")
    )


def missing_images(
    records: pl.DataFrame, in_cache: pl.Series, history: pl.DataFrame, download: Download
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Say which images are to be asked for, the most helpful first.

    The species with the fewest images comes first, until it has as many as the next, and so on round by round; within
    a species, one photo of each observation before a second one. What was under way when a run was killed comes last,
    so that a run which is killed again and again still asks for everything else first.

    Args:
        records: the table of records; a URL that stands under two species is asked for once.
        in_cache: names of the images that are in the cache and not known to be broken.
        history: what earlier runs left behind, columns of ``HISTORY``.
        download: section of params.yaml.

    Returns:
        The images to ask for: image_name, the URLs of ``ROUTES``, route (which to ask first), host, failures,
        interrupted; and the same of those that were refused for good, with their reason.
    """
    present = pl.col("image_name").is_in(in_cache.implode())
    # Summed once it is a column: `over` would copy the names for each species.
    counted = records.with_columns(in_cache=present).with_columns(had=pl.col("in_cache").sum().over("species"))
    lacking = counted.filter(~pl.col("in_cache"))
    observation = pl.coalesce("observation_id", "image_name")
    ranked = (
        lacking.sort("image_name")
        .with_columns(nth_photo=pl.int_range(pl.len()).over("species", observation))
        .sort("species", "nth_photo", "image_name")
        .with_columns(level=pl.col("had") + pl.int_range(pl.len()).over("species"))
        .unique("image_name", keep="first", maintain_order=True)
    )
    with_history = add_routes(ranked, download).join(history, on="image_name", how="left")
    routed = _choose_route(with_history, list(download.hosts)).with_columns(
        pl.col("failures", "interrupted", "refused").fill_null(0)
    )
    ordered = routed.sort("interrupted", "level", "species", "image_name")
    columns = ["image_name", *ROUTES, "route", "host", "failures", "interrupted"]
    refused = ordered.filter(pl.col("refused") == 1)
    return ordered.filter(pl.col("refused") == 0).select(columns), refused.select(*columns, "reason")


def _choose_route(images: pl.DataFrame, allowed: list[str]) -> pl.DataFrame:
    """Choose what to ask first, and add its host.

    That is the route that an earlier run had come to, else the first whose host may be asked, else the first at all.
    """
    origin = r"^([^/]*//[^/?#]*)"
    origins = pl.concat([images[route].str.extract(origin).unique() for route in ROUTES]).drop_nulls().unique()
    hosts = {text: host_of(text) for text in origins}
    images = images.with_columns(
        pl.col(route)
        .str.extract(origin)
        .replace_strict(hosts, default=None, return_dtype=pl.String)
        .alias(f"{route}_host")
        for route in ROUTES
    )
    may_be_asked = {route: pl.col(f"{route}_host").is_in(allowed) for route in ROUTES}
    left_at = pl.coalesce(
        pl.when((pl.col("route") == route) & may_be_asked[route]).then(pl.lit(route)) for route in ROUTES
    )
    first_allowed = pl.coalesce(pl.when(may_be_asked[route]).then(pl.lit(route)) for route in ROUTES)
    first = pl.coalesce(pl.when(pl.col(route).is_not_null()).then(pl.lit(route)) for route in ROUTES)
    images = images.with_columns(
        route=pl.coalesce(left_at, first_allowed, first), failures=pl.when(left_at.is_not_null()).then("failures")
    )
    host = pl.coalesce(pl.when(pl.col("route") == route).then(pl.col(f"{route}_host")) for route in ROUTES)
    return images.with_columns(host=host)
