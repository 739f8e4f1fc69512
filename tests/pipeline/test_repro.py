"""The real pipeline runs in a clone as the commit says."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import bson
import pytest
import yaml
from PIL import Image

from tests.support import ROOT
from tests.support.clones import git, run_dvc
from tests.support.dvc_yaml import STAGES
from tests.support.image_server import image, image_server
from tests.support.mongodb import running_server
from tests.support.running import complaint, run_stage

DATA_STAGES = ("export", "cache_filter", "contact_sheet", "near_duplicates", "split", "compare_crops", "pack")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repo with the files that git would commit now, as one commit, without any of DVC's caches."""
    folder = tmp_path_factory.mktemp("clone") / "repo"
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "clone")
    return folder


@pytest.mark.pipeline
def test_a_missing_dump_under_dvc_says_how_to_get_the_outputs_back(clone):
    dump = clone / "data/sources/sample/dump/plants.bson.gz"
    content = dump.read_bytes()
    dump.write_bytes(content[:1000])
    result = run_dvc(clone, "repro", "export")
    dump.write_bytes(content)
    git(clone, "checkout", "metrics", "plots")
    assert result.returncode != 0
    assert "plants.bson.gz is damaged" in result.stderr
    assert "former outputs, as last committed: `dvc checkout" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.pipeline
def test_the_pipeline_gives_what_the_commit_says(clone):
    """The real `dvc repro`, all stages, in a clone without caches."""
    committed = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    result = run_dvc(clone, "repro")
    assert result.returncode == 0, result.stdout + result.stderr
    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    for stage in DATA_STAGES:
        outputs = [{out["path"]: out["md5"] for out in entry[stage]["outs"]} for entry in (committed, lock)]
        assert outputs[0] == outputs[1], f"{stage} is not bit-identical"
    for stage in STAGES:
        stale = [dep["path"] for dep in committed[stage]["deps"] if dep not in lock[stage]["deps"]]
        assert not [path for path in stale if path.startswith(("stages/", "data/"))], (
            f"{stage}: dvc.lock is of another commit"
        )
    assert "Running stage 'train'" in result.stdout

    train, test = (json.loads((clone / f"metrics/{name}.json").read_text()) for name in ("train", "test"))
    assert train["val_top1"] >= 0.75
    assert test["test_top1"] >= 0.75
    train, crops = (json.loads((clone / f"data/reports/{name}.json").read_text()) for name in ("train", "crops"))
    assert crops["images_with_true_box"] == crops["images"] > 300
    assert crops["smart"]["subject_kept"] >= crops["center"]["subject_kept"]
    assert crops["smart"]["subject_share_of_crop"] > crops["center"]["subject_share_of_crop"]
    curves = (clone / "plots/curves.csv").read_text().splitlines()
    assert len(curves) == 1 + train["epochs"]
    for metric in ("loss", "top1", "top5"):
        for split in ("train", "val"):
            rows = (clone / f"plots/train/plots/metrics/{split}/{metric}.tsv").read_text().splitlines()
            assert len(rows) == 1 + train["epochs"]
    assert (clone / "models/classes.csv").read_bytes() == (clone / "data/splits/classes.csv").read_bytes()
    changed = git(clone, "status", "--porcelain").split()
    # Training rounds as its processor does; everything else must be as committed.
    assert set(changed[1::2]) <= {
        "dvc.lock", "metrics/train.json", "metrics/test.json", "plots/curves.csv", "plots/accuracy_by_class_size.csv"
    }  # fmt: skip


@pytest.mark.pipeline
def test_a_second_repro_runs_nothing(clone):
    result = run_dvc(clone, "repro")
    assert result.returncode == 0
    assert "Running stage" not in result.stdout
    assert "up to date" in result.stdout + result.stderr


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("compare_crops", ["data/reports/crops.json", "metrics/crops.json", "plots/crop_kept.csv"]),
        ("commands.inventory", ["data/sources/sample/inventory.parquet"]),
    ],
)
def test_a_command_gives_the_same_on_a_cluster(clone, cluster, command, written):
    """Run by its name, when its functions are those of __main__."""
    before = {name: (clone / name).read_bytes() for name in written}
    for name in written:
        (clone / name).unlink()
    result = run_stage(command, clone, CLUSTER=cluster)
    assert result.returncode == 0, result.stderr
    assert {name: (clone / name).read_bytes() for name in written} == before


@pytest.mark.pipeline
def test_preflight_tries_a_run_and_touches_nothing(clone):
    status = git(clone, "status", "--porcelain")
    result = run_stage("commands.preflight", clone)
    assert result.returncode == 0, result.stderr
    assert "resumed after epoch 6, step 0" in result.stdout
    assert re.search(r"an epoch takes about \d+ s without its validation, all that is left 0 s;", result.stdout)
    assert re.search(r"one batch is overfitted in \d+ steps", result.stdout)
    with Image.open(clone / "plots/train_batch.png") as picture:
        assert picture.width > 500
    assert git(clone, "status", "--porcelain") == status

    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    changed = params | {"pack": params["pack"] | {"jpeg_quality": 89}}
    committed = (clone / "params.yaml").read_bytes()
    (clone / "params.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    assert "the outputs of pack are not of this commit and params.yaml: run `dvc repro pack` first" in complaint(
        run_stage("commands.preflight", clone)
    )
    (clone / "params.yaml").write_bytes(committed)


@pytest.mark.pipeline
def test_images_fetched_from_a_server_give_the_committed_data(clone, tmp_path):
    """An empty cache, filled by `fetch` from the user's own copy; then inventory and the data stages."""
    committed = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    repo, images, cache = tmp_path / "repo", tmp_path / "served", tmp_path / "cache"
    git(tmp_path, "clone", "-q", str(clone), str(repo))
    (repo / "data/sources/sample/images").rename(images)
    cache.mkdir()
    with image_server() as server:
        for path in images.glob("*.jpg"):
            server.script(f"/plants/{path.name}", image(path.read_bytes()))
        content = yaml.safe_load((repo / "params.yaml").read_text(encoding="utf-8"))
        allowed = dict.fromkeys(("requests_per_s", "gb_an_hour", "gb_a_day")) | {"concurrent": 4, "private": True}
        content["download"] |= {"contact": "test@host.example", "mirror": server.url("/plants"), "pauses_s": [0.01]}
        content["download"]["hosts"] = [allowed | {"host": server.host}]
        (repo / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

        assert run_dvc(repo, "repro", "export").returncode == 0
        fetched = run_stage("commands.fetch", repo, IMAGE_CACHE_DIR=str(cache))
        assert fetched.returncode == 0, fetched.stderr
        assert set(server.asked.values()) <= {1, 4}  # four tries where the bytes are no image
    sound = {path.name for path in cache.glob("*.jpg")}
    # 326 that are used, and 4 that show too little; the 4 placeholders were withdrawn.
    assert len(sound) == 330
    assert all((cache / name).read_bytes() == (images / name).read_bytes() for name in sound)
    assert run_stage("commands.inventory", repo, IMAGE_CACHE_DIR=str(cache)).returncode == 0
    result = run_dvc(repo, "repro", "pack", "compare_crops", IMAGE_CACHE_DIR=str(cache))
    assert result.returncode == 0, result.stdout + result.stderr
    lock = yaml.safe_load((repo / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    # What is broken was not stored, so it cannot be listed or counted as rejected.
    of_rejected = {"data/rejected.parquet", "data/reports/cache_filter.json"}
    for stage in DATA_STAGES:
        outputs = [
            {
                out["path"]: out["md5"]
                for out in entry[stage]["outs"]
                if out["path"].startswith("data/") and out["path"] not in of_rejected
            }
            for entry in (committed, lock)
        ]
        assert outputs[0] == outputs[1], f"{stage} gave other data"


@pytest.mark.pipeline
def test_the_command_that_a_refused_export_gives_takes_the_new_records(clone, tmp_path):
    """The whole way of a document that changed under its snapshot, with DVC and a server."""
    repo = tmp_path / "repo"
    git(tmp_path, "clone", "-q", str(clone), str(repo))
    params = yaml.safe_load((repo / "params.yaml").read_text(encoding="utf-8")) | {"profile": "teacher"}
    (repo / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    document = {
        "_id": bson.ObjectId("692200000000000000000001"),
        "scientific_name": "Rosa canina",
        "url": "https://h.example/1",
    }

    def pinned() -> str:
        lock = yaml.safe_load((repo / "dvc.lock").read_text(encoding="utf-8"))
        return next(out["md5"] for out in lock["stages"]["export"]["outs"] if out["path"] == "data/records.parquet")

    with running_server(tmp_path / "mongodb") as server, server.client() as client:
        plants = client.RehabDatos.plants
        plants.insert_one(document)
        where = {"MONGODB_URI": server.uri()}
        assert run_dvc(repo, "repro", "export", **where).returncode == 0
        first = pinned()
        plants.update_one({"_id": document["_id"]}, {"$set": {"scientific_name": "Rosa gallica"}})
        refused = run_dvc(repo, "repro", "-f", "-s", "export", **where)
        assert f"is pinned by dvc.lock to {first}" in refused.stderr
        assert pinned() == first
        setting, command = refused.stderr.split("EXPORT_ACCEPT=")[1].split(" dvc ")
        words = command.split(" (")[0].split()
        assert run_dvc(repo, *words, **where, EXPORT_ACCEPT=setting).returncode == 0
        assert pinned() == setting != first


@pytest.mark.pipeline
def test_a_bad_value_stops_with_one_line_and_nothing_is_lost(clone):
    before = (clone / "data/records.parquet").read_bytes(), (clone / "metrics/export.json").read_bytes()
    params = clone / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("seed: 1\n  val_share: 0.1", "seed: -1\n  val_share: 0.1"), encoding="utf-8")
    result = run_dvc(clone, "repro")
    params.write_text(text, encoding="utf-8")
    assert result.returncode != 0
    assert "split: params.yaml: split.seed: Input should be greater than or equal to 0 (found -1)" in result.stderr
    assert "Traceback" not in result.stderr
    assert ((clone / "data/records.parquet").read_bytes(), (clone / "metrics/export.json").read_bytes()) == before
    assert run_dvc(clone, "checkout", "dvc.yaml").returncode == 0
    assert (clone / "data/splits/classes.csv").exists()
