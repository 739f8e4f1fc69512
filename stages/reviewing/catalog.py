"""What is known of the images that people are asked about, and which others are shown beside one.

Nothing that is shown tells why an image is asked: it depends on the image alone. So what only some images have (the
answer of a trained model, which there is for val and test) changes a guess and is not said to be there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.records.rights import Rights, rights_of
from stages.splitting.label_order import read_labels
from stages.tables.classes import SPLITS, read_split
from stages.tables.evaluate import MODEL_SUSPECTS
from stages.tables.review_data import REVIEWED
from stages.tables.suspects import SUSPECTS
from stages.tables.table import read_table

MOST_CANDIDATES = 4  # keys 2 to 5
PANEL = 6  # photos of a species that are shown
MOST_NEIGHBORS = 8
_OF_SUSPECTS = ("rank", "score", "candidates", "isolation_rank", "neighbors")


@dataclass(frozen=True)
class Counts:
    """What was passed over.

    Attributes:
        other_suspects: rows of data/suspects/ that are of no image of the splits, or of another species or file of it.
        without: images of the splits of which data/suspects/ says nothing.
    """

    other_suspects: int
    without: int


class Catalog:
    """Images of train, val and test by name.

    Attributes:
        images: columns of ``REVIEWED`` and of data/suspects/: rank, score, candidates, isolation_rank, neighbors.
        species: that there are, in the order of labels.
        rights: whose the photos are.
        counts: what was passed over.
    """

    def __init__(self, images: pl.DataFrame, suspects: pl.DataFrame, said: pl.DataFrame, species: list[str]) -> None:
        """Join the tables.

        Args:
            images: columns of ``REVIEWED``.
            suspects: columns of ``SUSPECTS``.
            said: columns of ``MODEL_SUSPECTS``, perhaps no rows.
            species: in the order of labels.
        """
        key = ["image_name", "sha256", "species"]
        known = suspects.join(images, on=key, how="semi")
        self.counts = Counts(suspects.height - known.height, images.height - known.height)
        joined = images.join(known.select(*key, *_OF_SUSPECTS), on=key, how="left", maintain_order="left")
        self.images = joined.join(said.select(*key, "said"), on=key, how="left", maintain_order="left")
        self.species = species
        self.rights: Rights = rights_of(images, None)
        self._row = dict(zip(images["image_name"], range(images.height), strict=True))
        rows = self.images.with_row_index("row")
        self._groups = images["group"].to_list()
        self._group = _places(rows, "group")
        self._species = _places(rows, "species")
        self._is_species = frozenset(species)

    def __contains__(self, image_name: object) -> bool:
        return image_name in self._row

    def of(self, image_name: str) -> dict[str, Any]:
        """Give an image's row."""
        return self.images.row(self._row[image_name], named=True)

    def group(self, image_name: str) -> str:
        """Give the group that an image is of."""
        return self._groups[self._row[image_name]]

    def together(self, image_name: str) -> list[str]:
        """Give the images that a verdict counts for: those of its group, which is of one species; itself first.

        A group holds the photos of an observation, and copies of them under other addresses or in other observations.
        With another species for a part of it, `split` would leave all of it out.
        """
        rows = self._group[self.group(image_name)]
        names = self.images["image_name"].gather(rows).sort().to_list()
        return [image_name, *(name for name in names if name != image_name)]

    def is_species(self, name: str) -> bool:
        """Say whether a species is one of the classes."""
        return name in self._is_species

    def candidates(self, image_name: str) -> list[str]:
        """Give the species that an image may be instead, the likeliest first, at most ``MOST_CANDIDATES``."""
        row = self.of(image_name)
        found = dict.fromkeys([row["said"], *(row["candidates"] or ())])
        return [name for name in found if name != row["species"] and self.is_species(name)][:MOST_CANDIDATES]

    def neighbors(self, image_name: str) -> list[str]:
        """Give the nearest images of other groups, the nearest first, at most ``MOST_NEIGHBORS``."""
        near, own = self.of(image_name)["neighbors"] or (), self.group(image_name)
        others = [name for name in near if name in self and self.group(name) != own]
        return others[:MOST_NEIGHBORS]

    def typical(self, species: str, most: int, *, but_for: Iterable[str] = ()) -> list[str]:
        """Give images of a species for the eye to compare with: one of a group, none of those groups.

        They are drawn (by their names, which are digests) from the half against which the rest of the data speaks
        least: what is wrong itself is no example.
        """
        images = self.images[self._species.get(species, [])]
        images = images.filter(~pl.col("group").is_in(list(but_for)))
        surest = images.sort(pl.col("rank").fill_null(0), "image_name", descending=[True, False])
        of_groups = surest.unique("group", keep="first", maintain_order=True)
        half = of_groups.head(max(most, of_groups.height // 2))
        return half["image_name"].sort().head(most).to_list()


def read_catalog(splits: Path, suspects: Path, model_suspects: Path) -> Catalog:
    """Read the tables.

    Args:
        splits: folder of train, val, test and labels.csv.
        suspects: folder of the tables of suspects.
        model_suspects: the table of what a trained model contradicts; it may be missing.

    Raises:
        UserError: as ``read_table``.
    """
    images = pl.concat([read_split(splits, name, REVIEWED) for name in SPLITS])
    said = (
        read_table(model_suspects, MODEL_SUSPECTS) if model_suspects.is_file() else pl.DataFrame(schema=MODEL_SUSPECTS)
    )
    species = read_labels(splits / "labels.csv")
    return Catalog(images, read_table(suspects / "images.parquet", SUSPECTS), said, species)


def _places(rows: pl.DataFrame, column: str) -> dict[str, list[int]]:
    """Give the places of the rows that have each value of a column."""
    grouped = rows.group_by(column).agg("row")
    return dict(zip(grouped[column], grouped["row"].to_list(), strict=True))
