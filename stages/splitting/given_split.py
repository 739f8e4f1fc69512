"""A split that was made elsewhere, in files of documents: dataset_train.jsonl and the like.

What was evaluated on before stays evaluated on, so that old figures remain comparable.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from stages.config.schema import DocumentShape
from stages.records.dump import is_dump, read_dump
from stages.records.shapes import DocumentReader
from stages.records.tabulate import shape_records
from stages.runtime.errors import UserError
from stages.runtime.progress import progress, say
from stages.runtime.wording import in_words
from stages.splitting.memory import rank_of
from stages.tables.classes import SPLITS

_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test", "dev": "val", "eval": "test", "evaluation": "test", "holdout": "test",
    "entrenamiento": "train", "validacion": "val", "prueba": "test",
}  # fmt: skip


def find_files(places: Iterable[Path]) -> dict[Path, str]:
    """Say which split each file holds, by its name: ``dataset_train_stratified.jsonl`` is of train.

    Args:
        places: files, and folders whose files with such a name are meant.

    Raises:
        UserError: a place is missing, a file's name says no split or several, or there is none of train.
    """
    found: dict[Path, str] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"{place} is missing: name the files of the split, or the folder that holds them")
        files = sorted(filter(_may_hold_images, place.iterdir())) if place.is_dir() else [place]
        splits = {file: _split_of(file) if is_dump(file) or not place.is_dir() else None for file in files}
        unclear = [file for file, split in splits.items() if is_dump(file) and not split and "raw" not in _words(file)]
        if place.is_dir() and unclear:
            raise UserError(
                f"{unclear[0]}: its name does not say which split it holds ({', '.join(SPLITS)}): give it such a "
                "name, or name the files of the split one by one"
            )
        if place.is_file() and not splits[place]:
            raise UserError(f"{place}: its name must say one of {', '.join(SPLITS)}: dataset_train.jsonl")
        found |= {file: split for file, split in splits.items() if split}
    if missing := sorted({"val", "test"} - set(found.values())):
        say(f"remember: there is no file of {' and none of '.join(missing)}")
    if "train" not in found.values():
        raise UserError(f"no file of train among {', '.join(map(str, found)) or 'them'}: its name must say so")
    return found


def _split_of(file: Path) -> str | None:
    splits = {_WORDS[word] for word in _words(file) if word in _WORDS}
    return splits.pop() if len(splits) == 1 else None


def _may_hold_images(file: Path) -> bool:
    """Whether a file is no folder, no hidden one, and not what mongodump says of a collection beside it."""
    return file.is_file() and not file.name.startswith(".") and ".metadata.json" not in file.name


def _words(file: Path) -> list[str]:
    return re.split(r"[^a-z]+", file.name.lower())


def read_given(files: dict[Path, str], shapes: Mapping[str, DocumentShape]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the images of a split.

    Args:
        files: the split of each, as ``find_files`` gives it.
        shapes: the shapes of documents in params.yaml.

    Returns:
        The images: image_name, split, used. And all that links them: columns of ``LINKS``.

    Raises:
        UserError: a file cannot be read, or gives no image.
    """
    images, links = [], []
    for file, split in files.items():
        shaped = shape_records(progress(read_dump(file), what="remember", unit="documents"), DocumentReader(shapes))
        records = shaped.records.table()
        if records.is_empty():
            raise UserError(
                f"{file}: none of its {shaped.read:,} documents names an image{in_words(shaped.refused)}: see "
                "`documents` in params.yaml"
            )
        say(
            f"remember: {file}: {records['image_name'].n_unique():,} images of {split} in {shaped.read:,} "
            f"documents{in_words(shaped.refused)}"
        )
        images.append(records.select("image_name", split=pl.lit(split), used=pl.lit(True)).unique())
        links.append(shaped.links.table())
    everywhere, all_links = pl.concat(images), pl.concat(links)
    kept = everywhere.sort(rank_of(pl.col("split")), "image_name").unique(
        "image_name", keep="first", maintain_order=True
    )
    if twice := everywhere.height - kept.height:
        say(f"remember: {twice:,} images stand in two of its splits: they count as of train, else as of test")
    values = all_links.drop_nulls("value").join(kept, on="image_name").group_by("kind", "value")
    torn = values.agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).group_by("kind").len().sort("kind")
    if torn.height:
        say(
            f"remember: in that split, images of one thing stand in two parts{in_words(dict(torn.iter_rows()))}: "
            "those of train stay there, and `split` leaves the others out of val and test"
        )
    return kept, all_links
