"""The words by which programs and people say that there is nothing: no id, no license, no name."""

import re
import unicodedata

# Small letters, without the signs around them. As an id one of them would join what has nothing in common, and as a
# name be a species of its own.
_NOTHING = frozenset({
    # Programs.
    "", "nan", "nat", "none", "null", "nil", "nul", "undefined", "na", "n/a", "n.a", "n / a", "\\n",
    "object object", "false", "true", "inf", "infinity", "ref", "value", "name", "div/0", "num", "objectid",
    # People.
    "unknown", "missing", "empty", "not available", "not applicable", "no data", "no id", "tbd", "pending",
    "nothing", "desconocido", "desconocida", "ninguno", "ninguna", "nulo", "nula", "s/d", "s.n", "no consta",
    "sin número", "sin numero", "no hay", "ns/nc", "anónimo", "anonimo", "s/n", "n/d", "nd", "s.d", "n.d",
    "sin dato", "sin datos", "sin id", "no aplica", "no disponible", "pendiente", "vacío", "vacio", "verdadero",
    "falso", "desconhecido", "desconhecida", "nenhum", "nenhuma", "sem dados", "não informado", "nao informado",
    "inconnu", "inconnue", "aucun", "aucune", "sans objet", "vrai", "faux", "unbekannt", "keine", "keine angabe",
    "wahr", "falsch", "sconosciuto", "nessuno",
})  # fmt: skip
_AROUND = " \t'\"`´‘’“”()[]{}<>#.,;:!?¿¡…–—-_*|"
# -1 and -999 for want of a number; 0 in other ways than by zeros alone.
_NO_NUMBER = re.compile(r"-(?:1|9{2,})(?:\.0*)?|[+-]?0+(?:\.0*)?e[+-]?\d+|0x0*")
_SEVERAL = re.compile(r"[,;|]")


def is_null_like(text: str) -> bool:
    """Say whether a text is what programs and people write for "nothing", in whatever case, with signs around it.

    What has no letter, digit or symbol is nothing; so is a list that names nothing else: ``None, None``.
    """
    low = text.casefold().strip()
    if low.isascii() and low.isdecimal():
        return False  # as nearly all ids are
    if low.strip(_AROUND) in _NOTHING or _NO_NUMBER.fullmatch(low):
        return True
    if not any(unicodedata.category(letter)[0] in "LNS" for letter in low):
        return True
    parts = _SEVERAL.split(low) if len(low) <= 200 else []
    return len(parts) > 1 and all(is_null_like(part) for part in parts)
