"""What a team changes, each in a clone with a tiny profile, for a real `dvc repro` to walk.

The clone is the sample's, with a network of random weights that learns for one epoch; one image of the sample is not in
its inventory yet.
"""

import gzip
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bson
import polars as pl
import yaml

from stages.config.reading import validate
from stages.records.document import Unreadable
from stages.records.dump import read_dump
from stages.runtime.yaml_files import read_yaml
from stages.split import split_images
from stages.tables.cache_filter import AVAILABLE
from stages.tables.compare_crops import BOXES
from stages.tables.inventory import INVENTORY
from stages.tables.links import LINKS
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.remember import ASSIGNMENTS
from stages.tables.table import read_table, write_table
from stages.tables.verdicts import PAIR_VERDICTS, VERDICTS
from stages.tables.weights import read_notes, write_notes
from tests.support.clones import git, run_dvc
from tests.support.running import run_stage

SOURCES = "data/sources/tiny"
PROFILE = {
    "image": {"pack_px": 64, "train_px": 48},
    "pack": {"shards": 4},
    "model": {"name": "test_efficientnet", "weights": {"kind": "random"}},
    "train": {"epochs": 1, "batch_images": 32, "micro_batch_images": 32, "expect_top1": 0.0},
}
COMMON = {
    "compare_crops": {"figure_images": 12, "picture_images": 2, "worst_images": 1, "fallback_images": 0},
    "train": {"train_eval_images": 8},
}


@dataclass(frozen=True)
class Walked:
    """What a `dvc repro` did: the stages that ran, and those of them that took all that costs over."""

    ran: set[str]
    at_once: set[str]


@dataclass
class Walk:
    """A repo with one committed run, to which it comes back after each change."""

    repo: Path
    settings: dict[str, str] = field(default_factory=dict)
    said: str = ""  # by the last run

    def make(self) -> None:
        """Make the tiny profile of a fresh clone, run all of it and commit that."""
        (self.repo / "data/sources/sample").rename(self.repo / SOURCES)
        params = self.params()
        of_sample = params["profiles"].pop("sample")
        params["profile"] = "tiny"
        params["profiles"]["tiny"] = merged(of_sample, PROFILE)
        self.write("params.yaml", merged(params, COMMON))
        inventory = read_table(self.repo / SOURCES / "inventory.parquet", INVENTORY)
        waiting = inventory.filter(pl.col("gray_std") > 30)["image_name"][7]
        write_table(inventory, INVENTORY, self.repo / "data/sources/tiny/all.parquet")
        self.write_inventory(inventory.filter(pl.col("image_name") != waiting))
        self.repro()
        git(self.repo, "add", "-A")
        git(self.repo, "commit", "-qm", "tiny")
        # What ends at once shall not be a checkpoint that has come to its end.
        shutil.rmtree(self.repo / ".dvc/tmp/checkpoints")

    def back(self) -> None:
        """Bring the committed run back."""
        git(self.repo, "checkout", "-q", ".")
        git(self.repo, "clean", "-fdq")
        assert run_dvc(self.repo, "checkout", "-q").returncode == 0
        shutil.rmtree(self.repo / ".dvc/tmp/checkpoints", ignore_errors=True)

    def repro(self, *words: str, **settings: str) -> Walked:
        """Run `dvc repro`; say what it did."""
        # A second worker costs more to start than it does.
        settings = {"LOKY_MAX_CPU_COUNT": "1"} | self.settings | settings
        result = run_dvc(self.repo, "repro", *words, **settings)
        self.said = said = result.stdout + result.stderr
        assert result.returncode == 0, said
        at_once = set()
        if taken := re.search(r"pack: ([\d,]+) of ([\d,]+) images are taken over", said):
            at_once |= {"pack"} if taken[1] == taken[2] else set()
        if taken := re.search(r"embed: the features of ([\d,]+) of ([\d,]+) images are taken over", said):
            at_once |= {"embed"} if taken[1] == taken[2] else set()
        if "train: this very run was made before" in said:
            at_once.add("train")
            assert "images to train" not in said
        if "predict: images" in said and "the very same were made before" in said:
            at_once.add("predict")
        return Walked(set(re.findall(r"Running stage '(\w+)'", said)), at_once)

    def params(self) -> dict:
        return read_yaml(self.repo / "params.yaml")

    def write(self, name: str, content: dict) -> None:
        (self.repo / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def set(self, key: str, value: object) -> None:
        """Set a parameter by its dotted key, as `-S` would."""
        params = self.params()
        *above, last = key.split(".")
        section = params
        for name in above:
            section = section[name]
        assert last in section and section[last] != value, key
        section[last] = value
        self.write("params.yaml", params)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a text in a file."""
        path = self.repo / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, (name, old, text.count(old))
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write_inventory(self, inventory: pl.DataFrame) -> None:
        write_table(inventory, INVENTORY, self.repo / SOURCES / "inventory.parquet")

    def inventory(self, name: str = "inventory.parquet") -> pl.DataFrame:
        return read_table(self.repo / SOURCES / name, INVENTORY)

    def images(self, split: str) -> pl.DataFrame:
        return pl.read_parquet(self.repo / f"data/splits/{split}.parquet").select("image_name", "species")

    def drop(self, image_name: str) -> None:
        """Let an image be evicted from the cache and a new inventory say so."""
        (self.repo / SOURCES / "images" / image_name).unlink()
        self.write_inventory(self.inventory().filter(pl.col("image_name") != image_name))

    def relabel(self, urls: list[str], species: str) -> None:
        """Let the documents of some images name another species."""
        self.correct(urls, "scientific_name", species)

    def correct(self, urls: list[str], name: str, value: str) -> None:
        """Let the documents of some images have another value in a field."""
        path = self.repo / SOURCES / "dump/plants.bson.gz"
        documents = [document for document in read_dump(path) if not isinstance(document, Unreadable)]
        found = [document for document in documents if document.get("url") in urls]
        assert {document["url"] for document in found} == set(urls)
        for document in found:
            document[name] = value
        path.write_bytes(gzip.compress(b"".join(map(bson.encode, documents)), mtime=0))

    def add_synonym(self, synonym: str, accepted: str) -> None:
        """Say in the file of synonyms that one name is another's."""
        path = self.repo / SOURCES / "synonyms.csv"
        path.write_text(path.read_text(encoding="utf-8") + f"{synonym},{accepted}\n", encoding="utf-8")

    def judge(self, verdict: str, *, reason: str | None = None) -> None:
        """Let a person say something of a photo of train that is of an observation of its own.

        Another one than ``_another_species`` takes: of the very same tables DVC's run-cache would have all outputs.
        """
        image = _three_of_a_species(self).tail(1)
        others = self.images("train").filter(pl.col("species") != image["species"][0])
        row = image.select("image_name", "sha256", given="species").with_columns(
            verdict=pl.lit(verdict),
            species=pl.lit(others["species"][0] if verdict == "relabel" else None, pl.String),
            reason=pl.lit(reason, pl.String),
            asked_as=pl.lit("suspect"),
            note=pl.lit(None, pl.String),
        )
        write_table(row, VERDICTS, self.repo / SOURCES / "verdicts/ana.csv")

    def part_a_pair(self) -> None:
        """Let a person say that two photos of one group, held together by their looks alone, are different."""
        pairs = read_table(self.repo / "data/near_duplicates/pairs.parquet", PAIRS)
        known = pl.concat(
            pl.read_parquet(self.repo / f"data/splits/{name}.parquet") for name in ("train", "val", "test")
        )
        names = known.select("image_name", "sha256", "observation_id", "group")
        both = pairs.join(names, on="image_name").join(
            names, left_on="other_name", right_on="image_name", suffix="_other"
        )
        apart = both.filter(
            pl.col("observation_id").ne_missing(pl.col("observation_id_other")) & (pl.len().over("group") == 1)
        )
        row = (
            apart.head(1)
            .select("image_name", "sha256", "other_name", other_sha256="sha256_other")
            .with_columns(verdict=pl.lit("different"), note=pl.lit(None, pl.String))
        )
        assert row.height == 1
        write_table(row, PAIR_VERDICTS, self.repo / SOURCES / "pair_verdicts/ana.csv")

    def use_library(self, name: str, version: str) -> None:
        """Let a library be of another version, for the commit and for what is installed: by what its records say."""
        libraries = read_yaml(self.repo / "libraries.yaml")
        assert libraries[name] != version
        self.write("libraries.yaml", libraries | {name: version})
        site = self.repo.parent / f"{name}-{version}"
        records = site / f"{name.replace('-', '_')}-{version}.dist-info/METADATA"
        records.parent.mkdir(parents=True, exist_ok=True)
        records.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        self.settings["PYTHONPATH"] = str(site)

    def image_of_the_test_alone(self) -> str:
        """Name an image of the test without which train and val are as they are."""
        split = validate(self.params()).split
        available = read_table(self.repo / "data/available.parquet", AVAILABLE)
        links = read_table(self.repo / "data/links.parquet", LINKS)
        pairs = read_table(self.repo / "data/near_duplicates/pairs.parquet", PAIRS)
        disputed = read_table(self.repo / "data/near_duplicates/disputed.csv", DISPUTED)
        nothing = pl.DataFrame(schema=ASSIGNMENTS)

        def learned(images: pl.DataFrame) -> pl.DataFrame:
            rows, _ = split_images(images, links, pairs, disputed, nothing, split)
            return rows.filter(pl.col("split") != "test").select("image_name", "split")

        before = learned(available)
        for name in self.images("test")["image_name"]:
            if learned(available.filter(pl.col("image_name") != name)).equals(before):
                return name
        raise AssertionError("the split moves with each image of the test")


def merged(one: dict, other: dict) -> dict:
    """Give a mapping with another's values, key by key; what has a ``kind`` is taken whole."""
    return one | {
        name: merged(one[name], value) if isinstance(value, dict) and "kind" not in value and name in one else value
        for name, value in other.items()
    }


def _comment_everywhere(walk: Walk) -> None:
    for path in (walk.repo / "stages").rglob("*.py"):
        path.write_text(f"{path.read_text(encoding='utf-8')}\n# Why this is so.\n", encoding="utf-8")


def _three_of_a_species(walk: Walk) -> pl.DataFrame:
    """Give three images of train, of one species and of an observation each, whose documents have a ``url``."""
    train = pl.read_parquet(walk.repo / "data/splits/train.parquet").filter(pl.col("source") == "legacy")
    alone = train.filter(pl.len().over("group") == 1)
    commonest = alone.group_by("species").len().sort("len", "species", descending=True)["species"][0]
    return alone.filter(pl.col("species") == commonest).head(3)


def _another_species(walk: Walk) -> None:
    image = _three_of_a_species(walk).head(1)
    others = walk.images("train").filter(pl.col("species") != image["species"][0])
    walk.relabel(image["image_url"].to_list(), others["species"][0])


def _a_new_class(walk: Walk) -> None:
    walk.relabel(_three_of_a_species(walk)["image_url"].to_list(), "Zea mays")


def _another_license(walk: Walk) -> None:
    """Of an image of the test, so that nothing that a model sees is another, and the table of its split is."""
    test = pl.read_parquet(walk.repo / "data/splits/test.parquet").filter(source="legacy")
    walk.correct(test["image_url"].head(1).to_list(), "rights", "public domain")


def _another_profile(walk: Walk) -> None:
    params = walk.params()
    params["profiles"]["other"] = params["profiles"]["tiny"]
    walk.write("params.yaml", params | {"profile": "other"})
    shutil.copytree(walk.repo / SOURCES, walk.repo / "data/sources/other")


def _remember(walk: Walk) -> None:
    result = run_stage("commands.remember", walk.repo)
    assert result.returncode == 0, result.stderr


def _without_boxes(walk: Walk) -> None:
    path = walk.repo / SOURCES / "boxes.parquet"
    write_table(read_table(path, BOXES).head(200), BOXES, path)


def _note_weights(walk: Walk) -> None:
    path = walk.repo / SOURCES / "weights.json"
    notes = read_notes(path)
    (note,) = notes.values()
    write_notes(path, notes | {"test_vit.r160_in1k": note})


# By what the table in docs/what_runs.md calls them.
CHANGES: dict[str, Callable[[Walk], None]] = {
    "a comment in every file of `stages/`": _comment_everywhere,
    "a docstring of `learning/loop.py`": lambda walk: walk.edit(
        "stages/learning/loop.py", '"""The training: a step,', '"""Training: a step,'
    ),
    "a message of `learning/context.py`": lambda walk: walk.edit(
        "stages/learning/context.py", "cannot save memory so: set", "cannot save memory so, set"
    ),
    "when training warns (`learning/health.py`)": lambda walk: walk.edit(
        "stages/learning/health.py", "_LEARNT = 0.5 ", "_LEARNT = 0.6 "
    ),
    "a file of `runtime/`, `config/` or `cache/`": lambda walk: walk.edit(
        "stages/runtime/progress.py", "LINE_EVERY_S = 30.0", "LINE_EVERY_S = 31.0"
    ),
    "how a crop is found (`images/crop.py`)": lambda walk: walk.edit(
        "stages/images/crop.py", "round(middle - larger / 2)", "round(middle - larger / 3)"
    ),
    "how the learning rate falls (`learning/schedule.py`)": lambda walk: walk.edit(
        "stages/learning/schedule.py", "return 0.5 * (1 + math.cos", "return 0.4 * (1 + math.cos"
    ),
    "a docstring of `learning/model.py`": lambda walk: walk.edit(
        "stages/learning/model.py", "Make the network with its", "Give the network with its"
    ),
    "`profile`: another one with the same parameters and sources": _another_profile,
    "`source`: the same documents in another file": lambda walk: (
        shutil.copy(walk.repo / SOURCES / "dump/plants.bson.gz", walk.repo / SOURCES / "dump/again.bson.gz"),
        walk.set("profiles.tiny.source.file", "again.bson.gz"),
    ),
    "`names`, `documents`: other names of species": lambda walk: walk.set("names.synonyms", False),
    "`licenses`: fewer": lambda walk: walk.set("licenses.allowed", ["cc0", "cc-by", "cc-by-sa", "none"]),
    "`inventory`: a limit that no image lies at": lambda walk: walk.set("inventory.max_megapixels", 201),
    "`download`": lambda walk: walk.set("download.tries", 5),
    "`near_duplicates`: other pairs": lambda walk: walk.set("near_duplicates.max_distance", 0),
    "`split`: another seed": lambda walk: walk.set("split.seed", 2),
    "`shots`": lambda walk: walk.set("shots.few_below", 10),
    "`crop`": lambda walk: walk.set("crop.mode", "center"),
    "`contact_sheet`": lambda walk: walk.set("contact_sheet.images_a_side", 4),
    "`compare_crops`": lambda walk: walk.set("compare_crops.worst_images", 2),
    "`image.pack_px`": lambda walk: walk.set("profiles.tiny.image.pack_px", 72),
    "`image.train_px`": lambda walk: walk.set("profiles.tiny.image.train_px", 40),
    "`pack.jpeg_quality`": lambda walk: walk.set("pack.jpeg_quality", 80),
    "`pack.shards`": lambda walk: walk.set("profiles.tiny.pack.shards", 7),
    "`model`, but for its name and weights": lambda walk: walk.set("model.drop_rate", 0.3),
    "`model.name`, `model.weights`": lambda walk: walk.set("profiles.tiny.model.name", "test_resnet"),
    "`train`, but for the next": lambda walk: walk.set("profiles.tiny.train.learning_rate", 0.002),
    "`train.expect_epoch`, `expect_top1`, `max_skipped_steps`": lambda walk: (
        walk.set("profiles.tiny.train.expect_top1", 0.1),
        walk.set("train.max_skipped_steps", 3),
    ),
    "weights of another model are noted (`make weights`)": _note_weights,
    "`augment`": lambda walk: walk.set("augment.flip", False),
    "`embed`": lambda walk: walk.set("embed.batch_images", 16),
    "`probe`": lambda walk: walk.set("probe.ridge", 0.2),
    "`baseline`": lambda walk: walk.set("baseline.shuffles", 900),
    "`suspects`": lambda walk: walk.set("suspects.pictured", 4),
    "`predict`": lambda walk: walk.set("predict.batch_images", 16),
    "`evaluate`": lambda walk: walk.set("evaluate.min_groups", 12),
    "`mistakes`": lambda walk: walk.set("mistakes.pairs", 2),
    "`publish`": lambda walk: walk.set("publish.examples", 3),
    "`pictures`": lambda walk: walk.set("pictures.licenses", ["cc0", "cc-by-sa"]),
    "a test image is under another license, which is allowed too": _another_license,
    "an image is of another species": _another_species,
    "a new class": _a_new_class,
    "an image of train goes": lambda walk: walk.drop(walk.images("train")["image_name"][0]),
    "an image of the test goes": lambda walk: walk.drop(walk.image_of_the_test_alone()),
    "a new image": lambda walk: walk.write_inventory(walk.inventory("all.parquet")),
    "images are remembered (`make remember`)": _remember,
    "a person confirms a photo's species (`verdicts/`)": lambda walk: walk.judge("confirm"),
    "a person gives a photo another species": lambda walk: walk.judge("relabel"),
    "a person drops a photo of train": lambda walk: walk.judge("drop", reason="not_a_plant"),
    "a person says that two photos merely look alike (`pair_verdicts/`)": lambda walk: walk.part_a_pair(),
    "fewer true boxes (`boxes.parquet`)": _without_boxes,
    "a newer timm": lambda walk: walk.use_library("timm", "99.1"),
    "a newer gnparser that reads the same": lambda walk: walk.use_library("gnparser", "99.1"),
    "a synonym more, of names that no record has": lambda walk: walk.add_synonym("Rosa nova", "Rosa vetus"),
    "a newer OpenCV": lambda walk: walk.use_library("opencv-contrib-python-headless", "99.1"),
}
