"""Packing is the same to the byte on any number of processes and after any history, and misses nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import simplejpeg
import yaml

from stages.cache.directory import evicting
from stages.images.packing import pack_image
from stages.images.previous import PreviousImages
from stages.images.shards import PackedShards, shard_name, shard_of, write_manifest, write_shard
from stages.pack import pack_rows, plan_shards
from stages.tables.cache_filter import AVAILABLE
from stages.tables.images import IMAGES
from stages.tables.table import read_table, write_table
from tests.support import ROOT, SAMPLE
from tests.support.running import complaint, run_here
from tests.support.tables import available_rows

SAMPLE_IMAGES = SAMPLE / "images"
SHARDS = 16  # of the profile sample


def sound_images(number: int) -> pl.DataFrame:
    """The first of the sample's sound images: columns of IMAGES."""
    inventory = pl.read_parquet(SAMPLE / "inventory.parquet").filter(pl.col("gray_std") > 10)
    return inventory.head(number).select("image_name", "sha256")


def packed_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def shards_made(params, folder, *, images=24, shards=5, previous=None, workers=-1) -> dict[str, bytes]:
    """Pack in one go, without the stage's take-over of whole shards."""
    folder.mkdir()
    planned = plan_shards(sound_images(images), shards)
    rows = [row for of_shard in planned.values() for row in of_shard]
    packed = pack_rows(rows, SAMPLE_IMAGES, params, previous or PreviousImages(), workers=workers)
    for name, of_shard in planned.items():
        write_shard([next(packed) for _ in of_shard], folder / name, size_px=params.image.pack_px)
    write_manifest(folder)
    return packed_bytes(folder)


def test_neither_the_number_of_workers_nor_a_cluster_changes_a_byte(params, tmp_path, cluster, monkeypatch):
    alone = shards_made(params, tmp_path / "1", workers=1)
    assert len(alone) == 6
    assert shards_made(params, tmp_path / "2", workers=2) == alone
    monkeypatch.setenv("CLUSTER", cluster)
    assert shards_made(params, tmp_path / "cluster") == alone


def test_neither_what_was_packed_before_nor_how_it_was_spread_changes_a_byte(params, tmp_path):
    """Grown, shrunk, over more and over fewer files, each from the one before."""
    previous = PreviousImages()
    for number, (images, shards) in enumerate([(6, 1), (15, 4), (12, 4), (24, 9), (24, 2)]):
        anew = shards_made(params, tmp_path / f"anew{number}", images=images, shards=shards, workers=0)
        folder = tmp_path / f"taken{number}"
        assert shards_made(params, folder, images=images, shards=shards, previous=previous, workers=0) == anew
        previous = PreviousImages(PackedShards(folder))


def test_the_plan_names_each_image_once_in_the_shard_of_its_name(params):
    images = sound_images(50)
    planned = plan_shards(images.sample(50, shuffle=True, seed=3), 7)
    assert list(planned) == [shard_name(number) for number in range(7)]
    assert all(rows == sorted(rows) for rows in planned.values())
    assert sorted(row for rows in planned.values() for row in rows) == sorted(images.rows())
    assert all(shard_name(shard_of(name, 7)) == shard for shard, rows in planned.items() for name, _ in rows)


def test_a_packed_image_is_the_crop_that_its_row_names(params):
    name, sha256 = sound_images(1).row(0)
    data = (SAMPLE_IMAGES / name).read_bytes()
    packed = pack_image(data, name, sha256, params)
    assert simplejpeg.decode_jpeg(packed.jpeg).shape == (256, 256, 3)
    assert (packed.image_name, packed.sha256) == (name, sha256)
    row = pl.read_parquet(SAMPLE / "inventory.parquet").row(by_predicate=pl.col("image_name") == name, named=True)
    assert 0 <= packed.x <= packed.x + packed.side <= row["width"]
    assert 0 <= packed.y <= packed.y + packed.side <= row["height"]


def set_images(repo: Path, number: int) -> None:
    """Let the available images be the first so many of the sample, and their originals be there."""
    images = sound_images(number)
    rows = available_rows([{"image_name": name, "sha256": sha256} for name, sha256 in images.rows()])
    write_table(rows, AVAILABLE, repo / "data/available.parquet")
    write_table(images.sort("image_name"), IMAGES, repo / "data/images.parquet")
    for name in images["image_name"]:
        shutil.copy(SAMPLE_IMAGES / name, repo / "data/sources/sample/images" / name)


@pytest.fixture
def packable(workspace):
    """A workspace with a few available images of the sample, and what was packed before."""
    (workspace / "data/sources/sample/images").mkdir(parents=True)
    set_images(workspace, 6)
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
    assert names == {"shards.csv", *map(shard_name, range(SHARDS))}
    packed = PackedShards(packable / "data/packed").table()
    images = read_table(packable / "data/images.parquet", IMAGES)
    assert packed.select("image_name", "sha256").sort("image_name").equals(images)


@pytest.fixture
def packing_repo(packable):
    """The same as a repo of git and DVC, of which `pack` is the only stage; gives what runs it and what it said."""

    def only_pack(pipeline):
        pipeline["stages"] = {"pack": pipeline["stages"]["pack"]}
        # The code is this repo's own, and none of it changes here.
        pipeline["stages"]["pack"]["deps"] = ["data/images.parquet"]

    shutil.rmtree(packable / "data/packed")
    change_yaml(packable / "dvc.yaml", only_pack)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=packable, check=True)

    def repro(*words):
        # A few images are packed before a second worker has started.
        settings = {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "LOKY_MAX_CPU_COUNT": "1"}
        command = [sys.executable, "-m", "dvc", "repro", *words]
        result = subprocess.run(
            command, cwd=packable, env=os.environ | settings, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return [line for line in result.stdout.splitlines() if line.startswith("pack:")]

    return packable, repro


def change_yaml(path, change):
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def test_only_what_is_new_is_asked_of_the_cache_and_it_comes_out_the_same(packing_repo):
    repo, repro = packing_repo
    cache, packed = repo / "data/sources/sample/images", repo / "data/packed"
    assert "all images are made: dvc.lock knows no data/packed.json of an earlier run" in repro()[0]
    first = packed_bytes(packed)

    # Two more: that the others are not looked at again shows in that they are not missed.
    set_images(repo, 8)
    for name in sound_images(6)["image_name"]:
        (cache / name).unlink()
    said = repro()[0]
    changed = {shard_name(shard_of(name, SHARDS)) for name in sound_images(8)["image_name"][6:]}
    assert f"6 of 8 images are taken over, {SHARDS - len(changed)} shards of them whole" in said
    grown = packed_bytes(packed)
    assert {name for name in first if first[name] != grown[name]} == changed | {"shards.csv"}

    # One less, on a host without the cache: all others are as before.
    shutil.rmtree(cache)
    images = sound_images(8)
    write_table(
        images.sort("image_name").filter(pl.col("image_name") != images["image_name"][0]),
        IMAGES,
        repo / "data/images.parquet",
    )
    assert "7 of 7 images are taken over" in repro()[0]
    dropped = packed_bytes(packed)
    gone = shard_name(shard_of(images["image_name"][0], SHARDS))
    assert {name for name in grown if dropped[name] != grown[name]} == {gone, "shards.csv"}

    # And back: that run DVC remembers itself.
    cache.mkdir()
    set_images(repo, 8)
    assert repro() == []
    assert packed_bytes(packed) == grown

    # Another recipe takes nothing over, and neither does a pack that finds no cache: the bytes are those of before.
    change_yaml(repo / "params.yaml", lambda params: params["pack"].update(jpeg_quality=60))
    assert "all images are made: the last run had other parameters.pack.jpeg_quality" in repro()[0]
    change_yaml(repo / "params.yaml", lambda params: params["pack"].update(jpeg_quality=90))
    shutil.rmtree(repo / ".dvc/cache")
    assert "all images are made: DVC's cache holds no data/packed.json of an earlier run" in repro()[0]
    assert packed_bytes(packed) == grown


def test_of_a_damaged_cache_what_is_whole_is_taken_over(packing_repo):
    repo, repro = packing_repo
    set_images(repo, 20)
    repro()
    right = packed_bytes(repo / "data/packed")
    objects = [path for path in (repo / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
    flipped, cut, gone = sorted((path for path in objects if path.stat().st_size > 20_000), key=lambda path: path.name)[
        :3
    ]
    for path in (flipped, cut):
        path.chmod(0o644)
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:1000])
    gone.unlink()
    said = repro("-f")
    assert any("3 shards in DVC's cache are damaged or gone" in line for line in said)
    taken = next(int(line.split()[1]) for line in said if "taken over" in line)
    assert 0 < taken < 20
    assert packed_bytes(repo / "data/packed") == right
    # What was damaged is whole again: DVC would keep a file that is there under its name.
    assert "20 of 20 images are taken over" in repro("-f")[0]
    shutil.rmtree(repo / "data/packed")
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "-q"], cwd=repo, check=True)
    assert packed_bytes(repo / "data/packed") == right


def test_files_that_other_code_wrote_are_taken_over_row_by_row(packing_repo):
    """Else a file of another form would stay beside new ones for ever."""
    repo, repro = packing_repo
    repro()
    right = packed_bytes(repo / "data/packed")
    made = json.loads((repo / "data/packed.json").read_text())
    made["files"]["libraries"]["pyarrow"] = "0.0.1"
    (repo / "data/packed.json").write_text(json.dumps(made))
    commit = [sys.executable, "-m", "dvc", "commit", "-q", "-f"]
    subprocess.run(commit, cwd=repo, env=os.environ | {"DVC_NO_ANALYTICS": "1"}, check=True)
    set_images(repo, 7)
    assert "6 of 7 images are taken over, 0 shards of them whole" in repro()[0]
    set_images(repo, 6)
    assert f"6 of 6 images are taken over, {SHARDS - 1} shards of them whole" in repro("-f")[0]
    assert packed_bytes(repo / "data/packed") == right


@pytest.mark.parametrize("stage", ["pack", "compare_crops", "contact_sheet", "train", "evaluate"])
def test_another_library_than_the_commit_records_stops_the_stage(packable, stage):
    """Else dvc.lock would say of the result what is not true."""
    change_yaml(packable / "libraries.yaml", lambda libraries: libraries.update(numpy="0.0.1"))
    assert re.search(
        r"numpy [\d.]+ is installed, and libraries\.yaml records 0\.0\.1: install that one "
        r"\(`pip install numpy==0\.0\.1`\), or write [\d.]+ there",
        complaint(run_here(stage, packable)),
    )


def test_a_table_without_images_is_one_line(packable):
    write_table(pl.DataFrame(schema=IMAGES), IMAGES, packable / "data/images.parquet")
    assert "data/images.parquet names no image: run `dvc repro cache_filter`" in complaint(run_here("pack", packable))


@pytest.mark.slow
def test_pack_holds_the_cache_while_it_reads(workspace, tmp_path):
    """The stage itself: when it writes a shard it finds the lock taken, as an eviction would."""
    code = (
        "import sys; from pathlib import Path; import stages.pack as pack\n"
        "from stages.cache.directory import evicting\n"
        "def write(*_words, **_options):\n"
        "    try:\n"
        "        with evicting(Path(sys.argv[1])): print('free')\n"
        "    except BlockingIOError: print('held')\n"
        "pack.write_shard = write; pack.main()"
    )
    images = tmp_path / "held"
    images.mkdir()
    write_table(sound_images(2).sort("image_name"), IMAGES, workspace / "data/images.parquet")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "IMAGE_CACHE_DIR": str(images)}
    result = subprocess.run(
        [sys.executable, "-c", code, str(images)],
        cwd=workspace, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    said = [line for line in result.stdout.splitlines() if not line.startswith("pack:")]
    assert said == ["held"] * SHARDS, result.stderr
    with evicting(images):
        pass
