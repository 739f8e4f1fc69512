"""`make serve`: what it says at its start, what is missing, where its examples come from, and its end."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from stages.commands import serve
from stages.publishing.examples import make_examples
from stages.runtime.errors import UserError
from stages.tables.publish import EXAMPLES
from stages.tables.table import write_table
from tests.support import ROOT
from tests.support.local_page import address_of
from tests.support.photo_page import PhotoPage, serving_photos, write_model
from tests.support.review_data import SPECIES, write_data
from tests.support.running import complaint, run_here
from tests.support.used import photo

COMMAND = "commands.serve"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), examples=False)


@pytest.fixture(scope="module")
def repo(tmp_path_factory, model):
    """A repo of other species than the tiny model's, but for one."""
    folder = tmp_path_factory.mktemp("repo")
    write_data(folder, groups=20)
    shutil.copytree(model, folder / "models")
    return folder


@pytest.mark.slow
def test_from_an_empty_folder_with_a_model_alone_until_ctrl_c(model, tmp_path):
    command = [sys.executable, "-m", "stages.commands.serve", "--model", str(model), "--no-browser"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        url, said = address_of(process)
        page = PhotoPage(url, None)  # pyright: ignore[reportArgumentType]
        answers = [page.identify(photo(of))[1]["level"] for of in ("species", "genus", "nothing")]
        assert answers == ["species", "genus", "nothing"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    said += out
    assert (process.returncode, err) == (0, "")
    assert "test_efficientnet of" in said
    assert "knows 3 species; 0 example photos" in said
    assert "examples.parquet is missing; `make publish` makes it" in said
    assert said.endswith("serve: ended\n")
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_or_wrong_is_a_line(model, tmp_path):
    assert "none is no folder" in complaint(run_here(COMMAND, tmp_path, "--model", "none"))
    (tmp_path / "empty").mkdir()
    assert "empty/" in complaint(run_here(COMMAND, tmp_path, "--model", "empty"))
    said = complaint(run_here(COMMAND, tmp_path, "--model", str(model), "--risk", "0.3"))
    assert "no thresholds for a risk of 0.3: take one of 0.05, 0.1, 0.2" in said
    with serving_photos(model) as page:
        port = page.url.split(":")[2].split("/")[0]
        result = run_here(COMMAND, tmp_path, "--model", str(model), "--port", port)
        assert f"port {port} of 127.0.0.1 cannot be listened on" in complaint(result)


def test_a_risk_is_the_one_that_answers_are_held_to(model):
    with serving_photos(model, "--risk", "0.05") as page:
        assert page.identify(photo("genus"))[1]["level"] == "nothing"
        assert page.ask("about")[1]["says_genus"] is False


def test_a_repo_s_own_model_has_examples_of_its_photos_and_a_folder_those_in_it(repo, model, monkeypatch, capsys):
    monkeypatch.chdir(repo)
    of_repo = serve.find_examples(serve.MODEL, SPECIES)
    assert of_repo.species > 3
    wanted = make_examples(
        serve.SPLITS_IN, serve.PACKED_IN, SPECIES, licenses=["cc-by"], a_species=2, suspects=serve.SUSPECTS_IN
    )
    write_table(wanted, EXAMPLES, repo / "models/examples.parquet")
    published = serve.find_examples(serve.MODEL, SPECIES)
    assert (
        (published.species, published.photos) == (of_repo.species, of_repo.photos) == (of_repo.species, wanted.height)
    )
    for species in SPECIES:
        assert published.of(species) == of_repo.of(species)
        for each in published.of(species):
            assert published.picture(each["image"]) == of_repo.picture(each["image"])
    for examples in (published, of_repo):
        with pytest.raises(KeyError):
            examples.picture("../model.json")
    (repo / "models/examples.parquet").unlink()
    # A model from elsewhere gets none of this repo's photos.
    capsys.readouterr()
    assert serve.find_examples(model, SPECIES).photos == 0
    assert "examples.parquet is missing" in capsys.readouterr().out


def test_without_data_there_are_no_examples_and_why_is_said(repo, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "repo"
    shutil.copytree(repo, folder)
    monkeypatch.chdir(folder)
    shards = sorted((folder / "data/packed").glob("*.arrow"))
    for path in shards:
        path.unlink()
    assert serve.find_examples(serve.MODEL, SPECIES).photos == 0
    assert "no example photos are shown: data/packed has no shard that is whole" in capsys.readouterr().out
    shutil.rmtree(folder / "data/splits")
    assert serve.find_examples(serve.MODEL, SPECIES).photos == 0
    assert "train.parquet is missing" in capsys.readouterr().out
    (folder / "models/examples.parquet").write_bytes(b"cut")
    assert serve.find_examples(serve.MODEL, SPECIES).photos == 0
    assert "models/examples.parquet is damaged" in capsys.readouterr().out


def test_a_shard_that_is_damaged_costs_its_photos_alone(repo, tmp_path, monkeypatch):
    folder = tmp_path / "repo"
    shutil.copytree(repo, folder)
    monkeypatch.chdir(folder)
    examples = serve.find_examples(serve.MODEL, SPECIES)
    names = [each["image"] for species in SPECIES for each in examples.of(species)]
    for path in sorted((folder / "data/packed").glob("*.arrow"))[:2]:
        path.write_bytes(b"cut")
    examples = serve.find_examples(serve.MODEL, SPECIES)
    missing = 0
    for name in names:
        try:
            assert examples.picture(name or "")[:2] == b"\xff\xd8"
        except UserError as error:
            missing += 1
            assert "bring it back" in str(error)
    assert 0 < missing < len(names)
