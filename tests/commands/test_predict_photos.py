"""Command ``predict_photos``: photos, folders and addresses, in words, JSON lines and a table, whatever is broken."""

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import chdir
from io import BytesIO, TextIOWrapper
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from stages.answering.model_folder import CALIBRATION
from stages.answering.photo_files import Found
from stages.answering.preparing import FEW
from stages.commands.predict_photos import check_outputs, main
from stages.runtime.errors import UserError, run
from tests.support import ROOT
from tests.support.image_server import Handler, image, image_server, page, redirect, status
from tests.support.pictures import encoded, exif_jpeg, picture
from tests.support.running import complaint, run_here
from tests.support.used import photo, used_model

COMMAND = "commands.predict_photos"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return used_model(tmp_path_factory.mktemp("used") / "model")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A photo for each thing that the model can say."""
    for name, of in (("a", "species"), ("b", "genus"), ("c", "nothing"), ("d", "other species")):
        (tmp_path / f"{name}.jpg").write_bytes(photo(of))
    return tmp_path


def ask(model: Path, folder: Path, *words: str):
    return run_here(COMMAND, folder, *words, "--model", str(model))


def entries(result) -> list[dict]:
    return list(map(json.loads, result.stdout.splitlines()))


def test_what_is_said_of_each_photo_in_words(model, folder):
    result = ask(model, folder, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "a.jpg: Abies alba 0.99",
        "    Abies alba 0.99, Betula pendula <0.01, Abies balsamea <0.01",
        "b.jpg: genus Abies (0.99); species unsure: at best Abies alba 0.65",
        "    Abies alba 0.65, Abies balsamea 0.34, Betula pendula 0.01",
        "c.jpg: I do not know; at best Betula pendula 0.52",
        "    Betula pendula 0.52, Abies alba 0.45, Abies balsamea 0.03",
        "d.jpg: Betula pendula 0.99",
        "    Betula pendula 0.99, Abies balsamea <0.01, Abies alba <0.01",
    ]
    assert "3 species; at a risk of 0.1 it says a species from 0.80 on, and else a genus from 0.90 on" in result.stderr
    assert "photos answered: 4 (a species 2, I do not know 1, the genus alone 1)" in result.stderr


@pytest.mark.parametrize(
    ("risk", "levels"),
    [
        ("0.05", ["species", "nothing", "nothing", "species"]),
        ("0.1", ["species", "genus", "nothing", "species"]),
        ("0.2", ["species", "species", "nothing", "species"]),
    ],
)
def test_a_risk_that_is_accepted_decides_what_is_said(model, folder, risk, levels):
    assert [one["level"] for one in entries(ask(model, folder, ".", "--json", "--risk", risk))] == levels


def test_a_risk_that_was_not_fitted_is_refused(model, folder):
    said = complaint(ask(model, folder, ".", "--risk", "0.3"))
    assert "predict_photos: the model has no thresholds for a risk of 0.3: take one of 0.05, 0.1, 0.2" in said


def test_many_photos_of_a_folder_come_in_order_with_their_troubles(model, folder):
    """More than are read in this process: all cores read, and some files are broken or none."""
    for number in range(2 * FEW):
        (folder / f"e{number:02}.jpg").write_bytes(photo(["species", "genus"][number % 2], 200 + number, 150))
    (folder / "e03.jpg").write_bytes(b"")
    (folder / "e05.jpg").write_bytes(photo("species")[:300])
    (folder / "e06.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50))
    (folder / "notes.txt").write_text("of these photos")
    (folder / ".hidden.jpg").write_bytes(photo("species"))
    result = ask(model, folder, ".", "none.jpg", "--json")
    assert result.returncode == 0, result.stderr
    found = entries(result)
    wanted = sorted(path.name for path in folder.iterdir() if path.suffix in (".jpg", ".heic") and path.name[0] != ".")
    assert [one["photo"] for one in found] == [*wanted, "none.jpg"]
    by_name = {one["photo"]: one for one in found}
    assert {name: one["trouble"] for name, one in by_name.items() if one["trouble"]} == {
        "e03.jpg": "empty", "e05.jpg": "not_an_image", "e06.heic": "heic", "none.jpg": "missing",
    }  # fmt: skip
    for number in (0, 1, 2, 4, 15):
        assert by_name[f"e{number:02}.jpg"]["level"] == ["species", "genus"][number % 2]
        assert by_name[f"e{number:02}.jpg"]["width"] == 200 + number
    lines = result.stderr.splitlines()
    assert "predict_photos: e03.jpg: the file is empty" in lines
    assert "predict_photos: none.jpg: there is no such file or folder" in lines
    assert [line for line in lines if "e06.heic: HEIC is not read: save the photo as JPEG" in line]
    assert lines[-1] == (
        "predict_photos: photos answered: 18 (a species 10, the genus alone 7, I do not know 1); not answered: 4 "
        "(empty 1, heic 1, missing 1, not_an_image 1); left out (hidden 1, no photo: .txt 1)"
    )


def test_a_table_has_a_row_a_photo(model, folder):
    (folder / "e.jpg").write_bytes(b"")
    result = ask(model, folder, ".", "--csv", "--out", "out/answers.csv")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    with (folder / "out/answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["photo"], row["level"], row["said"]) for row in rows] == [
        ("a.jpg", "species", "Abies alba"), ("b.jpg", "genus", "Abies"), ("c.jpg", "nothing", ""),
        ("d.jpg", "species", "Betula pendula"), ("e.jpg", "", ""),
    ]  # fmt: skip
    assert rows[0]["probability_1"] == "0.992746"
    assert rows[4]["error"] == "the file is empty"


def test_answers_that_were_written_before_are_lost_only_to_new_ones(model, folder):
    (folder / "answers.jsonl").write_text("before")
    broken = folder / "broken"
    shutil.copytree(model, broken)
    (broken / CALIBRATION).write_text("{")
    complaint(ask(broken, folder, "a.jpg", "--json", "--out", "answers.jsonl"))
    assert (folder / "answers.jsonl").read_text() == "before"
    assert ask(model, folder, "a.jpg", "--json", "--out", "answers.jsonl").returncode == 0
    assert json.loads((folder / "answers.jsonl").read_text())["said"] == "Abies alba"
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.jpg", "answers.jsonl", "b.jpg", "broken", "c.jpg", "d.jpg",
    ]  # fmt: skip


def test_a_pipe_and_a_link_stay_what_they_are(model, folder):
    """What would be lost else: as root, /dev/null itself."""
    os.mkfifo(folder / "pipe")
    (folder / "answers.csv").symlink_to("behind.csv")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for out in ("pipe", "answers.csv"):
            result = ask(model, folder, "a.jpg", "--csv", "--out", out)
            assert result.returncode == 0, result.stderr
        came = os.read(reader, 65_536)
    finally:
        os.close(reader)
    assert (folder / "pipe").is_fifo()
    assert (folder / "answers.csv").is_symlink()
    assert (folder / "behind.csv").read_bytes() == came
    assert came.count(b"\n") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "in"], "--out in is a folder: name a file in it"),
        (["--out", "b.jpg"], "--out b.jpg is one of the photos, and would be lost: name another file"),
        (["--out", "linked.jpg"], "--out linked.jpg is one of the photos"),
        (["--pictures", "a.jpg"], "a.jpg is a file, and pictures are written to a folder"),
    ],
)
def test_what_cannot_be_written_or_would_be_lost_is_said_before_anything_is_asked(folder, words, said):
    (folder / "in").mkdir()
    (folder / "linked.jpg").symlink_to("b.jpg")
    (folder / "round.jpg").symlink_to("round.jpg")
    before = {path.name: path.read_bytes() for path in folder.glob("[a-d].jpg")}
    # The model is missing: what is said comes before it is looked for.
    assert said in complaint(ask(folder / "none", folder, ".", "gone.jpg", *words))
    assert {path.name: path.read_bytes() for path in folder.glob("[a-d].jpg")} == before


@pytest.mark.parametrize(("form", "name"), [((), "m\\xe9l\\xe8ze.jpg"), (("--csv",), "mélèze.jpg")])
def test_a_terminal_that_lacks_letters_shows_their_numbers_and_a_table_is_utf_8(model, folder, monkeypatch, form, name):
    (folder / "a.jpg").rename(folder / "mélèze.jpg")
    bytes_ = BytesIO()
    with chdir(folder), TextIOWrapper(bytes_, encoding="ascii") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setattr("sys.argv", ["predict_photos.py", "mélèze.jpg", "--model", str(model), *form])
        run(main)
        said = bytes_.getvalue().decode()
    assert name in said
    assert "Abies alba" in said


def test_a_closed_standard_output_is_said(folder, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(UserError, match="the standard output is closed"):
        check_outputs(None, None, Found())
    check_outputs(folder / "answers.csv", None, Found())


def test_pictures_are_named_by_photo_and_bytes(model, folder):
    (folder / "in").mkdir()
    (folder / "in/a.jpg").write_bytes(photo("genus"))
    (folder / "bad.jpg").write_bytes(b"")
    assert ask(model, folder, ".", "--show").returncode == 0
    drawn = sorted(path.name for path in (folder / "predicted").iterdir())
    assert len(drawn) == 5
    assert [name.split("-")[0] for name in drawn] == ["a", "a", "b", "c", "d"]
    for name in drawn:
        with Image.open(folder / "predicted" / name) as shown:
            assert shown.format == "JPEG"
            assert shown.width > 900
    result = ask(model, folder, "a.jpg", "--pictures", "elsewhere")
    [again] = (folder / "elsewhere").iterdir()
    assert again.name in drawn[:2]
    assert "predict_photos: pictures are in elsewhere" in result.stderr


@pytest.mark.parametrize(
    "data",
    [
        encoded(picture(90, 70), "PNG", "RGBA"), encoded(picture(90, 70), "WEBP"), encoded(picture(90, 70), "GIF", "P"),
        encoded(picture(90, 70), "JPEG", "CMYK"), exif_jpeg(picture(70, 90), 6),
    ],
)  # fmt: skip
def test_photos_of_any_format_are_answered(model, tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    [one] = entries(ask(model, tmp_path, "x", "--json"))
    assert (one["error"], one["width"], one["height"]) == (None, 90, 70)
    assert one["crop"]["x"] + one["crop"]["side"] <= 90
    assert one["crop"]["y"] + one["crop"]["side"] <= 70


def test_addresses_are_asked_and_their_troubles_are_lines(model, tmp_path):
    with image_server() as server:
        words = [
            server.script("/a.jpg", image(photo("genus"))),
            server.script("/404.jpg", status(404)),
            server.script("/page", page(b"<!DOCTYPE html><title>A rose</title>")),
            server.script("/round", redirect("/round")),
            server.script("/noise.jpg", image(bytes(3000))),
            "ftp://127.0.0.1/a.jpg",
        ]
        result = ask(model, tmp_path, *words, "--json")
    assert result.returncode == 0, result.stderr
    assert [(one["level"], one["trouble"]) for one in entries(result)] == [
        ("genus", None), (None, "address"), (None, "address"), (None, "address"), (None, "not_an_image"),
        (None, "address"),
    ]  # fmt: skip
    assert "/404.jpg: the host answered 404 Not Found" in result.stderr
    assert "/page: it is a page (HTML), no photo: take the address of the picture itself" in result.stderr


def test_no_secret_of_an_address_is_written(model, tmp_path):
    with image_server() as server:
        server.script("/a.jpg?key=topsecret", image(photo("species")))
        word = server.url("/a.jpg?key=topsecret").replace("http://", "http://ana:secret@")
        for form in ("--json", "--csv", "--show"):
            result = ask(model, tmp_path, word, form)
            assert result.returncode == 0, result.stderr
            assert "secret" not in result.stdout + result.stderr
            assert "Abies alba" in result.stdout
    [drawn] = (tmp_path / "predicted").iterdir()
    assert "secret" not in drawn.name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.jpg"], "none.jpg: there is no such file or folder"),
        (["bad.jpg"], "bad.jpg: the file is empty"),
        (["empty"], "empty: there is no file in it"),
        (["texts"], "there is no photo to ask about; left out (no photo: .txt 2)"),
        (["http://127.0.0.1:1/a.jpg"], "http://127.0.0.1:1/a.jpg: the host cannot be reached (Connection refused)"),
    ],
)
def test_where_no_photo_is_answered_the_command_fails_with_the_reason(model, tmp_path, words, said):
    (tmp_path / "bad.jpg").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "texts" / name).write_text("text")
    result = ask(model, tmp_path, *words)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"predict_photos: {said}")


def test_a_photo_without_an_answer_is_an_entry_all_the_same(model, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    result = ask(model, tmp_path, "bad.jpg", "none.jpg", "--json")
    assert result.returncode == 1
    assert [one["trouble"] for one in entries(result)] == ["empty", "missing"]
    assert "predict_photos: none of 2 photos can be answered (empty 1, missing 1)" in result.stderr.splitlines()[-1]


def test_a_folder_that_is_no_model_is_said_with_what_to_do(tmp_path, folder):
    said = complaint(ask(tmp_path / "none", folder, "a.jpg"))
    assert f"{tmp_path}/none is no folder: run `dvc repro`, or name a folder with a model by --model" in said


def test_photos_that_are_cropped_by_other_code_than_the_training_had_are_said(model, folder):
    other = folder / "other"
    shutil.copytree(model, other)
    path = other / "preprocessing.json"
    content = json.loads(path.read_text())
    content["libraries"]["pillow"] = "1.0.0"
    content["code"] = "0" * 64
    path.write_text(json.dumps(content))
    result = ask(other, folder, "a.jpg")
    assert result.returncode == 0
    assert "warning: photos are cropped here by other code, pillow " in result.stderr
    assert "warning" not in ask(model, folder, "a.jpg").stderr


def test_a_model_of_this_repo_is_the_usual_one(workspace):
    used_model(workspace / "models")
    (workspace / "a.jpg").write_bytes(photo("species"))
    result = run_here(COMMAND, workspace, "a.jpg")
    assert result.returncode == 0, result.stderr
    assert "predict_photos: models: 3 species; " in result.stderr


def test_all_that_is_needed_is_in_the_models_folder_and_who_has_read_enough_gets_no_traceback(model, tmp_path):
    """In a folder with nothing of this repo, by a process of its own, whose reader goes after the first answer."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "a.jpg").write_bytes(photo("species"))
    moved = tmp_path / "moved model"
    shutil.copytree(model, moved)
    gone = Event()

    def when_gone(handler: Handler) -> None:
        gone.wait(300)
        image(photo("genus"))(handler)

    with image_server() as server:
        words = ["../a.jpg", server.script("/b.jpg", when_gone), "--model", "../moved model", "--json"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "NATIVE_CPU": "1"}
        with subprocess.Popen(
            [sys.executable, "-m", f"stages.{COMMAND}", *words],
            cwd=elsewhere, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout
            assert process.stderr
            one = json.loads(process.stdout.readline())
            process.stdout.close()  # as `head -1` does
            gone.set()
            said = process.stderr.read()
    assert (one["photo"], one["said"]) == ("../a.jpg", "Abies alba")
    assert "NATIVE_CPU=1" in said  # and not where answers go
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "Broken pipe" not in said
    assert list(elsewhere.iterdir()) == []
