"""Images that one of two models has right and the other has not, as photos with what both say of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.evaluation.paired import Comparison
from stages.images.shards import PackedShards, shard_name, shard_of, shards_of
from stages.records.rights import Rights
from stages.report.review_content import Card, Gallery
from stages.report.review_pictures import thumbnail
from stages.runtime.errors import UserError
from stages.runtime.wording import in_words

SHOWN = 24  # images gained, and as many lost


def gallery_of(comparison: Comparison, rights: Rights, packed: Path) -> Gallery:
    """Choose images of those gained and lost, an observation once, those first of which the second model is surest.

    Those whose photo may be shown come before all others.

    Args:
        comparison: of the models.
        rights: of the second's test images, and which licenses may be shown.
        packed: folder of the shards that hold its photos.
    """
    images = comparison.images
    changed = {
        "gained": images.filter(pl.col("head_hit") & ~pl.col("base_hit")),
        "lost": images.filter(pl.col("base_hit") & ~pl.col("head_hit")),
    }
    chosen, notes = {}, []
    for what, rows in changed.items():
        may_show = pl.Series([rights.may_show(name) for name in rows["image_name"]], dtype=pl.Boolean)
        open_ones, closed = rows.filter(may_show), rows.filter(~may_show)
        chosen[what] = pl.concat([_chosen(open_ones), _chosen(closed)]).head(SHOWN)
        if closed.height:
            codes = Counter(map(rights.license, closed["image_name"]))
            notes.append(
                f"Photos of {closed.height:,} images {what} are not shown for their license{in_words(codes)}: "
                f"pictures.licenses allows {rights.what_is_allowed()}."
            )
        if more := rows.height - chosen[what].height:
            notes.append(
                f"Not listed: {more:,} more of the images {what}. At most {SHOWN} are, and one of an observation."
            )
    listed = [name for rows in chosen.values() for name in rows["image_name"]]
    photos, gone = _photos(packed, list(filter(rights.may_show, listed)))
    gained, lost = ([_card(row, photos, rights) for row in rows.iter_rows(named=True)] for rows in chosen.values())
    return Gallery(gained, lost, [*notes, *gone])


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
        there = opened.table().filter(pl.col("image_name").is_in(list(names))).select("image_name", "place")
        found = {name: thumbnail(bytes(opened.jpeg(place))) for name, place in there.iter_rows()}
    except UserError as error:
        return {}, [f"No photo is shown: {error}."]
    photos = {name: uri for name, uri in found.items() if uri is not None}
    lacking = len(set(names) - photos.keys())
    return photos, [f"{lacking:,} photos are not in {packed}, or damaged there."] if lacking else []


def _card(row: dict, photos: dict[str, str], rights: Rights) -> Card:
    name = row["image_name"]
    columns = ("image_name", "species", "base_said", "base_probability", "head_said", "head_probability")
    credit = rights.credit(name) if rights.may_show(name) else f"photo not shown: {rights.license(name)}"
    return Card(**{column: row[column] for column in columns}, photo=photos.get(name), credit=credit)
