"""From measures to verdicts: is an image sound, and if not, why not?

The limits are parameters, so a verdict costs no second look at a file: 900,000 are given in a moment.
"""

from dataclasses import asdict

import polars as pl

from stages.config.schema import Inventory
from stages.images.measure import EMPTY, NO_IMAGE, NOT_AN_IMAGE, NOT_DECODED, TRUNCATED, Measurement
from stages.tables.inventory import MEASURES, SOUND

# What no image can be made of: such a file is asked for again or refused by ``fetch``.
BROKEN = (
    EMPTY,  # no bytes
    NOT_AN_IMAGE,  # HTML, XML, anything else
    TRUNCATED,  # an image that ends early or is damaged inside
    "too_large",  # more pixels than inventory.max_megapixels
    "too_small",  # a side under inventory.min_side_px
    "blank",  # varies by less than inventory.blank_std gray levels
)
# What shows too little to learn from. It stays in the cache, as other limits may want it.
UNSUITABLE = (
    "extreme_aspect",  # longer than inventory.max_aspect times its short side
    "cut_and_saved_again",  # at one side, more than inventory.max_filled_share of it is what a decoder filled in
    "nearly_blank",  # more than inventory.max_even_share of it is of one brightness
    "not_a_photo",  # a screenshot, a page, a drawing, a map: more signs of it than inventory.max_drawn
    "too_blurred",  # less sharp than inventory.min_sharpness
)
VERDICTS = (SOUND, *BROKEN, *UNSUITABLE)

# How many signs of a drawing an image has. The weights are those of a logistic regression on half of the sources of
# docs/photos.md, photos against all else, rounded; the other half gives the same.
DRAWN = pl.col("banding").sqrt() + 0.45 * pl.col("level_peaks").sqrt() + 0.25 * pl.col("flatness")

# The measure that each limit is held against, for pictures and tables that show where the limit is.
LIMITED: dict[str, tuple[pl.Expr, str]] = {
    "too_small": (pl.min_horizontal("width", "height"), "min_side_px"),
    "blank": (pl.col("gray_std"), "blank_std"),
    "extreme_aspect": (
        pl.max_horizontal("width", "height") / pl.min_horizontal("width", "height").clip(lower_bound=1),
        "max_aspect",
    ),
    "cut_and_saved_again": (pl.col("filled_share"), "max_filled_share"),
    "nearly_blank": (pl.col("even_share"), "max_even_share"),
    "not_a_photo": (DRAWN, "max_drawn"),
    "too_blurred": (pl.col("sharpness"), "min_sharpness"),
}


def verdict(limits: Inventory) -> pl.Expr:
    """Give the verdict on rows of measures, one of ``VERDICTS``: the first of them, in that order, that fits."""
    state = pl.col("state")
    too_large = (state == NOT_DECODED) | (
        pl.col("width").cast(pl.Int64) * pl.col("height") > limits.max_megapixels * 1_000_000
    )
    chain = pl.when(state.is_in(NO_IMAGE)).then(state).when(too_large).then(pl.lit("too_large"))
    for name, (measured, key) in LIMITED.items():
        limit = getattr(limits, key)
        beyond = measured > limit if key.startswith("max_") else measured < limit
        chain = chain.when(beyond).then(pl.lit(name))
    return chain.otherwise(pl.lit(SOUND))


def verdict_on(measured: Measurement, limits: Inventory) -> str:
    """Give the verdict on one file."""
    row = {name: value for name, value in asdict(measured).items() if name in MEASURES}
    return pl.DataFrame([row], schema=MEASURES).select(verdict(limits)).item()
