"""Records of one image: what each of them knows, and where they do not say the same."""

import numpy as np
import polars as pl

from stages.records.licenses import BY_FREEDOM, license_codes
from stages.tables.export import CONTRADICTIONS

_SHARED = ("photo_id", "observation_id", "license", "observer")


def share_knowledge(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each record of an image what any record of the image knows: ids, license, observer.

    Of several that do not say the same, the record of the lowest document id is believed; of licenses the one that
    allows least, as a photo must not be used under a freer one than its own. The ids of two sources say nothing
    against each other.

    Args:
        records: columns of ``RECORDS``.

    Returns:
        The records in their order; and what contradicts each other, columns of ``CONTRADICTIONS``.
    """
    # Most addresses stand once, and need not be told apart as text: by a hash, of which equal ones may be of two.
    repeated = records["image_url"].hash().is_duplicated()
    numbered = records.with_row_index("row")
    several = numbered.filter(repeated).filter(pl.len().over("image_url") > 1)
    if several.is_empty():
        return records, pl.DataFrame(schema=CONTRADICTIONS)
    several = several.sort("document_id", "source", "row", nulls_last=True)
    shared = several.select("row", "image_url")
    contradictions = []
    for column in _SHARED:
        known = _known(several, column)
        kept = known.unique("image_url", keep="first").select("image_url", pl.col(column))
        shared = shared.join(kept, on="image_url", how="left", maintain_order="left")
        first = known.unique(["image_url", "whose"], keep="first", maintain_order=True)
        others = known.join(first.select("image_url", "whose", kept=column, said="says"), on=["image_url", "whose"])
        others = others.filter(pl.col("says") != pl.col("said")).unique(["image_url", "whose", "says"], keep="first")
        contradictions.append(
            others.select("image_name", "image_url", pl.lit(column).alias("column"), "kept", other=column)
        )
    filled = numbered.select("row").join(shared.drop("image_url"), on="row", how="left", maintain_order="left")
    is_repeated = numbered.select(pl.col("row").is_in(several["row"].implode())).to_series()
    records = records.with_columns(
        pl.when(is_repeated).then(filled[column]).otherwise(pl.col(column)).alias(column) for column in _SHARED
    )
    listed = pl.concat(contradictions).select(CONTRADICTIONS.keys())
    return records, listed.sort("image_name", "column", "other")


def _known(several: pl.DataFrame, column: str) -> pl.DataFrame:
    """Give the records that know a column, the one to be believed first: with what it says, and whose id it is."""
    known = several.drop_nulls(column).with_columns(says=pl.col(column), whose=pl.lit(""))
    if column == "license":
        known = known.with_columns(license_codes(known["license"]).alias("says"))
        freedom = pl.col("says").replace_strict({code: -n for n, code in enumerate(BY_FREEDOM)}, return_dtype=pl.Int8)
        return known.sort(freedom, maintain_order=True)
    if column == "observer":
        return known.with_columns(says=pl.col("observer").str.to_lowercase())
    return known.with_columns(whose=pl.col(column).str.extract("^([^:]*):"))


def drop_repeated(records: pl.DataFrame) -> pl.DataFrame:
    """Keep one record of each (URL, species), the one of the lowest document id, and sort by URL and species.

    One URL under two species stays twice: the split finds that the same bytes bear two names, and uses neither.
    """
    # Sorted by the URL alone and then among equal ones, as whole rows are gathered once: sorting 741,533 rows by four
    # columns takes 200 MB more.
    order = records["image_url"].arg_sort().to_numpy()
    urls = records["image_url"][order]
    repeated = urls.eq(urls.shift(1)).fill_null(False) | urls.eq(urls.shift(-1)).fill_null(False)
    ties = records.with_row_index("row")[order[repeated]].sort(
        "image_url", "species", "document_id", "source", nulls_last=True
    )
    kept = np.ones(records.height, bool)
    kept[repeated] = ties.select(pl.struct("image_url", "species").is_first_distinct()).to_series()
    order = order.copy()
    order[repeated] = ties["row"]
    return records[order[kept]]
