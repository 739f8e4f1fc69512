"""Stage ``mistakes``: pictures of what the model takes for something else on test.

Whether the model is wrong or the label only a person who knows the plants can say, and only by the photos: so the most
confident mistakes are shown with both names, and of the species that are confused most often photos side by side. They
are the squares that the model saw. A photo that pictures.licenses does not allow stays out, and is counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.evaluation.answers import read_temperature
from stages.evaluation.evaluated import read_evaluated
from stages.evaluation.suspects import model_suspects
from stages.images.decode import DecodeError, decode_rgb, reduction
from stages.images.shrink import shrink
from stages.learning.split import PackedSplit, open_splits
from stages.records.rights import Rights, rights_of, withheld_in_words
from stages.report import mistakes_page, pairs_page
from stages.report.mistakes_page import Mistake, draw_mistakes, percent
from stages.report.pairs_page import Pair, Photos, draw_pairs
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.splitting.label_order import read_labels
from stages.tables.classes import read_split
from stages.tables.evaluate import CONFUSED_PAIRS
from stages.tables.mistakes import PHOTOS
from stages.tables.table import read_table

SPLITS_IN = Path("data/splits")
PREDICTIONS_IN = Path("data/predictions")
PACKED_IN = Path("data/packed")
CALIBRATION_IN = Path("models/calibration.json")
PAIRS_IN = Path("data/evaluation/confused_pairs.csv")
MISTAKES = Path("plots/mistakes.png")
PAIRS = Path("plots/confused_pairs.png")

Pixels = Callable[[str, int], np.ndarray]  # of an image's name and the side that is wanted


@dataclass(frozen=True)
class Choice:
    """Mistakes that are shown, and how many there are.

    Attributes:
        shown: columns of ``MODEL_SUSPECTS``, the most confident first.
        mistakes: how many there are in all.
        withheld: of these, how many may not be shown.
        repeated: of the others, how many are of a group that has another mistake before them.
    """

    shown: pl.DataFrame
    mistakes: int
    withheld: int
    repeated: int


def main() -> None:
    """Find the mistakes, choose some, draw them."""
    params = stage_params("mistakes")
    check_libraries("mistakes")
    species = read_labels(SPLITS_IN / "labels.csv")
    temperature = read_temperature(CALIBRATION_IN)
    test = read_evaluated(PREDICTIONS_IN, SPLITS_IN, "test", species)
    pairs = read_table(PAIRS_IN, CONFUSED_PAIRS)
    tables = {name: read_split(SPLITS_IN, name, PHOTOS) for name in ("train", "test")}
    photos = pl.concat(tables.values())
    rights = rights_of(photos, params.pictures.licenses)
    packed = open_splits(PACKED_IN, SPLITS_IN, list(tables), species)
    pixels = reader(packed, tables)

    mistakes = model_suspects(test, temperature, species, confident=0)
    check_pairs(pairs, mistakes)
    choice = choose(mistakes, rights, params.mistakes.images)
    shown = [
        Mistake(pixels(name, mistakes_page.PHOTO_PX), said, probability, own, own_probability, rights.credit(name))
        for name, said, probability, own, own_probability in choice.shown.select(
            "image_name", "said", "probability", "species", "own_probability"
        ).iter_rows()
    ]
    withheld = withheld_in_words(choice.withheld, choice.mistakes, rights)
    draw_mistakes(shown, MISTAKES, notes=list(filter(None, [mistakes_in_words(choice, len(test)), withheld])))

    may_be_shown = mistakes.filter(allowed(rights))
    seen = pairs.join(may_be_shown, on=["species", "said"], how="semi", maintain_order="left")
    chosen = seen.head(params.mistakes.pairs)
    count = params.mistakes.pair_images
    drawn = [pair_of(row, may_be_shown, photos, rights, pixels, count) for row in chosen.iter_rows(named=True)]
    notes = pairs_in_words(chosen.height, pairs.height, pairs.height - seen.height, rights)
    draw_pairs(drawn, PAIRS, photos=count, notes=notes)
    said = f" ({withheld})" if withheld else ""
    say(f"mistakes: {choice.mistakes:,} of {len(test):,} test images; see {MISTAKES} and {PAIRS}{said}")


def reader(packed: dict[str, PackedSplit], tables: dict[str, pl.DataFrame]) -> Pixels:
    """Give what reads the square of an image by its name, uint8 [side, side, 3] RGB, no larger than is wanted."""
    places = {name: (split, place) for split, table in tables.items() for place, name in enumerate(table["image_name"])}

    def pixels(image_name: str, side: int) -> np.ndarray:
        split, place = places[image_name]
        of = packed[split]
        try:
            return shrink(decode_rgb(bytes(of.jpeg(place)), factor=reduction(of.size_px, side)), side)
        except DecodeError as error:
            raise UserError(
                f"{image_name} of {PACKED_IN} does not decode ({error}): bring it back with `dvc checkout --force`"
            ) from None

    return pixels


def check_pairs(pairs: pl.DataFrame, mistakes: pl.DataFrame) -> None:
    """See that the pairs were counted of these mistakes.

    Raises:
        UserError: they were not; a pair is named.
    """
    found = mistakes.group_by("species", "said").agg(found=pl.len())
    both = pairs.join(found, on=["species", "said"], how="full", coalesce=True)
    wrong = both.filter(pl.col("found").ne_missing(pl.col("images"))).sort("species", "said")
    if wrong.height:
        first = wrong.row(0, named=True)
        raise UserError(
            f"{PAIRS_IN} says that {first['images'] or 0:,} test images of {first['species']} were said to be "
            f"{first['said']}, and it is {first['found'] or 0:,} by {PREDICTIONS_IN}: run `dvc repro evaluate`"
        )


def allowed(rights: Rights) -> pl.Expr:
    """Say which rows are of photos that may be shown, by image_name."""
    return pl.col("image_name").map_elements(rights.may_show, pl.Boolean)


def choose(mistakes: pl.DataFrame, rights: Rights, most: int) -> Choice:
    """Choose the most confident mistakes: one of a group, and species take turns, so that no one fills the picture.

    Args:
        mistakes: columns of ``MODEL_SUSPECTS``, the most confident first.
        rights: which photos may be shown.
        most: mistakes to show.
    """
    may_be_shown = mistakes.filter(allowed(rights))
    of_groups = may_be_shown.unique("group", keep="first", maintain_order=True)
    turns = of_groups.with_columns(turn=pl.int_range(pl.len()).over("species"))
    first = turns.sort("turn", maintain_order=True).head(most).drop("turn")
    return Choice(
        shown=first.sort("probability", "image_name", descending=[True, False]),
        mistakes=mistakes.height,
        withheld=mistakes.height - may_be_shown.height,
        repeated=may_be_shown.height - of_groups.height,
    )


def mistakes_in_words(choice: Choice, images: int) -> str:
    """Say how many mistakes there are, and which of them are shown."""
    if not images:
        return "test is empty"
    if not choice.mistakes:
        return f"no mistakes: all {images:,} test images are right"
    parts = [f"{choice.mistakes:,} of {images:,} test images are mistaken; shown: {choice.shown.height:,}"]
    if choice.shown.height:
        parts.append("one of a group, species in turns; probabilities after temperature")
    if choice.repeated:
        parts.append(f"{choice.repeated:,} more of the same groups")
    return ", ".join(parts)


def pair_of(row: dict, mistakes: pl.DataFrame, photos: pl.DataFrame, rights: Rights, pixels: Pixels, most: int) -> Pair:
    """Give a confused pair as it is drawn.

    Args:
        row: of the table of pairs.
        mistakes: those that may be shown, columns of ``MODEL_SUSPECTS``.
        photos: of train and test, columns of ``PHOTOS``.
        rights: which photos may be shown, and whose they are.
        pixels: what reads them.
        most: photos of each kind.
    """
    own, said = row["species"], row["said"]
    of_pair = mistakes.filter((pl.col("species") == own) & (pl.col("said") == said))
    mistaken = of_pair.unique("group", keep="first", maintain_order=True).head(most)
    names = mistaken["image_name"].to_list()
    captions = [
        [f"sure by {percent(probability)}", rights.credit(name)]
        for name, probability in zip(names, mistaken["probability"], strict=True)
    ]
    counted = f"{row['images']:,} of {row['of_images']:,} test images, {row['groups']:,} "
    counted += "group" if row["groups"] == 1 else "groups"
    return Pair(
        title=f"{own} → {said}: {counted}{', of one genus' if row['same_genus'] else ''}",
        mistaken=Photos(
            f"test: taken for {said}",
            [pixels(name, pairs_page.PHOTO_PX) for name in names],
            captions,
        ),
        own=train_photos(own, photos, rights, pixels, most),
        said=train_photos(said, photos, rights, pixels, most),
    )


def train_photos(species: str, photos: pl.DataFrame, rights: Rights, pixels: Pixels, most: int) -> Photos:
    """Give train photos of a species, one of a group; names of images are digests, so their order is a draw."""
    of_species = photos.filter((pl.col("species") == species) & (pl.col("split") == "train")).sort("image_name")
    may_be_shown = of_species.filter(allowed(rights))
    names = may_be_shown.unique("group", keep="first", maintain_order=True)["image_name"].head(most).to_list()
    count = of_species.height
    if not count:
        missing = "no photo in train"
    elif not names:
        missing = f"{count:,} {'photo' if count == 1 else 'photos'}, none that may be shown by its license"
    else:
        missing = ""
    return Photos(
        f"train: {species}, {len(names):,} of {count:,} {'photo' if count == 1 else 'photos'}",
        [pixels(name, pairs_page.PHOTO_PX) for name in names],
        [[rights.credit(name)] for name in names],
        missing,
    )


def pairs_in_words(shown: int, pairs: int, withheld: int, rights: Rights) -> Sequence[str]:
    """Say how many pairs there are, and which of them are shown, in a line or two."""
    if not pairs:
        return ["no mistakes: no species was taken for another"]
    words = f"{pairs:,} {'pair is' if pairs == 1 else 'pairs are'} confused; shown: {shown:,}"
    if shown < pairs - withheld:
        words += ", those of most test images"
    if not withheld:
        return [words]
    return [
        words,
        f"of {withheld:,} no mistaken photo may be shown, as pictures.licenses allows {rights.what_is_allowed()}",
    ]


if __name__ == "__main__":
    run(main)
