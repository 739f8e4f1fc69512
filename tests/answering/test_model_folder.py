"""A model's folder is whole and of one model, or is refused by the file that is wrong."""

import json
import shutil
from pathlib import Path

import pytest

from stages.answering.model_folder import CALIBRATION, LABELS, USUAL_RISK, load_used_model, read_calibration
from stages.evaluation.abstaining import Thresholds
from stages.learning.origin import DESCRIPTION
from stages.learning.saved_model import WEIGHTS
from stages.learning.trained_on import TRAINED_ON_FILE
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.tables.preprocessing import PREPROCESSING
from tests.support.used import PACK_PX, TEMPERATURE, USED_SPECIES, used_model

FILES = (WEIGHTS, DESCRIPTION, TRAINED_ON_FILE, LABELS, PREPROCESSING, CALIBRATION)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return used_model(tmp_path_factory.mktemp("used") / "model")


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


def edit(path: Path, *place: str, value: object) -> None:
    content = json.loads(path.read_text())
    at = content
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    path.write_text(json.dumps(content))


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        load_used_model(folder)
    said = str(error.value)
    assert "\n" not in said
    assert "`dvc " in said or "train again" in said or "make it anew" in said  # what to do
    return said


def test_a_whole_folder_gives_all_that_a_use_needs(made):
    model = load_used_model(made)
    assert model.species == USED_SPECIES
    assert model.genera == ["Abies", "Betula"]
    assert model.genus_of_class.tolist() == [0, 0, 1]
    assert model.preprocessing.pack_px == PACK_PX
    assert model.calibration.temperature == TEMPERATURE


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_is_named(folder, name):
    (folder / name).unlink()
    assert name in refused(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\x00"])
def test_what_is_damaged_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    assert name in refused(folder)


@pytest.mark.parametrize("name", [PREPROCESSING, CALIBRATION])
def test_files_of_another_model_are_refused(folder, name):
    edit(folder / name, "model_sha256", value="ab" * 32)
    assert f"{name} is of other weights than" in refused(folder)


def test_squares_of_another_size_than_the_models_are_refused(folder):
    edit(folder / PREPROCESSING, "parameters", "image", "pack_px", value=72)
    assert f"makes squares of 72 px, the model takes {PACK_PX}" in refused(folder)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        (CALIBRATION, ("temperature",), 0.2),
        (CALIBRATION, ("temperature",), 4.5),
        (CALIBRATION, ("temperature",), "1.0"),
        (CALIBRATION, ("temperature",), True),
        (CALIBRATION, ("temperature",), None),
        (CALIBRATION, ("thresholds",), []),
        (CALIBRATION, ("thresholds",), [{"max_risk": 0.1, "species": 1.1, "genus": None}]),
        (CALIBRATION, ("thresholds",), [{"max_risk": 0.0, "species": 0.1, "genus": None}]),
        (CALIBRATION, ("thresholds",), [{"max_risk": 0.1, "species": 0.1}]),
        (CALIBRATION, ("more",), 1),
        (PREPROCESSING, ("parameters", "crop", "mode"), "clever"),
        (PREPROCESSING, ("parameters", "crop", "margin"), 0.5),
        (PREPROCESSING, ("parameters", "image", "pack_px"), 64.0),
        (PREPROCESSING, ("parameters", "pack", "jpeg_quality"), 0),
        (PREPROCESSING, ("parameters", "pack", "jpeg_quality"), "90"),
        (PREPROCESSING, ("parameters", "more"), {}),
        (PREPROCESSING, ("code",), "x"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_file(folder, name, place, value):
    edit(folder / name, *place, value=value)
    said = refused(folder)
    assert name in said
    assert place[-1] in said


def published(folder: Path) -> None:
    files = {name: {"sha256": sha256_of(folder / name)} for name in FILES}
    (folder / "published.json").write_text(json.dumps({"files": files}))


@pytest.mark.parametrize("name", FILES)
def test_who_has_a_published_folder_is_told_where_to_get_it_again(folder, name):
    published(folder)
    assert load_used_model(folder).species == USED_SPECIES
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"{name}.*; or, as it was published, get the whole folder again"):
        load_used_model(folder)


def test_thresholds_of_a_published_model_are_those_that_were_measured(folder):
    """Whoever lowers one by hand has a model that nobody has scored."""
    published(folder)
    edit(folder / CALIBRATION, "thresholds", value=[{"max_risk": 0.1, "species": 0.0, "genus": None}])
    with pytest.raises(UserError, match=r"calibration.json is not the file that was published: get the whole folder"):
        load_used_model(folder)
    (folder / "published.json").write_text("{}")
    with pytest.raises(UserError, match=r"published.json is not the file that was published: get the whole folder"):
        load_used_model(folder)


def test_a_folder_that_is_none_says_what_to_name(tmp_path):
    with pytest.raises(UserError, match="is no folder: run `dvc repro`, or name a folder with a model by --model"):
        load_used_model(tmp_path / "none")


def test_a_risk_has_the_thresholds_that_were_fitted_for_it(made):
    calibration = read_calibration(made / CALIBRATION)
    assert calibration.at_risk() == calibration.at_risk(USUAL_RISK) == Thresholds(0.1, 0.8, 0.9)
    assert calibration.at_risk(0.05) == Thresholds(0.05, 0.95, None)
    with pytest.raises(UserError, match=r"no thresholds for a risk of 0\.3: take one of 0\.05, 0\.1, 0\.2"):
        calibration.at_risk(0.3)


def test_without_the_usual_risk_the_least_is_taken(folder):
    edit(folder / CALIBRATION, "thresholds", value=[
        {"max_risk": risk, "species": 0.5, "genus": None} for risk in (0.3, 0.15, 0.2)])  # fmt: skip
    assert read_calibration(folder / CALIBRATION).at_risk().max_risk == 0.15
