"""Which images people have said something of, whatever it was: these are not proposed again."""

import polars as pl


def is_judged(images: pl.DataFrame, verdicts: pl.DataFrame) -> pl.Series:
    """Say of images whether there is a verdict on their bytes and on the species that they have, Boolean.

    That an image has its species by a relabel is a verdict on that species.

    Args:
        images: image_name, sha256, species.
        verdicts: columns of ``VERDICTS``.
    """
    given, relabeled = (verdicts.select("image_name", "sha256", species=name) for name in ("given", "species"))
    relabeled = relabeled.filter(verdicts["verdict"] == "relabel")
    said = pl.concat([given, relabeled]).unique().with_columns(judged=pl.lit(True))
    key = ["image_name", "sha256", "species"]
    return images.select(key).join(said, on=key, how="left", maintain_order="left")["judged"].fill_null(False)
