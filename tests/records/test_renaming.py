"""A checklist renames only what can mean one thing; all else is left to a person, with the reason."""

from random import Random

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from stages.records.names import NameCleaner
from stages.records.renaming import (
    ABSENT,
    AMBIGUOUS,
    BY_HAND,
    CIRCLE,
    DOUBTFUL,
    HOMONYM,
    MISAPPLIED,
    NO_ACCEPTED,
    NO_SPECIES,
    NOT_ACCEPTED,
    PRO_PARTE,
    REFUSED,
    TWICE,
    UNSETTLED,
    Kind,
    Taxon,
    Verdict,
    judge,
    plain_id,
    settle,
)  # fmt: skip
from stages.runtime.errors import UserError
from tests.support.naming import RULES

KEEPING = RULES.model_copy(update={"below_species": "keep"})
NEW = Taxon("1", "Symphyotrichum novi-belgii", "(L.) G.L.Nesom", "Accepted", "1")
OLD = Taxon("2", "Aster novi-belgii", "L.", "Synonym", "1")
ALTERNATIVE = Taxon("5", "Rosa gallica", "L.", "Accepted", "")


def said(name: str, *taxa: Taxon, rules=RULES) -> Verdict:
    verdict = judge([name], taxa, rules, publisher="WCVP")[name]
    assert judge([name], taxa[::-1], rules, publisher="WCVP")[name] == verdict
    return verdict


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("Accepted", Kind.ACCEPTED), ("ACCEPTED", Kind.ACCEPTED), ("Artificial Hybrid", Kind.ACCEPTED),
        ("synonym", Kind.SYNONYM), ("SYNONYM", Kind.SYNONYM), ("heterotypic synonym", Kind.SYNONYM),
        ("HOMOTYPIC_SYNONYM", Kind.SYNONYM), ("homotypicSynonym", Kind.SYNONYM), ("Illegitimate", Kind.SYNONYM),
        ("Invalid", Kind.SYNONYM), ("Orthographic", Kind.SYNONYM), ("proparte synonym", Kind.PRO_PARTE),
        ("PROPARTE_SYNONYM", Kind.PRO_PARTE), ("ambiguous synonym", Kind.PRO_PARTE), ("Misapplied", Kind.MISAPPLIED),
        ("doubtful", Kind.DOUBTFUL), ("Provisionally Accepted", Kind.DOUBTFUL), ("Unplaced", Kind.UNSETTLED),
        ("Unchecked", Kind.UNSETTLED), ("", Kind.UNSETTLED), ("not accepted", Kind.UNSETTLED),
    ],
)  # fmt: skip
def test_statuses_as_checklists_spell_them(status, kind):
    assert NEW._replace(status=status).kind is kind


def test_a_synonym_of_one_species():
    assert said("Aster novi-belgii", OLD, NEW) == Verdict(
        "Symphyotrichum novi-belgii", "WCVP:2", None, ("Symphyotrichum novi-belgii (L.) G.L.Nesom [WCVP:1]",)
    )
    assert said("Symphyotrichum novi-belgii", OLD, NEW) == Verdict()


@pytest.mark.parametrize(
    ("reason", "taxa"),
    [
        (ABSENT, [NEW]),
        (AMBIGUOUS, [OLD, NEW, OLD._replace(id="3", authors="Mill.", accepted_id="5"), ALTERNATIVE]),
        (HOMONYM, [OLD, NEW, OLD._replace(id="3", authors="Mill.", status="Accepted")]),
        (DOUBTFUL, [OLD, NEW, OLD._replace(id="3", authors="Mill.", status="doubtful")]),
        (PRO_PARTE, [OLD._replace(status="PROPARTE_SYNONYM"), NEW]),
        (MISAPPLIED, [OLD._replace(status="MISAPPLIED"), NEW]),
        (MISAPPLIED, [OLD, NEW, OLD._replace(id="3", status="Misapplied", accepted_id="5"), ALTERNATIVE]),
        (UNSETTLED, [OLD._replace(status="Unplaced", accepted_id="")]),
        (UNSETTLED, [OLD._replace(status="superseded"), NEW]),
        (AMBIGUOUS, [OLD, NEW, OLD._replace(id="3", status="superseded", accepted_id="5"), ALTERNATIVE]),
        (NO_ACCEPTED, [OLD]),
        (NO_ACCEPTED, [OLD._replace(accepted_id="")]),
        (NOT_ACCEPTED, [OLD, NEW._replace(status="Provisionally Accepted")]),
        (CIRCLE, [OLD, NEW._replace(status="Synonym", accepted_id="2")]),
        (CIRCLE, [OLD._replace(accepted_id="2")]),
        (NO_SPECIES, [OLD, NEW._replace(name="Symphyotrichum", is_species=False)]),
        (REFUSED, [OLD, NEW._replace(name="Symphyotrichum sp.")]),
        (ABSENT, [OLD._replace(is_species=False), NEW]),
    ],
)
def test_what_is_left_to_a_person(reason, taxa):
    found = said("Aster novi-belgii", *taxa)
    assert (found.accepted, found.reason) == (None, reason)


def test_a_homonym_of_the_same_species_is_no_matter():
    accepted, later = OLD._replace(status="Accepted"), OLD._replace(id="3", authors="Willd.", accepted_id="2")
    assert said("Aster novi-belgii", accepted, later) == Verdict()


def test_candidates_are_named_with_authors_and_ids():
    taxa = [OLD, NEW, OLD._replace(id="3", authors="Mill.", accepted_id="5"), ALTERNATIVE]
    assert said("Aster novi-belgii", *taxa).candidates == (
        "Rosa gallica L. [WCVP:5]", "Symphyotrichum novi-belgii (L.) G.L.Nesom [WCVP:1]",
    )  # fmt: skip


def test_homonyms_of_one_species_leave_it_decided():
    taxa = [OLD, NEW, OLD._replace(id="30", authors="Mill.", status="Illegitimate")]
    taxa += [OLD._replace(id="4", authors="Hort.", status="superseded")]
    assert said("Aster novi-belgii", *taxa).source == "WCVP:2"


GENUS = Taxon("9", "Symphyotrichum", "Nees", "Accepted", "", is_species=False)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (UNSETTLED, {"status": "Unplaced", "accepted_id": ""}),
        (UNSETTLED, {"status": "Unchecked", "accepted_id": "77"}),
        (UNSETTLED, {"status": "", "accepted_id": "3"}),
        (NO_ACCEPTED, {"accepted_id": "77"}),
        (NO_ACCEPTED, {"accepted_id": ""}),
        (NO_SPECIES, {"accepted_id": "9"}),
        (CIRCLE, {"accepted_id": "3"}),
        (MISAPPLIED, {"status": "Misapplied", "accepted_id": "77"}),
        (MISAPPLIED, {"status": "Misapplied", "accepted_id": ""}),
        (TWICE, {"id": "2"}),
        (TWICE, {"name": "Rosa gallica", "id": "2"}),
        (TWICE, {"name": "Rosa gallica", "id": "1", "status": "Accepted"}),
        (UNSETTLED, {"name": "Aster novi-belgii Mill. nom. illeg.", "status": "Unplaced", "accepted_id": ""}),
    ],
)
def test_another_row_that_contradicts_leaves_it_to_a_person(reason, change):
    other = OLD._replace(id="3", authors="Mill.")._replace(**change)
    found = said("Aster novi-belgii", OLD, NEW, GENUS, other)
    assert (found.accepted, found.reason) == (None, reason)
    accepted = said("Aster novi-belgii", OLD._replace(id="8", status="Accepted"), NEW, GENUS, other)
    assert accepted.accepted is None


@pytest.mark.parametrize("remark", ["agg.", "aggr.", "s.l.", "s. str.", "complex", "hort."])
def test_an_aggregate_is_not_the_species_of_its_name(remark):
    aggregate = OLD._replace(name=f"Aster novi-belgii {remark}")
    assert said("Aster novi-belgii", aggregate, NEW).reason == ABSENT
    assert said("Aster novi-belgii", OLD._replace(id="7"), NEW, aggregate._replace(accepted_id="")).accepted == NEW.name
    assert said("Aster novi-belgii", OLD, NEW._replace(name=f"Rosa alba {remark}")).reason == REFUSED


def test_a_name_against_the_code_bears_the_name_and_renames_it_not_alone():
    illegitimate = OLD._replace(name="Aster novi-belgii Mill. nom. illeg.", id="3", accepted_id="5")
    assert said("Aster novi-belgii", illegitimate, ALTERNATIVE).reason == ABSENT
    assert said("Aster novi-belgii", OLD, NEW, illegitimate, ALTERNATIVE).reason == AMBIGUOUS


def test_chains_are_followed_to_their_end():
    between = Taxon("3", "Aster elongatus", "Nees", "HOMOTYPIC_SYNONYM", "1")
    assert said("Aster novi-belgii", OLD._replace(accepted_id="3"), between, NEW).accepted == NEW.name


def test_a_variety_is_not_its_species():
    variety = Taxon("3", "Aster novi-belgii var. litoreus", "A.Gray", "Synonym", "1")
    assert said("Aster novi-belgii", variety, NEW).reason == ABSENT
    assert said("Aster novi-belgii var. litoreus", variety, NEW, rules=KEEPING).accepted == NEW.name


def test_an_accepted_subspecies_is_its_species_as_the_rules_say():
    below = Taxon("6", "Quercus ilex subsp. ballota", "(Desf.) Samp.", "Accepted", "")
    of_it = Taxon("7", "Quercus ballota", "Desf.", "Synonym", "6")
    assert said("Quercus ballota", below, of_it).accepted == "Quercus ilex"
    assert said("Quercus ballota", below, of_it, rules=KEEPING).accepted == "Quercus ilex subsp. ballota"
    assert said("Quercus ilex", below, of_it._replace(name="Quercus ilex")) == Verdict()


@pytest.mark.parametrize("written", ["Mentha ×citrata", "Mentha x citrata", "Mentha × citrata"])
def test_hybrids_in_any_spelling(written):
    taxa = [Taxon("1", "Mentha ×piperita", "L.", "Accepted", ""), Taxon("2", written, "Ehrh.", "Synonym", "1")]
    assert said("Mentha × citrata", *taxa).accepted == "Mentha × piperita"


def test_ids():
    assert plain_id("wfo-0000001234") == "wfo-0000001234"
    assert plain_id("https://list.example/taxon/123/") == "123"
    assert plain_id("a b") == "a_b"
    assert plain_id("///") == "___"


def renamed(accepted: str) -> Verdict:
    return Verdict(accepted, "WCVP:2", None, (accepted,))


def test_what_is_by_hand_wins_and_is_told():
    images = {"Aster novi-belgii": 3, "Rosa alba": 2, "Rosa blanda": 1, "Rosa carolina": 5}
    verdicts = dict.fromkeys(images, Verdict()) | {
        "Aster novi-belgii": renamed(NEW.name),
        "Rosa blanda": renamed("Rosa acicularis"),
    }
    verdicts |= {"Rosa dumalis": renamed("Rosa nutkana"), "Rosa carolina": Verdict(reason=ABSENT)}
    found = settle(images, verdicts, {"Rosa xanthina": "Rosa blanda", "Rosa dumalis L.": "Rosa alba"}, RULES)
    assert found.rows == [("Aster novi-belgii", NEW.name, "WCVP:2")]
    assert found.listed == [
        ("Rosa carolina", ABSENT, None, 5),
        ("Rosa blanda", BY_HAND, "Rosa acicularis", 1),
        ("Rosa dumalis", BY_HAND, "Rosa nutkana", 0),
    ]
    assert (found.names, found.accepted, found.images, found.merged) == (4, 1, 3, 0)


def test_a_usage_by_hand_says_nothing_of_the_name_itself():
    found = settle(
        {"Rosa alba": 1}, {"Rosa alba": renamed("Rosa acicularis")}, {"Rosa alba auct. non L.": "Rosa blanda"}, RULES
    )
    assert found.rows == [("Rosa alba", "Rosa acicularis", "WCVP:2")]
    assert found.listed == []


@pytest.mark.parametrize("by_hand", [{"Rosa alba": "Rosa alba"}, {"Rosa x auct.": "Rosa alba"}])
def test_a_row_by_hand_can_say_that_a_name_stays(by_hand):
    found = settle({"Rosa alba": 1}, {"Rosa alba": renamed("Rosa acicularis")}, by_hand, RULES)
    assert found.rows == []
    assert found.listed == [("Rosa alba", BY_HAND, "Rosa acicularis", 1)]


def test_circles_are_listed():
    images = {"Rosa alba": 2, "Rosa blanda": 1, "Rosa carolina": 1}
    verdicts = {
        "Rosa alba": renamed("Rosa blanda"),
        "Rosa blanda": renamed("Rosa alba"),
        "Rosa carolina": renamed("Rosa alba"),
    }
    found = settle(images, verdicts, {}, RULES)
    assert found.rows == [("Rosa carolina", "Rosa alba", "WCVP:2")]
    assert [(name, reason) for name, reason, *_ in found.listed] == [("Rosa alba", CIRCLE), ("Rosa blanda", CIRCLE)]


def test_classes_that_merge_are_counted():
    images = {"Aster novi-belgii": 3, NEW.name: 4, "Aster other": 1, "Rosa alba": 0}
    verdicts = dict.fromkeys(images, Verdict()) | {name: renamed(NEW.name) for name in images if "Aster" in name}
    found = settle(images, verdicts, {}, RULES)
    assert (found.names, found.images, found.merged) == (3, 4, 2)


SPECIES = [f"Rosa {name}" for name in ("alba", "blanda", "carolina", "dumalis", "elegantula", "foetida", "gallica")]
EPITHETS = st.sampled_from(SPECIES)
STATUSES = st.sampled_from(["Accepted", "Synonym", "Misapplied", "doubtful", "PROPARTE_SYNONYM", "Unplaced"])
NAME = st.builds(lambda name, below: name + below, EPITHETS, st.sampled_from(["", "", " subsp. vera", " var. minor"]))
FEW = st.builds(lambda name, below: name + below, st.sampled_from(SPECIES[:3]), st.sampled_from(["", " var. minor"]))
TAXA = st.lists(st.tuples(NAME | FEW, st.sampled_from(["L.", "Mill."]), STATUSES, st.integers(0, 9)), max_size=10)


@given(TAXA, st.dictionaries(EPITHETS, EPITHETS, max_size=3), st.randoms(use_true_random=False))
@example([("Rosa alba", "L.", "Synonym", 1), ("Rosa blanda", "", "Accepted", 1)], {"Rosa alba": "Rosa alba"}, Random(0))
@example([("Rosa alba", "L.", "Synonym", 1), ("Rosa blanda", "L.", "Accepted", 1)], {}, Random(0))
def test_whatever_a_checklist_says_export_accepts_it(entries, by_hand, random):
    """Also with what is by hand, as long as that is sound; the order of rows makes no difference."""
    taxa = [
        Taxon(str(number), name, authors, status, str(accepted))
        for number, (name, authors, status, accepted) in enumerate(entries)
    ]
    try:
        alone = NameCleaner(RULES, by_hand)
    except UserError:
        reject()
    images = {str(alone.clean(name).name): 1 for name in SPECIES}
    found = settle(images, judge(SPECIES, taxa, RULES, publisher="GBIF"), by_hand, RULES)
    random.shuffle(taxa)
    assert settle(images, judge(SPECIES, taxa, RULES, publisher="GBIF"), by_hand, RULES) == found
    rows = {synonym: accepted for synonym, accepted, _ in found.rows}
    assert not rows.keys() & by_hand.keys()
    together = NameCleaner(RULES, by_hand, of_checklist=rows)
    assert together.overruled == ()
    left = {together.clean(name).name for name in images}
    assert len(images) - len(left) == found.merged
    for synonym in by_hand:
        assert together.clean(synonym).name == together.clean(alone.clean(synonym).name).name
