"""What a model says of photos, as it is written."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answering.answered import AnsweredPhoto
from stages.answering.asking import Answer, Level
from stages.answering.model_folder import load_used_model
from stages.answering.photo import Photo
from stages.answering.photo_files import Source
from stages.answering.wording import (
    COLUMNS,
    as_csv,
    as_json,
    as_probability,
    csv_head,
    most_probable,
    said_of,
    sureness,
)
from stages.evaluation.abstaining import Thresholds
from stages.images.crop import Square
from stages.tables.json_files import parse_json, write_json
from tests.support.used import used_model

SPECIES = (("Rosa canina", 0.6), ("Rosa arvensis", 0.2), ("Petunia × atkinsiana", 0.1999999), ("Acer rubrum", 1e-7))
PHOTO = Photo(
    np.zeros((4, 4, 3), np.uint8), Square(10, 20, 300, "smart", float("nan")), Square(29, 39, 262, "smart", 0.0),
    640, 480, "a" * 64,
)  # fmt: skip


def answer(level: Level) -> Answer:
    return Answer(level, SPECIES, "Rosa", 0.8, (5.0, 3.0, 2.9, -10.0))


def row_of(one: AnsweredPhoto) -> dict[str, str]:
    line = as_csv(one)
    assert "\n" not in line
    [row] = csv.DictReader(io.StringIO(f"{csv_head()}\n{line}\n"))
    assert None not in row
    assert list(row) == list(COLUMNS)
    return row


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("species", "Rosa canina 0.60"),
        ("genus", "genus Rosa (0.80); species unsure: at best Rosa canina 0.60"),
        ("nothing", "I do not know; at best Rosa canina 0.60"),
    ],
)
def test_each_level_is_said_in_words(level, said):
    assert said_of(answer(level)) == said
    assert most_probable(answer(level)) == (
        "Rosa canina 0.60, Rosa arvensis 0.20, Petunia × atkinsiana 0.20, Acer rubrum <0.01"
    )


@given(st.floats(0, 1))
def test_what_is_not_quite_none_or_all_is_not_called_so(probability):
    said = as_probability(probability)
    assert (said == "1.00") == (probability == 1)
    assert (said == "0.00") == (probability == 0)
    if said[0] not in "<>":
        assert abs(float(said) - probability) <= 0.005 + 1e-12


@pytest.mark.parametrize(("level", "said"), [("species", "Rosa canina"), ("genus", "Rosa"), ("nothing", None)])
def test_json_and_table_hold_the_same(level, said):
    one = AnsweredPhoto(Source("in/a.jpg", Path("in/a.jpg")), PHOTO, answer(level))
    found = json.loads(as_json(one))
    assert found == {
        "photo": "in/a.jpg",
        "level": level,
        "said": said,
        "species": [
            {"name": "Rosa canina", "probability": 0.6, "logit": 5.0},
            {"name": "Rosa arvensis", "probability": 0.2, "logit": 3.0},
            {"name": "Petunia × atkinsiana", "probability": 0.2, "logit": 2.9},
            {"name": "Acer rubrum", "probability": 0.0, "logit": -10.0},
        ],
        "genus": {"name": "Rosa", "probability": 0.8},
        "width": 640,
        "height": 480,
        "crop": {"x": 10, "y": 20, "side": 300, "how": "smart"},
        "seen": {"x": 29, "y": 39, "side": 262},
        "sha256": "a" * 64,
        "trouble": None,
        "error": None,
    }
    row = row_of(one)
    assert (row["photo"], row["level"], row["said"]) == ("in/a.jpg", level, said or "")
    assert [row[f"species_{place}"] for place in range(1, 6)] == [*(name for name, _ in SPECIES), ""]
    assert [row[f"probability_{place}"] for place in range(1, 6)] == [
        "0.600000",
        "0.200000",
        "0.200000",
        "0.000000",
        "",
    ]
    assert (row["genus"], row["genus_probability"]) == ("Rosa", "0.800000")
    assert [row[f"crop_{key}"] for key in ("x", "y", "side")] == ["10", "20", "300"]
    assert [row[f"seen_{key}"] for key in ("x", "y", "side")] == ["29", "39", "262"]
    assert (row["width"], row["height"], row["crop"], row["sha256"]) == ("640", "480", "smart", "a" * 64)
    assert row["trouble"] == row["error"] == ""


def test_trouble_is_an_entry_with_the_same_keys():
    good = AnsweredPhoto(Source("a.jpg"), PHOTO, answer("species"))
    bad = AnsweredPhoto(Source("b.jpg"), trouble="empty", message="the file is empty")
    found = json.loads(as_json(bad))
    assert found.keys() == json.loads(as_json(good)).keys()
    assert (found["trouble"], found["error"], found["species"], found["level"]) == (
        "empty",
        "the file is empty",
        [],
        None,
    )
    row = row_of(bad)
    assert {name: cell for name, cell in row.items() if cell} == {
        "photo": "b.jpg",
        "trouble": "empty",
        "error": "the file is empty",
    }


@pytest.mark.parametrize("name", ["=cmd()", "-1+2", "@a", "a;=b", "\x1b[2J", "a\nb", 'a,"b"', "\udce9", "é"])
def test_a_name_runs_nothing_and_moves_no_cursor(name):
    one = AnsweredPhoto(Source(name), PHOTO, answer("species"))
    written = as_json(one)
    assert written.isascii()
    assert json.loads(written)["photo"] == name
    cell = row_of(one)["photo"]
    assert cell[0] not in "=-+@"
    assert ";=" not in cell
    assert cell.isprintable()
    cell.encode()


@given(st.text(max_size=30))
def test_any_name_is_one_row_and_one_line(name):
    one = AnsweredPhoto(Source(name), trouble="empty", message="the file is empty")
    assert row_of(one)["error"] == "the file is empty"
    assert len(as_json(one).splitlines()) == 1


def test_how_sure_a_model_must_be_is_said(tmp_path):
    model = load_used_model(used_model(tmp_path))
    fitted = "(temperature 1.50; fitted on 40 images)"
    assert sureness(Thresholds(0.1, 0.8, 0.9), model) == (
        f"at a risk of 0.1 it says a species from 0.80 on, and else a genus from 0.90 on {fitted}"
    )
    assert sureness(Thresholds(0.05, 0.95, None), model) == (
        f"at a risk of 0.05 it says a species from 0.95 on, and no genus alone {fitted}"
    )
    assert sureness(Thresholds(0.05, None, None), model) == (
        f"at a risk of 0.05 it says no species, whatever its probability, and no genus alone {fitted}"
    )
    path = tmp_path / "calibration.json"
    write_json(path, parse_json(path.read_bytes()) | {"val_images": 0, "val_groups": 0})
    assert "its probabilities are not calibrated" in sureness(Thresholds(0.05, None, None), load_used_model(tmp_path))
