"""What is known of iNaturalist: its photos' and observations' addresses, and the bucket of its openly licensed photos.

https://github.com/inaturalist/inaturalist-open-data/tree/main/Metadata
"""

import re

import polars as pl

SOURCE = "inaturalist"  # whose ids a photo's or an observation's are
OPEN_DATA_HOST = "inaturalist-open-data.s3.amazonaws.com"
SIZES_PX = {"original": 2048, "large": 1024, "medium": 500, "small": 240, "thumb": 100, "square": 75}  # by longest side

# Of the bytes of an original. `large` was seen to be an eighth; the smaller ones go by their area.
SHARE_OF_ORIGINAL = {"original": 1.0} | {
    size: 1 / 8 * (SIZES_PX[size] / SIZES_PX["large"]) ** 2 for size in ("large", "medium", "small")
}

# Sites of the network share their photos and observations: https://www.inaturalist.org/pages/network
_SITES = (
    r"(?:[a-z0-9-]+\.)*(?:inaturalist\.(?:org|ca|lu|nz|se|mma\.gob\.cl|ala\.org\.au|laji\.fi)|naturalista\.(?:mx|uy)"
    r"|argentinat\.org|biodiversity4all\.org)"
)
_S3 = r"s3[a-z0-9.-]*\.amazonaws\.com"
_BUCKET = rf"(?:inaturalist-open-data\.{_S3}(?::\d+)?|{_S3}(?::\d+)?/+inaturalist-open-data)"
_OLD_BUCKET = rf"{_S3}(?::\d+)?/+static\.inaturalist\.org"
_SCHEME = r"(?i)^https?://"
# A photo has its id in the URL, whatever the host and size; older exports hold no more than that.
_PHOTO = rf"{_SCHEME}(?:{_SITES}\.?(?::\d+)?|{_BUCKET}|{_OLD_BUCKET})/+photos/0*(\d+)(?:[/?#.]|$)"
_SIZE = r"(/photos/\d+/)(\w+)(\.\w+)"
_IN_BUCKET = rf"{_SCHEME}{_BUCKET}/"
_OBSERVATION = rf"(?i)^(?:https?:)?(?://)?{_SITES}\.?(?::\d+)?/+(?:(?:[a-z]{{2}}(?:-[a-z]{{2}})?|v\d+)/+)?observations/+0*(\d+)(?:[/?#.]|$)"
_PHOTO_RE, _OBSERVATION_RE = re.compile(_PHOTO), re.compile(_OBSERVATION)


def photo_url(number: str) -> str:
    """Give an address of a photo."""
    return f"https://{OPEN_DATA_HOST}/photos/{number}/original.jpg"


def photo_number(url: str) -> str | None:
    """Give the number of the photo that a URL shows; ``None`` where it is none of iNaturalist's."""
    match = _PHOTO_RE.match(url)
    return match[1] if match else None


def observation_number(text: str) -> str | None:
    """Give the number of the observation whose page a text names; ``None`` where it is none of iNaturalist's."""
    match = _OBSERVATION_RE.match(text)
    return match[1] if match else None


def open_data_url(image_url: pl.Expr, size: str) -> pl.Expr:
    """Give the URL of a photo in the public bucket, in one of its sizes; null where it is no photo of iNaturalist's."""
    number, extension = image_url.str.extract(_PHOTO, 1), image_url.str.extract(_SIZE, 3)
    return pl.format(f"https://{OPEN_DATA_HOST}/photos/{{}}/{size}{{}}", number, extension)


def at_least(image_url: pl.Expr, size: str) -> pl.Expr:
    """Give the URL of a photo of iNaturalist's in ``size`` where it names a smaller one; any other URL as it is."""
    smaller = [name for name, px in SIZES_PX.items() if px < SIZES_PX[size]]
    is_smaller = image_url.str.contains(_PHOTO) & image_url.str.extract(_SIZE, 2).str.to_lowercase().is_in(smaller)
    return pl.when(is_smaller).then(image_url.str.replace(_SIZE, rf"${{1}}{size}${{3}}")).otherwise(image_url)


def is_in_bucket(image_url: pl.Expr) -> pl.Expr:
    """Say whether a URL is one of the bucket's: its photo then bears an open license, whatever the record says."""
    return image_url.str.contains(_IN_BUCKET)
