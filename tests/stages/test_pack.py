"""Packing is the same to the byte on any number of processes, takes over what it made before, and misses nothing."""

import os
import shutil
import subprocess
import sys
from functools import partial

import polars as pl
import pytest
import simplejpeg
import yaml

from stages.cache.directory import evicting
from stages.images.originals import map_originals
from stages.images.packing import pack_image
from stages.images.shards import PackedSplit
from stages.splitting.figures import number_classes
from stages.tables.classes import CLASSES, SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import read_table, write_table
from tests.support import ROOT, SAMPLE
from tests.support.packed import write
from tests.support.running import complaint, run_here
from tests.support.tables import available_rows

SAMPLE_IMAGES = SAMPLE / "images"


def small_split(images: int = 24) -> pl.DataFrame:
    """Rows of the sample's sound images."""
    inventory = pl.read_parquet(SAMPLE / "inventory.parquet").filter(pl.col("gray_std") > 10)
    return inventory.head(images).select("image_name", "sha256", label=pl.int_range(pl.len(), dtype=pl.Int32) % 5)


def shards_made(params, folder, workers=-1):
    rows = map_originals(partial(pack_image, params=params), small_split().rows(), SAMPLE_IMAGES, workers=workers)
    write(rows, folder, shard_bytes=100_000)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_neither_the_number_of_workers_nor_a_cluster_changes_a_byte(params, tmp_path, cluster, monkeypatch):
    alone = shards_made(params, tmp_path / "1", workers=1)
    assert len(alone) > 2
    assert shards_made(params, tmp_path / "2", workers=2) == alone
    monkeypatch.setenv("CLUSTER", cluster)
    assert shards_made(params, tmp_path / "cluster") == alone


def test_a_packed_image_is_the_crop_that_its_row_names(params):
    name, sha256, _ = small_split().row(0)
    data = (SAMPLE_IMAGES / name).read_bytes()
    packed = pack_image(data, name, sha256, 3, params)
    assert simplejpeg.decode_jpeg(packed.jpeg).shape == (256, 256, 3)
    assert (packed.label, packed.image_name, packed.sha256) == (3, name, sha256)
    row = pl.read_parquet(SAMPLE / "inventory.parquet").row(by_predicate=pl.col("image_name") == name, named=True)
    assert 0 <= packed.x <= packed.x + packed.side <= row["width"]
    assert 0 <= packed.y <= packed.y + packed.side <= row["height"]


@pytest.fixture
def packable(workspace):
    """A workspace whose splits hold a few images of the sample, and the images."""
    inventory = pl.read_parquet(SAMPLE / "inventory.parquet").filter(pl.col("gray_std") > 10)
    rows = inventory.head(6).with_columns(
        species=pl.lit("A"), image_url=pl.lit("u"), source=pl.lit("s"), document_id=pl.lit("d"), group=pl.lit("g")
    )
    rows = rows.with_columns(pl.lit(None).alias(name) for name in SPLIT if name not in rows.columns)
    for name in ("train", "val", "test"):
        write_table(rows, SPLIT, workspace / f"data/splits/{name}.parquet")
    counts = {column: [6] for column in CLASSES if column not in ("label", "species")}
    write_table(pl.DataFrame({"label": [0], "species": ["A"]} | counts), CLASSES, workspace / "data/splits/classes.csv")
    images = workspace / "data/sources/sample/images"
    images.mkdir(parents=True)
    for name in rows["image_name"]:
        shutil.copy(SAMPLE_IMAGES / name, images / name)
    shutil.copy(SAMPLE / "boxes.parquet", workspace / "data/sources/sample/boxes.parquet")
    (workspace / "data/packed").mkdir()
    (workspace / "data/packed/before").write_text("before")
    return workspace


@pytest.mark.parametrize("stage", ["pack", "compare_crops"])
def test_a_missing_image_stops_the_stage_by_name(packable, stage):
    image = sorted((packable / "data/sources/sample/images").iterdir())[3]
    image.unlink()
    said = complaint(run_here(stage, packable))
    assert f"{image.name} is missing though the inventory lists it" in said
    assert (packable / "data/packed/before").exists()


@pytest.mark.parametrize("stage", ["pack", "compare_crops"])
def test_an_image_whose_bytes_changed_stops_the_stage_by_name(packable, stage):
    image = sorted((packable / "data/sources/sample/images").iterdir())[2]
    image.write_bytes(image.read_bytes() + b"\0")
    assert f"{image.name}: its bytes changed since the inventory was taken" in complaint(run_here(stage, packable))
    assert [path.name for path in (packable / "data").iterdir() if path.name.startswith(".")] == []


def test_pack_replaces_what_was_there_only_by_all_of_it(packable):
    result = run_here("pack", packable)
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (packable / "data/packed").iterdir()}
    assert names == {"shards.csv", "test-00000.arrow", "train-00000.arrow", "val-00000.arrow"}
    assert (
        len(PackedSplit(packable / "data/packed", "train"))
        == read_table(packable / "data/splits/train.parquet", SPLIT).height
    )


def test_a_species_without_a_label_stops_pack(packable):
    classes = packable / "data/splits/classes.csv"
    classes.write_text(classes.read_text().replace("0,A,", "0,Z,"))
    assert "classes.csv does not list A of train" in complaint(run_here("pack", packable))
    assert (packable / "data/packed/before").exists()


def change_yaml(path, change):
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


@pytest.fixture
def packing_repo(packable):
    """The same as a repo of git and DVC, of which `pack` is the only stage; gives what runs it and what it said."""

    def only_pack(pipeline):
        pipeline["stages"] = {"pack": pipeline["stages"]["pack"]}
        # The code is this repo's own, and none of it changes here.
        pipeline["stages"]["pack"]["deps"] = ["data/splits"]

    shutil.rmtree(packable / "data/packed")
    change_yaml(packable / "dvc.yaml", only_pack)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=packable, check=True)

    def repro():
        # A few images are packed before a second worker has started.
        settings = {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "LOKY_MAX_CPU_COUNT": "1"}
        command = [sys.executable, "-m", "dvc", "repro"]
        result = subprocess.run(
            command, cwd=packable, env=os.environ | settings, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return next(line for line in result.stdout.splitlines() if line.startswith("pack:"))

    return packable, repro


def add_images(repo, number):
    """Let the train split of a repo have so many images of the sample."""
    inventory = pl.read_parquet(SAMPLE / "inventory.parquet").filter(pl.col("gray_std") > 10)
    train = read_table(repo / "data/splits/train.parquet", SPLIT)
    old = train.row(0, named=True)
    rows = [old | {name: row[name] for name in ("image_name", "sha256")} for row in inventory.head(number).to_dicts()]
    write_table(pl.DataFrame(rows, schema=SPLIT), SPLIT, repo / "data/splits/train.parquet")
    for row in rows:
        shutil.copy(SAMPLE_IMAGES / row["image_name"], repo / "data/sources/sample/images" / row["image_name"])


def packed_bytes(repo):
    return {path.name: path.read_bytes() for path in (repo / "data/packed").iterdir()}


def test_what_was_packed_before_is_taken_over_and_comes_out_the_same(packing_repo):
    repo, repro = packing_repo
    assert "taken over" not in repro()
    add_images(repo, 10)
    # That the first six are not looked at again shows in that they are not missed.
    images = sorted(read_table(repo / "data/splits/val.parquet", SPLIT)["image_name"])
    for name in images:
        (repo / "data/sources/sample/images" / name).rename(repo / name)
    assert "22 images of 256 px, 18 of them taken over from the last run" in repro()
    grown = packed_bytes(repo)
    for name in images:
        (repo / name).rename(repo / "data/sources/sample/images" / name)

    # Another recipe takes nothing over, and neither does a pack that finds no cache: the bytes are those of before.
    change_yaml(repo / "params.yaml", lambda params: params["pack"].update(jpeg_quality=60))
    assert "taken over" not in repro()
    change_yaml(repo / "params.yaml", lambda params: params["pack"].update(jpeg_quality=90))
    shutil.rmtree(repo / ".dvc/cache")
    assert "taken over" not in repro()
    assert packed_bytes(repo) == grown


def test_a_damaged_cache_is_not_taken_over(packing_repo):
    repo, repro = packing_repo
    repro()
    right = packed_bytes(repo)
    add_images(repo, 6)
    for path in (repo / ".dvc/cache/files/md5").rglob("*"):
        if path.is_file() and path.stat().st_size > 20_000:
            path.chmod(0o644)
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
    change_yaml(repo / "params.yaml", lambda params: params["pack"].update(shard_mb=511))
    assert "taken over" not in repro()
    assert packed_bytes(repo) == right


@pytest.mark.slow
def test_pack_holds_the_cache_while_it_reads(workspace, tmp_path):
    """The stage itself: its first worker finds the lock taken, as an eviction would."""
    code = (
        "import sys; from pathlib import Path; import stages.pack as pack\n"
        "from stages.cache.directory import evicting\n"
        "def write(*_words, **_options):\n"
        "    try:\n"
        "        with evicting(Path(sys.argv[1])): print('free')\n"
        "    except BlockingIOError: print('held')\n"
        "    return iter(())\n"
        "pack.write_shards = write; pack.main()"
    )
    images = tmp_path / "held"
    images.mkdir()
    rows = available_rows([{}, {}]).with_columns(group=pl.lit("g"))
    for split in SPLITS:
        write_table(rows, SPLIT, workspace / f"data/splits/{split}.parquet")
    write_table(
        number_classes(rows.with_columns(split=pl.lit("train"))), CLASSES, workspace / "data/splits/classes.csv"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "IMAGE_CACHE_DIR": str(images)}
    result = subprocess.run(
        [sys.executable, "-c", code, str(images)],
        cwd=workspace, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert result.stdout.splitlines()[:3] == ["held"] * 3, result.stderr
    with evicting(images):
        pass
