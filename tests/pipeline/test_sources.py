"""Records and images come to the pipeline from a dump, a server or the web, and what a source lacks is said."""

import bson
import yaml

from stages.runtime.errors import AFTER_A_STOP
from tests.support.clones import git, run_dvc
from tests.support.dvc_yaml import DATA_STAGES
from tests.support.image_server import image, image_server
from tests.support.mongodb import running_server
from tests.support.running import run_stage


def test_a_missing_dump_under_dvc_says_how_to_get_the_outputs_back(clone):
    dump = clone / "data/sources/sample/dump/plants.bson.gz"
    content = dump.read_bytes()
    dump.write_bytes(content[:1000])
    result = run_dvc(clone, "repro", "export")
    dump.write_bytes(content)
    git(clone, "checkout", "metrics", "plots")
    assert result.returncode != 0
    assert "plants.bson.gz is damaged" in result.stderr
    assert f"{AFTER_A_STOP} says what brings them back" in result.stderr
    assert "Traceback" not in result.stderr


def test_images_fetched_from_a_server_give_the_committed_data(clone, tmp_path):
    """An empty cache, filled by `fetch` from a copy of one's own; then inventory and the data stages."""
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
        content["download"]["hosts"] = {server.host: allowed}
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
