"""Words that names bear beside genera, epithets and authors, by what they say; all in small letters."""

import re

RANKS = {
    "subsp": "subsp.", "ssp": "subsp.", "subspecies": "subsp.", "nothosubsp": "nothosubsp.",
    "var": "var.", "variety": "var.", "varietas": "var.", "nothovar": "nothovar.", "convar": "convar.",
    "subvar": "subvar.", "f": "f.", "fo": "f.", "form": "f.", "forma": "f.", "subf": "subf.", "cv": "cv.",
    "cultivar": "cv.",
}  # fmt: skip

# The species is not known, only its genus.
NO_EPITHET = frozenset({
    "sp", "spp", "spec", "species", "especie", "indet", "indeterminate", "hyb", "hybr", "hybrid", "hybrids",
    "unknown", "unidentified", "undetermined", "unnamed", "desconocida", "desconocido",
})  # fmt: skip

# Whoever wrote the name was not sure of it.
QUALIFIERS = frozenset({
    "?", "cf", "cfr", "conf", "confer", "aff", "affin", "nr", "near", "prob", "probably", "probable", "poss",
    "possibly", "possible", "perhaps", "maybe", "likely", "presumably", "presumed", "apparently", "supposedly",
    "doubtful", "dubious", "uncertain", "unsure", "questionable", "quizas", "quizás", "probablemente", "posiblemente",
})  # fmt: skip
# It is one of several names ...
ALTERNATIVES = frozenset({"/", "or", "oder", "o", "ou", "vs", "vs.", "versus", "vel", "sive", "seu"})
# ... or another species than it says: Rosa gallica auct. non L. is no Rosa gallica.
MISAPPLIED = frozenset({"auct", "auctt", "auctorum", "non", "nec", "not", "sensu", "sec", "ss", "excl", "p.p", "pp"})

# Remarks that leave the species what it is, as they stand behind its name.
REMARK = re.compile(
    r"(?<!\S)\(?(?:"
    r"aggr?|aggregate|coll|complex|group|ined|s\. ?l|sl|s\. ?lat|s\. ?ampl|s\. ?str|s\. ?s"
    r"|sens(?:u|\.) (?:lato|latiore|lat|amplo|ampl|stricto|strictiore|str)"
    r"|nom\. ?(?:nud|illeg|inval|cons|superfl|rej|ambig|conserv)|hort(?:\.? ex)?|pro (?:sp|hybr)"
    r")\.?\)?(?!\S)"
)
_OF_REMARKS = {
    "agg", "aggr", "aggregate", "coll", "complex", "group", "ined", "s", "sl", "slat", "sampl", "sstr", "ss", "sens",
    "lato", "latiore", "lat", "amplo", "stricto", "strictiore", "str", "nom", "nud", "illeg", "inval", "cons", "hort",
}  # fmt: skip
# Marks that never are an author's, though they may bear a full stop.
MARKS = frozenset(NO_EPITHET | QUALIFIERS | MISAPPLIED | _OF_REMARKS | {"sect", "subg", "subgen", "ser"}) - {"?"}

# Small words of authors' citations; no epithet is one of them.
PARTICLES = frozenset({
    "ex", "et", "in", "apud", "emend", "al", "and", "da", "de", "del", "dela", "della", "delle",
    "den", "der", "des", "di", "do", "dos", "du", "el", "la", "las", "le", "los", "van", "vander", "von", "zu",
    "zum", "zur", "fil", "filius", "f",
})  # fmt: skip

# First parts of compound epithets that are no epithets by themselves, so that two words can be but one (Art. 23.1).
COMPOUND_PARTS = frozenset({
    "barba", "bursa", "caput", "capillus", "cauda", "coeli", "cornu", "corona", "crus", "dens", "ficus", "filix",
    "flos", "foenum", "faenum", "lachryma", "lacryma", "lacrima", "noli", "novae", "novi", "nux", "oculus",
    "pes", "rosa", "ruta", "sanctae", "sancti", "spina", "uva", "vitis",
})  # fmt: skip

# What people write where no name is known.
_NOTHING = frozenset({
    "na", "nd", "none", "null", "nan", "nil", "tbd", "unknown", "unidentified", "undetermined", "indeterminate",
    "indet", "unnamed", "unlabeled", "unlabelled", "not", "no", "sin", "name", "nombre", "identified", "identificar",
    "identificada", "identificado", "determinar", "desconocida", "desconocido", "indeterminada", "indeterminado",
    "ninguna", "ninguno", "sp", "spp", "species", "especie", "especies", "plant", "plants", "planta", "plantas",
    "plantae", "specimen", "tree", "shrub", "flower", "flor", "arbol", "árbol", "arbusto", "yet", "to", "be", "a",
    "por", "sn", "the", "of", "available",
})  # fmt: skip
_NOT_KNOWN = frozenset({
    "unknown", "unidentified", "undetermined", "unnamed", "indet", "desconocida", "desconocido", "indeterminada",
    "indeterminado",
})  # fmt: skip


def letters_of(word: str) -> str:
    """Give a word's letters, without full stops, brackets and hyphens."""
    return word if word.isalpha() else "".join(letter for letter in word if letter.isalpha())


def names_nothing(text: str) -> bool:
    """Whether a text says that there is no name: ``?``, ``N/A``, ``Unknown plant``, ``sin identificar``."""
    words = [letters_of(word).casefold() for word in re.split(r"[\s,;:-]+", text)]
    words = [word for word in words if word]
    if not words:
        return not any(character.isalnum() for character in text)
    return words[0] in _NOT_KNOWN or (of_nothing(text) and not any(character.isdigit() for character in text))


def of_nothing(text: str) -> bool:
    """Whether all words of a text are those by which people say that there is no name: ``Species 12``."""
    words = [letters_of(word).casefold() for word in re.split(r"[\s,;:-]+", text)]
    return any(words) and all(word in _NOTHING for word in words if word)
