"""A synonym renames what it names, in any spelling, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records.names import NameCleaner
from stages.runtime.errors import UserError
from tests.support.naming import RULES

BALLOTA = {"Quercus ilex subsp. ballota": "Quercus rotundifolia"}


def clean(name, synonyms, *, known=(), **rules):
    return NameCleaner(RULES.model_copy(update=rules), synonyms).knowing([name, *known]).clean(name).name


@pytest.mark.parametrize(
    "synonym",
    [
        "Rosa hyb.",
        "Rosa sp.",
        "Rosa",
        "Rosa L.",
        "Rosa sect. Caninae",
        "Rosa (Dog Rose)",
        "Rosa spp. hort.",
        "Rosa subsp.",
    ],
)
def test_a_genus_by_hand_is_its_own_text_alone(synonym):
    rows = {synonym: "Rosa × hybrida"}
    assert clean(synonym, rows) == clean(f" {synonym}  ", rows) == clean(synonym.upper(), rows) == "Rosa × hybrida"
    others = [
        "Rosa",
        "Rosa sp.",
        "Rosa L.",
        "Rosa Mill.",
        "Rosa 'Iceberg'",
        "Rosa sect. Gallicae",
        "Rosa hyb.",
        "ROSA SP",
    ]
    for other in others:
        if other != synonym:
            assert clean(other, rows) is None
            assert clean(other, rows, genus_only="keep") == clean(other, {}, genus_only="keep")


@pytest.mark.parametrize(
    "synonym",
    [
        "Rosa rubra agg.", "Rosa rubra s.l.", "Rosa rubra sensu lato", "Rosa rubra hort.", "Rosa rubra complex",
        "Rosa rubra Mill. nom. illeg.", "Rosa rubra (Dog Rose)", "Rosa rubra [Dog Rose]", "Rosa rubra auct. non L.",
        "Rosa rubra (Mill.)", "Rosa rubra pro sp.", "Rosa rubra, Dog Rose", "Rosa Rubra", "Rosa rubra?",
    ],
)  # fmt: skip
def test_a_usage_by_hand_leaves_the_species_alone(synonym):
    rows = {synonym: "Rosa gallica"}
    assert clean(synonym, rows) == "Rosa gallica"
    for name in ("Rosa rubra", "Rosa rubra Mill.", "Rosa rubra (L.) Mill.", "ROSA_RUBRA", "Rosa rubra subsp. alba"):
        assert clean(name, rows) == "Rosa rubra"


@pytest.mark.parametrize(
    "name", ["Rosa 'Iceberg'", 'Rosa "Iceberg"', "Rosa L. 'Iceberg'", "Rosa cv. Iceberg", "rosa 'iceberg'"]
)
def test_a_cultivar_of_a_genus_is_a_kind_of_its_own(name):
    assert clean(name, {"Rosa 'Iceberg'": "Rosa × hybrida"}) == "Rosa × hybrida"
    assert clean(name, {"Rosa 'Peace'": "Rosa × hybrida"}) is None


@pytest.mark.parametrize("written", ["subsp. ballota", "ballota", "ssp ballota (Desf.) Samp.", "ballota (Desf.) Samp."])
@pytest.mark.parametrize(
    "name",
    [
        "Quercus ilex ballota", "Quercus ilex ssp. ballota", "QUERCUS ILEX SUBSP. BALLOTA",
        "Quercus ilex L. subsp. ballota (Desf.) Samp.", "Quercus ilex subsp. ballota 'Fordii'",
        "Quercus ilex ballota 'Fordii'", "Quercus ilex subsp. ballota var. minor", "Quercus ilex var. ballota",
    ],
)  # fmt: skip
def test_spellings_of_a_subspecies_are_one_synonym(written, name):
    rows = {f"Quercus ilex {written}": "Quercus rotundifolia"}
    assert clean(name, rows, known=["Quercus ilex"]) == "Quercus rotundifolia"
    assert clean("Quercus ilex", rows) == clean("Quercus ilex var. minor", rows) == "Quercus ilex"
    assert clean("Quercus ilex 'Ballota'", rows) == "Quercus ilex"


@pytest.mark.parametrize("cultivar", ["'Mme. A. Meilland'", "'Queen's Delight'", "'St. Ives'"])
def test_a_cultivar_is_found_by_its_whole_epithet(cultivar):
    rows = {f"Rosa gallica {cultivar}": "Rosa × alba"}
    assert clean(f"Rosa gallica L. {cultivar}", rows) == "Rosa × alba"
    for other in ("'Meilland'", "'A. Meilland'", "'Delight'", "'Ives'", "'Alba'", "var. alba", "alba", ""):
        assert clean(f"Rosa gallica {other}".strip(), rows, known=["Rosa gallica"]) == "Rosa gallica"
    assert clean(f"Rosa gallica var. alba {cultivar}", {"Rosa gallica var. alba": "Rosa × alba"}) == "Rosa × alba"


def test_what_is_cut_behind_a_synonym_is_told():
    found = NameCleaner(RULES, BALLOTA).clean("Quercus ilex subsp. ballota var. minor 'Fordii'")
    assert found.cut == (("below_species", "var. minor 'Fordii'"),)
    assert found.of == "Quercus ilex subsp. ballota"
    assert found.rules == ("below_species", "synonyms")
    assert found.synonyms == ("Quercus ilex subsp. ballota",)


def test_where_two_ranks_have_one_epithet_the_rank_decides():
    rows = BALLOTA | {"Quercus ilex var. ballota": "Quercus gracilis"}
    assert clean("Quercus ilex ssp. ballota", rows) == "Quercus rotundifolia"
    assert clean("Quercus ilex var. ballota 'Fordii'", rows) == "Quercus gracilis"
    assert clean("Quercus ilex ballota", rows) == "Quercus ilex"
    assert clean("Quercus ilex ballota", rows | {"Quercus ilex ballota": "Quercus alba"}) == "Quercus alba"
    one = BALLOTA | {"Quercus ilex var. ballota": "Quercus rotundifolia"}
    assert clean("Quercus ilex ballota", one) == "Quercus rotundifolia"


def test_where_subspecies_are_kept_each_is_a_name_of_its_own():
    for name in ("Quercus ilex subsp. ballota 'Fordii'", "Quercus ilex subsp. ballota var. minor"):
        assert clean(name, BALLOTA, below_species="keep") == name
    assert clean("Quercus ilex ballota", BALLOTA, below_species="keep") == "Quercus rotundifolia"
    of_formula = {"Rosa canina × Rosa gallica": "Rosa × alba"}
    assert clean("Rosa gallica L. x canina", of_formula) == "Rosa × alba"


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        ({"Rosa aa": "Rosa bb subsp. cc", "Rosa bb subsp. cc": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa bb cc", "Rosa bb subsp. cc": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa bb subsp. cc 'X'", "Rosa bb subsp. cc": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa bb subsp. cc", "Rosa bb": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa bb subsp. cc", "Rosa bb subsp. cc": "Rosa bb subsp. cc"}, "Rosa bb"),
        ({"Rosa aa": "Rosa bb subsp. cc", "Rosa bb subsp. ee": "Rosa dd"}, "Rosa bb"),
        ({"Rosa aa": "Rosa bb hort.", "Rosa bb hort.": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa bb", "Rosa bb hort.": "Rosa dd"}, "Rosa bb"),
        ({"Rosa aa": "Rosa 'Peace'", "Rosa 'Peace'": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa aa subsp. bb", "Rosa aa subsp. bb": "Rosa dd"}, "Rosa dd"),
        ({"Rosa aa": "Rosa aa subsp. bb"}, "Rosa aa"),
        ({"Rosa aa": "Rosa aa", "Rosa aa L.": "Rosa aa"}, "Rosa aa"),
        ({"Rosa aa L.": "Rosa aa", "Rosa aa": "Rosa dd"}, "Rosa dd"),
    ],
)
def test_synonyms_are_followed_in_full_before_they_are_rolled_up(rows, end):
    assert clean("Rosa aa", rows) == clean("Rosa aa", dict(reversed(rows.items()))) == end
    if end != "Rosa aa":
        assert clean("Rosa aa L.", rows) == end


def test_a_name_that_stays_is_the_end_in_its_own_spelling():
    rows = {
        "Rosa aa subsp. minima": "Rosa aa subsp. minima",
        "Rosa cc": "Rosa aa minima",
        "Rosa aa": "Rosa aa subsp. minima",
    }
    assert clean("Rosa cc", rows, known=["Rosa aa"], below_species="keep") == "Rosa aa subsp. minima"
    assert clean("Rosa aa minima", rows, known=["Rosa aa"], below_species="keep") == "Rosa aa subsp. minima"
    assert clean("Rosa cc", rows) == clean("Rosa aa", rows) == clean("Rosa aa subsp. minima", rows) == "Rosa aa"


EPITHET = st.sampled_from(["aa", "bb", "cc"])
BELOW = st.sampled_from(
    ["", " subsp. minima", " minima", " var. minima", " var. yy", " subsp. minima var. yy", " 'Peace'", " hort."]
)
ANY = st.builds(lambda epithet, below: f"Rosa {epithet}{below}", EPITHET, BELOW)


@given(st.dictionaries(ANY, ANY, max_size=5), st.dictionaries(ANY, ANY, max_size=4), ANY, st.booleans())
def test_a_cleaned_name_stays_and_a_checklist_breaks_nothing(by_hand, of_checklist, name, keep):
    rules = RULES.model_copy(update={"below_species": "keep" if keep else "species"})
    known = frozenset({"Rosa aa", "Rosa bb", "Rosa cc"})
    try:
        alone = NameCleaner(rules, by_hand, known=known)
    except UserError:
        return
    together = NameCleaner(rules, by_hand, of_checklist=of_checklist, known=known)
    for cleaner in (alone, together):
        found = cleaner.clean(name)
        assert found.name is not None
        assert cleaner.clean(found.name).name == found.name
    for synonym in by_hand:
        assert synonym not in of_checklist or of_checklist[synonym] == by_hand[synonym] or synonym in together.overruled


@pytest.mark.parametrize(
    ("by_hand", "of_checklist", "overruled", "end"),
    [
        ({"Rosa aa L.": "Rosa bb"}, {"Rosa aa": "Rosa cc"}, ("Rosa aa",), "Rosa bb"),
        ({"Rosa aa": "Rosa bb"}, {"Rosa aa": "Rosa cc"}, ("Rosa aa",), "Rosa bb"),
        ({"Rosa aa": "Rosa bb"}, {"Rosa aa": "Rosa bb"}, (), "Rosa bb"),
        ({"Rosa aa": "Rosa aa"}, {"ROSA AA": "Rosa cc"}, ("ROSA AA",), "Rosa aa"),
        ({"Rosa aa": "Rosa bb"}, {"Rosa bb": "Rosa aa"}, ("Rosa bb",), "Rosa bb"),
        ({"Rosa aa": "Rosa bb"}, {"Rosa bb": "Rosa cc"}, (), "Rosa cc"),
        ({"Rosa aa hort.": "Rosa bb"}, {"Rosa aa": "Rosa cc"}, (), "Rosa cc"),
        (
            {"Rosa aa minima": "Rosa bb"},
            {"Rosa aa subsp. minima": "Rosa cc", "Rosa aa": "Rosa dd"},
            ("Rosa aa subsp. minima",),
            "Rosa dd",
        ),
    ],
)
def test_what_is_by_hand_wins_over_a_checklist_in_any_spelling(by_hand, of_checklist, overruled, end):
    cleaner = NameCleaner(RULES, by_hand, of_checklist=of_checklist)
    assert cleaner.overruled == overruled
    assert cleaner.clean("Rosa aa").name == end
