"""The ways in which a sample is spoilt, by the cause of a failed training that each stands for."""

import gzip
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import numpy as np
import polars as pl
import simplejpeg

from benchmarks.spoilt_clone import LIST, Clone, Edit
from stages.records.shapes import image_name

# How much is spoilt.
BLANK_FILES = 0.3  # of the files of the image cache
BLANK_PACKED = (0.1, 0.5)  # of the packed images of train and of val
ONLY_IN_VAL = 4  # one species in so many stands in validation alone
EPOCHS = 15  # of the training that overfits, as in the owner's
FEW_IMAGES = 3  # of a species in train, and
FEW_EPOCHS = 40  # so many passes over them from random weights

# The trainings, the sound one too, are of smaller images than the sample's own: a third of its time.
TRAIN_PX = 128
PACK_PX = 144
SMALL = (("profiles.sample.image.pack_px", PACK_PX), ("profiles.sample.image.train_px", TRAIN_PX))

IMAGES = Path("data/sources/sample/images")
DUMP = Path("data/sources/sample/dump/plants.bson.gz")


@dataclass(frozen=True)
class Experiment:
    """A way to spoil the sample.

    Attributes:
        spoilt: what is done, in words.
        edits: of code.
        params: of params.yaml, by their keys.
        prepare: what is done to files and tables in a clone whose pipeline has run; gives figures to record.
        targets: stages that run.
        small: whether its images are.
    """

    spoilt: str
    edits: tuple[Edit, ...] = ()
    params: tuple[tuple[str, Any], ...] = ()
    prepare: Callable[["Clone"], dict[str, Any]] | None = None
    targets: tuple[str, ...] = ("train",)
    small: bool = True


def blank_files(clone: Clone) -> dict[str, Any]:
    """Put one black picture in the place of some files of the image cache, and take the inventory."""
    black = simplejpeg.encode_jpeg(np.zeros((480, 640, 3), np.uint8), quality=90)
    return _replace_files(clone, black)


def placeholder_files(clone: Clone) -> dict[str, Any]:
    """Put one photo in the place of some files: what a host serves for a photo that it has no more."""
    content = (clone.root / IMAGES / clone.split("train")["image_name"][0]).read_bytes()
    return _replace_files(clone, content)


def _replace_files(clone: Clone, content: bytes) -> dict[str, Any]:
    names = sorted(path.name for path in (clone.root / IMAGES).glob("*.jpg"))
    chosen = drawn(names, BLANK_FILES)
    for name in chosen:
        (clone.root / IMAGES / name).write_bytes(content)
    clone.must(sys.executable, "-m", "stages.commands.inventory")
    return {"files": len(names), "spoilt_files": len(chosen)}


def list_packed(of_train: float, of_val: float) -> Callable[[Clone], dict[str, Any]]:
    """Give what lists a share of train and of val, for a stage that makes them black."""

    def prepare(clone: Clone) -> dict[str, Any]:
        train = drawn(clone.split("train")["image_name"].to_list(), of_train)
        val = drawn(clone.split("val")["image_name"].to_list(), of_val)
        clone.spoil([*train, *val])
        return {"spoilt_train_images": len(train), "spoilt_val_images": len(val)}

    return prepare


def second_names(clone: Clone) -> dict[str, Any]:
    """Add to the dump a document for each photo of val: the same photo, saved again, under the next species."""
    species = pl.read_csv(clone.root / "data/splits/labels.csv")["species"].to_list()
    content = gzip.decompress((clone.root / DUMP).read_bytes())  # one document has an odd byte: it is not decoded
    rows = clone.split("val").select("image_name", "species").iter_rows()
    for number, (name, own) in enumerate(rows, start=1):
        url = f"https://plants.example/second-name-{number}.jpg"
        pixels = simplejpeg.decode_jpeg((clone.root / IMAGES / name).read_bytes())
        (clone.root / IMAGES / image_name(url)).write_bytes(simplejpeg.encode_jpeg(pixels, quality=60))
        other = species[(species.index(own) + 1) % len(species)]
        id_ = bson.ObjectId((2**88 + number).to_bytes(12, "big"))
        content += bson.encode({"_id": id_, "url": url, "scientific_name": other, "rights": "cc0"})
    (clone.root / DUMP).write_bytes(gzip.compress(content, mtime=0))
    clone.must(sys.executable, "-m", "stages.commands.inventory")
    return {"documents_added": clone.split("val").height}


def given_split(clone: Clone) -> dict[str, Any]:
    """Write the sample's split as another system would, some species in val alone, and remember it."""
    moved = only_in_val(clone)
    folder = clone.root.with_name("given")
    folder.mkdir()
    tables = pl.concat([clone.split(name) for name in ("train", "val", "test")])
    to = pl.when(pl.col("species").is_in(moved)).then(pl.lit("val")).otherwise("split")
    for (name,), rows in tables.with_columns(to=to).group_by("to"):
        lines = (
            json.dumps({"image_url": url, "species": of})
            for url, of in rows.sort("image_url").select("image_url", "species").iter_rows()
        )
        (folder / f"dataset_{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    clone.must(sys.executable, "-m", "stages.commands.remember", "--from", str(folder))
    return {"spoilt_species": len(moved)}


def move_species(clone: Clone) -> dict[str, Any]:
    """List the species that a spoilt stage puts into val alone."""
    moved = only_in_val(clone)
    clone.spoil(moved)
    return {"spoilt_species": len(moved)}


def only_in_val(clone: Clone) -> list[str]:
    """Choose species."""
    return pl.read_csv(clone.root / "data/splits/labels.csv")["species"].to_list()[::ONLY_IN_VAL]


def drawn(names: list[str], share: float) -> list[str]:
    """Draw a share of images: their names are MD5s, so the order by their last digits is as good as drawn."""
    return sorted(sorted(names, key=lambda name: name[::-1])[: round(share * len(names))])


_SPLIT, _LOADED = "stages/split.py", "stages/learning/split.py"
_OF_LIST = f'Path("{LIST}").read_text(encoding="utf-8").splitlines()'
_WRITE = "write_table(table.head(images).with_columns(split=pl.lit(name)), SPLIT,"
# The k-th species by number of images bears the name of the k-th by alphabet, in val alone.
_BY_SIZE = Edit(
    _SPLIT,
    "    for name in (*SPLITS, UNKNOWN):\n        images = ",
    '    sizes = table.group_by("species").len().sort(["len", "species"], descending=[True, False])["species"]\n'
    '    other = dict(zip(sizes, table["species"].unique().sort(), strict=True))\n'
    "    for name in (*SPLITS, UNKNOWN):\n        images = ",
)
_VAL_BY_OTHER = Edit(
    _SPLIT,
    _WRITE,
    "write_table(table.head(images).with_columns(split=pl.lit(name), species=pl.col('species').replace_strict(other) "
    "if name == 'val' else pl.col('species')), SPLIT,",
)
# val.parquet is read with labels by its own species alone: 0 is the first of these.
_OWN_NUMBERS = Edit(
    _SPLIT,
    "    for name in (*SPLITS, UNKNOWN):\n        images = ",
    '    every = table["species"].unique().sort().to_list()\n'
    '    of_val = table.filter(rows["split"] == "val")["species"].unique().sort().to_list()\n'
    "    other = dict(zip(of_val, every, strict=False))\n"
    "    for name in (*SPLITS, UNKNOWN):\n        images = ",
)
_OWN = (
    "val.parquet names species as if val had numbered its own alone: all behind a species that it lacks are one or two "
    "names too early"
)
_BLACK = Edit(
    "stages/images/packing.py",
    "    jpeg = simplejpeg.encode_jpeg(piece,",
    f"    piece = piece * 0 if image_name in {_OF_LIST} else piece\n    jpeg = simplejpeg.encode_jpeg(piece,",
)
_LOGITS = "                logits = model(color(batch)).float()\n"

CAUSES: dict[str, dict[str, Experiment]] = {
    "sound": {"sample": Experiment("nothing")},
    "label_order": {
        "tables": Experiment(
            "val.parquet names species by another numbering: the k-th by number of images bears the name of the k-th "
            "by alphabet",
            (_BY_SIZE, _VAL_BY_OTHER),
        ),
        "own_numbers_in_tables": Experiment(_OWN, (_OWN_NUMBERS, _VAL_BY_OTHER), targets=("baseline",), small=False),
        "own_numbers_in_tables_of_small_images": Experiment(_OWN, (_OWN_NUMBERS, _VAL_BY_OTHER), targets=("baseline",)),
        "own_numbers_in_code": Experiment(
            "the training reads each split with numbers of that split's own species; the tables are sound",
            (
                Edit(
                    _LOADED,
                    'label(table["species"], species, where=str(path))',
                    'label(table["species"], sorted(set(table["species"])), where=str(path))',
                ),
            ),
        ),
    },
    "blank_images": {
        "as_handled": Experiment(
            "files of the image cache are one black picture", prepare=blank_files, targets=("split",)
        ),
        "placeholder": Experiment(
            "files of the image cache are one and the same photo", prepare=placeholder_files, targets=("split",)
        ),
        "limits_off": Experiment(
            "files of the image cache are one black picture, and all limits of the section inventory are off",
            params=(
                ("inventory.blank_std", 0.0),
                ("inventory.max_even_share", 1.0),
                ("inventory.max_filled_share", 1.0),
                ("inventory.max_drawn", 100.0),
                ("inventory.min_sharpness", 0.0),
                ("inventory.placeholder_photos", 1_000_000),
            ),
            prepare=blank_files,
            targets=("split",),
        ),
        **{
            f"packed_{share * 100:.0f}": Experiment(
                f"pack writes black pictures for {share:.0%} of the images of train and of val, behind all checks",
                (_BLACK,),
                prepare=list_packed(share, share),
            )
            for share in BLANK_PACKED
        },
        "packed_val": Experiment(
            "pack writes black pictures for all images of val and none of train, behind all checks",
            (_BLACK,),
            prepare=list_packed(0.0, 1.0),
        ),
    },
    "leakage": {
        "observations": Experiment(
            "split takes each image for an observation of its own",
            (
                Edit(
                    _SPLIT,
                    "grouped = narrow.with_columns(group=group_rows(narrow, linked, pairs), ",
                    'grouped = narrow.with_columns(group=pl.col("row"), ',
                ),
            ),
        ),
        "second_names": Experiment(
            "a second document for each photo of val: the same photo, saved again, under another species",
            prepare=second_names,
            targets=("split",),
        ),
        "second_names_in_train": Experiment(
            "train.parquet has each photo of val besides, under another species, behind all checks",
            (
                Edit(
                    _SPLIT,
                    "    write_table(left_out.sort(",
                    '    train, val = (pl.read_parquet(OUT / f"{name}.parquet") for name in ("train", "val"))\n'
                    '    order = classes["species"].sort().to_list()\n'
                    "    following = dict(zip(order, order[1:] + order[:1], strict=True))\n"
                    '    val = val.with_columns(pl.col("species").replace_strict(following), split=pl.lit("train"))\n'
                    '    write_table(pl.concat([train, val]), SPLIT, OUT / "train.parquet")\n'
                    "    write_table(left_out.sort(",
                ),
            ),
        ),
    },
    "classes_only_in_val": {
        "given_split": Experiment(
            "a split of another system, given to `make remember`, has a quarter of the species in validation alone",
            prepare=given_split,
            targets=("split",),
        ),
        "split_in_code": Experiment(
            "split puts all images of a quarter of the species into val",
            (
                Edit(
                    _SPLIT,
                    "    rows = rows.with_columns(split=assign_splits(rows, params))\n",
                    "    rows = rows.with_columns(split=assign_splits(rows, params))\n"
                    f'    moved = pl.col("species").is_in({_OF_LIST})\n'
                    '    rows = rows.with_columns(split=pl.when(moved).then(pl.lit("val")).otherwise("split"))\n',
                ),
            ),
            prepare=move_species,
        ),
    },
    "overfitting": {
        "pretrained": Experiment(
            "no augmentation, no dropout, no weight decay, no label smoothing, 15 epochs",
            params=(
                ("profiles.sample.train.epochs", EPOCHS),
                ("profiles.sample.image.pack_px", TRAIN_PX),  # so that there is nothing to cut at random
                ("augment.flip", False),
                ("augment.jitter", 0.0),
                ("model.drop_rate", 0.0),
                ("train.weight_decay", 0.0),
                ("train.label_smoothing", 0.0),
            ),
        ),
        "random_weights": Experiment(
            "three images a species, random starting weights, no augmentation, no regularization, 40 epochs",
            params=(
                ("split.max_train_images_per_class", FEW_IMAGES),
                ("profiles.sample.train.epochs", FEW_EPOCHS),
                ("profiles.sample.image.pack_px", TRAIN_PX),  # so that there is nothing to cut at random
                ("profiles.sample.model.weights", {"kind": "random"}),
                ("augment.flip", False),
                ("augment.jitter", 0.0),
                ("model.drop_rate", 0.0),
                ("train.weight_decay", 0.0),
                ("train.label_smoothing", 0.0),
            ),
        ),
    },
    "preparation": {
        "not_normalized": Experiment(
            "validation and train_eval see pixels of 0 to 255, training sees them normalized",
            (
                Edit(
                    "stages/learning/predict.py",
                    _LOGITS,
                    "                logits = model(batch.pixels.permute(0, 3, 1, 2).float()).float()\n",
                ),
            ),
        ),
    },
}
