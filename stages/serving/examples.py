"""The example photos that are shown beside a species: those of the model's folder, or of the repo that made it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from stages.publishing.examples import choose_examples, small_pictures
from stages.tables.publish import EXAMPLES
from stages.tables.table import read_table


class Examples:
    """Photos of species, with whose they are.

    Attributes:
        species: of which there are any.
        photos: that there are.
    """

    def __init__(self, table: pl.DataFrame, picture: Callable[[str], bytes]) -> None:
        """Take what is known of the photos.

        Args:
            table: columns of ``EXAMPLES`` without jpeg.
            picture: gives the JPEG of one of them by its name.
        """
        self._picture = picture
        self._of_species: dict[str, list[dict[str, str | None]]] = {}
        self._names = set(table["image_name"])
        for row in table.drop("jpeg", strict=False).iter_rows(named=True):
            shown = {"image": row["image_name"]} | {name: row[name] for name in ("photographer", "license", "url")}
            self._of_species.setdefault(row["species"], []).append(shown)
        self.species, self.photos = len(self._of_species), table.height

    def of(self, species: str) -> list[dict[str, str | None]]:
        """Give image, photographer, license and url of the photos of a species, perhaps of none."""
        return self._of_species.get(species, [])

    def picture(self, image_name: str) -> bytes:
        """Give a photo as a small JPEG.

        Raises:
            KeyError: there is no such one.
            UserError: it is missing or damaged.
        """
        if image_name not in self._names:
            raise KeyError(image_name)
        return self._picture(image_name)


def no_examples() -> Examples:
    """Give none."""
    return Examples(pl.DataFrame(schema=dict(EXAMPLES)), lambda _: b"")


def published_examples(path: Path) -> Examples:
    """Read the examples of a model that was published.

    Raises:
        UserError: they are missing or damaged.
    """
    table = read_table(path, EXAMPLES)
    jpegs = dict(table.select("image_name", "jpeg").iter_rows())
    return Examples(table, jpegs.__getitem__)


def examples_of_repo(
    splits: Path,
    packed: Path,
    species: Sequence[str],
    *,
    licenses: Sequence[str] | None,
    a_species: int,
    suspects: Path,
) -> Examples:
    """Choose examples of the repo's own photos, as ``make_examples`` does; each picture is made when it is looked at.

    Raises:
        UserError: splits, suspects or packed images are missing or damaged.
    """
    table = choose_examples(splits, species, licenses=licenses, a_species=a_species, suspects=suspects)
    small, digests = small_pictures(packed), dict(table.select("image_name", "sha256").iter_rows())
    return Examples(table, lambda image_name: small(image_name, digests[image_name]))
