"""The rules by which tests clean names."""

from stages.config.schema import Names

RULES = Names(
    uncertain="refuse",
    genus_only="refuse",
    not_scientific="refuse",
    below_species="species",
    synonyms=True,
)
