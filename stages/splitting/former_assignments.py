"""Assignments as a former version wrote them: a row an image, and ids in other spellings than today's.

They are brought to the present form when they are read: forgotten, all that was evaluated on would be free to be
trained on.
"""

from pathlib import Path

import polars as pl

from stages.records import inaturalist
from stages.records.links import links_of
from stages.runtime.progress import say
from stages.tables.remember import ASSIGNMENTS, FORMER_ASSIGNMENTS
from stages.tables.table import read_table

_IDS = ("photo_id", "observation_id")


def is_former(path: Path) -> bool:
    """Say whether a table is one of a former version; not for what is no table."""
    try:
        return list(pl.read_parquet_schema(path)) == list(FORMER_ASSIGNMENTS)
    except (pl.exceptions.PolarsError, OSError):
        return False


def read_former(path: Path) -> pl.DataFrame:
    """Read a table of a former version: columns of ``ASSIGNMENTS``. What of its ids names nothing is said.

    Raises:
        UserError: it is damaged.
    """
    former = read_table(path, FORMER_ASSIGNMENTS)
    brought = bring_up(former)
    kept = brought.filter(pl.col("kind").is_in(_IDS)).select("image_name", "kind").unique().height
    ids = former.unpivot(on=_IDS, index="image_name").drop_nulls().select("image_name", "variable").unique().height
    say(
        f"{path} is of a former version: {former['image_name'].n_unique():,} images are remembered by their ids' "
        f"present spelling, {ids - kept:,} ids name nothing; `make remember` writes it anew"
    )
    return brought


def bring_up(former: pl.DataFrame) -> pl.DataFrame:
    """Give the assignments of a former version in the present form, sorted: columns of ``ASSIGNMENTS``."""
    rows = [
        former.select("image_name", "split", "used", kind=pl.lit(kind), value=kind) for kind in ("image_name", "sha256")
    ]
    ids = former.select(*_IDS).unique()
    spelled = [(*pair, kind, value) for pair in ids.iter_rows() for kind, value in _present_ids(*pair)]
    known = pl.DataFrame(spelled, schema=dict.fromkeys((*_IDS, "kind", "value"), pl.String), orient="row")
    rows.append(former.join(known, on=list(_IDS), nulls_equal=True))
    present = pl.concat(part.select(ASSIGNMENTS.keys()) for part in rows).drop_nulls("value")
    return present.unique().sort("image_name", "kind", "value")


def _present_ids(photo_id: str | None, observation_id: str | None) -> list[tuple[str, str]]:
    """Spell the ids of an image as today: a photo of iNaturalist's was its number alone, others had their source."""
    of_inaturalist = photo_id is not None and photo_id.isdecimal()
    url = inaturalist.photo_url(photo_id) if photo_id and of_inaturalist else ""
    of_photo, _, own_photo = ("" if of_inaturalist else photo_id or "").partition(":")
    of_observation, _, own_observation = (observation_id or "").partition(":")
    links = links_of(of_photo, url, own_photo, None) + links_of(of_observation, url, None, own_observation)
    return [(link.kind, link.value) for link in dict.fromkeys(links) if link.value and link.kind in _IDS]
