"""One species, one spelling: what is not plainly one species is refused, and nothing is cut off without evidence."""

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stages.records import name_reading
from stages.records.name_words import names_nothing
from stages.records.names import MAX_LENGTH, Cleaned, NameCleaner, clean_names
from stages.runtime.errors import UserError
from tests.support.naming import RULES

Known = tuple[str, ...]


def cleaned(name: str, renamed: dict[str, str] | None = None, known: Known = (), **rules: object) -> Cleaned:
    return NameCleaner(RULES.model_copy(update=rules), renamed or {}, known=frozenset(known)).clean(name)


def clean(name: str, renamed: dict[str, str] | None = None, known: Known = (), **rules: object) -> str | None:
    return cleaned(name, renamed, known, **rules).name


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
        ("<i>Rosa canina</i> L.", "Rosa canina"),
        ("<em>Rosa</em>&amp;nbsp;<b>canina</b>", "Rosa canina"),
        ("Rosa<br/>canina", "Rosa canina"),
        ('"Rosa canina"', "Rosa canina"),
        # Marks in front are no hybrid signs.
        ("* Ailanthus altissima", "Ailanthus altissima"),
        ("†Ailanthus altissima", "Ailanthus altissima"),
        # Case.
        ("ROSA CANINA", "Rosa canina"),
        ("rosa Canina", "Rosa canina"),
        ("ROSA canina", "Rosa canina"),
        ("ROSA CANINA L.", "Rosa canina"),
        ("ROSA CANINA (L.) MILL.", "Rosa canina"),
        ("ROSA CANINA LINNAEUS, 1753", "Rosa canina"),
        ("ROSA CANİNA", "Rosa canina"),
        ("abies alba mill.", "Abies alba"),
        ("aloe vera (l.) burm.f.", "Aloe vera"),
        ("EUCALYPTUS ALBA F. MUELL.", "Eucalyptus alba"),
        ("QUERCUS ILEX SUBSP. BALLOTA", "Quercus ilex"),
        ("QUERCUS ILEX SUBSP.BALLOTA", "Quercus ilex"),
        ("QUERCUS (CERRIS) SUBER", "Quercus suber"),
        # Authors.
        ("Rosa canina L.", "Rosa canina"),
        ("Rosa canina L", "Rosa canina"),
        ("Rosa canina Linnaeus, 1753", "Rosa canina"),
        ("Silene flos-cuculi (L.) Greuter & Burdet", "Silene flos-cuculi"),
        ("Rosa canina(L.) Mill.", "Rosa canina"),
        ("Aloe vera (L.) Burm.f.", "Aloe vera"),
        ("Carex flava Hook. f. ex Benth.", "Carex flava"),
        ("Carex flava L. f. apud Hook.", "Carex flava"),
        ("Rosa canina L. f.", "Rosa canina"),
        ("Impatiens hawkeri W.Bull", "Impatiens hawkeri"),
        ("Rosa canina dos Santos", "Rosa canina"),
        ("Rosa canina zur Mühlen", "Rosa canina"),
        ("Rosa canina d'Urv.", "Rosa canina"),
        ("Rosa canina O. Schwarz", "Rosa canina"),
        ("Rosa canina Boiss., Reut. & Heldr.", "Rosa canina"),
        # Remarks that leave the species what it is.
        ("Rosa canina hort", "Rosa canina"),
        ("Rosa canina hort. ex Hook.", "Rosa canina"),
        ("Taraxacum officinale agg.", "Taraxacum officinale"),
        ("Taraxacum officinale aggr. F.H.Wigg.", "Taraxacum officinale"),
        ("Taraxacum officinale coll.", "Taraxacum officinale"),
        ("Festuca ovina s.l.", "Festuca ovina"),
        ("Festuca ovina L. s. lat.", "Festuca ovina"),
        ("Festuca ovina s.str.", "Festuca ovina"),
        ("Festuca ovina sensu lato", "Festuca ovina"),
        ("Festuca ovina sensu stricto", "Festuca ovina"),
        ("Citrus × aurantium L. (pro sp.)", "Citrus × aurantium"),
        ("Prunus dulcis (Mill.) D.A.Webb, nom. cons.", "Prunus dulcis"),
        # Higher taxa in front, and subgenera.
        ("Rosaceae_Rosa_canina", "Rosa canina"),
        ("Rosaceae_Rosa_gallica", "Rosa gallica"),
        ("Rosales Rosaceae Rosa canina L.", "Rosa canina"),
        ("COMPOSITAE BELLIS PERENNIS", "Bellis perennis"),
        ("Quercus (Cerris) suber", "Quercus suber"),
        # Hybrids.
        ("Mentha x piperita L.", "Mentha × piperita"),
        ("Mentha X piperita", "Mentha × piperita"),
        ("Mentha ×piperita", "Mentha × piperita"),
        ("Mentha ✕ piperita", "Mentha × piperita"),
        ("Mentha &times; piperita", "Mentha × piperita"),
        ("Rosa×damascena", "Rosa × damascena"),
        ("xanthium strumarium", "Xanthium strumarium"),
        ("X Mahoberberis aquisargentii", "× Mahoberberis aquisargentii"),
        ("xChitalpa tashkentensis", "× Chitalpa tashkentensis"),
        ("×Chitalpa tashkentensis", "× Chitalpa tashkentensis"),
        ("X Chitalpa tashkentensis", "× Chitalpa tashkentensis"),
        ("Populus x canadensis (P. nigra x deltoides)", "Populus × canadensis"),
        ("+ Crataegomespilus dardarii", "+ Crataegomespilus dardarii"),
        # Formulas: both parents in full, in the order of the alphabet.
        ("Quercus robur x petraea", "Quercus petraea × Quercus robur"),
        ("Quercus robur×petraea", "Quercus petraea × Quercus robur"),
        ("Quercus robur L. × Q. petraea (Matt.) Liebl.", "Quercus petraea × Quercus robur"),
        ("QUERCUS PETRAEA X QUERCUS ROBUR", "Quercus petraea × Quercus robur"),
        ("QUERCUS ROBUR X QUERCUS PETRAEA", "Quercus petraea × Quercus robur"),
        ("QUERCUS ROBUR X QUERCUS PUBESCENS", "Quercus pubescens × Quercus robur"),
        ("QUERCUS ROBUR X Q. PUBESCENS WILLD.", "Quercus pubescens × Quercus robur"),
        ("quercus robur x pubescens", "Quercus pubescens × Quercus robur"),
        ("Salix fragilis × alba × caprea", "Salix alba × Salix caprea × Salix fragilis"),
        # Below the species, with a rank or in quotes.
        ("Quercus ilex subsp. ballota (Desf.) Samp.", "Quercus ilex"),
        ("Quercus ilex ssp ballota", "Quercus ilex"),
        ("Quercus ilex L. ssp. ballota", "Quercus ilex"),
        ("Quercus ilex subspecies ballota", "Quercus ilex"),
        ("Rosa canina var. dumetorum", "Rosa canina"),
        ("Rosa canina var. dumetorum f. alba", "Rosa canina"),
        ("Salix alba L. f. vitellina", "Salix alba"),
        ("Acer palmatum f. purpureum", "Acer palmatum"),
        ("Malus domestica 'Golden Delicious' Borkh.", "Malus domestica"),
        ("Malus domestica ‘Gala’", "Malus domestica"),
        ("Malus domestica cv. Gala", "Malus domestica"),
        ("Quercus × hispanica 'Lucombeana'", "Quercus × hispanica"),
        # Compound epithets.
        ("Echinochloa crus galli", "Echinochloa crus-galli"),
        ("Echinochloa crus galli (L.) P.Beauv.", "Echinochloa crus-galli"),
        ("Echinochloa crus pavonis", "Echinochloa crus-pavonis"),
        ("ECHINOCHLOA CRUS GALLI", "Echinochloa crus-galli"),
        ("capsella bursa pastoris", "Capsella bursa-pastoris"),
        ("Opuntia ficus indica var. alba", "Opuntia ficus-indica"),
        # Spelling.
        ("Isoëtes echinospora", "Isoetes echinospora"),
        ("Isoetes echinospora", "Isoetes echinospora"),
        ("Œnothera biennis", "Oenothera biennis"),
        ("Crataegus mülleri", "Crataegus muelleri"),
        ("Crataegus müelleri", "Crataegus muelleri"),
        ("Crataegus muëlleri", "Crataegus muelleri"),
        ("Coöperia pedunculata", "Cooperia pedunculata"),
        # Punctuation.
        ("Rosa canina.", "Rosa canina"),
        ("Rosa canina, L.", "Rosa canina"),
        *((name, "Quercus robur") for name in (
            "Quercus robur:", "Quercus robur -", "Quercus robur!", "Quercus robur*", "(Quercus robur)",
            "[Quercus robur]", "(Quercus robur).", "Quercus robur †",
        )),
        ("Schinus molle L. (1753)", "Schinus molle"),
        ("Rosa canina emend. Fries", "Rosa canina"),
        ("Rosa canina L. emend. Fries", "Rosa canina"),
        ("Thymus vulgaris l.", "Thymus vulgaris"),
        ("Montanoa tomentosa Cerv.", "Montanoa tomentosa"),  # a genus of bacteria has the same name
        # Families around a name.
        ("Fagaceae: Quercus robur", "Quercus robur"),
        ("Fagaceae, Quercus robur", "Quercus robur"),
        ("Fagaceae - Quercus robur", "Quercus robur"),
        ("Fagales: Fagaceae: Quercus robur L.", "Quercus robur"),
        ("Equisetum arvense L. (Equisetaceae)", "Equisetum arvense"),
        ("Quercus suber L., Fagaceae", "Quercus suber"),
        ("Bellis perennis (Compositae)", "Bellis perennis"),
        # Signs in brackets, and signs among capitals.
        ("Salix (x) alba", "Salix × alba"),
        ("Rosa (×) damascena", "Rosa × damascena"),
        ("Rosa [×] damascena", "Rosa × damascena"),
        ("Mentha (×) piperita L.", "Mentha × piperita"),
        ("Citrus (×) limon (L.) Osbeck", "Citrus × limon"),
        ("(x) Chitalpa tashkentensis", "× Chitalpa tashkentensis"),
        ("Fragaria X Ananassa", "Fragaria × ananassa"),
        ("Mentha X Piperita L.", "Mentha × piperita"),
        # Parents in full of a hybrid that has a name.
        ("Populus × canadensis Moench (Populus deltoides × P. nigra)", "Populus × canadensis"),
        ("Mentha × piperita (aquatica × spicata)", "Mentha × piperita"),
        ("× Chitalpa tashkentensis (Chilopsis linearis × Catalpa bignonioides)", "× Chitalpa tashkentensis"),
        # Cultivars and their groups, ranks in brackets, behind a comma and with capitals.
        ("Brassica oleracea Acephala Group", "Brassica oleracea"),
        ("Brassica oleracea (Acephala Group)", "Brassica oleracea"),
        ("Beta vulgaris L. Altissima Group", "Beta vulgaris"),
        ("Buxus sempervirens cv. 'Exotica'", "Buxus sempervirens"),
        ("Buxus sempervirens ´Alba´", "Buxus sempervirens"),
        ("Buxus sempervirens «Alba»", "Buxus sempervirens"),
        ("Buxus sempervirens ('Alba')", "Buxus sempervirens"),
        ("malus domestica 'gala'", "Malus domestica"),
        ("Malus domestica 'gala'", "Malus domestica"),
        ("Coleus blumei 'Ne Plus Ultra'", "Coleus blumei"),
        ("Rosa canina, subsp. alba", "Rosa canina"),
        ("Rosa canina (subsp. alba)", "Rosa canina"),
        ("Quercus ilex SUBSP. ballota", "Quercus ilex"),
        ("Quercus ilex Subsp. ballota", "Quercus ilex"),
        ("Rosa canina Var. alba", "Rosa canina"),
        ("Acer palmatum F. purpureum", "Acer palmatum"),
        # One bare word cannot be told from an author.
        ("Rosa canina Linnaeus", "Rosa canina"),
        ("Rosa canina Madrid", "Rosa canina"),
        ("Rosa canina Escaramujo", "Rosa canina"),
        ("Echeveria elegans Rose", "Echeveria elegans"),
        ("Pterocarpus indicus Blanco", "Pterocarpus indicus"),
        ("Stevia serrata La Llave", "Stevia serrata"),
        ("Schinus molle (Linnaeus, 1753)", "Schinus molle"),
        ("Cereus peruvianus (Linnaeus) Miller", "Cereus peruvianus"),
        ("Dianthus cintranus R. Fern. & Amaral Franco", "Dianthus cintranus"),
        # Compounds of words that are genera or Spanish words too.
        ("Hibiscus rosa sinensis", "Hibiscus rosa-sinensis"),
        ("Vaccinium vitis idaea L.", "Vaccinium vitis-idaea"),
        ("Arctostaphylos uva ursi", "Arctostaphylos uva-ursi"),
        ("Ribes uva crispa", "Ribes uva-crispa"),
        ("Asplenium ruta muraria", "Asplenium ruta-muraria"),
        ("Paliurus spina christi", "Paliurus spina-christi"),
        ("Strychnos nux vomica", "Strychnos nux-vomica"),
        # Epithets that look like remarks.
        *((f"Rosa {epithet}", f"Rosa {epithet}") for epithet in ("hibrida", "hybrida", "dubia", "incerta", "nova")),
        ("Geranium silvestre", "Geranium silvestre"),
    ],
)  # fmt: skip
def test_names_are_cleaned(name, species):
    assert clean(name) == species


@pytest.mark.parametrize(
    ("reason", "names"),
    [
        (
            "no_name",
            "?|N/A|n.a.|none|null|nan|indet.|Unknown|Unknown plant|unidentified|undetermined|not identified|sp."
            "|planta|desconocida|sin identificar|Plantae|---|Unknown rosa|Planta no identificada|NO NAME"
            "|Sin datos|sin dato|SIN_DATOS|Sin clasificar|undefined|missing|empty|false|nulo|s/d|especie nueva"
            "|Árbol|<NA>",
        ),
        (
            "uncertain_name",
            "Rosa cf. canina|cf. Rosa canina|Rosa aff. canina|Rosa canina ?|Rosa canina?|Rosa canina??"
            "|Rosa (cf.) canina|Rosa conf. canina|Probably Rosa canina|Rosa nr canina|Rosa cf.canina"
            "|ROSA CF. CANINA|Rosa canina/gallica|Rosa canina / gallica|Rosa canina or gallica"
            "|Rosa canina o gallica|Rosa canina vs. gallica|Rosa canina; Rosa gallica|Rosa canina, dog rose"
            "|Rosa canina; seen in May|Rosa canina, Dog Rose|ROSA CANINA, DOG ROSE|Rosa canina auct. non L."
            "|Rosa gallica auct.|Festuca ovina sensu Hackel|Rosa canina L. nec Mill.|Rosa canina non L."
            "|Rosa canina L. p.p.|Rosa sp. ?"
            "|Rosa <cf.> canina|Rosa &lt;aff&gt; canina|<probably> Rosa canina|Rosa [cf.] canina"
            "|posible Rosa canina|casi Rosa canina|Rosa posible|Rosa quizá|Rosa quizás canina|Rosa dudosa"
            "|Rosa similar|Rosa afín|Rosa casi canina|Rosa canina; R. Gallica|Rosa canina, R. Gallica"
            "|Quercus robur Posible|Quercus robur (Dudosa)|Rosa canina Syn. Gallica|Rosa canina = Rosa gallica"
            "|Rosa canina (or gallica)|Rosa canina L., Dog Rose"
            '|Rosa "cf." gallica|Rosa "non" gallica|Rosa canina "?"|Rosa canina "not gallica"'
            "|Rosa canina 'or gallica'|Rosa canina 'aff. gallica'|Rosa canina \"Non gallica\"|Rosa canina 'Posible'",
        ),
        (
            "genus_only",
            "Rosa|ROSA|Rosa sp.|Rosa spp|Rosa L.|Rosa ssp.|Rosa cv. Iceberg|Rosa hyb.|Abies Mill."
            "|Abies Miller 1754|Abies (Miller)|Rosa 'Iceberg'|Rosa sect. Caninae|Rosaceae|Rosaceae Juss."
            "|Rosa species|Rosa unknown|&amp;times; Quercus"
            "|Asteraceae amarilla|Fabaceae indeterminada|Rosales alba|Magnoliophyta alba|Plantae verde"
            "|Gramineae verde|rosaceae alba|Poaceae alba L.|ABIES MILLER 1754"
            "|Rosa indeterminada|Rosa indeterminado|Rosa no|Rosa nn|Rosa N.N.|Rosa hibrido|Rosa híbrido|Rosa hybride"
            "|Rosa especies|Rosa esp|Rosa ind|Rosa unk|Rosa undet.|Rosa morfoespecie|Rosa spnov|Rosa cultivada"
            "|Rosa none|Rosa null|Rosa na|Rosa tbd|Rosa identificar",
        ),
        (
            "unclear_name",
            "Eastern White Pine|Eastern White Cedar|Black Eyed Susan|Black Eyed Pea|Eastern white pine"
            "|Rosa Canina|Rosa Canina L.|Abies Miller|Rosa CANINA|Quercus ilex ballota|Quercus ilex L. ballota"
            "|Rosa canina var.|Rosa canina subsp. indet.|Rosa canina f. apud|Rosa canina dos|Rosa dos|Rosa zur"
            "|Rosa sp. 1|Rosa sp. canina|Rosa canina sp. nov.|Rosa canina x|Rosa ×|Quercus robur × sp."
            "|Mentha × piperita × spicata|P. nigra|Rosa canina × Q. petraea|Quercus Robur X Quercus Petraea"
            "|Rosa canina (wild)|Rosa canina (Rosa gallica)|Rosa canina B|Rosa canina 2|Rosa canina [dog rose]"
            "|Rosa canina and gallica|Rosa canina & Rosa gallica|Hyacinthoides non scripta|Rosa de Castilla"
            "|Oreja de elefante|Rosa canina\ufffd|Rosa łanina|Cattleya × Laelia|Silene flos-"
            "|Rosa (canina × gallica) × alba|Quercus (robur × petraea) pubescens|Quercus robur (× petraea)"
            "|Quercus robur (x petraea)|Rosa canina (Rosa gallica × Rosa alba)|Mentha × piperita (× spicata)"
            "|Rosa × (canina × gallica)|Mentha × piperita (Mentha × spicata)"
            "|Rosa canina <gallica>|Rosa <x> damascena|<Rosa> canina alba|Rosa canina<sup>gallica</sup>|Rosa<b1>canina"
            "|Rosa <s>gallica<s> canina|Rosa canina Quercus Robur|Rosa canina Rosa Gallica"
            "|Rosa canina, Rosa Gallica L.|Rosa canina L. & Gallica L.|Quercus robur (Quercus Petraea)"
            "|Quercus robur (Q. Petraea)|Quercus robur (Confirmar)|Quercus robur (Wrong ID)|Quercus robur (No)"
            "|Quercus robur (Misidentified)|Rosa canina WRONG|Rosa canina Híbrido|Rosa canina Verificar"
            "|Rosa canina (Dog Rose)|Rosa canina Dog Rose|Rosa canina L. Dog Rose|Rosa canina L. (Dog Rose)"
            "|Rosa canina (Dog Rose) L.|Rosa canina (Escaramujo)|Puccinia on Rosa|Puccinia sobre Rosa|Rosa con flores"
            "|Rosa (wild) canina|Rosa (L.) canina|Rosa 'canina' gallica|Rosa L. 'canina' gallica"
            "|Rosa canina 'x gallica'|Rosa canina \"12\"|Rosa canina Flor|genus Rosa|género rosa|familia rosaceae"
            "|Familia Rosaceae|Rosa rosaceae",
        ),
        (
            "not_scientific",
            "black eyed susan|black eyed pea|wild rosa canina|flor rosa blanca|clavel rosa palido|arbol uva negra"
            "|Species 12|12345|犬薔薇|Tobacco mosaic virus|12 rosa",
        ),
    ],
)
def test_names_are_refused_with_a_reason(reason, names):
    for name in names.split("|"):
        found = cleaned(name)
        assert (found.name, found.rules[-1], found.cut) == (None, reason, ()), name


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


NOTED = [
    "posible", "dudosa", "no", "falsa", "duda", "quizá", "similar", "confirmar", "hibrido", "híbrido", "gall", "dead",
    "flower", "test", "xgallica", "blanca", "alb", "muerta", "semilla", "verificar", "amarilla", "seen Madrid 2019",
    "Se parece", "Híbrida", "Blanca",
]  # fmt: skip


@pytest.mark.parametrize("note", [*NOTED, "var. no", "subsp. posible", "Posible", "FLOR"])
def test_a_note_behind_a_known_species_is_nothing_below_it(note):
    assert clean(f"Rosa canina {note}", known=("Rosa canina",)) is None


BEHIND = [
    "gallica", "Gallica", "gallica L.", "L. gallica L.", "xgallica", "'gallica'", '"gallica"', "[gallica]", "<gallica>",
    "(gallica)", "(Gallica)", "(Gallica) L.", "L. & Gallica L.", "& Gallica", "L., Gallica L.", "L. ex Gallica",
    "<i>gallica</i>", "<sup>gallica</sup>", "(x gallica)", "(× gallica)", "Gallica Group", "Rosa gallica",
    "Rosa Gallica", "(Rosa gallica)", "R. Gallica", "; R. gallica", ", R. Gallica", "/ gallica", "= gallica",
    "'Rosa gallica'", '"Rosa Gallica"', "quercus", "Quercus", "Quercus Robur", "(Quercus)", "L. & Quercus", "Robur",
    "Alba",
]  # fmt: skip


@pytest.mark.parametrize("behind", BEHIND)
def test_another_known_species_behind_an_epithet_is_never_cut_off(behind):
    known = ("Rosa canina", "Rosa gallica", "Quercus robur", "Abies alba")
    assert clean(f"Rosa canina {behind}", known=known) is None
    found = clean_names([f"Rosa canina {behind}", *known], NameCleaner(RULES, {}))
    assert found[f"Rosa canina {behind}"].name is None


def test_common_names_are_no_evidence_against_authors():
    known = ("White rose", "Brown mustard", "Green moss", "Black oak")
    for author in ("Britton & Rose", "Rose", "A.Gray", "R.Br. ex Brown", "(Hill) Moss", "Blanco"):
        assert clean(f"Opuntia stricta {author}", known=known) == "Opuntia stricta"


@pytest.mark.parametrize("name", ["Vicia sativa nigra", "Vicia Sativa Nigra", "vicia sativa nigra L."])
def test_a_compound_that_turns_up_later_moves_no_name_from_its_species(name):
    for known in (("Vicia sativa",), ("Vicia sativa", "Vicia sativa-nigra")):
        assert clean(name, known=known) == "Vicia sativa"


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
    "s.l.", "Rosa.", "(x)", "(×)", "(", ")", "[", "<cf.>", "<b>", "'canina'", "'Gala", "Group", "posible", "Posible",
    "(Dudosa)", "Madrid", "Flor", "rosa", "uva", "-", ":", "!", "l.", "emend.", "Subsp.", "F.", "X", "(1753)", "«Alba»",
    "(P. nigra x alba)", "Q.",
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
