"""A name below a species goes where a checklist puts it, and takes nothing else along."""

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from stages.records.names import NameCleaner
from stages.records.renaming import AMBIGUOUS, BY_HAND, HOMONYM, UNSETTLED, Taxon, judge, names_by_hand, settle
from stages.records.renaming_below import RANKS, RenamingBelow, judge_below, names_below, settle_below
from stages.runtime.errors import UserError
from tests.support.naming import RULES

ILEX = Taxon("1", "Quercus ilex", "L.", "Accepted", "1")
BALLOTA = Taxon("2", "Quercus ilex subsp. ballota", "(Desf.) Samp.", "Synonym", "3")
ROUND = Taxon("3", "Quercus rotundifolia", "Lam.", "Accepted", "3")
ROW = ("Quercus ilex subsp. ballota", "Quercus rotundifolia", "WCVP:2")


def settled(names: dict[str, int], *taxa: Taxon, by_hand: dict[str, str] | None = None, rules=RULES) -> RenamingBelow:
    by_hand = by_hand or {}
    alone = NameCleaner(rules, by_hand).knowing(names)
    images: dict[str, int] = {}
    for name, count in names.items():
        species = str(alone.clean(name).name)
        images[species] = images.get(species, 0) + count
    below = names_below([(name, "", count) for name, count in names.items()], alone)
    asked = images.keys() | dict(names_by_hand(by_hand, rules)).keys()
    of_species = settle(images, judge(asked, taxa, rules, publisher="WCVP"), by_hand, rules)
    verdicts = judge_below(below, taxa, rules, publisher="WCVP")
    return settle_below(below, verdicts, of_species, images, by_hand, rules)


@pytest.mark.parametrize(
    "written", ["Quercus ilex subsp. ballota (Desf.) Samp.", "Quercus ilex ballota", "Quercus ilex var. ballota"]
)
def test_in_any_spelling_the_row_is_as_the_checklist_writes_it(written):
    found = settled({written: 2, "Quercus ilex": 1}, ILEX, BALLOTA, ROUND)
    assert found.whole.rows == [ROW]
    assert (found.names, found.renamed, found.images, found.absent) == (1, 1, 2, 0)
    assert (found.whole.names, found.whole.images, found.whole.merged) == (1, 0, -1)


def test_where_names_below_a_species_are_kept_there_is_nothing_more_to_ask():
    found = settled({ROW[0]: 2}, ILEX, BALLOTA, ROUND, rules=RULES.model_copy(update={"below_species": "keep"}))
    assert (found.whole.rows, found.names) == ([ROW], 0)


def test_what_is_under_that_species_anyway_needs_no_row():
    found = settled({ROW[0]: 2}, ILEX._replace(status="Synonym", accepted_id="3"), BALLOTA, ROUND)
    assert found.whole.rows == [("Quercus ilex", "Quercus rotundifolia", "WCVP:1")]
    assert (found.renamed, found.whole.images, found.whole.merged) == (0, 2, 0)


def test_images_count_once_where_the_species_is_renamed_too():
    other = Taxon("9", "Quercus robur", "L.", "Accepted", "9")
    found = settled(
        {ROW[0]: 2, "Quercus ilex": 5}, ILEX._replace(status="Synonym", accepted_id="9"), BALLOTA, ROUND, other
    )
    assert len(found.whole.rows) == 2
    assert (found.images, found.whole.images, found.whole.merged) == (2, 5, -1)


@pytest.mark.parametrize(
    ("reason", "more"),
    [
        (AMBIGUOUS, [BALLOTA._replace(id="4", accepted_id="1")]),
        (HOMONYM, [BALLOTA._replace(id="4", status="Accepted", accepted_id="4")]),
        (UNSETTLED, [BALLOTA._replace(id="4", status="Unplaced", accepted_id="")]),
    ],
)
def test_what_may_change_the_species_is_listed(reason, more):
    found = settled({ROW[0]: 2}, ILEX, BALLOTA, ROUND, *more)
    assert found.whole.rows == []
    assert [row[:2] for row in found.whole.listed] == [(ROW[0], reason)]


@pytest.mark.parametrize(
    "taxa",
    [
        [],
        [BALLOTA._replace(status="Accepted", accepted_id="2")],
        [BALLOTA._replace(accepted_id="1")],
        [BALLOTA._replace(status="Unplaced", accepted_id="")],
        [BALLOTA._replace(status="Misapplied", accepted_id="1")],
    ],
)
def test_what_changes_no_species_is_not_listed(taxa):
    found = settled({ROW[0]: 2}, ILEX, *taxa)
    assert (found.whole.rows, found.whole.listed) == ([], [])
    assert found.absent == (not taxa)


def test_ranks_that_lead_elsewhere():
    variety = Taxon("5", "Quercus ilex var. ballota", "Mill.", "Synonym", "6")
    other = Taxon("6", "Quercus robur", "L.", "Accepted", "6")
    taxa = (ILEX, BALLOTA, ROUND, variety, other)
    both = settled({ROW[0]: 2, variety.name: 1, "Quercus ilex ballota": 1}, *taxa)
    assert both.whole.rows == [ROW, (variety.name, other.name, "WCVP:5")]
    assert [row[:2] for row in both.whole.listed] == [("Quercus ilex ballota", AMBIGUOUS)]
    one = settled({ROW[0]: 2, "Quercus ilex ballota": 1}, *taxa)
    assert one.whole.rows == []
    assert [row[:2] for row in one.whole.listed] == [(ROW[0], RANKS), ("Quercus ilex ballota", AMBIGUOUS)]


@pytest.mark.parametrize(
    "by_hand",
    [
        {"Quercus ilex": "Quercus other"},
        {"Quercus ilex": "Quercus ilex"},
        {"Quercus foo": ROW[0]},
        {"Quercus ilex subsp. ballota": "Quercus other"},
    ],
)
def test_what_is_by_hand_wins_and_is_told(by_hand):
    found = settled({ROW[0]: 2, "Quercus foo": 1}, ILEX, BALLOTA, ROUND, by_hand=by_hand)
    assert found.whole.rows == []
    assert (ROW[0], BY_HAND) in [row[:2] for row in found.whole.listed]


PLAIN = [f"Rosa {name}" for name in ("alba", "blanda", "carolina")]
ENDS = ["", " subsp. vera", " var. vera", " vera", " subsp. vera 'Iceberg'"]
NAME = st.builds(str.__add__, st.sampled_from(PLAIN), st.sampled_from(ENDS))
RANKED = st.builds(str.__add__, st.sampled_from(PLAIN), st.sampled_from(ENDS[:3]))
STATUSES = st.sampled_from(["Accepted", "Synonym", "Synonym", "Misapplied", "Unplaced"])


@given(
    st.lists(NAME, unique=True, min_size=1),
    st.lists(st.tuples(RANKED, STATUSES, st.integers(0, 7)), max_size=8),
    st.dictionaries(RANKED, RANKED, max_size=2),
)
def test_whatever_a_checklist_says_the_figures_are_what_export_makes_of_it(names, entries, by_hand):
    taxa = [Taxon(str(number), name, "", status, str(to)) for number, (name, status, to) in enumerate(entries)]
    names = dict.fromkeys([*PLAIN, *names], 1)
    try:
        alone = NameCleaner(RULES, by_hand).knowing(names)
    except UserError:
        reject()
    found = settled(names, *taxa, by_hand=by_hand)
    rows = {synonym: accepted for synonym, accepted, _ in found.whole.rows}
    together = NameCleaner(RULES, by_hand, of_checklist=rows).knowing(names)
    assert len(rows) == len(found.whole.rows)
    assert together.overruled == ()
    before, after = ({name: cleaner.clean(name).name for name in names} for cleaner in (alone, together))
    assert len(set(before.values())) - len(set(after.values())) == found.whole.merged
    listed = {name for name, *_ in found.whole.listed}
    assert all(after[name] == before[name] for name in listed & names.keys() if before[name] in PLAIN and name in PLAIN)
