"""Images that one of two models has right and the other has not, as photos with what both say of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.evaluation.paired import Comparison
from stages.images.shards import PackedShards, shard_name, shard_of, shards_of
from stages.records.licenses import license_codes
from stages.report.review_content import Card, Gallery
from stages.report.review_pictures import thumbnail
from stages.runtime.errors import UserError

SHOWN = 24  # images gained, and as many lost


def gallery_of(comparison: Comparison, test: pl.DataFrame, packed: Path, licenses: Sequence[str] | None) -> Gallery:
    """Choose images of those gained and lost, an observation once, those first of which the second model is surest.

    Args:
        comparison: of the models.
        test: image_name, license and observer of the second's test.
        packed: folder of the shards that hold its photos.
        licenses: codes under which a photo is shown; ``None`` shows any.
    """
    images = comparison.images.join(test.select("image_name", "license", "observer"), on="image_name", how="left")
    images = images.with_columns(license_codes(images["license"]))
    shown = pl.lit(True) if licenses is None else pl.col("license_code").is_in(list(licenses))
    changed = {
        "gained": images.filter(pl.col("head_hit") & ~pl.col("base_hit")),
        "lost": images.filter(pl.col("base_hit") & ~pl.col("head_hit")),
    }
    chosen = {what: _chosen(rows.filter(shown)) for what, rows in changed.items()}
    photos, gone = _photos(packed, [name for rows in chosen.values() for name in rows["image_name"]])
    cards = {what: [_card(row, photos) for row in rows.iter_rows(named=True)] for what, rows in chosen.items()}
    notes = []
    for what, rows in changed.items():
        closed = rows.filter(~shown)["license_code"].to_list()
        left = rows.height - len(closed) - chosen[what].height
        if closed:
            listed = ", ".join(f"{code} {count:,}" for code, count in sorted(Counter(closed).items()))
            notes.append(
                f"{len(closed):,} images {what} are not shown for their license ({listed}): see pictures.licenses."
            )
        if left:
            notes.append(f"{left:,} more images {what} are not shown: at most {SHOWN}, and of an observation one.")
    return Gallery(gained=cards["gained"], lost=cards["lost"], notes=[*notes, *gone])


def _chosen(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.sort("head_probability", "image_name", descending=[True, False], nulls_last=True)
    return rows.unique("group", keep="first", maintain_order=True).head(SHOWN)


def _photos(packed: Path, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Give the photos by their names, and what is said of those that cannot be had."""
    if not names:
        return {}, []
    try:
        shards = shards_of(packed)
        wanted = {shard_name(shard_of(name, len(shards))) for name in names}
        opened = PackedShards(packed, without=[name for name in shards if name not in wanted])
        places = dict(
            opened.table().filter(pl.col("image_name").is_in(list(names))).select("image_name", "place").iter_rows()
        )
        found = {name: thumbnail(bytes(opened.jpeg(place))) for name, place in places.items()}
    except UserError as error:
        return {}, [f"No photo is shown: {error}."]
    photos = {name: uri for name, uri in found.items() if uri is not None}
    lacking = len(set(names) - photos.keys())
    return photos, [f"{lacking:,} photos are not in {packed}, or damaged there."] if lacking else []


def _card(row: dict, photos: dict[str, str]) -> Card:
    names = ("image_name", "species", "base_said", "base_probability", "head_said", "head_probability")
    by = row["observer"] or "unknown photographer"
    return Card(
        **{name: row[name] for name in names},
        photo=photos.get(row["image_name"]),
        credit=f"{by}, {row['license_code']}",
    )
