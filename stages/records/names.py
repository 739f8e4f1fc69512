"""From names as sources write them to one spelling a species.

Each rule of params.yaml (``names``) changes its part of a name, as ``stages/records/grammar.py`` takes it apart. What
does not look like a scientific name is only tidied up.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

from stages.config.schema import Names
from stages.records.grammar import BELOW_SPECIES, RANKS, USAGE, Part, is_hybrid_sign, key, parse, spelled
from stages.runtime.errors import UserError

GENUS_ONLY, UNCERTAIN = "genus_only", "uncertain_name"


class Cleaned(NamedTuple):
    """What became of a name.

    Attributes:
        name: the one to use; ``None`` where it is refused.
        rules: the names of the rules that changed or refused it, in their order.
    """

    name: str | None
    rules: tuple[str, ...]


class NameCleaner:
    """Applies the rules of params.yaml to names, one after the other."""

    def __init__(self, rules: Names, synonyms: dict[str, str], *, where: str = "synonyms") -> None:
        """Prepare the rules.

        Args:
            rules: section ``names`` of params.yaml.
            synonyms: accepted name by synonym; their spelling is cleaned by the same rules as any name's.
            where: they come from, for messages.

        Raises:
            UserError: the synonyms go round in a circle, or a name is accepted that the rules refuse.
        """
        steps: list[tuple[str, bool, Callable[[str], str | None]]] = [
            ("unicode", rules.unicode, tidy),
            ("hybrids", rules.hybrids, sign_hybrids),
            ("case", rules.case, set_case),
            ("synonyms", rules.synonyms, self._rename),  # as written, with authors: Rosa gallica auct. non L.
            (UNCERTAIN, rules.uncertain != "keep", _refuse_uncertain if rules.uncertain == "refuse" else certain),
            ("authorship", rules.authorship, drop_authors),
            ("synonyms", rules.synonyms, self._rename),  # before a subspecies is rolled up into its species
            ("below_species", rules.below_species == "species", roll_up),
            ("ranks", rules.below_species == "keep", spell_ranks),
            (GENUS_ONLY, True, _refuse_genus_only if rules.genus_only == "refuse" else bare_genus),
            ("synonyms", rules.synonyms, self._rename),
        ]
        self._steps = [(name, step) for name, wanted, step in steps if wanted]
        self._synonyms: dict[str, str] = {}
        if rules.synonyms:
            self._synonyms = self._resolve(synonyms, where)

    def clean(self, name: str) -> Cleaned:
        """Give the species' name for a name as a source writes it."""
        applied: list[str] = []
        for rule, step in self._steps:
            changed = step(name)
            if changed != name:
                applied.append(rule)
            if not changed:
                return Cleaned(None, tuple(applied))
            name = changed
        return Cleaned(name, tuple(applied))

    def _rename(self, name: str) -> str:
        return self._synonyms.get(spell_ranks(name), name)

    def _spell_synonym(self, name: str) -> str:
        """Spell a synonym so that it stands for no more than it says.

        What is below its species stays, and so do remarks on usage, without which a misapplied name would be the name
        itself.
        """
        own = {"unicode", "hybrids", "case"}
        if not any(part is Part.AUTHOR and key(word) in USAGE for part, word in parse(set_case(tidy(name)))):
            own.add("authorship")
        for rule, step in self._steps:
            if rule in own:
                name = step(name) or ""
        return spell_ranks(name)

    def _resolve(self, synonyms: dict[str, str], where: str) -> dict[str, str]:
        spelled: dict[str, str] = {}
        for synonym, accepted in synonyms.items():
            before, after = self._spell_synonym(synonym), self.clean(accepted).name
            if after is None:
                raise UserError(f"{where}: {accepted!r} cannot be an accepted name: the rules of `names` refuse it")
            if before != after and spelled.setdefault(before, after) != after:
                raise UserError(f"{where}: {before!r} has two accepted names, {spelled[before]!r} and {after!r}")
        resolved = {}
        for synonym, accepted in spelled.items():
            way, name = [synonym], accepted
            while name in spelled:
                way.append(name)
                name = spelled[name]
                if name in way:
                    raise UserError(f"{where}: {' -> '.join([*way, name])} goes round in a circle")
            resolved[synonym] = name
        return resolved


def clean_names(names: Iterable[str], cleaner: NameCleaner) -> dict[str, Cleaned]:
    """Clean each of the names once."""
    return {name: cleaner.clean(name) for name in sorted(set(names))}


def tidy(name: str) -> str:
    """Bring text to one form: compatibility characters (NFKC), HTML entities, dashes, quotes, white space."""
    text = unicodedata.normalize("NFKC", html.unescape(name)).replace("_", " ")
    plain = []
    for character in text:
        category = unicodedata.category(character)
        if category == "Pd":
            plain.append("-")
        elif character in "‘’‚‛`´ʼ":
            plain.append("'")
        elif character in "“”„‟":
            plain.append('"')
        elif category not in ("Cf", "Cc") or character.isspace():
            plain.append(character)
    # Remarks stand apart: canina? is canina ?, canina/gallica is canina /gallica.
    text = re.sub(r"(?<=[^\W\d_]{2})(\?|/(?=[^\W\d_]))", r" \1", "".join(plain))
    return " ".join(text.split()).strip(" ,;")


def sign_hybrids(name: str) -> str:
    """Write a hybrid's sign as × between spaces: ``Mentha x piperita`` and ``Mentha ×piperita`` are one name."""
    words = name.replace("×", " × ").split()
    # A last letter x may be anything; a sign stands before a name.
    return " ".join("×" if is_hybrid_sign(word) and words[place + 1 :] else word for place, word in enumerate(words))


def set_case(name: str) -> str:
    """Write the genus with a capital and epithets and ranks without: ``ROSA CANINA L.`` -> ``Rosa canina L.``."""
    lower = (Part.EPITHET, Part.RANK, Part.INFRASPECIFIC)
    return spelled(
        [
            (part, word.capitalize() if part is Part.GENUS else word.lower() if part in lower else word)
            for part, word in parse(name)
        ],
        name,
    )


def certain(name: str) -> str:
    """Leave out remarks that a name is not certain: ``Rosa cf. canina`` -> ``Rosa canina``."""
    return spelled([entry for entry in parse(name) if entry[0] is not Part.QUALIFIER], name)


def drop_authors(name: str) -> str:
    """Leave out authors, years and remarks on usage: ``Rosa canina L.`` -> ``Rosa canina``."""
    return spelled([entry for entry in parse(name) if entry[0] is not Part.AUTHOR], name)


def roll_up(name: str) -> str:
    """Leave out what is below the species: ``Quercus ilex subsp. ballota`` -> ``Quercus ilex``."""
    parts = parse(name)
    below = next((place for place, (part, _) in enumerate(parts) if part in BELOW_SPECIES), len(parts))
    kept = parts[:below] + [entry for entry in parts[below:] if entry[0] is Part.PARENT]
    return spelled(kept, name)


def spell_ranks(name: str) -> str:
    """Write ranks below the species in one way: ``ssp.`` and ``subspecies`` are ``subsp.``."""
    return spelled([(part, RANKS[key(word)] if part is Part.RANK else word) for part, word in parse(name)], name)


def bare_genus(name: str) -> str:
    """Write ``Rosa sp.`` and ``Rosa spp.`` as ``Rosa``."""
    return spelled([entry for entry in parse(name) if entry[0] is not Part.NO_EPITHET], name)


def _refuse_uncertain(name: str) -> str | None:
    return None if any(part is Part.QUALIFIER for part, _ in parse(name)) else name


def _refuse_genus_only(name: str) -> str | None:
    parts = parse(name)
    names_a_kind = any(part in (Part.EPITHET, Part.CULTIVAR, Part.PARENT) for part, _ in parts)
    return name if names_a_kind or not parts else None
