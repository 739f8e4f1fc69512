"""What people said of pairs goes before their looks, and everything else stays as it looks."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import NearDuplicates
from stages.images.looks import count_said
from stages.near_duplicates import find_alike, find_disputed, name_pairs
from stages.splitting.groups import group_rows
from stages.tables.cache_filter import AVAILABLE
from stages.tables.inventory import INVENTORY
from stages.tables.json_files import parse_json
from stages.tables.near_duplicates import PAIRS
from stages.tables.table import read_table, write_table
from stages.verdicts.pairs import SaidOfPairs, agree_on_pairs
from stages.verdicts.reading import write_pair_verdicts
from tests.support.hashes import flipped, random_hashes
from tests.support.running import run_here
from tests.support.splits import linked
from tests.support.tables import available_rows
from tests.support.verdicts import digest, name, pair_verdicts_of

LIMITS = NearDuplicates(max_distance=8, mirrored=True)


def images_of(hashes: Sequence[bytes], species: str) -> pl.DataFrame:
    rows = available_rows([{"species": letter} for letter in species])
    return rows.with_columns(phash=pl.Series(hashes, dtype=pl.Binary)).with_row_index("row")


def said_of(images: pl.DataFrame, *rows) -> SaidOfPairs:
    return agree_on_pairs(pair_verdicts_of(*rows), images)


def groups_of(images: pl.DataFrame, said: SaidOfPairs | None) -> set[frozenset[str]]:
    """The images that belong together, by ``split``'s own rules."""
    named = name_pairs(images, find_alike(images, LIMITS, said)[0])
    groups = images.with_columns(group=group_rows(images, linked(images), named))
    return {frozenset(names) for names in groups.group_by("group").agg("image_name")["image_name"]}


def naive(images: pl.DataFrame, said: SaidOfPairs) -> tuple[set[frozenset[str]], set[str]]:
    """Groups and disputed images by holding each image against each."""
    rows = list(images.select("image_name", "species", "phash").iter_rows())
    same, different = ({frozenset(pair) for pair in part.rows()} for part in (said.same, said.different))
    whole = {hashed: {row[0] for row in rows if row[2] == hashed} for _, _, hashed in rows}
    apart = {one for pair in different for one in pair}

    def are_alike(one: tuple, other: tuple) -> bool:
        pair = frozenset({one[0], other[0]})
        if pair in different:
            return False
        near = (int.from_bytes(one[2], "big") ^ int.from_bytes(other[2], "big")).bit_count() <= LIMITS.max_distance
        # What is said of one of several copies is said of all that nothing else is said of.
        copies = [{first} if first in apart else whole[hashed] - apart for first, _, hashed in (one, other)]
        return near or any(frozenset({a, b}) in same for a in copies[0] for b in copies[1] if a != b)

    groups = {row[0]: {row[0]} for row in rows}
    disputed = set()
    for one, other in combinations(rows, 2):
        if not are_alike(one, other):
            continue
        if one[1] != other[1]:
            disputed |= {one[0], other[0]}
        else:
            both = groups[one[0]] | groups[other[0]]
            groups |= dict.fromkeys(both, both)
    return {frozenset(group) for group in groups.values()}, disputed


@st.composite
def cases(draw):
    """Images of a few looks, and what is said of pairs of them."""
    base = random_hashes(3, seed=5)
    looks = st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 3, 6, 9]))
    species = st.sampled_from(draw(st.sampled_from(["A", "AAB"])))
    rows = draw(st.lists(st.tuples(looks, species), min_size=2, max_size=9))
    hashes = [flipped(base[which], list(range(0, 2 * bits, 2))).tobytes() for (which, bits), _ in rows]
    images = images_of(hashes, "".join(letter for _, letter in rows))
    pairs = st.sets(st.sampled_from([*combinations(range(len(rows)), 2)]), max_size=4)
    words = st.sampled_from(("same", "different"))
    return images, [(*pair, draw(words)) for pair in sorted(draw(pairs))]


@given(cases())
def test_what_is_said_of_pairs_is_all_that_changes(case):
    images, rows = case
    said = said_of(images, *rows)
    pairs = find_alike(images, LIMITS, said)[0]
    groups, disputed = naive(images, said)
    assert {*find_disputed(images, pairs, said)["image_name"]} == disputed
    assert pairs.height <= 2 * images.height + len(rows)
    if disputed:  # of a hash that bears two species, the pairs kept say only that, as its images are left out
        return
    assert groups_of(images, said) == groups
    together = sum(
        any({name(one), name(other)} <= group for group in groups) for one, other, word in rows if word == "different"
    )
    assert count_said(images, pairs, LIMITS, said)["still_together"] == together


def test_without_verdicts_nothing_changes():
    hashes = [flipped(row, [0, 2]).tobytes() for row in np.repeat(random_hashes(3), 2, axis=0)] + [bytes(32)]
    images = images_of(hashes, "AABBABA")
    nothing = said_of(images)
    for one, other in zip(find_alike(images, LIMITS), find_alike(images, LIMITS, nothing), strict=True):
        assert one.equals(other) if isinstance(one, pl.DataFrame) else one == other


@pytest.mark.parametrize("bits", [0, 4])
def test_different_takes_apart_what_one_hash_or_a_small_distance_holds_together(bits):
    base = random_hashes(1)[0]
    images = images_of([base.tobytes(), flipped(base, list(range(bits))).tobytes()], "AB")
    assert find_disputed(images, find_alike(images, LIMITS)[0]).height == 2
    said = said_of(images, (0, 1, "different"))
    pairs, counts, totals = find_alike(images, LIMITS, said)
    assert pairs.is_empty()
    assert find_disputed(images, pairs, said).is_empty()
    assert (counts["pairs"].sum(), totals["pairs"]) == (0, 0)
    assert count_said(images, pairs, LIMITS, said) == {"linked_anew": 0, "taken_apart": 1, "still_together": 0}


def test_copies_stay_together_when_one_of_them_is_taken_out():
    """Also where the others are held together by the one that goes."""
    images = images_of([bytes(32)] * 4, "AAAA")
    three = said_of(images, (0, 1, "different"), (0, 2, "different"), (0, 3, "different"))
    assert groups_of(images, three) == {frozenset({name(0)}), frozenset(map(name, (1, 2, 3)))}
    one = said_of(images, (0, 1, "different"))
    assert len(groups_of(images, one)) == 1
    pairs = find_alike(images, LIMITS, one)[0]
    assert count_said(images, pairs, LIMITS, one)["still_together"] == 1


def test_the_same_is_a_pair_of_the_distance_that_it_has():
    one, other = random_hashes(2)
    images = images_of([one.tobytes(), other.tobytes()], "AA")
    pairs, _, totals = find_alike(images, LIMITS, said_of(images, (0, 1, "same")))
    distance = int(np.unpackbits(one ^ other).sum())
    assert pairs.select("first", "second").rows() == [(0, 1)]
    assert 80 < pairs["distance"][0] <= distance
    assert totals["pairs"] == 0  # that look alike


def test_the_same_picture_under_two_species_is_disputed():
    images = images_of([row.tobytes() for row in random_hashes(2)], "AB")
    said = said_of(images, (0, 1, "same"))
    assert find_disputed(images, find_alike(images, LIMITS, said)[0], said)["image_name"].to_list() == [
        name(0),
        name(1),
    ]


def test_what_is_stale_and_what_people_disagree_on_is_counted_and_has_no_effect():
    images = images_of([bytes(32)] * 4, "AAAA").with_columns(
        sha256=pl.when(pl.col("row") == 3).then(pl.lit(digest(33))).otherwise("sha256")
    )
    rows = [(0, 1, "same"), (0, 1, "different", "bo"), (0, 9, "same"), (0, 3, "different"), (1, 2, "different")]
    said = said_of(images, *rows, (1, 2, "different", "cy"))
    assert said.same.is_empty()
    assert said.different.rows() == [(name(1), name(2))]
    assert said.figures["stale"] == {"image_gone": 1, "other_bytes": 1}
    assert said.figures["reviewers_disagree"] == {"pairs": 1, "of": [(name(0), name(1))]}
    assert said.figures["verdicts"] == {"same": 2, "different": 4}


def test_the_stage_applies_them_and_says_so(workspace):
    hashes = [bytes(32), bytes(32), random_hashes(1)[0].tobytes(), random_hashes(2)[1].tobytes()]
    images = images_of(hashes, "AAAA")
    write_table(images, AVAILABLE, workspace / "data/available.parquet")
    inventory = pl.concat(
        [pl.DataFrame(schema=INVENTORY), images.select("image_name", "sha256", "phash")], how="diagonal"
    )
    filled = inventory.with_columns(state=pl.lit("decoded"), bytes=pl.lit(9, pl.Int64))
    source = workspace / "data/sources/sample"
    write_table(filled, INVENTORY, source / "inventory.parquet")
    rows = [(0, 1, "different"), (2, 3, "same"), (0, 9, "same")]
    write_pair_verdicts(pair_verdicts_of(*rows), source / "pair_verdicts/ana.csv")
    result = run_here("near_duplicates", workspace)
    assert result.returncode == 0, result.stderr
    said = result.stdout + result.stderr
    assert "3 verdicts on pairs of 1 reviewers (same 2, different 1): 1 pairs are linked that did not" in said
    assert "1 verdicts on pairs are stale and have no effect (image_gone 1)" in said
    pairs = read_table(workspace / "data/near_duplicates/pairs.parquet", PAIRS)
    assert pairs.select("image_name", "other_name").rows() == [(name(2), name(3))]
    report = parse_json((workspace / "data/reports/near_duplicates.json").read_bytes())["review"]
    assert (report["taken_apart"], report["linked_anew"], report["still_together"]) == (1, 1, 0)
