"""The species' names in verdicts, after the name rules: a verdict may be older than a synonym."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.config.schema import Names
from stages.records.names import Cleaned, NameCleaner, clean_names
from stages.records.synonyms import read_synonyms


def spell(names: Iterable[str], species: Iterable[str], rules: Names, synonyms: Path) -> Mapping[str, Cleaned]:
    """Give what the name rules make of names in verdicts.

    Args:
        names: as verdicts have them.
        species: of the records, after the rules: such a name stays what it is.
        rules: section ``names`` of params.yaml.
        synonyms: the CSV of synonyms.

    Raises:
        UserError: as ``read_synonyms`` and ``NameCleaner``.
    """
    known = frozenset(species)
    said = set(names)
    by_hand, of_checklist = read_synonyms(synonyms)
    cleaner = NameCleaner(rules, by_hand, of_checklist=of_checklist, where=str(synonyms), known=known)
    return {name: Cleaned(name, ()) for name in said & known} | clean_names(said - known, cleaner)
