"""What stands in two splits, which must be nothing: a second opinion on what belongs together.

It reads what documents say (``raw`` in data/links.parquet) in a way of its own, and shares no code with
stages/records/identity.py, by which images are grouped: a check that had the same idea of what is the same could not
see its mistakes.
"""

import polars as pl

_SITES = (
    r"^(?:https?:)?/*(?:[^/?#]*[.@])?(?:inaturalist\.(?:[a-z]{2,4}\.)*[a-z]{2,4}|naturalista\.(?:mx|uy)|argentinat\.org"
    r"|biodiversity4all\.org|inaturalist-open-data\.s3[a-z0-9.-]*|s3[a-z0-9.-]*(?::[0-9]+)?/+(?:inaturalist-open-data"
    r"|static\.inaturalist\.org))\.?(?::[0-9]+)?/"
)
_PAGE = r"/(?:photos|observations)/+0*([0-9]+)"
_HEXADECIMAL = r"^(?:binary \d+ |urn:uuid:|\{)?(?:[0-9a-f]-?){24,32}\}?$"
_DASHED = r"^\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}?$"
# What is no id though it has letters or digits: -1, numbers cut off, and what Python calls things that name nothing.
_NO_ID = (
    r"(?i)^(?:-[19]9*(?:\.0+)?|[+-]?[0-9](?:\.[0-9]+)?e\+?[0-9]+|(?:min|max)key\(\)|regex\(.*|objectid\W*0*\W*|0x0*)$"
)
_EMPTY_WORDS = (  # without signs and spaces
    "nan", "none", "null", "nil", "nul", "undefined", "unknown", "na", "nat", "missing", "empty", "true", "false",
    "inf", "infinity", "desconocido", "desconocida", "ninguno", "ninguna", "nulo", "sindatos", "sindato", "sd",
    "sn", "notavailable", "notapplicable", "nodata", "noid", "nd", "n", "tbd", "pending", "pendiente", "noaplica",
    "nodisponible", "sinid", "noconsta", "sinnumero", "sinnúmero", "nohay", "nsnc", "vacio", "vacío", "verdadero",
    "falso", "desconhecido", "nenhum", "nãoinformado", "inconnu", "aucun", "unbekannt", "keine", "ref", "value",
    "name", "objectobject", "nonenone", "nannan", "nullnull",
)  # fmt: skip


def count_leaks(rows: pl.DataFrame, links: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, int]:
    """Count the groups, digests, observations, photos, addresses and pairs of look-alikes that stand in two splits.

    Args:
        rows: images with image_name, split, group and sha256.
        links: image_name, kind, source and raw of ``LINKS``.
        pairs: images that look alike.
    """
    splits = rows.select("image_name", "split").unique()
    links = links.join(splits, on="image_name", how="semi")
    pages, addresses = _pages(links, "photo_id"), links.filter(pl.col("kind") == "address")
    # What was not taken for a photo of iNaturalist's may still be one.
    photos = pl.concat([pages, _pages(addresses, "address")])
    own = _words(links.filter(pl.col("kind") == "observation_id"))
    # A number that another source gives for a photo of iNaturalist's may be of either.
    either = own.filter(pl.col("which").str.contains(r"^[0-9]+$"))
    either = either.join(photos.select("image_name").unique(), on="image_name", how="semi")
    either = either.with_columns(whose=pl.lit("inaturalist"))
    said = {
        "photo_id": [photos, _words(links.filter(pl.col("kind") == "photo_id"))],
        "observation_id": [own, either, _pages(links, "observation_id")],
        "address": [_addresses(addresses)],
    }
    both = pairs.join(splits, on="image_name").join(
        splits, left_on="other_name", right_on="image_name", suffix="_of_other"
    )
    return {
        **{link: _torn(rows.select(link, "split")) for link in ("group", "sha256")},
        **{kind: _torn(_shared(parts, splits)) for kind, parts in said.items()},
        "looks": both.filter(pl.col("split") != pl.col("split_of_other")).height,
    }


def _pages(links: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Read the pages of iNaturalist's: image_name, whose, which (its number)."""
    raw = pl.col("raw").str.to_lowercase()
    of_kind = links.filter(pl.col("kind") == kind).with_columns(
        whose=pl.lit("inaturalist"), which=pl.when(raw.str.contains(_SITES)).then(raw.str.extract(_PAGE, 1))
    )
    return of_kind.select("image_name", "whose", "which").drop_nulls()


def _addresses(links: pl.DataFrame) -> pl.DataFrame:
    """Read addresses: the host as whose, what stands behind it as which."""
    host = pl.col("raw").str.extract(r"(?i)^https?://([^/?#]*)", 1).str.to_lowercase()
    place = pl.col("raw").str.extract(r"(?i)^https?://[^/?#]*([^#]*)", 1).str.replace(r"^/", "")
    whose = host.str.replace(r"\.?(?::80|:443)?$", "")
    return links.select("image_name", whose=whose, which=place).drop_nulls()


def _words(links: pl.DataFrame) -> pl.DataFrame:
    """Read what is no page, as plainly as possible: what is said as which, the source as whose."""
    raw = pl.col("raw").str.strip_chars()
    # Nearly all are plain numbers, for which the rest would take a second or two at full size.
    is_number = links.select(raw.str.contains(r"^[1-9][0-9]*$")).to_series()
    numbers = links.filter(is_number).select("image_name", whose="source", which=raw)
    links = links.filter(~is_number)
    low = raw.str.to_lowercase()
    links = links.filter(~(low.str.contains(_SITES) & low.str.contains(_PAGE)) & ~raw.str.contains(_NO_ID))
    # Letters count as they are written, but for what is hexadecimal.
    plain = pl.when(low.str.contains(_HEXADECIMAL)).then(low).otherwise(raw)
    plain = plain.str.replace(r"^binary \d+ ([0-9a-f]{24}|[0-9a-f]{32})$", "$1").str.replace("^urn:uuid:", "")
    plain = plain.str.replace(_DASHED, "$1$2$3$4$5").str.replace(r"^\+", "").str.replace(r"(?i)^https?://", "")
    # A list names each of its entries; the fields of a document come in any order.
    bare = pl.element().str.replace_all(r"[\[\]{}'\"\s]", "").str.replace(r"(^|:)([0-9]+)\.0+$", "$1$2")
    composed = raw.str.contains(r"^[\[{]")
    parts = (
        pl.when(composed)
        .then(plain.str.split(", ").list.eval(bare))
        .otherwise(pl.concat_list(plain.str.replace(r"^([0-9]+)\.0+$", "$1")))
    )
    of_fields = pl.concat_list(parts.list.sort().list.join(", "))
    entries = pl.when(raw.str.starts_with("{")).then(of_fields).otherwise(parts)
    named = links.select("image_name", whose="source", which=entries).explode("which").drop_nulls()
    bare = pl.col("which").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    return pl.concat([numbers, named.filter(~bare.is_in(_EMPTY_WORDS) & bare.str.contains("[^0]"))])


def _shared(parts: list[pl.DataFrame], splits: pl.DataFrame) -> pl.DataFrame:
    """Give whose, which and split of what stands more than once, or has the same hash as another."""
    values = pl.concat(part.select("image_name", "whose", "which") for part in parts)
    return values.filter(values["which"].hash().is_duplicated()).join(splits, on="image_name").drop("image_name")


def _torn(values: pl.DataFrame) -> int:
    """Count in how many splits too many the values stand."""
    name = [column for column in values.columns if column != "split"]
    places = values.drop_nulls().select(*name, "split").unique()
    return places.height - places.select(name).n_unique()
