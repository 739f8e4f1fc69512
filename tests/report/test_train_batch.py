"""The picture of a batch names what the model shall say."""

import numpy as np

from stages.report.train_batch import caption


def test_a_mixture_is_named_by_its_two_species():
    species = ["Abies alba", "Betula pendula", "Carex nigra", "Daucus carota"]
    smooth = 0.1 / 4
    single = np.full(4, smooth)
    single[2] += 0.9
    assert caption(single, species) == "Carex nigra"
    mixture = np.full(4, smooth)
    mixture[[1, 3]] += (0.6, 0.3)
    assert caption(mixture, species).replace("\n", " ") == "62% Betula pendula, 32% Daucus carota"
    assert caption(np.array([0.1, 0.9]), species[:2]) == "Betula pendula"
