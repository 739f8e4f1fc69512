"""What the rest of the data says of an image is what a fit without its group says; ranks go by it alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Probe
from stages.features.normalized import normalized
from stages.features.ridge import fit, left_out_scores
from stages.features.suspicion import CANDIDATES, ranks, suspect

PROBE = Probe(ridge=0.1, class_weight_power=-0.5, neighbors=5)


def drawn(seed: int, images: int, classes: int, groups: int):
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.normal(0.5, 1, (images, 7)))
    return features, rng.integers(0, classes, images), rng.integers(0, groups, images)


def refitted(features, labels, groups, image, classes):
    """Scores of an image by the normal equations of all images but its group's, float64 [classes]."""
    x = features.astype(np.float64)
    sizes = np.bincount(labels, minlength=classes)
    weights = np.maximum(sizes, 1)[labels] ** PROBE.class_weight_power
    kept = groups != groups[image]
    gram = x[kept].T @ (x[kept] * weights[kept, None]) + PROBE.ridge * np.eye(x.shape[1])
    return x[image] @ np.linalg.solve(gram, (x[kept] * weights[kept, None]).T @ np.eye(classes)[labels[kept]])


@given(st.integers(0, 9999), st.integers(1, 40), st.integers(1, 9), st.integers(1, 25))
def test_scores_and_candidates_are_those_of_a_fit_without_the_group(seed, images, classes, groups):
    features, labels, of = drawn(seed, images, classes, groups)
    found = suspect(features, labels, of, classes=classes, probe=PROBE)
    present = np.unique(labels)
    wide = min(CANDIDATES, len(present) - 1)
    assert found.candidates.shape == (images, wide)
    for image in range(images):
        scores = refitted(features, labels, of, image, classes)
        others = [label for label in present.tolist() if label != labels[image]]
        best = sorted(others, key=lambda label: (-round(scores[label], 5), label))[:wide]
        assert found.own_score[image] == pytest.approx(scores[labels[image]], abs=1e-5)
        assert found.candidate_scores[image] == pytest.approx(scores[best], abs=1e-5)
        assert len({*found.candidates[image], labels[image]}) == wide + 1
        alone = not ((labels == labels[image]) & (of != of[image])).any()
        assert found.no_evidence[image] == (alone or not others)
        if found.no_evidence[image]:
            assert np.isnan(found.score[image])
        else:
            assert found.score[image] == pytest.approx(scores[best[0]] - scores[labels[image]], abs=3e-5)
    assert (found.contradicted == (np.nan_to_num(found.score) > 0)).all()


@given(st.integers(0, 9999), st.integers(1, 40), st.integers(1, 5))
def test_ranks_fall_with_the_score_and_no_evidence_comes_last(seed, images, classes):
    features, labels, of = drawn(seed, images, classes, 12)
    found = suspect(features, labels, of, classes=classes, probe=PROBE)
    names = np.array([f"{number:03}" for number in np.random.default_rng(seed).permutation(images)])
    ranked = ranks(found, names)
    assert sorted(ranked) == list(range(1, images + 1))
    order = np.argsort(ranked)
    assert not (np.diff(found.no_evidence[order].astype(int)) < 0).any()
    claimed = found.candidate_scores.max(axis=1, initial=-np.inf)
    by = np.where(found.no_evidence, claimed, found.score)
    keys = [(-by[image], names[image]) for image in order]
    split = int((~found.no_evidence).sum())
    assert keys[:split] == sorted(keys[:split])
    assert keys[split:] == sorted(keys[split:])


@pytest.mark.parametrize("power", [0.0, -0.5, -1.0])
def test_the_largest_penalty_that_params_allow_hides_no_suspect_by_rounding(power):
    largest = max(each.le for each in Probe.model_fields["ridge"].metadata if hasattr(each, "le"))
    probe = Probe(ridge=largest, class_weight_power=power, neighbors=5)
    rng = np.random.default_rng(2)
    labels = np.arange(400) % 20
    features, _ = normalized(4 + rng.normal(size=(20, 30))[labels] + 2 * rng.normal(size=(400, 30)))
    groups = np.arange(400)
    fitted = fit(features, labels, classes=20, ridge=largest, class_weight_power=power)
    wrong = 0
    for rows, scores in left_out_scores(fitted, features, labels, groups):
        wrong += int((scores.argmax(axis=1) != labels[rows]).sum())
    found = suspect(features, labels, groups, classes=20, probe=probe)
    assert wrong > 20
    assert found.contradicted.sum() == pytest.approx(wrong, rel=0.02)


def test_an_image_under_another_species_name_comes_first_and_its_own_species_is_the_guess():
    rng = np.random.default_rng(1)
    middles = rng.normal(size=(6, 30)) * 3
    true = np.repeat(np.arange(6), 8)
    features, _ = normalized(middles[true] + rng.normal(size=(48, 30)))
    labels = true.copy()
    labels[11] = 4
    found = suspect(features, labels, np.arange(48), classes=6, probe=PROBE)
    ranked = ranks(found, np.arange(48).astype(str))
    assert ranked[11] == 1
    assert found.candidates[11, 0] == true[11]
    assert found.contradicted.tolist() == [image == 11 for image in range(48)]


def test_photos_of_the_own_observation_are_no_evidence():
    """Two observations of a species; all photos of one are mistaken together, and only the other group can tell."""
    rng = np.random.default_rng(2)
    features, _ = normalized(np.concatenate([rng.normal(3, 1, (4, 10)), rng.normal(-3, 1, (9, 10))]))
    labels = np.array([0, 0, 0, 0] + [1] * 9)
    one_group = np.array([0, 0, 0, 0, *range(1, 10)])
    found = suspect(features, labels, one_group, classes=2, probe=PROBE)
    assert found.no_evidence.tolist() == [True] * 4 + [False] * 9
    assert (found.own_score[:4] == 0).all()
    two_groups = np.array([0, 0, 10, 10, *range(1, 10)])
    assert not suspect(features, labels, two_groups, classes=2, probe=PROBE).no_evidence.any()
