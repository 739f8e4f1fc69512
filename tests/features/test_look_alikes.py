"""Pairs that look alike are proposed: the most alike first, none that is known, and no more than hold them together."""

from itertools import combinations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Suspects
from stages.features.look_alikes import linked, look_alikes
from stages.features.neighbors import exact_neighbors
from stages.features.normalized import normalized
from stages.features.proposed_pairs import find_look_alikes, judged_pairs, table_of_look_alikes
from stages.features.seen import Seen
from stages.tables.near_duplicates import PAIRS
from stages.tables.suspects import LOOK_ALIKES
from stages.tables.table import write_table
from stages.tables.verdicts import PAIR_VERDICTS

PARAMS = Suspects(listed=10, look_alikes=100, min_similarity=0.9, species_pairs=5, pictured=3)


def together(images: int, pairs) -> list[int]:
    """The number of what each image hangs together with, by the plainest of ways."""
    of = list(range(images))
    for first, second in pairs:
        of = [of[first] if number == of[second] else number for number in of]
    return [of.index(number) for number in of]


@given(
    st.integers(0, 9999),
    st.integers(1, 14),
    st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=4),
    st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=6),
)
def test_all_that_is_alike_hangs_together_by_what_is_known_and_proposed(seed, images, by_hash, judged):
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.normal(size=(images, 2)))
    groups = np.unique(rng.integers(images, size=images), return_inverse=True)[1]
    hashes = [pair for pair in by_hash if max(pair) < images]
    said = {(min(pair), max(pair)) for pair in judged if max(pair) < images and pair[0] != pair[1]}
    links = linked(groups, *(np.array([pair[end] for pair in hashes], np.int64) for end in (0, 1)))
    neighbors = exact_neighbors(features, groups, np.arange(images), count=images)
    found = look_alikes(neighbors, links, said, min_similarity=0.9, most=1000)

    known = [*combinations(range(images), 2)]
    same = [pair for pair in known if groups[pair[0]] == groups[pair[1]]] + hashes
    similarity = features.astype(np.float64) @ features.T.astype(np.float64)
    alike = [p for p in known if groups[p[0]] != groups[p[1]] and round(float(similarity[p]), 5) >= 0.9]
    new = [pair for pair in alike if links[pair[0]] != links[pair[1]] and pair not in said]
    proposed = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert set(proposed) <= set(new)
    assert together(images, [*same, *proposed]) == together(images, [*same, *new])
    assert len(proposed) == len(set(together(images, same))) - len(set(together(images, [*same, *new])))
    assert (found.alike, found.known) == (len(alike), len(alike) - len(new))
    assert found.repeated == len(new) - len(proposed)
    assert found.similarity.tolist() == sorted(found.similarity, reverse=True)


def test_the_most_alike_are_given_and_the_others_counted():
    features, _ = normalized(np.array([[1, 0], [1, 0.02], [0, 1], [0.1, 1], [-1, 0], [-1, 0.2]]))
    groups = np.arange(6)
    neighbors = exact_neighbors(features, groups, groups, count=5)
    found = look_alikes(neighbors, groups, set(), min_similarity=0.9, most=2)
    assert list(zip(found.first, found.second, strict=True)) == [(0, 1), (2, 3)]
    assert found.counts() == {"alike": 3, "known": 0, "repeated": 0, "left": 1, "proposed": 2}


def test_a_hundred_copies_are_a_hundred_pairs_at_most():
    features = np.full((100, 4), 0.5, np.float32)
    groups = np.arange(100)
    found = look_alikes(exact_neighbors(features, groups, groups, count=8), groups, set(), min_similarity=0.9, most=999)
    assert len(found.first) < 100
    assert found.repeated == found.alike - len(found.first)


def seen(vectors, groups, names=None) -> Seen:
    features, _ = normalized(np.array(vectors, np.float64))
    names = names or [f"{number}.jpg" for number in range(len(vectors))]
    images = pl.DataFrame({"image_name": names, "sha256": [f"{number:064}" for number in range(len(names))]})
    images = images.with_columns(species=pl.lit("Rosa canina"))
    return Seen(images, features, np.zeros(len(names), np.int64), np.array(groups), ["Rosa canina"])


def pair_verdicts(*rows) -> pl.DataFrame:
    table = [{"image_name": a, "sha256": b, "other_name": c, "other_sha256": d, "verdict": e} for a, b, c, d, e in rows]
    return pl.DataFrame(table, schema=dict(PAIR_VERDICTS))


def test_pairs_known_by_hash_are_none_also_over_an_image_that_no_split_holds(tmp_path):
    images = seen([[1, 0]] * 3, [0, 1, 2])
    by_hash = pl.DataFrame(
        [("0.jpg", "lost.jpg", 3, False), ("1.jpg", "lost.jpg", 3, False)], schema=PAIRS, orient="row"
    )
    neighbors = exact_neighbors(images.features, images.groups, np.arange(3), count=2)
    found = find_look_alikes(images, neighbors, by_hash, pair_verdicts(), PARAMS)
    assert list(zip(found.first, found.second, strict=True)) == [(0, 2)]
    assert found.counts() == {"alike": 3, "known": 1, "repeated": 1, "left": 0, "proposed": 1}
    table = table_of_look_alikes(images.images, found)
    write_table(table, LOOK_ALIKES, tmp_path / "pairs.parquet")
    assert table.select("image_name", "other_name", "similarity").rows() == [("0.jpg", "2.jpg", 1.0)]


def test_a_judged_pair_is_not_proposed_again_unless_a_file_has_changed():
    images = seen([[1, 0]] * 3, [0, 1, 2])
    now = images.images["sha256"].to_list()
    said = pair_verdicts(
        ("0.jpg", now[0], "1.jpg", now[1], "different"),
        ("0.jpg", now[0], "2.jpg", "f" * 64, "same"),
        ("9.jpg", now[0], "2.jpg", now[2], "same"),
    )
    assert judged_pairs(said, images.images) == {(0, 1)}
    neighbors = exact_neighbors(images.features, images.groups, np.arange(3), count=2)
    found = find_look_alikes(images, neighbors, pl.DataFrame(schema=PAIRS), said, PARAMS)
    assert list(zip(found.first, found.second, strict=True)) == [(0, 2), (1, 2)]
