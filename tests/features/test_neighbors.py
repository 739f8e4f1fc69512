"""Neighbors are the nearest of other groups: all of them in a small set, and nearly all by cells in a large one."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.features import neighbors as module
from stages.features.neighbors import all_neighbors, exact_neighbors
from stages.features.normalized import normalized
from tests.support import ROOT


def clustered(images: int, clusters: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(clusters, 24))
    of = rng.integers(clusters, size=images)
    features, _ = normalized(middles[of] + rng.normal(size=(images, 24)) / 2)
    return features, rng.integers(images // 2, size=images)


@given(st.integers(0, 9999), st.integers(1, 60), st.integers(1, 30), st.integers(1, 12))
def test_they_are_those_of_a_plain_search(seed, images, groups, count):
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.integers(-2, 3, (images, 5)).astype(np.float64))  # many are equally near
    of = rng.integers(groups, size=images)
    rows = rng.permutation(images)[: max(1, images // 2)]
    found = exact_neighbors(features, of, rows, count=count)
    assert found.rows.shape == found.similarity.shape == (len(rows), count)
    similarity = features.astype(np.float64) @ features.T.astype(np.float64)
    for place, row in enumerate(rows):
        others = np.flatnonzero(of != of[row])
        best = np.sort(similarity[row, others])[::-1][:count]
        there = found.rows[place] >= 0
        assert there.sum() == len(best)
        assert (there[:-1] >= there[1:]).all()
        assert found.similarity[place, there] == pytest.approx(best, abs=2e-6)
        assert np.isnan(found.similarity[place, ~there]).all()
        near = found.rows[place, there]
        assert len(set(near)) == len(near)
        assert (of[near] != of[row]).all()
        assert similarity[row, near] == pytest.approx(found.similarity[place, there], abs=2e-6)


def test_a_small_set_is_searched_exactly():
    features, groups = clustered(500, 20)
    found, search = all_neighbors(features, groups, count=8)
    again = exact_neighbors(features, groups, np.arange(500), count=8)
    assert search.exact
    assert search.recall == 1
    assert (found.rows == again.rows).all()


def test_cells_find_what_they_say_that_they_find(monkeypatch):
    monkeypatch.setattr(module, "EXACT_ROWS", 1000)
    features, groups = clustered(6000, 300)
    found, search = all_neighbors(features, groups, count=8)
    truth = exact_neighbors(features, groups, np.arange(6000), count=8)
    assert not search.exact
    assert search.looked_into < search.cells
    right = np.mean([len(set(one) & set(other)) / 8 for one, other in zip(found.rows, truth.rows, strict=True)])
    assert right == pytest.approx(search.recall, abs=0.02)
    assert search.recall > 0.93
    assert (groups[found.rows] != groups[:, None]).all()


def test_an_image_of_a_large_group_has_its_neighbors_too(monkeypatch):
    """Its cells hold its own group and little else."""
    monkeypatch.setattr(module, "EXACT_ROWS", 1000)
    features, groups = clustered(3000, 100)
    features[:400] = normalized(features[:1] + np.random.default_rng(3).normal(size=(400, 24)) / 100)[0]
    groups[:400] = groups.max() + 1
    found, _ = all_neighbors(features, groups, count=8)
    truth = exact_neighbors(features, groups, np.arange(400), count=8)
    assert (found.rows[:400] >= 400).all()
    assert np.mean(found.rows[:400] == truth.rows) > 0.9


def test_the_number_of_threads_changes_no_neighbor():
    code = (
        "import hashlib, numpy as np\n"
        "from stages.features import neighbors, normalized\n"
        "neighbors.EXACT_ROWS = 1000\n"
        "rng = np.random.default_rng(1)\n"
        "features, _ = normalized.normalized(rng.normal(size=(200, 40))[rng.integers(200, size=5000)]"
        " + rng.normal(size=(5000, 40)) / 2)\n"
        "found, search = neighbors.all_neighbors(features, rng.integers(2000, size=5000), count=8)\n"
        "print(hashlib.sha256(found.rows.tobytes() + found.similarity.tobytes()).hexdigest(), search)\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "3")
    }
    assert len(said) == 1
    assert "exact=False" in said.pop()
