"""`make publish`: its folder works in plain timm and onnxruntime, says what it is of, and refuses what is wrong."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import timm
import torch
import yaml
from timm.data import create_transform, resolve_data_config

from stages.answering.model_folder import load_used_model
from stages.commands import publish
from stages.config.reading import all_params
from stages.learning.device import Batch, ColorTransform
from stages.publishing import card_use, folder
from stages.runtime.errors import UserError
from stages.serving.examples import published_examples
from stages.tables.predictions import PREDICTIONS
from stages.tables.publish import EXAMPLES_FILE
from stages.tables.table import read_table, write_table
from tests.support.clones import git
from tests.support.published import CACHE, commit, make_publishable
from tests.support.running import complaint, run_here
from tests.support.used import IMAGE_PX, PACK_PX, USED_SPECIES, photo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """A repo whose model was published, and what was said."""
    root = make_publishable(tmp_path_factory.mktemp("publish") / "repo")
    result = run_here("commands.publish", root)
    assert (result.returncode, result.stderr) == (0, "")
    return root, result.stdout


@pytest.fixture
def copy(repo, tmp_path, monkeypatch):
    """The same, free to be changed, as the current directory."""
    shutil.copytree(repo[0], tmp_path / "repo", symlinks=True)
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def published(root: Path) -> dict:
    return json.loads((root / "models/published/published.json").read_text())


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def some_pixels(images: int) -> np.ndarray:
    return np.random.default_rng(images).integers(0, 256, (images, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)


def set_params(root: Path, **values: object) -> None:
    """Set keys of section ``publish``, and commit that."""
    content = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    content["publish"] |= values
    (root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    git(root, "commit", "-qam", "other params")


def test_the_folder_is_a_model_that_our_own_code_uses(repo):
    root, _ = repo
    own, ours = load_used_model(root / "models/published"), load_used_model(root / "models")
    assert own.sha256 == ours.sha256
    assert (own.species, own.calibration, own.preprocessing) == (ours.species, ours.calibration, ours.preprocessing)


def test_published_json_says_what_the_folder_is_of(repo):
    root, _ = repo
    found = published(root)
    files = digests(root / "models/published")
    files.pop("published.json")
    assert {name: about["sha256"] for name, about in found["files"].items()} == files
    sizes = {path.name: path.stat().st_size for path in (root / "models/published").iterdir()}
    assert all(about["bytes"] == sizes[name] for name, about in found["files"].items())
    assert found["commit"] == git(root, "rev-parse", "HEAD").strip()
    assert found["changed_files"] == 0
    assert found["model_sha256"] == files["model.safetensors"]
    assert found["code"]["training"] == "c0" * 32
    assert found["license"] is None
    lock = yaml.safe_load((root / "dvc.lock").read_text())["stages"]["made"]
    assert found["data"] == {"data/records.parquet": lock["deps"][0]["md5"]}


def test_scores_are_of_the_test_images_and_paired(repo):
    """Of three photos in four the model is right, as it was taught; every file says the same of each."""
    root, said = repo
    found = {score["what"]: score for score in published(root)["scores"]}
    assert list(found) == ["model.onnx", "model.fp16.onnx", "model.onnx, center crop"]
    for name in ("model.onnx", "model.fp16.onnx"):
        score = found[name]
        assert (score["images"], score["of_images"], score["changed"]) == (40, 40, 0)
        assert score["original_top1"]["value"] == score["top1"]["value"] == 0.75
        assert score["original_top1"]["low"] < 0.75 < score["original_top1"]["high"]
        assert score["difference"]["verdict"] == "no difference shown"
        assert f"publish: {name}: top-1 0.7500, the model itself 0.7500, on 40 of 40 test images" in said
    assert 0 < found["model.onnx"]["largest_difference"] < 1e-4
    assert 1e-4 < found["model.fp16.onnx"]["largest_difference"] < 0.1
    # The crop is another one, which on photos of one color is seen in logits and not in answers.
    assert found["model.onnx, center crop"]["largest_difference"] > found["model.fp16.onnx"]["largest_difference"]
    assert published(root)["unscored"] == []


def test_what_changes_while_it_is_made_stops_it(copy, monkeypatch):
    """To score a large network takes an hour, in which somebody commits."""
    before = digests(copy / "models/published")
    write_card = folder.write_card

    def meanwhile(*arguments):
        write_card(*arguments)
        (copy / "notes.txt").write_text("mine")
        commit(copy)

    monkeypatch.setattr(folder, "write_card", meanwhile)
    assert "commits or files changed while the model was published" in complaint(run_here("commands.publish", copy))
    assert digests(copy / "models/published") == before


@pytest.mark.parametrize("snippet", [card_use.TIMM, card_use.ONNXRUNTIME], ids=["timm", "onnxruntime"])
def test_the_cards_snippets_run_as_they_stand_there(repo, tmp_path, monkeypatch, snippet):
    """Beside a photo, with the folder in its place: they name the species that the model was taught for it."""
    root, _ = repo
    (tmp_path / "models").mkdir()
    (tmp_path / "models/published").symlink_to(root / "models/published")
    (tmp_path / "photo.jpg").write_bytes(photo("other species"))
    monkeypatch.chdir(tmp_path)
    assert snippet in (root / "models/published/README.md").read_text(encoding="utf-8")
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(snippet, "snippet", "exec"), {})
    lines = said.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("Betula pendula")
    assert float(lines[0].split()[0]) > 0.95


def test_the_card_and_the_examples_are_of_this_model(repo):
    root, said = repo
    made = root / "models/published"
    card = (made / "README.md").read_text(encoding="utf-8")
    assert published(root)["model_sha256"] in card
    assert published(root)["commit"] in card
    assert all(f"`{path.name}`" in card for path in made.iterdir() if path.name != "README.md")
    assert "model.onnx, center crop" in card
    table = pl.read_parquet(made / "examples.parquet")
    assert set(table["species"]) <= set(USED_SPECIES)
    assert f"publish: {table.height} photos as examples" in said
    assert published_examples(made / EXAMPLES_FILE).photos == table.height  # as the page reads them


def test_timms_own_transform_sees_the_middle_at_our_size(repo):
    root, _ = repo
    model = timm.create_model(f"local-dir:{root}/models/published", pretrained=False)
    config = resolve_data_config({}, model=model)
    resize, crop, *_ = create_transform(**config).transforms
    assert (resize.size, tuple(crop.size)) == (PACK_PX, (IMAGE_PX, IMAGE_PX))
    written = json.loads((root / "models/published/config.json").read_text())
    assert written["pretrained_cfg"]["license"] == "other"  # and not that of test_efficientnet's own weights
    assert written["label_names"] == USED_SPECIES
    assert "tag" not in written["pretrained_cfg"]


@pytest.mark.parametrize(("name", "near"), [("model.onnx", 1e-5), ("model.fp16.onnx", 2e-2)])
def test_onnxruntime_takes_pixels_in_batches_of_any_size(repo, name, near):
    root, _ = repo
    session = onnxruntime.InferenceSession(root / "models/published" / name, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("image", "tensor(uint8)", [IMAGE_PX, IMAGE_PX, 3])
    assert (given.name, given.type, given.shape[1:]) == ("logits", "tensor(float)", [3])
    assert isinstance(taken.shape[0], str)
    model = load_used_model(root / "models")
    color = ColorTransform(model.saved.description.mean, model.saved.description.std)
    for images in (1, 2, 7, 256):
        pixels = some_pixels(images)
        with torch.no_grad():
            batch = Batch(torch.from_numpy(pixels), None, torch.zeros(images), (0, 0, 0))
            wanted = model.saved.network.eval()(color(batch)).numpy()
        found = session.run(None, {"image": pixels})[0]
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < near


@pytest.mark.parametrize("name", ["model.onnx", "model.fp16.onnx"])
def test_an_onnx_file_says_what_it_means_and_nothing_of_the_machine(repo, name):
    root, _ = repo
    path = root / "models/published" / name
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(about["label_names"]) == USED_SPECIES
    assert about["model_sha256"] == published(root)["model_sha256"]
    assert about["labels_sha256"] == published(root)["labels_sha256"]
    content = path.read_bytes()
    for trace in (b"site-packages", b"/stages/", b"stack_trace", os.fsencode(sys.prefix), os.fsencode(root)):
        assert trace not in content


def test_the_same_tree_gives_the_same_bytes(copy):
    """The pointer by which DVC knows the folder is no change of what it is made of."""
    before = digests(copy / "models/published")
    (copy / "models/published.dvc").write_text("outs: []\n")
    result = run_here("commands.publish", copy)
    assert (result.returncode, result.stderr) == (0, "")
    assert digests(copy / "models/published") == before
    assert "committed" not in result.stdout
    assert not list((copy / "models").glob(".*.tmp")) + list((copy / "models").glob(".*.old"))


def test_what_may_not_be_done_is_refused_at_once_and_before_torch(repo, tmp_path):
    """A license that photos forbid, in a process of its own: it says so in two seconds, torch alone takes as long."""
    root = tmp_path / "repo"
    shutil.copytree(repo[0], root, symlinks=True)
    set_params(root, license="cc-by-4.0")
    before = digests(root / "models/published")
    program = (
        "import sys\nfrom stages.commands import publish\nfrom stages.runtime.errors import UserError\n"
        "sys.argv = ['publish']\n"
        "try:\n    publish.main()\nexcept UserError as error:\n    print(error)\n"
        "print(sorted({'torch', 'timm', 'onnxruntime'} & sys.modules.keys()))\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(publish.__file__).parents[2])},
    )  # fmt: skip
    refusal, imported = done.stdout.splitlines()
    assert "cc-by-4.0" in refusal
    assert "cc-by-nc" in refusal
    assert imported == "[]"
    assert time.monotonic() - started < 60
    assert digests(root / "models/published") == before


def test_each_missing_file_is_named_with_what_brings_it(copy):
    for name, stage in publish.NEEDED.items():
        Path(name).rename("away")
        with pytest.raises(UserError) as refusal:
            publish.check_tree()
        assert str(refusal.value) == f"{name} is missing: `dvc pull` brings it, or `dvc repro {stage}` makes it"
        Path("away").rename(name)
    publish.check_tree()


def test_several_missing_files_are_counted(copy):
    for path in ("models/run.json", "models/model.json", "dvc.lock"):
        (copy / path).unlink()
    with pytest.raises(UserError, match=r"^models/model.json is missing \(and 2 more\)"):
        publish.check_tree()


@pytest.mark.parametrize("stale", ["params.yaml", "model.py", "models/labels.csv"])
def test_results_of_another_tree_are_refused(copy, stale):
    before = digests(copy / "models/published")
    path = copy / stale
    path.chmod(0o644)
    changed = path.read_text(encoding="utf-8").replace("  mode: smart", "  mode: center") + "\n"
    path.write_text(changed, encoding="utf-8")
    git(copy, "commit", "-qam", "changed", "--allow-empty")
    said = complaint(run_here("commands.publish", copy))
    assert said.startswith("publish: what would be published is not of this working tree. Results of made are not of")
    assert "dvc repro" in said
    assert digests(copy / "models/published") == before


def test_files_that_are_not_committed_are_counted_and_said(copy, capsys):
    (copy / "note.txt").write_text("a note that decides on nothing")
    (copy / "stages").mkdir()
    (copy / "stages/__init__.py").write_text("")
    git(copy, "mv", "libraries.yaml", "other.yaml")
    commit_before, changed = publish.check_tree()
    assert (len(commit_before), changed) == (40, 2)
    assert "publish: warning: not all is committed (2 files, other.yaml the first)" in capsys.readouterr().out


def test_a_folder_without_a_commit_is_refused(copy):
    shutil.rmtree(copy / ".git")
    git(copy, "init", "-q")
    with pytest.raises(UserError, match="commit"):
        publish.check_tree()


def test_a_file_that_says_something_else_stops_it_with_both_figures(copy):
    """Two answers of the model's own are others than the file's, so it loses two hits of forty; there is one file."""
    set_params(copy, onnx=["fp16"])
    path = copy / "data/predictions/test.parquet"
    table = read_table(path, PREDICTIONS)
    rows = table.to_dicts()
    changed = [number for number, row in enumerate(rows) if row["rank"] == 1][:2]
    for number in changed:
        row = rows[number]
        first, second, *others = row["top_classes"]
        row |= {"top_classes": [second, first, *others], "rank": 0, "own_logit": row["top_logits"][0]}
    path.unlink()
    write_table(pl.DataFrame(rows, schema=table.schema), PREDICTIONS, path)
    commit(copy)
    before = digests(copy / "models/published")
    said = complaint(run_here("commands.publish", copy))
    assert (
        "model.fp16.onnx is not published: its top-1 is 0.7500, the model's own 0.8000 on the same 40 test images"
        in said
    )
    assert "it says another species of 2 (publish.max_top1_loss is 0.005, publish.max_changed is 0.02)" in said
    assert digests(copy / "models/published") == before
    assert not list((copy / "models").glob(".*.tmp"))


def test_a_late_failure_leaves_the_folder_of_before(copy):
    (copy / "models/run.json").unlink()
    (copy / "models/run.json").write_text('{"identity": {}}')
    set_params(copy, onnx=[])
    commit(copy)
    before = digests(copy / "models/published")
    said = complaint(run_here("commands.publish", copy))
    assert said.startswith("publish: models/run.json is of another version (it has no 'code')")
    assert digests(copy / "models/published") == before
    assert not list((copy / "models").glob(".*.tmp"))


def test_predictions_of_other_weights_are_refused(copy):
    path = copy / "data/predictions.json"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace(published(copy)["model_sha256"], "0" * 64))
    commit(copy)
    said = complaint(run_here("commands.publish", copy))
    assert said.startswith("publish: data/predictions is of other weights than models/model.safetensors")


def test_a_center_crop_is_scored_on_the_originals_that_are_there(copy, capsys):
    """It never stops a publication; and what is published does not say where the originals would be."""
    params = all_params()
    sources = folder.Sources(*map(Path, ("models", "data/packed", "data/splits", "data/predictions", "none")))
    model = folder.read_model(sources)
    tested = folder.read_tested(sources, model, params)
    names = tested.evaluated.answers.image_name.to_list()

    def center() -> folder.Scored:
        scored = folder.Scored()
        folder.score_center(Path("models/published/model.onnx"), scored, model, tested, params)
        return scored

    for name in names[:10]:
        (CACHE / name).unlink()
    (score,) = center().scores
    assert (score.what, score.images, score.of_images) == ("model.onnx, center crop", 30, 40)
    assert score.original.value == pytest.approx(22 / 30)  # of rows 10 to 39 those of the third color are wrong

    why = ["how model.onnx does with a center crop, as the original photos are not at hand"]
    (CACHE / names[20]).write_bytes(photo("genus"))
    assert (center().scores, center().unscored) == ([], [why[0].replace("are not at hand", "could not all be read")])
    assert f"/{names[20]}: its bytes changed since the inventory was taken" in capsys.readouterr().out
    shutil.rmtree(CACHE)
    assert (center().scores, center().unscored) == ([], why)
    assert "IMAGE_CACHE_DIR" in capsys.readouterr().out


def test_one_publishes_at_a_time(copy):
    descriptor = os.open("models", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert "another `make publish` is at work in models" in complaint(run_here("commands.publish", copy))
    finally:
        os.close(descriptor)
