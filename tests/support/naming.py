"""The rules by which tests clean names, and how they do."""

from stages.config.schema import Names
from stages.records.names import Cleaned, NameCleaner

RULES = Names(
    uncertain="refuse",
    genus_only="refuse",
    not_scientific="refuse",
    below_species="species",
    synonyms=True,
)
Known = tuple[str, ...]


def cleaned(name: str, renamed: dict[str, str] | None = None, known: Known = (), **rules: object) -> Cleaned:
    return NameCleaner(RULES.model_copy(update=rules), renamed or {}, known=frozenset(known)).clean(name)


def clean(name: str, renamed: dict[str, str] | None = None, known: Known = (), **rules: object) -> str | None:
    return cleaned(name, renamed, known, **rules).name
