"""Which suspects a picture shows, and beside which photos of their species and of what they are taken for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.images.decode import DecodeError, decode_rgb, reduction
from stages.images.shards import PackedShards
from stages.images.shrink import shrink
from stages.records.rights import Rights
from stages.report.suspects_page import OTHER_PX, OTHERS, SUSPECT_PX, Examples, Suspect
from stages.runtime.errors import UserError
from stages.verdicts.judged import is_judged

Pixels = Callable[[str, int], np.ndarray]  # of an image's name and the side that is wanted


@dataclass(frozen=True)
class Choice:
    """Suspects that are shown, and how many there are.

    Attributes:
        shown: columns of ``SUSPECTS``, by rank.
        suspects: how many there are in all.
        judged: of these, people have said something of.
        withheld: of the others, how many may not be shown.
        repeated: of the rest, how many are of a group that has another suspect before them.
    """

    shown: pl.DataFrame
    suspects: int
    judged: int
    withheld: int
    repeated: int


def choose(images: pl.DataFrame, verdicts: pl.DataFrame, rights: Rights, most: int) -> Choice:
    """Choose the most suspicious images that nobody has judged: one of a group, and species take turns.

    Args:
        images: columns of ``SUSPECTS``, by rank.
        verdicts: columns of ``VERDICTS``.
        rights: which photos may be shown.
        most: suspects to show.
    """
    suspects = images.filter(pl.col("score") > 0)
    new = suspects.filter(~is_judged(suspects, verdicts))
    may_be_shown = new.filter(pl.col("image_name").map_elements(rights.may_show, pl.Boolean))
    of_groups = may_be_shown.unique("group", keep="first", maintain_order=True)
    turns = of_groups.with_columns(turn=pl.int_range(pl.len()).over("species"))
    return Choice(
        shown=turns.sort("turn", "rank").head(most).drop("turn").sort("rank"),
        suspects=suspects.height,
        judged=suspects.height - new.height,
        withheld=new.height - may_be_shown.height,
        repeated=may_be_shown.height - of_groups.height,
    )


def choice_in_words(choice: Choice, images: int) -> str:
    """Say how many suspects there are, and which of them are shown."""
    if not choice.suspects:
        return f"no suspects: the rest of the data takes none of {images:,} images for another species"
    parts = [f"{choice.suspects:,} of {images:,} images are taken for another species; shown: {choice.shown.height:,}"]
    if choice.shown.height:
        parts.append("the most suspicious, one of a group, species in turns")
    if choice.repeated:
        parts.append(f"{choice.repeated:,} more of the same groups")
    if choice.judged:
        parts.append(f"{choice.judged:,} were judged by people already")
    return ", ".join(parts)


def packed_pixels(images: pl.DataFrame, folder: Path) -> Pixels:
    """Give what reads the packed square of an image by its name, uint8 [side, side, 3] RGB, no larger than is wanted.

    Args:
        images: image_name and sha256, of the originals.
        folder: of the shards.

    Raises:
        UserError: an image is not there, or of other bytes; or, where it is read, does not decode.
    """
    shards = PackedShards(folder)
    rows = shards.table().select("image_name", "place", packed_sha256="sha256")
    found = images.select("image_name", "sha256").join(rows, on="image_name", how="left")
    for wrong, what in (
        (pl.col("place").is_null(), "does not hold"),
        (pl.col("sha256") != pl.col("packed_sha256"), "holds other bytes of"),
    ):
        if (without := found.filter(wrong)["image_name"]).len():
            raise UserError(f"{folder} {what} {without[0]} (and {len(without) - 1:,} more): run `dvc repro pack`")
    places = dict(found.select("image_name", "place").iter_rows())

    def pixels(image_name: str, side: int) -> np.ndarray:
        try:
            jpeg = bytes(shards.jpeg(places[image_name]))
            return shrink(decode_rgb(jpeg, factor=reduction(shards.size_px, side)), side)
        except DecodeError as error:
            raise UserError(
                f"{image_name} of {folder} does not decode ({error}): bring it back with `dvc checkout --force`"
            ) from None

    return pixels


def suspect_of(row: dict[str, Any], images: pl.DataFrame, rights: Rights, pixels: Pixels) -> Suspect:
    """Give a suspect as it is drawn.

    Args:
        row: of the table of suspects.
        images: that table.
        rights: which photos may be shown, and whose they are.
        pixels: what reads them.
    """
    name, guess = row["image_name"], row["candidates"][0]
    return Suspect(
        pixels=pixels(name, SUSPECT_PX),
        credit=rights.credit(name),
        said=f"{row['split']}, rank {row['rank']:,}, score {row['score']:.2f}",
        own=examples_of(row["species"], row["group"], images, rights, pixels),
        guess=examples_of(guess, row["group"], images, rights, pixels),
    )


def examples_of(species: str, group: str, images: pl.DataFrame, rights: Rights, pixels: Pixels) -> Examples:
    """Give photos of a species, of another group than the suspect's: those of which the rest of the data is surest."""
    of_species = images.filter((pl.col("species") == species) & (pl.col("group") != group))
    may_be_shown = of_species.filter(pl.col("image_name").map_elements(rights.may_show, pl.Boolean))
    surest = may_be_shown.sort("no_evidence", "score", "image_name").unique("group", keep="first", maintain_order=True)
    names = surest["image_name"].head(OTHERS).to_list()
    count = of_species.height
    missing = ""
    if not count:
        missing = "no photo of another group"
    elif not names:
        missing = f"{count:,} {'photo' if count == 1 else 'photos'}, none that may be shown"
    return Examples(species, [pixels(name, OTHER_PX) for name in names], rights.credits(names), missing)
