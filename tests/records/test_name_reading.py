"""Names as people write them, each with its species or why it has none, and what is never taken for an author."""

import pytest

from stages.records.names import NameCleaner, clean_names
from tests.support.naming import RULES, clean, cleaned


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
        ("<i>Rosa</i><i>canina</i>", "Rosa canina"),
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
        ("Quercus robur S. Flores", "Quercus robur"),
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
    "'Rosa gallica'", "cv. gallica", "R. gallica L.", '"Rosa Gallica"', "quercus", "Quercus", "Quercus Robur",
    "(Quercus)", "L. & Quercus", "Robur", "Alba",
]  # fmt: skip


@pytest.mark.parametrize("behind", BEHIND)
def test_another_known_species_behind_an_epithet_is_never_cut_off(behind):
    known = ("Rosa canina", "Rosa gallica", "Quercus robur", "Abies alba")
    assert clean(f"Rosa canina {behind}", known=known) is None
    found = clean_names([f"Rosa canina {behind}", *known], NameCleaner(RULES, {}))
    assert found[f"Rosa canina {behind}"].name is None


def test_common_names_are_no_evidence_against_authors():
    known = ("White rose", "Brown mustard", "Green moss", "Black oak", "Dusty miller", "Sweet pea", "Bull thistle")
    for author in (
        "Britton & Rose",
        "Rose",
        "A.Gray",
        "R.Br. ex Brown",
        "(Hill) Moss",
        "Blanco",
        "Miller",
        "Sweet",
        "W.Bull",
    ):
        assert clean(f"Opuntia stricta {author}", known=known) == "Opuntia stricta"


@pytest.mark.parametrize("name", ["Vicia sativa nigra", "Vicia Sativa Nigra", "vicia sativa nigra L."])
def test_a_compound_that_turns_up_later_moves_no_name_from_its_species(name):
    for known in (("Vicia sativa",), ("Vicia sativa", "Vicia sativa-nigra")):
        assert clean(name, known=known) == "Vicia sativa"
