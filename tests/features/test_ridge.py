"""The closed form against fits that were really made without each group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.features import ridge as closed
from stages.features.normalized import normalized
from stages.runtime.errors import UserError


def refitted(features, labels, without, weights, *, classes, ridge):
    """Coefficients of a fit of all images but some, by the normal equations, float64 [dimensions, classes]."""
    x, y = features[~without].astype(np.float64), labels[~without]
    weighted = x * weights[y][:, None]
    return np.linalg.solve(x.T @ weighted + ridge * np.eye(x.shape[1]), weighted.T @ np.eye(classes)[y])


def left_out(fitted, features, labels, groups, classes):
    """All left-out scores in the order of the images, each once."""
    scores, times = np.full((len(labels), classes), np.nan), np.zeros(len(labels), int)
    for rows, block in closed.left_out_scores(fitted, features, labels, groups):
        scores[rows] = block
        times[rows] += 1
    assert (times == 1).all()
    return scores


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    images=st.integers(1, 90),
    dimensions=st.integers(1, 40),
    classes=st.integers(1, 12),
    groups=st.integers(1, 60),
    ridge=st.floats(1e-3, 10),
    power=st.floats(-1, 0),
)
def test_left_out_scores_equal_refitting_without_the_group(seed, images, dimensions, classes, groups, ridge, power):
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.normal(0.5, 1, (images, dimensions)).astype(np.float16))
    labels, of = rng.integers(0, classes, images), rng.integers(0, groups, images) * 7 - 3
    fitted = closed.fit(features, labels, classes=classes, ridge=ridge, class_weight_power=power)
    assert fitted.scores(features) == pytest.approx(
        features
        @ refitted(features, labels, np.zeros(images, bool), fitted.class_weights, classes=classes, ridge=ridge),
        abs=1e-9,
    )
    scores = left_out(fitted, features, labels, of, classes)
    for group in np.unique(of):
        without = of == group
        again = refitted(features, labels, without, fitted.class_weights, classes=classes, ridge=ridge)
        assert np.abs(scores[without] - features[without] @ again).max() < 1e-9
        gone = np.setdiff1d(labels[without], labels[~without])
        assert (scores[np.ix_(without, gone)] == 0).all()  # no image of it is left: nothing is said for it


def test_large_groups_come_in_blocks_and_equal_refitting(monkeypatch):
    """Groups larger than a block, larger than there are dimensions, and of all images of a class."""
    monkeypatch.setattr(closed, "BLOCK", 64)
    rng = np.random.default_rng(5)
    features, _ = normalized(rng.normal(0.5, 1, (600, 48)))
    labels = rng.integers(0, 7, 600)
    of = np.concatenate([np.zeros(150), np.ones(60), np.full(40, 2), rng.integers(3, 200, 350)]).astype(int)
    labels[:60], labels[60:][labels[60:] == 6] = 6, 5
    fitted = closed.fit(features, labels, classes=7, ridge=0.1, class_weight_power=-0.5)
    rows = [rows for rows, _ in closed.left_out_scores(fitted, features, labels, of)]
    assert max(map(len, rows)) <= 64
    blocks_of_a_group = [sum(group in of[block] for block in rows) for group in np.unique(of)]
    assert blocks_of_a_group[0] == 3 and set(blocks_of_a_group[2:]) == {1}
    scores = left_out(fitted, features, labels, of, 7)
    for group in (0, 1, 2, *of[300:320]):
        without = of == group
        again = refitted(features, labels, without, fitted.class_weights, classes=7, ridge=0.1)
        assert np.abs(scores[without] - features[without] @ again).max() < 1e-9
    assert (scores[:60, 6] == 0).all()


def test_images_of_rare_classes_weigh_more():
    labels = np.repeat([0, 1, 2], [9, 4, 0])
    features, _ = normalized(np.random.default_rng(1).normal(size=(13, 5)))
    fitted = closed.fit(features, labels, classes=4, ridge=0.1, class_weight_power=-0.5)
    assert fitted.class_weights.tolist() == [1 / 3, 1 / 2, 0, 0]
    assert (fitted.coefficients[:, 2:] == 0).all()
    alike = closed.fit(features, labels, classes=4, ridge=0.1, class_weight_power=0)
    assert alike.class_weights.tolist() == [1, 1, 0, 0]


def test_no_images_are_no_error():
    none, labels = np.zeros((0, 5), np.float32), np.zeros(0, np.int64)
    fitted = closed.fit(none, labels, classes=3, ridge=0.1, class_weight_power=-0.5)
    assert (fitted.scores(np.ones((2, 5))) == 0).all()
    assert list(closed.left_out_scores(fitted, none, labels, labels)) == []


def test_a_penalty_too_small_to_compute_with_is_one_line():
    features, _ = normalized(np.ones((6, 4)))
    with pytest.raises(UserError, match=r"probe\.ridge .* raise it"):
        closed.fit(features, np.arange(6) % 2, classes=2, ridge=1e-300, class_weight_power=0)


def test_normalized_rows_have_length_one_and_others_are_named():
    vectors = np.array([[3, 4], [np.nan, 1], [0, 0], [np.inf, 0], [6e4, 6e4], [6e-8, 0]], np.float16)
    units, sound = normalized(vectors)
    assert sound.tolist() == [True, False, False, False, True, True]
    assert units.dtype == np.float32
    assert np.linalg.norm(units[sound], axis=1) == pytest.approx(1, abs=1e-6)
    assert (units[~sound] == 0).all() and units[0] == pytest.approx([0.6, 0.8])
    large, fine = normalized(np.array([[1e300, 1e300], [1e-310, 0]]))
    assert fine.all() and large == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1, 0]]))
