"""The rules by which tests clean names."""

from stages.config.schema import Names

RULES = Names(
    unicode=True,
    hybrids=True,
    case=True,
    authorship=True,
    uncertain="refuse",
    genus_only="refuse",
    below_species="species",
    synonyms=True,
)
