"""What people said of photos is applied to all that it is about, and to nothing else."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.runtime.errors import UserError
from stages.splitting.groups import KINDS, drop_contradictions, link_images
from stages.tables.near_duplicates import DISPUTED
from stages.tables.remember import ASSIGNMENTS
from stages.verdicts.counted import in_lines
from stages.verdicts.outcome import DISAGREE, DROPPED, MERGED
from stages.verdicts.review import Review
from tests.support.verdicts import (
    A,
    B,
    C,
    D,
    digest,
    links_between,
    name,
    populations,
    records_of,
    review_of,
    verdict,
    verdicts_of,
    verdicts_on,
)

# An example takes some 20 ms, and the seven properties below are of one function.
half = settings(max_examples=max(settings().max_examples // 2, 5))


@st.composite
def reviewed(draw, *, twice: bool = True, **words):
    """A population, and what people say of it."""
    records = draw(populations(twice=twice))
    return records, draw(verdicts_on(records, **words))


def left(records: pl.DataFrame, found: Review) -> pl.DataFrame:
    """The records that are used, as the review leaves them."""
    used = records.with_columns(found.species, found.outcome.alias("outcome"))
    return used.filter(pl.col("sound") & pl.col("outcome").is_null()).drop("outcome")


def condemned(records: pl.DataFrame) -> dict[str, str]:
    """Of each image that ``split`` leaves out, as it names two species, the reason."""
    rows = records.filter("sound")
    linked = link_images(rows, links_between(records), pl.DataFrame(schema=ASSIGNMENTS))
    out = drop_contradictions(rows, linked, pl.DataFrame(schema=DISPUTED))[1]
    return dict(out.select("image_name", "reason").iter_rows())


def species_by_image(records: pl.DataFrame) -> dict[str, str]:
    return dict(records.select("image_name", "species").iter_rows())


@half
@given(reviewed(said=("confirm", "skip")))
def test_who_confirms_or_skips_changes_nothing(params, case):
    records, verdicts = case
    found = review_of(records, verdicts, params.names)
    assert found.species.equals(records["species"])
    assert found.outcome.is_null().all()


@half
@given(reviewed(), st.randoms())
def test_neither_the_order_of_verdicts_nor_who_has_which_makes_a_difference(params, case, random):
    records, verdicts = case
    found = review_of(records, verdicts, params.names)
    rows = verdicts.rows(named=True)
    random.shuffle(rows)
    others = verdicts_of(*(row | {"reviewer": f"reviewer {number}"} for number, row in enumerate(rows)))
    again = review_of(records, others.sample(fraction=1, shuffle=True, seed=1), params.names)
    assert again.species.equals(found.species)
    assert again.outcome.equals(found.outcome)
    assert again.random.equals(found.random)


@half
@given(reviewed(twice=False))
def test_nothing_is_of_two_species_that_was_not_before(params, case):
    records, verdicts = case
    found = review_of(records, verdicts, params.names)
    before, after = condemned(records), condemned(left(records, found))
    assert after.keys() <= before.keys()


@half
@given(reviewed())
def test_no_image_that_is_relabeled_is_left_out_for_it(params, case):
    """Also where images stand under two species, which are left out as they are."""
    records, verdicts = case
    found = review_of(records, verdicts, params.names)
    before, after = condemned(records), condemned(left(records, found))
    changed = records.filter(found.species != records["species"])["image_name"]
    assert not (after.keys() - before.keys()) & {*changed}


@half
@given(reviewed())
def test_a_source_that_is_mended_already_is_left_as_it_is(params, case):
    records, verdicts = case
    mended = left(records, review_of(records, verdicts, params.names))
    if mended.height:
        again = review_of(mended, verdicts, params.names)
        assert again.species.equals(mended["species"])
        assert again.outcome.is_null().all()


@half
@given(reviewed(), st.permutations([A, B, C, D]))
def test_a_new_synonym_makes_nothing_stale(params, tmp_path_factory, case, names):
    records, verdicts = case
    synonym, accepted, *_ = names
    path = tmp_path_factory.mktemp("synonyms") / "synonyms.csv"
    path.write_text(f"synonym,accepted\n{synonym},{accepted}\n", encoding="utf-8")
    before = review_of(records, verdicts, params.names).figures["stale"]
    renamed = records.with_columns(pl.col("species").replace(synonym, accepted))
    renamed = renamed.unique(["image_url", "species"], keep="first", maintain_order=True)
    after = review_of(renamed, verdicts, params.names, path).figures["stale"]
    assert sum(after.values()) <= sum(before.values())
    assert after.get("image_gone", 0) == before.get("image_gone", 0)
    assert after.get("other_bytes", 0) == before.get("other_bytes", 0)


@half
@given(reviewed())
def test_every_image_is_counted(params, case):
    records, verdicts = case
    found = review_of(records, verdicts, params.names)
    out = records.with_columns(found.outcome.alias("outcome"))
    figures = found.figures
    assert figures["dropped"]["images"] == out.filter(outcome=DROPPED)["image_name"].n_unique()
    assert sum(figures["dropped"]["reasons"].values()) == figures["dropped"]["images"]
    assert figures["reviewers_disagree"]["images"] == out.filter(outcome=DISAGREE)["image_name"].n_unique()
    assert bool(figures["reviewers_disagree"]["said"]) == bool(figures["reviewers_disagree"]["images"])
    assert figures["relabeled"]["along_with_another"] <= figures["relabeled"]["images"]
    assert sum(figures["verdicts"].values()) == verdicts.height


OBSERVATION = [{"species": A, "observation_id": "s:1"}] * 3


def test_a_relabel_is_of_the_whole_observation(params):
    records = records_of(*OBSERVATION, {"species": A})
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [B, B, B, A]
    assert found.figures["relabeled"]["images"] == 3
    assert found.figures["relabeled"]["along_with_another"] == 2


@pytest.mark.parametrize("link", [{"sha256": digest(9)}, {"photo_id": "s:7"}, {"document_id": "same address"}])
def test_a_relabel_is_of_the_same_bytes_photo_and_address_too(params, link):
    records = records_of({"species": A} | link, {"species": A} | link)
    said = verdict(0, A, "relabel", B) | ({"sha256": digest(9)} if "sha256" in link else {})
    assert review_of(records, verdicts_of(said), params.names).species.to_list() == [B, B]
    assert set(condemned(records.with_columns(species=pl.Series([B, A]))).values()) <= {
        f"{kind}_of_two_species" for kind in KINDS
    }


def test_what_stands_under_another_species_in_the_source_is_not_relabeled_unseen(params):
    records = records_of(*OBSERVATION, {"species": C, "observation_id": "s:1"})
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [B, B, B, C]


def test_the_same_bytes_are_relabeled_whatever_they_are_called(params):
    records = records_of({"species": A}, {"species": C, "sha256": digest(0)})
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [B, B]


def test_what_a_host_sends_in_the_place_of_photos_connects_nothing(params):
    """A placeholder is not sound; else half of the data would come along."""
    bytes_of = {"sha256": digest(9)}
    records = records_of(
        {"species": A, "observation_id": "s:1"},
        {"species": A, "observation_id": "s:1"} | bytes_of,
        {"species": C} | bytes_of,
        sound=[True, False, False],
    )
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [B, A, C]


def test_what_is_dropped_is_dropped_alone_and_with_its_bytes(params):
    records = records_of(*OBSERVATION, {"species": A, "sha256": digest(0)})
    found = review_of(records, verdicts_of(verdict(0, A, "drop", "not_a_plant")), params.names)
    assert found.outcome.to_list() == [DROPPED, None, None, DROPPED]
    assert found.figures["dropped"] == {"images": 2, "along_with_another": 1, "reasons": {"not_a_plant": 2}}


@pytest.mark.parametrize(
    ("one", "other", "outcome", "species"),
    [
        (("relabel", B), ("confirm",), [DISAGREE] * 3, [A] * 3),
        (("relabel", B), ("relabel", C), [DISAGREE] * 3, [A] * 3),
        (("relabel", B), ("relabel", "rosa gallica L."), [None] * 3, [B] * 3),
        (("relabel", B), ("skip",), [None] * 3, [B] * 3),
        (("relabel", B), ("drop", "drawing"), [DISAGREE] * 3, [A] * 3),
        (("confirm",), ("drop", "drawing"), [DISAGREE, None, None], [A] * 3),
        (("drop", "herbarium"), ("drop", "drawing"), [DROPPED, None, None], [A] * 3),
        (("skip",), ("drop", "drawing"), [DROPPED, None, None], [A] * 3),
        (("confirm",), ("skip",), [None] * 3, [A] * 3),
    ],
)
def test_nobodys_word_is_taken_where_two_disagree(params, one, other, outcome, species):
    """Of one photo, or where a relabel is one of the two, of all that it would have been about."""
    records = records_of(*OBSERVATION)
    both = verdicts_of(verdict(0, A, *one), verdict(0, A, *other, reviewer="bo"))
    found = review_of(records, both, params.names)
    assert found.outcome.to_list() == outcome
    assert found.species.to_list() == species
    listed = found.figures["reviewers_disagree"]["said"]
    assert {row["reviewer"] for row in listed} == ({"ana", "bo"} if DISAGREE in outcome else set())


def test_two_photos_of_one_plant_are_of_one_species(params):
    records = records_of(*OBSERVATION)
    both = verdicts_of(verdict(0, A, "relabel", B), verdict(1, A, "confirm"))
    assert review_of(records, both, params.names).outcome.to_list() == [DISAGREE] * 3
    # What is dropped says nothing of the plant.
    both = verdicts_of(verdict(0, A, "relabel", B), verdict(1, A, "drop", "one_of_observation", species=C))
    found = review_of(records, both, params.names)
    assert (found.outcome.to_list(), found.species.to_list()) == ([None, DROPPED, None], [B, A, B])


def test_who_looks_at_what_was_relabeled_sees_its_new_species(params):
    records = records_of(*OBSERVATION)
    first = verdict(0, A, "relabel", B)
    agrees = review_of(records, verdicts_of(first, verdict(1, B, "confirm", reviewer="bo")), params.names)
    assert agrees.species.to_list() == [B] * 3
    assert agrees.figures["stale"] == {}
    corrects = review_of(records, verdicts_of(first, verdict(1, B, "relabel", C, reviewer="bo")), params.names)
    assert corrects.outcome.to_list() == [DISAGREE] * 3
    alone = review_of(records, verdicts_of(verdict(1, B, "confirm", reviewer="bo")), params.names)
    assert alone.figures["stale"] == {"other_species": 1}


def test_what_is_stale_is_ignored_and_counted(params):
    records = records_of({"species": A}, {"species": A}, {"species": A})
    rows = (
        verdict(0, A, "drop", "drawing", sha256=digest(7)),
        verdict(1, C, "relabel", B),
        verdict(9, A, "drop", "drawing"),
    )
    found = review_of(records, verdicts_of(*rows), params.names)
    assert found.figures["stale"] == {"image_gone": 1, "other_bytes": 1, "other_species": 1}
    assert found.species.to_list() == [A] * 3
    assert found.outcome.is_null().all()


def test_a_relabel_that_the_source_has_taken_up_is_not_stale(params):
    found = review_of(records_of({"species": B}), verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert (found.figures["stale"], found.figures["mended_in_source"]) == ({}, 1)
    assert found.figures["relabeled"]["images"] == 0


def test_a_relabel_that_the_source_has_taken_up_has_no_effect_on_what_came_since(params):
    twice = {"image_url": "https://host.example/1.jpg", "image_name": name(1), "sha256": digest(1)}
    observation = {"observation_id": "s:1"}
    records = records_of({"species": B} | observation, {"species": B} | observation | twice, {"species": D} | twice)
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [B, B, D]
    assert found.outcome.is_null().all()


def test_a_photo_that_is_not_in_the_cache_tells_of_its_observation_by_either_of_its_names(params):
    twice = {"image_url": "https://host.example/0.jpg", "image_name": name(0), "sha256": None}
    records = records_of(
        {"species": A, "observation_id": "s:1"} | twice,
        {"species": C, "observation_id": "s:2"} | twice,
        {"species": A, "observation_id": "s:1"},
        {"species": C, "observation_id": "s:2"},
        sound=[False, False, True, True],
    )
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [A, C, B, B]


def test_a_photo_that_is_not_in_the_cache_still_tells_of_its_observation(params):
    records = records_of(*OBSERVATION, sound=[False, True, True])
    records = records.with_columns(sha256=pl.when("sound").then("sha256"))
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert found.species.to_list() == [A, B, B]
    assert found.figures["not_in_cache"] == 1
    said = [*in_lines(found.figures, Path("verdicts"))]
    assert any(line.startswith("1 judged images are not in the cache") for line in said)


def test_an_image_under_two_species_becomes_one_record(params):
    twice = {"image_url": "https://host.example/0.jpg", "image_name": name(0), "sha256": digest(0)}
    records = records_of({"species": A} | twice, {"species": C} | twice)
    found = review_of(records, verdicts_of(verdict(0, A, "relabel", C)), params.names)
    assert found.outcome.to_list() == [MERGED, None]
    assert found.species.to_list() == [A, C]
    both = review_of(records, verdicts_of(verdict(0, A, "relabel", B)), params.names)
    assert (both.outcome.to_list(), both.species[0]) == ([None, MERGED], B)


def test_a_name_that_the_rules_refuse_is_one_line(params):
    with pytest.raises(UserError, match=r"verdicts/ana.csv: 0+.jpg is relabeled 'Rosa sp.', a name that the rules"):
        review_of(records_of({"species": A}), verdicts_of(verdict(0, A, "relabel", "Rosa sp.")), params.names)


def test_a_species_that_no_record_has_is_said(params):
    found = review_of(records_of({"species": A}), verdicts_of(verdict(0, A, "relabel", "Rosa galica")), params.names)
    assert found.species.to_list() == ["Rosa galica"]
    assert found.figures["relabeled"]["to_species_of_no_record"] == ["Rosa galica"]
