"""What is known of iNaturalist's photos: how their URLs look, and the public bucket of those that are openly licensed.

https://github.com/inaturalist/inaturalist-open-data/tree/main/Metadata
"""

import re

import polars as pl

OPEN_DATA_HOST = "inaturalist-open-data.s3.amazonaws.com"

# A photo has its id in the URL, whatever the host and size; older exports hold no more than that.
PHOTO_URL = re.compile(
    r"^https?://(?:static\.inaturalist\.org|www\.inaturalist\.org|inaturalist-open-data\.s3[\w.-]*\.amazonaws\.com)"
    r"/photos/(\d+)/"
)
_EXTENSION = r"/photos/\d+/\w+\.(\w+)"
_IN_BUCKET = r"^https?://inaturalist-open-data\."


def open_data_url(image_url: pl.Expr, size: str) -> pl.Expr:
    """Give the URL of a photo in the public bucket, in one of its sizes; null where it is no photo of iNaturalist's."""
    photo_id, extension = image_url.str.extract(PHOTO_URL.pattern, 1), image_url.str.extract(_EXTENSION, 1)
    return pl.format(f"https://{OPEN_DATA_HOST}/photos/{{}}/{size}.{{}}", photo_id, extension)


def is_in_bucket(image_url: pl.Expr) -> pl.Expr:
    """Say whether a URL is one of the bucket's: its photo then bears an open license, whatever the record says."""
    return image_url.str.contains(_IN_BUCKET)
