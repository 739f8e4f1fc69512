"""What stands in two splits, which must be nothing: a second opinion on what belongs together.

It reads what documents say (``raw`` in data/links.parquet) in a way of its own, and shares no code with
stages/records/identity.py, by which images are grouped: a check that had the same idea of what is the same could not
see its mistakes.
"""

import polars as pl

_SITES = r"inaturalist\.|inaturalist-open-data|naturalista\.(?:mx|uy)|argentinat\.|biodiversity4all\."
_PAGE = r"/(?:photos|observations)/+0*([0-9]+)"
_HEXADECIMAL = r"^(?:binary \d+ |urn:uuid:|\{)?(?:[0-9a-f]-?){24,32}\}?$"
_DASHED = r"^\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}?$"
_EMPTY_WORDS = (
    "nan", "none", "null", "nil", "nul", "undefined", "unknown", "na", "n a", "nat", "missing", "empty", "true",
    "false", "inf", "infinity", "desconocido", "desconocida", "ninguno", "ninguna", "nulo", "sin datos", "sin dato",
    "s d", "s n",
)  # fmt: skip


def count_leaks(rows: pl.DataFrame, links: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, int]:
    """Count the groups, digests, observations, photos, addresses and pairs of look-alikes that stand in two splits.

    Args:
        rows: images with image_name, split, group and sha256.
        links: columns of ``LINKS``, of which only image_name, kind, source and raw are looked at.
        pairs: images that look alike.
    """
    leaks = {link: _torn(rows.select(link, "split"), [link]) for link in ("group", "sha256")}
    splits = rows.select("image_name", "split").unique()
    said = read_anew(links.join(splits, on="image_name", how="semi")).join(splits, on="image_name")
    for kind in ("observation_id", "photo_id", "address"):
        leaks[kind] = _torn(said.filter(pl.col("kind") == kind), ["whose", "which"])
    both = pairs.join(splits, on="image_name").join(
        splits, left_on="other_name", right_on="image_name", suffix="_of_other"
    )
    return leaks | {"looks": both.filter(pl.col("split") != pl.col("split_of_other")).height}


def read_anew(links: pl.DataFrame) -> pl.DataFrame:
    """Say of each link what it names, as plainly as possible: image_name, kind, whose, which.

    The words of what is said, without what stands between them; the number of a page of iNaturalist's; nothing for
    what has no letter or digit that counts.
    """
    raw = pl.col("raw")
    low = raw.str.to_lowercase()
    page = pl.when(low.str.contains(_SITES)).then(low.str.extract(_PAGE, 1))
    is_address = pl.col("kind") == "address"
    links = links.select("image_name", "kind", "source", "raw").unique().with_columns(page=page)
    # Letters count as they are written, but for what is hexadecimal.
    plain = pl.when(low.str.contains(_HEXADECIMAL)).then(low).otherwise(raw)
    plain = plain.str.replace(r"^(?:binary \d+|urn:uuid:) ?", "").str.replace_all(r"\b([0-9]+)\.0+\b", "$1")
    plain = plain.str.replace(_DASHED, "$1$2$3$4$5").str.replace(r"(?i)^https?://", "")
    # A list names each of its entries; the fields of a document come in any order.
    parts = pl.when(raw.str.contains(r"^[\[{]")).then(plain.str.split(", ")).otherwise(pl.concat_list(plain))
    parts = parts.list.eval(pl.element().str.extract_all(r"[\p{L}\p{N}.]+").list.join(" ").str.strip_chars(" ."))
    of_fields = pl.concat_list(parts.list.sort().list.join(", "))
    entries = pl.when(raw.str.starts_with("{")).then(of_fields).otherwise(parts)
    named = links.filter(~is_address & pl.col("page").is_null()).with_columns(which=entries).explode("which")
    named = named.filter(
        ~pl.col("which").str.to_lowercase().is_in(_EMPTY_WORDS)
        & pl.col("which").str.contains(r"[^0 ]")
        & (pl.col("raw").str.strip_chars() != "-1")
    )
    known = named.with_columns(whose="source")
    of_pages = links.filter(pl.col("page").is_not_null()).with_columns(whose=pl.lit("inaturalist"), which="page")
    of_pages = of_pages.with_columns(kind=pl.when(is_address).then(pl.lit("photo_id")).otherwise("kind"))
    # A number that another source gives for a photo of iNaturalist's may be of either.
    shown_there = of_pages.filter(pl.col("kind") == "photo_id").select("image_name").unique()
    either = known.filter((pl.col("kind") == "observation_id") & pl.col("which").str.contains(r"^[0-9]+$"))
    either = either.join(shown_there, on="image_name", how="semi").with_columns(whose=pl.lit("inaturalist"))
    host = raw.str.extract(r"(?i)^https?://([^/?#]*)", 1).str.to_lowercase().str.replace(r"\.?(?::80|:443)?$", "")
    place = raw.str.extract(r"(?i)^https?://[^/?#]*([^#]*)", 1).str.replace(r"^/", "")
    addresses = links.filter(is_address & pl.col("page").is_null()).with_columns(whose=host, which=place)
    columns = ["image_name", "kind", "whose", "which"]
    return pl.concat([part.select(columns) for part in (known, of_pages, either, addresses)]).drop_nulls().unique()


def _torn(values: pl.DataFrame, name: list[str]) -> int:
    """Count in how many splits too many the values stand."""
    places = values.drop_nulls().select(*name, "split").unique()
    return places.height - places.select(name).n_unique()
