"""Columns of the splits' tables that the command ``review_data`` reads: what is asked of, and whose it is."""

import polars as pl

from stages.tables.suspects import SUSPECTED
from stages.tables.table import Ruled

REVIEWED = Ruled(
    {name: dtype for name, dtype in SUSPECTED.items() if name != "image_url"}
    | {"width": pl.Int32, "height": pl.Int32},  # of the original as shown, in pixels
    unique=SUSPECTED.unique,
    required=(*SUSPECTED.required, "width", "height"),
    sizes=SUSPECTED.sizes,
)
