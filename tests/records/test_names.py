"""One species, one spelling: names as sources write them are cleaned by rules that can be switched."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records.names import NameCleaner
from stages.runtime.errors import UserError
from tests.support.naming import RULES


def clean(name: str, known: dict[str, str] | None = None, **rules: object) -> str | None:
    return NameCleaner(RULES.model_copy(update=rules), known or {}).clean(name).name


@pytest.mark.parametrize(
    ("name", "species"),
    [
        # Text.
        ("Rosa canina", "Rosa canina"),
        ("  Rosa \t canina ", "Rosa canina"),
        ("Rosa\u00a0canina", "Rosa canina"),
        ("Rosa&nbsp;canina", "Rosa canina"),
        ("Rosa\u200b canina\ufeff", "Rosa canina"),
        ("Rosa_canina", "Rosa canina"),
        ("Ｒｏｓａ canina", "Rosa canina"),
        ("Silene flos\u2010cuculi", "Silene flos-cuculi"),
        # Case.
        ("ROSA CANINA", "Rosa canina"),
        ("rosa Canina", "Rosa canina"),
        ("ROSA CANINA L.", "Rosa canina"),
        ("QUERCUS ILEX SUBSP. BALLOTA", "Quercus ilex"),
        # Authors.
        ("Rosa canina L.", "Rosa canina"),
        ("Rosa canina Linnaeus, 1753", "Rosa canina"),
        ("Silene flos-cuculi (L.) Greuter & Burdet", "Silene flos-cuculi"),
        ("Aloe vera (L.) Burm.f.", "Aloe vera"),
        ("Carex flava Hook. f. ex Benth.", "Carex flava"),
        ("Rosa canina L. f.", "Rosa canina"),
        ("Impatiens hawkeri W.Bull", "Impatiens hawkeri"),
        ("Rosa canina hort", "Rosa canina"),
        ("Rosa canina auct. non L.", "Rosa canina"),
        ("Taraxacum officinale agg.", "Taraxacum officinale"),
        ("Festuca ovina s.l.", "Festuca ovina"),
        # Hybrids.
        ("Mentha x piperita L.", "Mentha × piperita"),
        ("Mentha X piperita", "Mentha × piperita"),
        ("Mentha ×piperita", "Mentha × piperita"),
        ("Mentha &times; piperita", "Mentha × piperita"),
        ("xanthium strumarium", "Xanthium strumarium"),
        ("X Mahoberberis aquisargentii", "× Mahoberberis aquisargentii"),
        ("Quercus robur x petraea", "Quercus robur × petraea"),
        ("Quercus robur L. × Q. petraea (Matt.) Liebl.", "Quercus robur × Q. petraea"),
        # Below the species.
        ("Quercus ilex subsp. ballota (Desf.) Samp.", "Quercus ilex"),
        ("Quercus ilex ssp ballota", "Quercus ilex"),
        ("Quercus ilex L. ssp. ballota", "Quercus ilex"),
        ("Quercus ilex ballota", "Quercus ilex"),
        ("Rosa canina var. dumetorum", "Rosa canina"),
        ("Salix alba L. f. vitellina", "Salix alba"),
        ("Malus domestica 'Golden Delicious' Borkh.", "Malus domestica"),
        ("Malus domestica ‘Gala’", "Malus domestica"),
        # Not a species.
        ("Rosa sp.", None),
        ("Rosa spp", None),
        ("Rosa", None),
        ("Rosa L.", None),
        ("Rosa sect. Caninae", None),
        ("Rosa 'Iceberg'", None),
        ("Rosa cf. canina", None),
        ("cf. Rosa canina", None),
        ("Rosa aff. canina", None),
        ("Rosa canina ?", None),
        ("Rosa canina?", None),
        ("Rosa canina/gallica", None),
        # Punctuation and signs that touch a name.
        ("Rosa canina.", "Rosa canina"),
        ("Rosa canina, L.", "Rosa canina"),
        ("Rosa canina, dog rose", "Rosa canina"),
        ("Rosa canina; seen in May", "Rosa canina"),
        ("Rosa×damascena", "Rosa × damascena"),
        ("Quercus robur×petraea", "Quercus robur × petraea"),
        # Not a scientific name: tidied up and left alone.
        ("black eyed susan", "black eyed susan"),
        ("black eyed pea", "black eyed pea"),
        ("Species 12", "Species 12"),
        ("12345", "12345"),
        ("犬薔薇", "犬薔薇"),
    ],
)
def test_names_are_cleaned(name, species):
    assert clean(name) == species


@pytest.mark.parametrize(
    ("name", "rules", "species"),
    [
        ("Rosa cf. canina L.", {"uncertain": "strip"}, "Rosa canina"),
        ("Rosa cf. canina L.", {"uncertain": "keep"}, "Rosa cf. canina"),
        ("Rosa canina?", {"uncertain": "strip"}, "Rosa canina"),
        ("Rosa canina/gallica L.", {"uncertain": "strip"}, "Rosa canina"),
        ("Rosa sp.", {"genus_only": "keep"}, "Rosa"),
        ("Rosa spp. L.", {"genus_only": "keep"}, "Rosa"),
        ("Quercus ilex L. ssp. ballota Samp.", {"below_species": "keep"}, "Quercus ilex subsp. ballota"),
        ("Quercus ilex ballota", {"below_species": "keep"}, "Quercus ilex ballota"),
        ("Rosa 'Iceberg'", {"below_species": "keep"}, "Rosa 'Iceberg'"),
        ("Rosa canina L.", {"authorship": False}, "Rosa canina L."),
        ("Quercus ilex L. ssp. ballota", {"authorship": False}, "Quercus ilex L."),
        ("ROSA CANINA", {"case": False}, "ROSA CANINA"),
        ("Mentha x piperita", {"hybrids": False}, "Mentha x piperita"),
        ("Rosa_canina", {"unicode": False}, "Rosa_canina"),
    ],
)
def test_each_rule_can_be_switched(name, rules, species):
    assert clean(name, **rules) == species


letters = st.text(string.ascii_lowercase, min_size=3, max_size=9).filter(lambda word: clean(f"Rosa {word}") is not None)


words = st.sampled_from(
    [
        "x",
        "×",
        "L.",
        "(Mill.)",
        "ex",
        "subsp.",
        "ssp.",
        "var.",
        "f.",
        "'Gala'",
        "cf.",
        "sp.",
        "?",
        "1805",
        "de",
        "&",
        "MILL.",
    ]
)


@given(st.lists(letters | words | st.text(max_size=6), min_size=1, max_size=7).map(" ".join))
def test_cleaning_what_is_clean_changes_nothing(name):
    cleaned = clean(name)
    if cleaned is not None:
        assert NameCleaner(RULES, {}).clean(cleaned) == (cleaned, ())


@given(letters.map(str.capitalize), letters, st.sampled_from(["{} {} L.", "{} {} (Mill.) DC.", "{}  {}", "{}_{}"]))
def test_every_spelling_of_a_species_is_one_name(genus, epithet, spelling):
    assert clean(spelling.format(genus, epithet)) == f"{genus} {epithet}"
    assert clean(f"{genus} {epithet}".upper()) == f"{genus} {epithet}"


def test_the_rules_that_changed_a_name_are_named_in_order():
    found = NameCleaner(RULES, {}).clean("MENTHA_X_PIPERITA L. subsp. alba")
    assert found.name == "Mentha × piperita"
    assert found.rules == ("unicode", "hybrids", "case", "authorship", "below_species")


def test_synonyms_are_spelled_in_any_way_and_followed_to_their_end():
    synonyms = {"Rosa corymbifera Borkh.": "ROSA DUMETORUM", "Rosa dumetorum Thuill.": "Rosa canina L."}
    assert clean("Rosa corymbifera", synonyms) == "Rosa canina"
    assert clean("rosa_dumetorum", synonyms) == "Rosa canina"
    assert clean("Rosa corymbifera", synonyms, synonyms=False) == "Rosa corymbifera"


@pytest.mark.parametrize(
    "synonym",
    [
        "Quercus ilex subsp. ballota",
        "Quercus ilex L. ssp ballota Samp.",
        "QUERCUS_ILEX 'Fordii'",
        "Quercus ilex auct. non L.",
    ],
)
def test_a_synonym_below_a_species_or_of_a_usage_leaves_the_species_alone(synonym):
    known = {synonym: "Quercus rotundifolia Lam."}
    assert clean(synonym, known) == "Quercus rotundifolia"
    for name in ("Quercus ilex", "Quercus ilex L.", "Quercus ilex subsp. gracilis", "Quercus ilex 'Other'"):
        assert clean(name, known) == "Quercus ilex"


def test_two_subspecies_may_go_to_two_species():
    known = {"Quercus ilex subsp. ballota": "Quercus rotundifolia", "Quercus ilex var. gracilis": "Quercus gracilis"}
    assert clean("Quercus ilex ssp. ballota", known) == "Quercus rotundifolia"
    assert clean("Quercus ilex L. var. gracilis", known) == "Quercus gracilis"


def test_a_name_that_the_rules_refuse_may_have_a_synonym():
    assert clean("Rosa 'Iceberg'", {"Rosa 'Iceberg'": "Rosa × hybrida"}) == "Rosa × hybrida"


@pytest.mark.parametrize(
    ("synonyms", "said"),
    [
        ({"Rosa a-b": "Rosa c-d", "Rosa c-d": "Rosa a-b"}, "goes round in a circle"),
        ({"Rosa ab": "Rosa"}, "cannot be an accepted name"),
        ({"Rosa ab": "Rosa cd", "ROSA AB L.": "Rosa ef"}, "has two accepted names"),
    ],
)
def test_synonyms_that_make_no_sense_are_refused(synonyms, said):
    with pytest.raises(UserError, match=said):
        clean("Rosa canina", synonyms)
