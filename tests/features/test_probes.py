"""Each probe against the plain way to compute it, and at the edges of small sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Probe
from stages.features.probes import PROBES, VOTE_TEMPERATURE, Labeled, ask, ask_left_out, told
from tests.support.generated_features import world

PROBE = Probe(ridge=0.1, class_weight_power=-0.5, neighbors=5)
MADE = world(seed=3, spread=1.5)
TRAIN, VAL = MADE.labeled("train"), MADE.labeled("val")


def part(images: Labeled, rows) -> Labeled:
    return Labeled(images.units[rows], images.labels[rows], images.groups[rows])


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, 0.5 + 1e-12, 1.0]), min_size=3, max_size=3), min_size=1, max_size=9),
    st.integers(0, 2),
)
def test_equal_scores_are_nobodys_hit(rows, own):
    scores, labels = np.array(rows), np.full(len(rows), own)
    found = told(scores, labels)
    for row, said, rank in zip(rows, found.said, found.ranks, strict=True):
        before = [score for name, score in enumerate(row) if name != own and score > row[own] - 1e-9]
        assert rank == len(before)
        best = [name for name, score in enumerate(row) if score > max(row) - 1e-9]
        assert said == (best[0] if len(best) == 1 else -1)
        assert (rank == 0) == (said == own)


def test_probes_say_what_the_plain_way_says():
    found = ask(TRAIN, {"val": VAL}, 20, PROBE)
    assert tuple(found) == PROBES
    x, y, queries = TRAIN.units.astype(float), TRAIN.labels, VAL.units.astype(float)
    weights = np.bincount(y)[y] ** -0.5
    ridge = np.linalg.solve(x.T @ (x * weights[:, None]) + 0.1 * np.eye(48), (x * weights[:, None]).T @ np.eye(20)[y])
    means = np.stack([x[y == name].mean(0) / np.linalg.norm(x[y == name].mean(0)) for name in range(20)])
    votes = np.zeros((len(VAL), 20))
    for image, similar in enumerate(queries @ x.T):
        for near in np.argsort(-similar)[:5]:
            votes[image, y[near]] += np.exp(similar[near] / VOTE_TEMPERATURE)
    for name, scores in {"ridge": queries @ ridge, "nearest_mean": queries @ means.T, "nearest_images": votes}.items():
        assert (found[name]["val"].said == scores.argmax(1)).all(), name
        own = scores[np.arange(len(VAL)), VAL.labels][:, None]
        others = (scores > own) | ((scores == own) & (np.arange(20) != VAL.labels[:, None]))
        assert (found[name]["val"].ranks == others.sum(1)).all(), name
    accuracy = {name: (of["val"].ranks == 0).mean() for name, of in found.items()}
    assert min(accuracy.values()) > 0.5
    assert len(set(accuracy.values())) == 3  # three probes, and not one under three names


def test_left_out_images_are_told_by_other_observations():
    """A copy of an image in its own observation helps nobody; in another one it does."""
    rng = np.random.default_rng(1)
    units = np.abs(rng.normal(size=(40, 200))).astype(np.float32)
    units = np.concatenate([units, units])
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    labels, of_copies = np.tile(rng.integers(0, 8, 40), 2), np.tile(np.arange(40), 2)
    alone = ask_left_out(Labeled(units, labels, of_copies), 8, PROBE)
    apart = ask_left_out(Labeled(units, labels, np.arange(80)), 8, PROBE)
    assert (alone.ranks == 0).mean() < 0.4 < 0.9 < (apart.ranks == 0).mean()


def test_a_species_without_training_images_is_said_of_none():
    train = part(TRAIN, TRAIN.labels != 3)
    for name, of in ask(train, {"val": VAL}, 21, PROBE).items():  # and there is a class that nobody has images of
        assert not np.isin(of["val"].said, [3, 20]).any(), name
        assert (of["val"].ranks[VAL.labels == 3] > 0).all(), name


@pytest.mark.parametrize("images", [1, 2, 7])
def test_few_training_images_are_no_error(images):
    found = ask(part(TRAIN, slice(images)), {"val": VAL, "test": part(VAL, slice(0))}, 20, PROBE)
    for of in found.values():
        assert len(of["val"].said) == len(VAL)
        assert len(of["test"].said) == len(of["test"].ranks) == 0


def test_copies_of_an_image_are_neighbors_by_their_order():
    """Which of them vote must not hang on the processor."""
    units = np.concatenate([np.repeat(TRAIN.units[:1], 16, axis=0), TRAIN.units[1:]])
    train = Labeled(units, np.concatenate([np.arange(16) // 6, TRAIN.labels[1:]]), np.arange(len(units)))
    found = ask(train, {"val": part(train, slice(16))}, 20, PROBE)
    assert set(found["nearest_images"]["val"].said) == {0}
