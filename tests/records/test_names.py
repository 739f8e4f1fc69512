"""One species, one spelling, by any rules, and what is known beside; two species never become one."""

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stages.records import name_reading
from stages.records.name_words import names_nothing
from stages.records.names import MAX_LENGTH, NameCleaner, clean_names
from stages.runtime.errors import UserError
from tests.support.naming import RULES, clean, cleaned


@pytest.mark.parametrize(
    ("name", "rules", "species"),
    [
        ("Rosa cf. canina L.", {"uncertain": "strip"}, "Rosa canina"),
        ("Rosa (cf.) canina", {"uncertain": "strip"}, "Rosa canina"),
        ("Rosa canina??", {"uncertain": "strip"}, "Rosa canina"),
        ("Probably Rosa canina", {"uncertain": "strip"}, "Rosa canina"),
        ("PROB. ROSA CANINA", {"uncertain": "strip"}, "Rosa canina"),
        ("Rosa canina/gallica L.", {"uncertain": "strip"}, None),
        ("Rosa canina or gallica", {"uncertain": "strip"}, None),
        ("Rosa canina; Rosa gallica", {"uncertain": "strip"}, None),
        ("Rosa gallica auct. non L.", {"uncertain": "strip"}, None),
        ("Rosa cf. canina", {"uncertain": "keep"}, "Rosa cf. canina"),
        ("Rosa cf. canina L.", {"uncertain": "keep"}, "Rosa cf. canina L."),
        ("Rosa_canina / gallica", {"uncertain": "keep"}, "Rosa canina / gallica"),
        ("Rosa sp.", {"genus_only": "keep"}, "Rosa"),
        ("Rosa spp. L.", {"genus_only": "keep"}, "Rosa"),
        ("Abies Mill.", {"genus_only": "keep"}, "Abies"),
        ("Rosa sect. Caninae", {"genus_only": "keep"}, "Rosa"),
        ("Rosa 'Iceberg'", {"genus_only": "keep"}, "Rosa"),
        ("Rosa sp. 1", {"genus_only": "keep"}, None),
        ("Rosa Canina L.", {"genus_only": "keep"}, None),
        ("Eastern White Pine", {"genus_only": "keep"}, None),
        ("Black Eyed Susan", {"genus_only": "keep"}, None),
        ("Quercus ilex L. ssp. ballota Samp.", {"below_species": "keep"}, "Quercus ilex subsp. ballota"),
        ("Rosa canina var. alba f. rubra", {"below_species": "keep"}, "Rosa canina var. alba f. rubra"),
        ("Rosa 'Iceberg'", {"below_species": "keep"}, "Rosa 'Iceberg'"),
        ("Rosa cv. Iceberg", {"below_species": "keep"}, "Rosa 'Iceberg'"),
        ("Malus domestica ‘GOLDEN DELICIOUS’ Borkh.", {"below_species": "keep"}, "Malus domestica 'Golden Delicious'"),
        ("Rosa canina dos", {"below_species": "keep"}, None),
        ("Rosa canina zur", {"below_species": "keep"}, None),
        ("Rosa canina f. apud", {"below_species": "keep"}, None),
        ("black_eyed susan", {"not_scientific": "keep"}, "black eyed susan"),
        ("犬薔薇", {"not_scientific": "keep"}, "犬薔薇"),
        ("Species 12", {"not_scientific": "keep"}, "Species 12"),
    ],
)  # fmt: skip
def test_each_rule_can_be_switched(name, rules, species):
    assert clean(name, **rules) == species


@pytest.mark.parametrize(
    ("name", "known", "species"),
    [
        ("Quercus ilex ballota", "Quercus ilex", "Quercus ilex"),
        ("quercus ilex ballota", "Quercus ilex", "Quercus ilex"),
        ("Quercus ilex L. ballota", "Quercus ilex", "Quercus ilex"),
        ("Quercus ilex ballota var. alba", "Quercus ilex", "Quercus ilex"),
        ("Quercus ilex var. alba ballota", "Quercus ilex", None),
        ("Quercus ilex ballota alba", "Quercus ilex", None),
        ("Quercus ilex dos", "Quercus ilex", None),
        ("Quercus suber ballota", "Quercus ilex", None),
        ("Eastern white pine", "Eastern red", None),
        ("Hyacinthoides non scripta", "Hyacinthoides non-scripta", "Hyacinthoides non-scripta"),
        ("Bidens tri partita", "Bidens tri-partita", "Bidens tri-partita"),
        ("Rosa Canina", "Rosa canina", "Rosa canina"),
        ("Rosa Canina L.", "Rosa canina", "Rosa canina"),
        ("Rosa CANINA", "Rosa canina", "Rosa canina"),
        ("Mentha x Piperita", "Mentha × piperita", "Mentha × piperita"),
        ("Echinochloa Crus Galli", "Echinochloa crus-galli", "Echinochloa crus-galli"),
        ("Abies Miller", "Abies alba", None),
        ("Abies Miller 1754", "Abies miller", None),
        ("Rosa canina canina", "Rosa canina", "Rosa canina"),
        ("Cattleya X Laelia", "Laelia anceps", None),
    ],
)
def test_a_known_species_is_evidence_for_a_longer_name_or_a_capital(name, known, species):
    assert clean(name, known=(known,)) == species
    found = clean_names([name, f"{known} L."], NameCleaner(RULES, {}))
    assert found[name].name == species
    assert clean(name, {"Rosa corymbifera": known}) == species  # an accepted name is known too


def test_three_words_are_kept_whole_where_kinds_below_the_species_are():
    assert clean("Quercus ilex ballota", known=("Quercus ilex",), below_species="keep") == "Quercus ilex ballota"


def test_what_was_cut_off_is_told_by_kind():
    found = cleaned("Rosa canina L. var. alba Mill. s.l.")
    assert found.cut == (("authors", "L."), ("below_species", "var. alba"), ("remark", "s.l."))
    assert found.of == "Rosa canina"
    found = cleaned("Rosa canina L. var. alba Mill. s.l.", below_species="keep")
    assert found.cut == (("authors", "Mill."), ("remark", "s.l."))
    assert found.of == "Rosa canina var. alba"
    assert cleaned("Rosa cf. canina", uncertain="strip").cut == (("remark", "cf."),)
    assert cleaned("Quercus (Cerris) suber").cut == (("remark", "(Cerris)"),)
    assert cleaned("Populus × canadensis (P. nigra x deltoides)").cut == (("remark", "P. nigra × deltoides"),)
    assert cleaned("Beta vulgaris L. Altissima Group").cut == (("authors", "L."), ("below_species", "Altissima Group"))


epithets = st.text(string.ascii_lowercase, min_size=3, max_size=9).filter(
    lambda word: not names_nothing(word) and clean(f"Rosa {word}") and clean(f"{word.capitalize()} alba")
)
words = st.sampled_from([
    "x", "×", "L.", "(Mill.)", "ex", "subsp.", "ssp.", "var.", "f.", "'Gala'", "cf.", "sp.", "?", "1805", "de",
    "dos", "zur", "apud", "&", "MILL.", "cv.", "agg.", "/", "or", ";", "crus", "Rosaceae", "hort.", "(Cerris)",
    "ilex", "Rosa", "&amp;times;", "İ", "a\u200b\u0301", "ü", "_", "*", '"', "<i>", "sect.", "non", "+", ",",
    "s.l.", "Rosa.", "(x)", "(×)", "(", ")", "[", "<cf.>", "<b>", "'canina'", "'Gala", "''", '""', "Group", "posible",
    "Posible", "(Dudosa)", "Madrid", "Flor", "rosa", "uva", "-", ":", "!", "l.", "emend.", "Subsp.", "F.", "X",
    "(1753)", "«Alba»", "(P. nigra x alba)", "Q.",
])  # fmt: skip
switches = st.fixed_dictionaries(
    {
        "uncertain": st.sampled_from(["refuse", "strip", "keep"]),
        "genus_only": st.sampled_from(["refuse", "keep"]),
        "not_scientific": st.sampled_from(["refuse", "keep"]),
        "below_species": st.sampled_from(["species", "keep"]),
    }
)
KNOWN = ("Rosa canina", "Quercus ilex", "Rosa ilex", "Mentha × piperita", "Bidens tri-partita")


@given(st.lists(epithets | words | st.text(max_size=6), min_size=1, max_size=7).map(" ".join), switches)
@example("&amp;times; Quercus", {"genus_only": "keep"})
@example("a\u200b\u0301 rosa", {"not_scientific": "keep"})
@example("İ rosa", {"not_scientific": "keep"})
@example("Rosa canina f. apud", {"below_species": "keep"})
@example("Rosa canina zur dos", {"below_species": "keep"})
@example("aaa x ÇV", {})
@example("aaa cv. aaa (Cerris)", {"below_species": "keep"})
@example("Rosa ağğ", {})
def test_cleaning_what_is_clean_changes_nothing(name, rules):
    found = clean(name, known=KNOWN, **rules)
    if found is not None:
        assert cleaned(found, known=KNOWN, **rules)[:2] == (found, ())


SPELLINGS = [
    "{} {} L.", "{} {} (Mill.) DC.", "{}  {}", "{}_{}", "<i>{} {}</i>", "Rosaceae {} {}", "{} (Cerris) {}",
    "{} {} s.l.", "{} {} 'Gala'", "{} {} subsp. alba (L.) Mill.", "{} {} L., 1753", "* {} {}", "{} {} agg.",
]  # fmt: skip


@given(epithets.map(str.capitalize), epithets, st.sampled_from(SPELLINGS))
def test_every_spelling_of_a_species_is_one_name(genus, epithet, spelling):
    assert clean(spelling.format(genus, epithet)) == f"{genus} {epithet}"
    for written in (f"{genus} {epithet}".upper(), f"{genus} {epithet}".lower(), f"{genus} {epithet} L.".upper()):
        assert clean(written) == f"{genus} {epithet}"


OTHERS = [
    "{} x {}", "{} {} alba", "cf. {} {}", "{} {}?", "{} {} x alba", "{} crus {}", "{} alba {}", "{} var. {}",
    "{} L. {}", "{} {} or alba", "{} {}, alba", "Probably {} {}", "{} sp. {}", "{} (x) {}", "{} ({}) alba",
    "{} <b>{}</b>", "{} <cf.> {}", "{} <{}> alba", "{} alba<sup>{}</sup>", "{} '{}' alba", '{} alba "{}"',
    "{} alba ({})", "{} alba [{}]", "{} {} posible", "{} {} Posible", "{} {} (Dudosa)", "posible {} {}", "{} {} Madrid",
    "{} {} rosa", "{} {}!", "({} {})", "{} {} Alba Group", "{} × alba ({} × rubra)", "{} {}, subsp. alba", "{} uva {}",
]  # fmt: skip
DECORATIONS = st.sampled_from([*SPELLINGS, *OTHERS])
CASES = st.sampled_from([str, str.upper, str.lower, str.title])


@given(epithets.map(str.capitalize), epithets, epithets, DECORATIONS, DECORATIONS, CASES, CASES, switches)
def test_two_species_never_become_one(genus, one, other, first, second, set_first, set_second, rules):
    assume(one != other)
    known = (f"{genus} {one}", f"{genus} {other}")
    labels = {
        clean(set_first(first.format(genus, one)), known=known, **rules),
        clean(set_second(second.format(genus, other)), known=known, **rules),
    }
    # A name of two epithets is under its first one, which may be neither of them, and one without any its genus.
    assert len(labels) == 2 or labels <= {None, genus, f"{genus} alba", f"{genus} × alba"}


MIXED = [
    "{g} {a} {b}", "{g} {a} {B}", "{g} {a} ({B})", "{g} {a} '{b}'", '{g} {a} "{b}"', "{g} {a} [{b}]", "{g} {a} <{b}>",
    "{g} {a} L. {b} L.", "{g} {a} L. & {B}", "{g} {a} {g} {B}", "{g} {a}, {g} {B} L.", "{g} {a} (x {b})",
    "{g} {a} ({g} {a} x {g} {b})", "{g} {a} {B} Group", "{g} {a} x{b}", "{g} ({a} x {b})", "{g} '{a}' {b}",
    "{g} {a} <i>{b}</i>", "{g} {a}<sub>{b}</sub>", "{g} {a} or {b}", "{g} {a} (= {b})",
]  # fmt: skip


@given(epithets.map(str.capitalize), epithets, epithets, st.sampled_from(MIXED), st.sampled_from([str, str.title]))
def test_a_name_of_two_known_species_is_neither(genus, one, other, template, set_case):
    assume(one != other and (set_case is str or not {"'", '"'} & set(template)))  # with a capital it is a cultivar
    name = set_case(template.format(g=genus, a=one, b=other, B=other.capitalize()))
    assert clean(name, known=(f"{genus} {one}", f"{genus} {other}")) is None


@given(st.lists(epithets | words, min_size=1, max_size=4).map(" ".join).filter(str.strip), st.data())
def test_names_that_are_cleaned_together_are_evidence_for_each_other(name, data):
    assume(
        len(set(name.casefold().split())) == len(name.split())
    )  # an author called as the epithet is evidence for itself
    names = [name, *data.draw(st.lists(epithets.map("Rosa {}".format), max_size=2)), "Quercus ilex L.", "Rosa ilex"]
    together = clean_names(names, NameCleaner(RULES, {}))
    species = {found.of or found.name for found in together.values() if found.name}
    by_hand = NameCleaner(RULES, {}, known=frozenset(filter(None, species)))
    assert together == {name: by_hand.clean(name) for name in names}


@pytest.mark.parametrize("name", ["rosa " * 4_000, "&amp;" * 2_000, "Rosa" + " " * 300 + "canina", "ﷺ" * 150])
def test_a_name_that_is_too_long_is_refused_before_it_is_read(name, monkeypatch):
    """The parser took 17 s for a name of 4,000 words."""
    monkeypatch.setattr(name_reading, "parse", lambda _: pytest.fail("was parsed"))
    for rules in ({}, {"not_scientific": "keep", "uncertain": "keep"}):
        found = cleaned(name, **rules)
        assert (found.name, found.rules[-1]) == (None, "too_long")


@given(st.text(max_size=MAX_LENGTH))
def test_any_text_is_read_at_most_once(name):
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            name_reading, "parse", lambda text, parse=name_reading.parse: (calls.append(text), parse(text))[1]
        )
        clean(name)
    assert len(calls) <= 1
    assert all(len(text) <= 2 * MAX_LENGTH for text in calls)


def test_each_plain_name_is_read_once_however_often_it_stands(monkeypatch):
    calls = []
    monkeypatch.setattr(
        name_reading, "parse", lambda text, parse=name_reading.parse: (calls.append(text), parse(text))[1]
    )
    clean_names(["Rosa canina L.", "Rosa gallica", "Rosa canina L."], NameCleaner(RULES, {}))
    assert sorted(calls) == ["Rosa canina L.", "Rosa gallica"]


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
        "Quercus ilex ballota",
        "Quercus cf. ilex",
    ],
)
def test_a_synonym_below_a_species_or_of_a_usage_leaves_the_species_alone(synonym):
    known = {synonym: "Quercus rotundifolia Lam."}
    assert clean(synonym, known) == "Quercus rotundifolia"
    assert clean(synonym.upper(), known) == "Quercus rotundifolia"
    for name in ("Quercus ilex", "Quercus ilex L.", "Quercus ilex subsp. gracilis", "Quercus ilex 'Other'"):
        assert clean(name, known) == "Quercus ilex"


def test_two_subspecies_may_go_to_two_species():
    known = {"Quercus ilex subsp. ballota": "Quercus rotundifolia", "Quercus ilex var. gracilis": "Quercus gracilis"}
    assert clean("Quercus ilex ssp. ballota", known) == "Quercus rotundifolia"
    assert clean("Quercus ilex L. var. gracilis", known) == "Quercus gracilis"


@pytest.mark.parametrize("name", ["Rosa 'Iceberg'", "black eyed susan", "Unknown plant", "Rosa canina / gallica", "?"])
def test_a_name_that_the_rules_refuse_may_have_a_synonym(name):
    assert clean(name.upper(), {name: "Rosa × hybrida"}) == "Rosa × hybrida"


@pytest.mark.parametrize(
    ("synonyms", "said"),
    [
        ({"Rosa a-b": "Rosa c-d", "Rosa c-d": "Rosa a-b"}, "goes round in a circle"),
        ({"Rosa ab": "Rosa"}, "cannot be an accepted name"),
        ({"Rosa rubra": "Rosa cd", "ROSA RUBRA L.": "Rosa ef"}, "has two accepted names"),
    ],
)
def test_synonyms_that_make_no_sense_are_refused(synonyms, said):
    with pytest.raises(UserError, match=said):
        clean("Rosa canina", synonyms)
