"""Which names below a species a checklist puts under another species than the one that they are rolled up to.

With ``names.below_species: species`` a record of ``Quercus ilex subsp. ballota`` is one of ``Quercus ilex``, though a
checklist may have the subspecies as a synonym of ``Quercus rotundifolia``. Here such a name gets a row of its own, as
the checklist writes it. A rank decides where the checklist has the name in this rank; else all of its ranks have to say
one thing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from stages.config.schema import Names
from stages.records.name_reading import Reading
from stages.records.names import BELOW_SPECIES, Cleaned, NameCleaner
from stages.records.renaming import (
    ABSENT,
    BY_HAND,
    ChecklistRows,
    Renaming,
    Taxon,
    Verdict,
    form_cleaner,
    in_order,
    names_by_hand,
    saying_of,
    species_of,
    verdict_of,
    way_of,
)
from stages.records.synonym_ends import Form, forms

RANKS = "another's in one rank alone"


class Below(NamedTuple):
    """A name below a species.

    Attributes:
        name: in full, without authors.
        of: the part of it that is taken: its species, or more where a row by hand renames more.
        species: what it is in the records without a checklist.
        by_hand: whether a synonym by hand says so.
    """

    name: str
    of: str
    species: str
    by_hand: bool


class VerdictBelow(NamedTuple):
    """What a checklist says of a name below a species.

    Attributes:
        said: as of any name.
        row: the name that a row for it has: as the checklist writes the one that decides.
        species: those that come into question; ``None`` among them where the rules refuse one.
    """

    said: Verdict
    row: str
    species: frozenset[str | None] = frozenset()


class RenamingBelow(NamedTuple):
    """What becomes of the names of the records, those below a species too.

    Attributes:
        whole: all of it.
        names: number of names below a species.
        renamed: of these that are under another species than without a row of their own.
        images: of the renamed ones.
        absent: of the names that the checklist does not have.
    """

    whole: Renaming
    names: int
    renamed: int
    images: int
    absent: int


def names_below(names: Iterable[tuple[str, str | None, int]], alone: NameCleaner) -> dict[Below, int]:
    """Give the names below a species, and their images, in the order of the alphabet.

    Args:
        names: as sources write them, with the species in the records and the number of images.
        alone: with the synonyms by hand alone, which knows the names.
    """
    found: Counter[Below] = Counter()
    for name, species, count in names:
        cleaned = alone.clean(name)
        if species is None or cleaned.name is None or BELOW_SPECIES not in cleaned.rules:
            continue
        below = next(words for kind, words in cleaned.cut if kind == BELOW_SPECIES)
        found[Below(f"{cleaned.of} {below}", cleaned.of, cleaned.name, bool(cleaned.synonyms))] += count
    return dict(sorted(found.items()))


def judge_below(
    names: Collection[Below], taxa: Iterable[Taxon], rules: Names, *, publisher: str
) -> dict[Below, VerdictBelow]:
    """Say what a checklist says of names below a species, or of what these are below: a cultivar's subspecies.

    Args:
        names: as ``names_below`` gives them.
        taxa: as for ``judge``.
        rules: section ``names`` of params.yaml.
        publisher: what to write before ids.
    """
    rows = ChecklistRows(taxa, rules)
    return {name: _verdict(name, rows, publisher) for name in names}


def _verdict(name: Below, rows: ChecklistRows, publisher: str) -> VerdictBelow:
    leads = next((leads for form in _forms(name) if (leads := rows.leads_below(form))), [])
    said = verdict_of(leads, rows.form_of(name.of), rows, publisher)
    row = rows.form_of(saying_of(leads).name) if said.accepted is not None else None
    return VerdictBelow(said, row or name.name, frozenset(species_of(leads)))


def _forms(name: Below) -> list[Form]:
    """Give the name and those that it is below, but for the species."""
    reading = Reading(name.of, name.name, None, (), below=name.name.removeprefix(f"{name.of} "))
    return forms(reading, whole=False)[:-1]


def settle_below(
    found: Mapping[Below, int],
    verdicts: Mapping[Below, VerdictBelow],
    of_species: Renaming,
    images: Mapping[str, int],
    by_hand: Mapping[str, str],
    rules: Names,
) -> RenamingBelow:
    """Add to what becomes of species what becomes of the names below them.

    A row says something of all ranks that have none of their own (``synonym_ends.py``). Where it would rename what the
    checklist does not, it is left to a person.

    Args:
        found: number of images by name, as ``names_below`` gives them.
        verdicts: of these names.
        of_species: as ``settle`` gives it.
        images: number of images of each name of the records, as for ``settle``.
        by_hand: accepted name by synonym.
        rules: section ``names`` of params.yaml.
    """
    rules = rules.model_copy(update={"synonyms": True})
    rows = {synonym: accepted for synonym, accepted, _ in of_species.rows}
    ways = rows | dict(names_by_hand(by_hand, rules))
    stays = {name: way_of(name.species, ways)[-1] for name in found}
    renamed, left_open = _divide(verdicts, stays, ways, _staying_by_hand(by_hand, rules))

    alone = NameCleaner(rules, by_hand)
    ends_by_hand = {synonym: way_of(str(alone.clean(synonym).name), ways)[-1] for synonym in by_hand}
    while True:
        below = {verdict.row: str(verdict.said.accepted) for verdict in renamed.values()}
        together = NameCleaner(rules, by_hand, of_checklist=rows | below).knowing({name.of for name in found})
        is_now = {name: together.clean(name.name) for name in found}
        taken_along = {row for name in stays.keys() - renamed for row in _led(is_now[name], stays[name])}
        against = {row for synonym, end in ends_by_hand.items() for row in _led(together.clean(synonym), end)}
        reasons = dict.fromkeys(taken_along, RANKS) | dict.fromkeys(against.union(together.overruled), BY_HAND)
        dropped = {name: reasons[verdict.row] for name, verdict in renamed.items() if verdict.row in reasons}
        if not dropped:
            break
        for name, reason in dropped.items():
            left_open[name] = _left(renamed.pop(name), reason)

    moved = {name: str(is_now[name].name) for name in renamed if is_now[name].name != stays[name]}
    left = Counter({name: count for name, count in images.items() if count})
    for name in moved:
        left[name.species] -= found[name]
    after = {way_of(name, ways)[-1] for name, count in left.items() if count > 0} | set(moved.values())
    new_rows = {(verdict.row, str(verdict.said.accepted), str(verdict.said.source)) for verdict in renamed.values()}
    counted: Counter[str] = Counter()
    for name, verdict in left_open.items():
        counted[verdict.row] += found[name]
    listed = in_order({left_open[name].row: left_open[name].said for name in sorted(left_open)}, counted)
    return RenamingBelow(
        of_species._replace(
            rows=sorted([*of_species.rows, *new_rows]),
            listed=_merged(of_species.listed, listed),
            images=of_species.images - sum(found[name] for name in moved if name.species in rows),
            merged=of_species.names - len(after),
        ),
        names=len({name.name for name in found}),
        renamed=len({name.name for name in moved}),
        images=sum(found[name] for name in moved),
        absent=len({name.name for name, verdict in verdicts.items() if verdict.said.reason == ABSENT}),
    )


def _divide(
    verdicts: Mapping[Below, VerdictBelow],
    stays: Mapping[Below, str],
    ways: Mapping[str, str],
    staying_by_hand: Collection[str],
) -> tuple[dict[Below, VerdictBelow], dict[Below, VerdictBelow]]:
    """Divide the names that may change their species into those that do, and those that are left to a person."""
    renamed: dict[Below, VerdictBelow] = {}
    left_open: dict[Below, VerdictBelow] = {}
    for name, verdict in verdicts.items():
        ends = {species and way_of(species, ways)[-1] for species in verdict.species}
        if ends <= {stays[name]}:
            continue
        own = name.by_hand or any(part in staying_by_hand for part in (name.of, *(form.name for form in _forms(name))))
        if verdict.said.accepted is None:
            if not own and verdict.said.reason:
                left_open[name] = verdict
        elif own:
            left_open[name] = _left(verdict, BY_HAND)
        else:
            renamed[name] = verdict
    return renamed, left_open


def _led(cleaned: Cleaned, end: str) -> Iterable[str]:
    """Give the synonyms that led a name elsewhere than to its end."""
    return cleaned.synonyms if cleaned.name != end else ()


def _left(verdict: VerdictBelow, reason: str) -> VerdictBelow:
    return verdict._replace(said=verdict.said._replace(reason=reason))


def _staying_by_hand(by_hand: Mapping[str, str], rules: Names) -> set[str]:
    """Give the names of which a person says that they stay as they are, and so what is below them."""
    cleaner = form_cleaner(rules)
    same = ((cleaner.clean(synonym).name, cleaner.clean(accepted).name) for synonym, accepted in by_hand.items())
    return {synonym for synonym, accepted in same if synonym and synonym == accepted}


def _merged(
    listed: Sequence[tuple[str, str, str | None, int]], more: Sequence[tuple[str, str, str | None, int]]
) -> list[tuple[str, str, str | None, int]]:
    """Put lists together, those of the most images first; a name that is in both is taken from the first."""
    names = {name for name, *_ in listed}
    return sorted([*listed, *(row for row in more if row[0] not in names)], key=lambda row: (-row[3], row[0]))
