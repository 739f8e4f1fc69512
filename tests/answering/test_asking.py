"""What a model says of photos, held against the network itself and a softmax of numpy's."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from stages.answering.asking import Asked
from stages.answering.model_folder import LABELS, load_used_model
from stages.answering.photo import prepare_photo
from stages.config.schema import Model, RandomWeights
from stages.learning.model import create_model
from stages.learning.processes import make_accelerator
from stages.learning.saved_model import WEIGHTS, describe, save_model
from stages.runtime.errors import UserError
from stages.tables.preprocessing import PREPROCESSING, write_preprocessing
from tests.support.pictures import picture
from tests.support.saved import RECIPE, SEEN, write_labels
from tests.support.used import COLORS, IMAGE_PX, PACK_PX, USED_SPECIES, photo, used_model, write_calibration


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return used_model(tmp_path_factory.mktemp("used"))


@pytest.fixture(scope="module")
def model(folder):
    return load_used_model(folder)


def logits_of(model, pixels: np.ndarray) -> np.ndarray:
    """The network's own logits, without the code that is tested: float64 [images, classes]."""
    description = model.saved.description
    images = (pixels / 255 - np.array(description.mean)) / np.array(description.std)
    with torch.no_grad():
        return model.saved.network(torch.from_numpy(images).permute(0, 3, 1, 2).float()).double().numpy()


def pixels_between_colors() -> np.ndarray:
    """Squares between the colors of which the tiny model says what is wanted, and some of structure: all levels."""
    colors = np.array([color for color, _ in COLORS.values()])
    mixed = [a + (b - a) * share for a in colors for b in colors for share in (0, 0.2, 0.4, 0.5)]
    flat = [np.broadcast_to(np.round(color), (IMAGE_PX, IMAGE_PX, 3)) for color in mixed]
    return np.stack([*flat, *(picture(IMAGE_PX, IMAGE_PX, seed) for seed in range(8))]).astype(np.uint8)


@pytest.mark.parametrize("risk", [None, 0.05, 0.1, 0.2])
def test_levels_and_probabilities_are_those_of_a_softmax(model, risk):
    pixels = pixels_between_colors()
    answers = Asked(model, make_accelerator(), max_risk=risk).ask(pixels)
    logits = logits_of(model, pixels)
    shares = softmax(logits / 1.5, axis=1)
    from_on = {0.05: (0.95, np.inf), 0.1: (0.8, 0.9), 0.2: (0.6, 0.6)}[risk or 0.1]
    for answer, own_logits, own in zip(answers, logits, shares, strict=True):
        assert answer is not None
        order = np.argsort(-own, kind="stable")
        assert [name for name, _ in answer.species] == [USED_SPECIES[number] for number in order]
        assert [share for _, share in answer.species] == pytest.approx(own[order], abs=1e-5)
        assert answer.logits == pytest.approx(own_logits[order], abs=1e-4)
        abies = own[0] + own[1]
        assert answer.genus == ("Abies" if abies >= own[2] else "Betula")
        assert answer.genus_probability == pytest.approx(max(abies, own[2]), abs=1e-5)
        if min(abs(own.max() - from_on[0]), abs(answer.genus_probability - from_on[1])) > 1e-4:
            sure = "genus" if max(abies, own[2]) >= from_on[1] else "nothing"
            assert answer.level == ("species" if own.max() >= from_on[0] else sure)
    levels = {answer.level for answer in answers if answer}
    assert levels == ({"species", "nothing"} if risk == 0.05 else {"species", "genus", "nothing"})


def test_of_each_color_it_says_what_is_wanted(model):
    asked = Asked(model, make_accelerator())
    wanted = {"species": "species", "other species": "species", "genus": "genus", "nothing": "nothing"}
    assert wanted.keys() == COLORS.keys()
    for of, level in wanted.items():
        [answer] = asked.ask(prepare_photo(photo(of), model.preprocessing, IMAGE_PX).pixels[None])
        assert answer is not None
        assert answer.level == level
        assert answer.species[0][0] == ("Betula pendula" if of in ("other species", "nothing") else "Abies alba")


def test_an_answer_does_not_hang_on_the_photos_beside_it(model):
    asked, pixels = Asked(model, make_accelerator()), pixels_between_colors()[:12]
    together = asked.ask(pixels)
    for number, answer in enumerate(together):
        [alone] = asked.ask(pixels[number : number + 1])
        assert answer is not None
        assert alone is not None
        assert alone.logits == pytest.approx(answer.logits, abs=1e-5)
        assert alone.level == answer.level
    assert asked.ask(pixels[:0]) == []


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_none_are_no_answer(folder):
    model = load_used_model(folder)
    head = model.saved.network.get_classifier()  # type: ignore[operator]
    with torch.no_grad():
        head.bias[1] = torch.nan
    assert Asked(model, make_accelerator()).ask(pixels_between_colors()[:2]) == [None, None]


def test_of_many_species_the_five_are_right_though_most_logits_are_not_kept(tmp_path):
    """Probabilities and genera are sums over all species, most of which no table keeps."""
    species = [f"Genus{number % 7:02} species{number:03}" for number in range(120)]
    params = Model(
        name="test_vit", weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0
    )  # fmt: skip
    network = create_model(params, classes=len(species), image_px=IMAGE_PX, seed=3)
    with torch.no_grad():
        network.get_classifier().weight.mul_(60)  # type: ignore[operator]  # a fresh one is sure of nothing
    write_labels(tmp_path / LABELS, species)
    description = describe(network, params, image_px=IMAGE_PX, pack_px=PACK_PX, species=species)
    save_model(tmp_path, network.state_dict(), description, SEEN)
    write_preprocessing(tmp_path / PREPROCESSING, RECIPE, model=tmp_path / WEIGHTS)
    write_calibration(tmp_path)
    model = load_used_model(tmp_path)
    pixels = pixels_between_colors()
    shares = softmax(logits_of(model, pixels) / 1.5, axis=1)
    for answer, own in zip(Asked(model, make_accelerator()).ask(pixels), shares, strict=True):
        assert answer is not None
        order = np.argsort(-own, kind="stable")[:5]
        assert [name for name, _ in answer.species] == [species[number] for number in order]
        assert [share for _, share in answer.species] == pytest.approx(own[order], abs=1e-5)
        sums = np.bincount(np.arange(120) % 7, weights=own)
        assert answer.genus == f"Genus{sums.argmax():02}"
        assert answer.genus_probability == pytest.approx(sums.max(), abs=1e-5)


def test_a_risk_for_which_nothing_was_fitted_is_refused(model):
    with pytest.raises(UserError, match=r"no thresholds for a risk of 0\.3: take one of 0\.05, 0\.1, 0\.2"):
        Asked(model, make_accelerator(), max_risk=0.3)
