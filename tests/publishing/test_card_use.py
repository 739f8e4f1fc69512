"""The code that a card shows runs as it stands there, and names the species that the model names."""

import re
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from stages.answering.model_folder import CALIBRATION, load_used_model, read_calibration
from stages.learning.augment import cut_center
from stages.publishing.card_use import ONNXRUNTIME, PREDICT, TIMM
from stages.publishing.timm_folder import write_config
from tests.support import ROOT
from tests.support.used import IMAGE_PX, PACK_PX, USED_SPECIES, photo, used_model


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder in which models/published is a model that knows colors."""
    used_model(tmp_path / "models/published")
    return tmp_path


def said_by(snippet: str, place: Path) -> list[tuple[float, str]]:
    """Run code of a card in a folder; what it prints, a species a line."""
    out = StringIO()
    with chdir(place), redirect_stdout(out):
        exec(compile(snippet, "card", "exec"), {"__name__": "card"})
    rows = [line.partition(" ") for line in out.getvalue().splitlines()]
    return [(float(probability), species) for probability, _, species in rows]


@pytest.mark.parametrize(
    ("of", "first"), [("species", "Abies alba"), ("other species", "Betula pendula"), ("genus", "Abies alba")]
)
def test_timm_alone_names_what_the_model_names(place, of, first):
    folder = place / "models/published"
    write_config(folder / "config.json", load_used_model(folder), None)
    (place / "photo.jpg").write_bytes(photo(of))
    rows = said_by(TIMM, place)
    assert rows[0][1] == first
    assert {name for _, name in rows} == {*USED_SPECIES}
    assert sum(probability for probability, _ in rows) == pytest.approx(1, abs=0.002)
    expected = {"species": 0.99, "other species": 0.99, "genus": 0.65}[of]
    assert rows[0][0] == pytest.approx(expected, abs=0.02)


def write_turned(path: Path) -> Image.Image:
    """Write a photo that its camera turned, and give it upright; its ends have colors that its middle has not."""
    pixels = np.zeros((120, 300, 3), np.uint8)
    pixels[:, :90, 0] = pixels[:, -90:, 2] = 255
    pixels[:, 90:-90] = (20, 200, 60)
    pixels[:40, 90:-90] = (120, 100, 60)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    upright = Image.open(path).convert("RGB").transpose(Image.Transpose.ROTATE_270)
    assert upright.size == (120, 300)
    return upright


def middle_of(upright: Image.Image) -> np.ndarray:
    """The middle of a photo of 120 x 300 px, as the model sees it: uint8 [IMAGE_PX, IMAGE_PX, 3]."""
    square = upright.crop((0, 90, 120, 210)).resize((PACK_PX, PACK_PX), Image.Resampling.BICUBIC)
    return cut_center(np.asarray(square), IMAGE_PX)


def test_timm_alone_gets_the_middle_of_a_photo_that_stands_upright(place):
    folder = place / "models/published"
    model = load_used_model(folder)
    write_config(folder / "config.json", model, None)
    pixels, description = middle_of(write_turned(place / "photo.jpg")), model.saved.description
    normal = (torch.tensor(pixels) / 255 - torch.tensor(description.mean)) / torch.tensor(description.std)
    with torch.inference_mode():
        logits = model.saved.network.eval()(normal.permute(2, 0, 1)[None])[0] / model.calibration.temperature
    wanted = logits.softmax(0).numpy()
    rows = said_by(TIMM, place)
    assert [name for _, name in rows] == [USED_SPECIES[label] for label in np.argsort(-wanted)]
    assert [value for value, _ in rows] == pytest.approx(sorted(wanted, reverse=True), abs=0.02)


def color_model(path: Path, classes: int, side: int) -> None:
    """Write an ONNX file in the form of a published one: logits are the upper half's mean red, green and blue."""
    nodes = [
        helper.make_node("Slice", ["image", "start", "end", "rows"], ["upper"]),
        helper.make_node("Cast", ["upper"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["logits"]),
    ]
    numbers = {"start": [0], "end": [side // 2], "rows": [1], "axes": [1, 2]}
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()]
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        [*constants, numpy_helper.from_array(np.array(0.1, np.float32), "scale")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def test_onnxruntime_gets_the_middle_of_a_photo_that_stands_upright(place):
    folder = place / "models/published"
    color_model(folder / "model.onnx", 3, IMAGE_PX)
    upper = middle_of(write_turned(place / "photo.jpg"))[: IMAGE_PX // 2].mean((0, 1))
    temperature = read_calibration(folder / CALIBRATION).temperature
    wanted = torch.softmax(torch.tensor(0.1 * upper / temperature), 0).numpy()
    rows = said_by(ONNXRUNTIME, place)
    assert [name for _, name in rows] == [USED_SPECIES[label] for label in np.argsort(-wanted)]
    assert [value for value, _ in rows] == pytest.approx(sorted(wanted, reverse=True), abs=0.0006)


def test_code_without_torch_needs_no_torch():
    assert not re.search(r"import (torch|timm)|from (torch|timm|stages)", ONNXRUNTIME)
    assert "stages" not in TIMM


def test_the_command_is_one_of_the_makefile():
    (words,) = re.findall(r"^make (\S+) ", PREDICT)
    assert re.search(rf"^{words}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
