"""What may have caused a failed training: the sample spoilt in each way, the real pipeline run on it, what it said.

    python -m benchmarks.failed_training FOLDER [CAUSE ...]

A training once ended with 98.6 % of its training images right and 0.03 % of validation. For each cause that may have
done it, FOLDER gets clones of this repo. In each the sample is spoilt, by a table, a file or a line of code, as the old
system may have been. Then `dvc repro` runs there, with GATE=off where the gate stops it, so that one sees what such a
training looks like. What the stages said, and the figures, go to docs/failed_training.json, cause by cause; causes that
are not named keep what stands there. docs/failed_training.md says what they mean.

All causes take about a quarter of an hour on two idle CPU cores, from a repo in which `make demo` has run.
"""

import argparse
import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import numpy as np
import polars as pl
import simplejpeg
import yaml
from scipy.stats import beta

from benchmarks import ROOT
from stages.records.shapes import image_name
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.runtime.yaml_files import read_yaml
from stages.tables.json_files import parse_json, write_json

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

OUT = ROOT / "docs/failed_training.json"
OWNER = ROOT / "docs/owner.json"
IMAGES = Path("data/sources/sample/images")
DUMP = Path("data/sources/sample/dump/plants.bson.gz")
LIST = "spoilt.txt"  # of images, in a clone, where a spoilt stage reads it

_SPEAKERS = "export|cache_filter|near_duplicates|split|baseline|remember"
_TOLD = re.compile(rf"^(?:(?:{_SPEAKERS}): .*|[a-z_]+: .*(?:warning|WARNING).*|train: data/gate\.json.*)$")
_OF_A_RUN = re.compile(r"taken over|assignments\.parquet$")  # what depends on what ran before
_LEVEL = 0.95
_DIGITS = 7  # shares of a ten-thousandth are among the figures


@dataclass(frozen=True)
class Edit:
    """A line of code that is replaced in a clone, as a slip would."""

    file: str
    old: str
    new: str


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


class Clone:
    """A clone of this repo with a DVC cache of its own, which begins with what another's has."""

    def __init__(self, folder: Path, like: Path) -> None:
        """Make it, in the place of an earlier one.

        Args:
            folder: for it.
            like: a repo whose DVC cache has what need not be made again.
        """
        self.root = folder / "repo"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.call("git", "clone", "--quiet", str(ROOT), str(self.root), at=folder)
        if (like / ".dvc/cache").is_dir():
            shutil.copytree(like / ".dvc/cache", self.root / ".dvc/cache", copy_function=_link)

    def call(self, *command: str, at: Path | None = None, gate: str = "on") -> tuple[int, str]:
        """Run a command in the clone, by its own code, on the CPU; give its exit code and what it says.

        Of this machine's settings none reaches it.
        """
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = dict.fromkeys(("IMAGE_CACHE_DIR", "CLUSTER", "CHECKPOINT_DIR", "CUDA_VISIBLE_DEVICES"), "")
        settings |= {"GATE": gate}
        here = {"PATH": path, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.root.with_name("site"))}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings | here
        done = subprocess.run(
            command,
            cwd=at or self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def must(self, *command: str, gate: str = "on") -> str:
        """Run a command that may not fail."""
        code, output = self.call(*command, gate=gate)
        if code:
            last = output.strip().splitlines()[-1:] or [f"exit code {code}"]
            raise UserError(f"`{' '.join(command)}` failed in {self.root}: {last[0]}")
        return output

    def edit(self, edit: Edit) -> None:
        """Replace a piece of code that stands there once."""
        path = self.root / edit.file
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise UserError(f"{edit.file} has {text.count(edit.old)} times {edit.old!r}: this benchmark is out of date")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")

    def set(self, params: tuple[tuple[str, Any], ...]) -> None:
        """Set parameters."""
        path = self.root / "params.yaml"
        content = read_yaml(path)
        for key, value in params:
            *sections, name = key.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[name] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def json(self, path: str) -> dict[str, Any]:
        """Read a JSON file of the clone; nothing where it is missing."""
        file = self.root / path
        return parse_json(file.read_bytes()) if file.exists() else {}

    def split(self, name: str) -> pl.DataFrame:
        """Read a split's table."""
        return pl.read_parquet(self.root / f"data/splits/{name}.parquet").sort("image_name")

    def spoil(self, names: list[str]) -> None:
        """List images that a spoilt stage shall meet."""
        (self.root / LIST).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


# --- what is done to files and tables


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


# --- the causes

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


def main() -> None:
    """Run the experiments of the causes that the command line names, and record them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument(
        "causes", nargs="*", metavar="CAUSE", help=f"{', '.join(CAUSES)}, or one way as label_order.tables; none is all"
    )
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("benchmarks/failed_training.py: name a folder to work in: skipped")
        return
    ways = [(cause, name) for cause, of in CAUSES.items() for name in of]
    names = {word: [way for way in ways if word in (way[0], ".".join(way))] for word in arguments.causes or CAUSES}
    if unknown := [word for word, found in names.items() if not found]:
        raise UserError(f"{unknown[0]} is no cause: one of {', '.join(CAUSES)}")
    folder = arguments.folder.absolute()
    base = folder / "base"
    if not (base / "repo/data/gate.json").exists():
        say("base: the sample with small images, up to the baseline")
        clone = Clone(base, ROOT)
        clone.set(SMALL)
        clone.must("dvc", "repro", "split", "baseline")
    for cause, name in dict.fromkeys(way for found in names.values() for way in found):
        experiment = CAUSES[cause][name]
        say(f"{cause}.{name}: {experiment.spoilt}")
        found = observe(experiment, folder / f"{cause}_{name}", base / "repo")
        for line in found["said"]:
            say(f"    {line}")
        say(f"    {', '.join(f'{key} {value}' for key, value in found.items() if key.endswith('top1'))}")
        record(cause, name, found)


def record(cause: str, name: str, found: dict[str, Any]) -> None:
    """Put what was seen into the record, beside what else stands there, and what the owner's figures say."""
    recorded = parse_json(OUT.read_bytes()) if OUT.exists() else {}
    kept = {cause: {name: recorded.get(cause, {}).get(name) for name in of} for cause, of in CAUSES.items()}
    kept[cause][name] = found
    seen = {cause: {name: one for name, one in of.items() if one} for cause, of in kept.items()}
    write_json(OUT, _rounded(seen | {"arithmetic": arithmetic(parse_json(OWNER.read_bytes()))}))


def observe(experiment: Experiment, folder: Path, base: Path) -> dict[str, Any]:
    """Spoil a clone and let the pipeline run there: give what was said, and the figures."""
    clone = Clone(folder, base if experiment.small else ROOT)
    if experiment.small:
        clone.set(SMALL)
    clone.must("dvc", "repro", "split", "baseline")
    figures = experiment.prepare(clone) if experiment.prepare else {}
    for edit in experiment.edits:
        clone.edit(edit)
    clone.set(experiment.params)
    code, output = clone.call("dvc", "repro", *experiment.targets)
    said = told(output)
    verdict = clone.json("data/gate.json").get("verdict")
    if code and verdict in ("order_differs", "at_chance"):
        said += told(clone.must("dvc", "repro", *experiment.targets, gate="off"))
    elif code and not any(line.startswith(("split: ", "cache_filter: ")) for line in said):
        raise UserError(f"the pipeline failed in {clone.root}: {output.strip().splitlines()[-1]}")
    figures |= {"spoilt": experiment.spoilt, "said": list(dict.fromkeys(said)), "stopped": bool(code)}
    return figures | figures_of(clone, experiment.targets)


def told(output: str) -> list[str]:
    """Give the lines in which stages say what they found, without those that depend on what ran before."""
    return [line for line in output.splitlines() if _TOLD.match(line) and not _OF_A_RUN.search(line)]


def figures_of(clone: Clone, targets: tuple[str, ...]) -> dict[str, Any]:
    """Give the figures of stages that ran in a clone."""
    split, looks = clone.json("data/reports/split.json"), clone.json("metrics/near_duplicates.json")
    found: dict[str, Any] = {
        "by_verdict": clone.json("data/reports/cache_filter.json").get("by_verdict"),
        "disputed_images": looks.get("disputed_images"),
        "left_out": split.get("left_out"),
        "leaks": clone.json("metrics/split.json").get("leaks"),
    }
    if "baseline" in targets or "train" in targets:
        baseline = clone.json("data/reports/baseline.json")
        found |= {"gate": baseline["gate"]["verdict"]}
        found |= {"baseline_val_top1": clone.json("metrics/baseline.json")["baseline_val_top1"]}
    if "train" in targets:
        train, val = clone.split("train"), clone.split("val")
        epochs = {name: top1_of(clone, name) for name in ("train", "train_eval", "val")}
        right = round(epochs["val"][-1] * val.height)
        classes = pl.read_csv(clone.root / "data/splits/labels.csv").height
        unknown = val.filter(~pl.col("species").is_in(train["species"].unique().implode())).height
        found |= {f"{name}_top1": values[-1] for name, values in epochs.items()}
        found |= {"val_top1_of_first_epoch": epochs["val"][0]}
        low, high = interval(right, val.height)
        found |= {
            "train_images": train.height,
            "val_images": val.height,
            "val_observations": val["group"].n_unique(),
            "val_right": right,
            "val_top1_low": low,
            "val_top1_high": high,
            "val_images_of_untrained_species": unknown / val.height,
            "chance": 1 / classes,
            "epochs": len(epochs["val"]),
        }
    return found


def top1_of(clone: Clone, group: str) -> list[float]:
    """Give the top-1 of each epoch, as dvclive has it."""
    table = (clone.root / f"plots/train/plots/metrics/{group}/top1.tsv").read_text(encoding="utf-8")
    head, *rows = [line.split("\t") for line in table.splitlines()]
    return [float(row[head.index("top1")]) for row in rows]


def interval(right: int, images: int) -> tuple[float, float]:
    """Give the exact interval of a share (Clopper and Pearson, 1934), images taken for independent."""
    tail = (1 - _LEVEL) / 2
    low = float(beta.ppf(tail, right, images - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - tail, right + 1, images - right)) if right < images else 1.0
    return low, high


def arithmetic(owner: dict[str, Any]) -> dict[str, Any]:
    """Work out what the owner's figures say by themselves; docs/failed_training.md says which of it are bounds."""
    old, split = owner["old"], owner["split"]
    top1, alone = old["val_top1"], old["species_with_one_val_image"]
    # 186 species were in validation alone, and 44.8 % of those of validation in train: if both are of one split.
    val_species = round(old["species_only_in_val"] / (1 - old["val_species_in_train"]))
    least = math.ceil(1 / (top1 + 0.00005))  # of fewer images, one that is right is more than 0.03 %
    sizes = {
        "one_right": round(1 / top1),
        "tenth_of_cached": owner["cached_images"] // 10,
        "new_split": split["val"],
        "tenth_of_records": owner["images_before"] // 10,
    }
    of_sizes = {}
    for name, images in sizes.items():
        right = max(1, round(top1 * images))
        low, high = interval(right, images)
        by_chance = images / owner["species"]
        of_sizes[name] = {"images": images, "right": right, "low": low, "high": high, "right_by_chance": by_chance}
    return {
        "chance": 1 / owner["species"],
        "chance_of_new_split": 1 / split["species"],
        "val_species": val_species,
        "chance_of_val_species": 1 / val_species,
        "least_val_images": least,
        "val_of": of_sizes,
        # Those of several images share what the others leave; the most common has their mean or more.
        "commonest_at_least": _commonest(least, val_species, alone),
        "commonest_of_new_split_at_least": _commonest(split["val"], split["val_species"], alone),
        "trained_species_at_most": old["val_species_in_train"],
        "wrong_in_train": 1 - old["train_top1"],
    }


def _commonest(images: int, species: int, alone: float) -> float:
    return (images - alone * species) / ((1 - alone) * species) / images


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, _DIGITS) if isinstance(value, float) else value


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


if __name__ == "__main__":
    run(main)
