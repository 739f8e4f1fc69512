"""Words that names bear beside genera, epithets and authors, by what they say; all in small letters, without accents.

They are looked up by ``key_of``, so that ``Quizás`` and ``(quizas)`` are one word.
"""

import re
import unicodedata

from stages.records.nothing import is_null_like

RANKS = {
    "subsp": "subsp.", "ssp": "subsp.", "subspecies": "subsp.", "nothosubsp": "nothosubsp.",
    "var": "var.", "variety": "var.", "varietas": "var.", "nothovar": "nothovar.", "convar": "convar.",
    "subvar": "subvar.", "f": "f.", "fo": "f.", "form": "f.", "forma": "f.", "subf": "subf.", "cv": "cv.",
    "cultivar": "cv.",
}  # fmt: skip
# Of higher taxa, as people write them in front of one: familia Rosaceae, género Rosa.
HIGHER_RANKS = frozenset({
    "family", "familia", "fam", "familie", "genus", "genero", "gen", "genre", "gattung", "order", "orden", "ordo",
    "tribe", "tribu", "tribus", "class", "clase", "classis", "especie", "especies", "species",
})  # fmt: skip

# The species is not known, only its genus.
NO_EPITHET = frozenset({
    "sp", "spp", "spec", "species", "especie", "especies", "esp", "espec", "indet", "indeterminate", "indeterminada",
    "indeterminado", "ind", "hyb", "hybr", "hybrid", "hybrids", "hybride", "hibrido", "hibridos", "unk", "unknown",
    "unidentified", "undet", "undetermined", "unnamed", "desconocida", "desconocido", "no", "nn", "none", "null",
    "nan", "na", "nd", "tbd", "todo", "identificar", "identificada", "identificado", "determinar", "determinada",
    "determinado", "clasificar", "morfoespecie", "morphospecies", "morfotipo", "spnov", "spnova", "cultivada",
    "cultivado", "cultivated", "varias", "varios", "various", "mixed", "mix", "mezcla", "xx", "xxx", "xxxx", "ok",
    "morfo", "ninguna", "ninguno", "nulo", "undefined", "missing",
})  # fmt: skip

# Whoever wrote the name was not sure of it.
QUALIFIERS = frozenset({
    "?", "cf", "cfr", "conf", "confer", "aff", "affin", "afin", "nr", "near", "prob", "probably", "probable", "poss",
    "possibly", "possible", "perhaps", "maybe", "likely", "presumably", "presumed", "apparently", "supposedly",
    "doubtful", "dubious", "uncertain", "unsure", "questionable", "almost", "similar", "parecida", "parecido",
    "quiza", "quizas", "probablemente", "posible", "posiblemente", "posibles", "casi", "duda", "dudosa", "dudoso",
    "aparentemente", "supuesta", "supuesto", "presunta", "presunto", "incierto", "insegura", "inseguro", "talvez",
    "evtl", "vielleicht", "wahrscheinlich", "peut-etre",
})  # fmt: skip
# It is one of several names ...
ALTERNATIVES = frozenset({"/", "|", "or", "oder", "o", "ou", "vs", "vs.", "versus", "vel", "sive", "seu"})
# ... or another species than it says: Rosa gallica auct. non L. is no Rosa gallica.
MISAPPLIED = frozenset({
    "auct", "auctt", "auctorum", "non", "nec", "not", "sensu", "sec", "ss", "excl", "p.p", "pp", "=", "syn", "syns",
    "synonym", "synonyms", "sinonimo", "sinonimos",
})  # fmt: skip

# What people note of a picture or of a determination. No genus, epithet or author is one of them.
NOTES = frozenset({
    "wrong", "misidentified", "misidentification", "misid", "error", "erroneous", "incorrect", "incorrecta",
    "incorrecto", "equivocada", "equivocado", "erronea", "erroneo", "false", "falso", "fake", "mal", "confirm",
    "confirmed", "confirmar", "confirmada", "confirmado", "unconfirmed", "verify", "verified", "unverified",
    "verificar", "verificada", "verificado", "revisar", "revisada", "revisado", "review", "check", "checked",
    "checar", "corroborar", "comprobar", "pending", "pendiente", "id", "identification", "identificacion",
    "identified", "test", "prueba", "example", "ejemplo", "sample", "muestra", "duplicate", "duplicado", "duplicada",
    "delete", "borrar", "photo", "foto", "image", "imagen", "picture", "specimen", "ejemplar", "voucher", "herbarium",
    "nomen", "seen", "creo", "bonsai", "maceta", "potted", "visto", "vista", "gall", "galls", "agalla", "agallas",
    "dead", "dying", "muerta", "muerto", "sick", "enferma", "enfermo", "flower", "flowers", "flor", "flores", "fruit",
    "fruits", "fruto", "frutos", "leaf", "leaves", "hoja", "hojas", "seed", "seeds", "semilla", "semillas",
    "seedling", "plantula", "bark", "corteza", "root", "raiz", "stem", "tallo", "tree", "trees", "arbol", "arboles",
    "shrub", "arbusto", "herb", "hierba", "plant", "plants", "planta", "plantas", "wild", "garden", "jardin",
    "ornamental", "male", "female", "macho", "hembra", "juvenile", "adult", "adulto", "adulta", "nuevo", "nueva",
    "misma", "mismo", "otra", "otro",
})  # fmt: skip
# What notes say as well, of which some are Latin epithets and some (see AUTHORS_TOO) authors.
SMALL_NOTES = frozenset({
    "falsa", "hibrida", "blanca", "blanco", "roja", "rojo", "amarilla", "amarillo", "verde", "azul", "morada",
    "morado", "rosada", "rosado", "negra", "negro", "palida", "palido", "seca", "seco", "joven", "vieja", "viejo",
    "grande", "chica", "chico", "comun", "doble", "white", "red", "yellow", "green", "blue", "pink", "purple",
    "black", "brown", "orange", "big", "small", "young", "old", "common", "double", "dry", "cerca", "aqui", "here",
})  # fmt: skip
# Authors whose names are words of common names too, so that "White rose" is no evidence against "Britton & Rose".
AUTHORS_TOO = frozenset({
    "baker", "bean", "bell", "berry", "bird", "bishop", "black", "blanco", "brown", "bull", "bush", "carpenter",
    "cherry", "cook", "costa", "cotton", "day", "field", "fisher", "forest", "fox", "frost", "gardener", "gray",
    "green", "grey", "heath", "hill", "hooker", "king", "lake", "lamb", "lane", "linden", "marsh", "may", "miller",
    "molina", "moss", "palm", "parker", "pepper", "prince", "reed", "rich", "rock", "rojo", "rose", "rush", "small",
    "smith", "snow", "spring", "stone", "summer", "sweet", "wall", "white", "winter", "wood", "woods", "young",
})  # fmt: skip

# Remarks that leave the species what it is, as they stand behind its name; a blank may be a full stop there.
_RANGES = ("lato", "latiore", "lat", "amplo", "ampl", "stricto", "strictiore", "str")
_REMARKS = (
    "agg", "aggr", "aggregate", "coll", "complex", "group", "ined", "sl", "s l", "s lat", "s ampl", "s str", "s s",
    "hort", "hort ex", "pro sp", "pro hybr",
    *(f"nom {why}" for why in ("nud", "illeg", "inval", "cons", "superfl", "rej", "ambig", "conserv")),
    *(f"{sens} {how}" for sens in ("sens", "sensu") for how in _RANGES),
)  # fmt: skip


def _any_of(phrases: tuple[str, ...]) -> str:
    """Write phrases as a pattern, the longest first, as a pattern takes the first that fits."""
    return "|".join(phrase.replace(" ", r"(?:\. ?| )") for phrase in sorted(phrases, key=len, reverse=True))


REMARK = re.compile(rf"(?<!\S)\(?(?:{_any_of(_REMARKS)})\.?\)?(?!\S)")
SENSU_OF_A_RANGE = re.compile(rf"\bsensu (?:{_any_of(_RANGES)})\.?(?!\S)")
# Words of remarks, and remarks in one word ("s.l."); "l" alone is Linnaeus, and "ex" stands between authors.
_OF_REMARKS = {part for remark in _REMARKS for part in (remark.replace(" ", ""), *remark.split())} - {"l", "ex"}
# Marks that never are an author's, though they may bear a full stop.
MARKS = frozenset(NO_EPITHET | QUALIFIERS | MISAPPLIED | _OF_REMARKS | {"sect", "subg", "subgen", "ser"}) - {"?", "="}

YEAR = re.compile(r"\(?(?:1[5-9]|20)\d\d\)?\.?")

# Small words of authors' citations; no epithet is one of them.
PARTICLES = frozenset({
    "ex", "et", "in", "apud", "emend", "al", "and", "da", "de", "del", "dela", "della", "delle",
    "den", "der", "des", "di", "do", "dos", "du", "el", "la", "las", "le", "los", "van", "vander", "von", "zu",
    "zum", "zur", "fil", "filius", "f",
})  # fmt: skip
# Small words of sentences, which are no epithets either.
_OF_SENTENCES = frozenset({
    "on", "with", "by", "from", "at", "of", "the", "for", "under", "without", "is", "as", "a", "an", "sobre", "con",
    "y", "e", "en", "para", "por", "sin", "bajo", "entre", "como", "un", "una", "und", "mit", "auf", "avec", "sur",
    "sous",
})  # fmt: skip
NEVER_EPITHETS = PARTICLES | MARKS | RANKS.keys() | _OF_SENTENCES

# First parts of compound epithets that are no epithets by themselves, so that two words can be but one (Art. 23.1).
COMPOUND_PARTS = frozenset({
    "bursa", "caput", "capillus", "coeli", "cornu", "crus", "dens", "filix", "flos", "foenum", "faenum", "lachryma",
    "lacryma", "lacrima", "noli", "novae", "novi", "oculus", "pes", "sanctae", "sancti",
})  # fmt: skip
# Those that are genera or Spanish words too ("flor rosa blanca") are such parts before these second ones alone.
COMPOUNDS = {
    "barba": {"jovis", "caprae", "aron"},
    "cauda": {"equina", "felis", "muris", "vulpina"},
    "corona": {"christi", "solis", "imperialis"},
    "ficus": {"indica", "barbarica"},
    "nux": {"vomica", "moschata"},
    "rosa": {"sinensis", "chinensis", "sinica"},
    "ruta": {"muraria", "caprariae"},
    "spina": {"christi", "cristi", "rosae"},
    "uva": {"ursi", "crispa", "vulpis", "vulpina"},
    "vitis": {"idaea"},
}

# What people write where no name is known, beside what stands for nothing anywhere.
_NOTHING = frozenset({
    "na", "nd", "none", "null", "nan", "nil", "nulo", "tbd", "unknown", "unidentified", "undetermined",
    "indeterminate", "indet", "unnamed", "unlabeled", "unlabelled", "not", "no", "sin", "name", "nombre",
    "identified", "identificar", "clasificar", "clasificada", "clasificado", "dato", "datos", "data",
    "identificada", "identificado", "determinar", "desconocida", "desconocido", "indeterminada", "indeterminado",
    "ninguna", "ninguno", "sp", "spp", "species", "especie", "especies", "plant", "plants", "planta", "plantas",
    "plantae", "specimen", "tree", "shrub", "flower", "flor", "arbol", "arbusto", "yet", "to", "be", "a",
    "por", "sn", "the", "of", "available", "missing", "undefined", "empty", "nueva",
})  # fmt: skip
_NOT_KNOWN = frozenset({
    "unknown", "unidentified", "undetermined", "unnamed", "indet", "desconocida", "desconocido", "indeterminada",
    "indeterminado",
})  # fmt: skip


def key_of(word: str) -> str:
    """Give a word as the sets here have it: without marks around it, accents and capitals."""
    word = word.strip("().,:;![]<>{}'\"*").casefold()
    if word.isascii():
        return word
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if unicodedata.category(letter) != "Mn")


def letters_of(word: str) -> str:
    """Give a word's letters, without full stops, brackets and hyphens."""
    return word if word.isalpha() else "".join(letter for letter in word if letter.isalpha())


def names_nothing(text: str) -> bool:
    """Whether a text says that there is no name: ``?``, ``N/A``, ``Unknown plant``, ``sin identificar``."""
    if is_null_like(text):
        return True
    words = _words(text)
    if not words:
        return not any(character.isalnum() for character in text)
    return words[0] in _NOT_KNOWN or (of_nothing(text) and not any(character.isdigit() for character in text))


def of_nothing(text: str) -> bool:
    """Whether all words of a text are those by which people say that there is no name: ``Species 12``."""
    words = _words(text)
    return bool(words) and all(word in _NOTHING for word in words)


def _words(text: str) -> list[str]:
    return list(filter(None, (key_of(letters_of(word)) for word in re.split(r"[\s,;:-]+", text))))
