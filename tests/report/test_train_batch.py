"""The picture of a batch names what the model shall say, and no name touches another."""

import numpy as np

from stages.report.train_batch import caption, draw_batch, lay_out
from tests.support.figures import HIGH_AND_LOW, assert_nothing_touches, pictures, written

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra", "Daucus carota"]


def mixture() -> np.ndarray:
    target = np.full(4, 0.1 / 4)
    target[[1, 3]] += (0.6, 0.3)
    return target


def test_a_mixture_is_named_by_its_two_species():
    single = np.full(4, 0.1 / 4)
    single[2] += 0.9
    assert caption(single, SPECIES) == ["Carex nigra"]
    assert caption(mixture(), SPECIES) == ["62% Betula pendula", "32% Daucus carota"]
    assert caption(np.array([0.1, 0.9]), SPECIES[:2]) == ["Betula pendula"]


def test_no_name_touches_another(tmp_path):
    long = [f"{name} subsp. longissima var. quaedam f. incredibilis cv. Abracadabra" for name in SPECIES]
    high_and_low = [f"{number} {HIGH_AND_LOW}" for number in range(len(SPECIES))]
    for images, species in ((1, long), (6, long), (20, long), (6, high_and_low)):
        targets = np.stack([mixture() if number % 2 else np.eye(4)[2] for number in range(images)])
        figure = lay_out(np.zeros((images, 32, 32, 3), np.uint8), targets, species)
        assert_nothing_touches(figure, written(figure) + pictures(figure))
    draw_batch(np.zeros((2, 32, 32, 3), np.uint8), targets[:2], long, tmp_path / "batch.png")
    assert (tmp_path / "batch.png").stat().st_size > 500
