"""Which names of the records a checklist renames, and which it leaves to a person.

Decided is only what can mean one thing: a name that is no accepted one anywhere in the checklist, and a synonym of
just one species. All others are listed with the reason.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import NamedTuple

from stages.config.schema import Names
from stages.records.names import NameCleaner

ABSENT = "not in the checklist"
AMBIGUOUS = "a synonym of several"
BY_HAND = "other by hand"
CIRCLE = "goes round in a circle"
DOUBTFUL = "doubtful or provisionally accepted"
HOMONYM = "accepted, and a synonym of another too"
MISAPPLIED = "misapplied"
NOT_ACCEPTED = "its accepted name is not accepted"
NO_ACCEPTED = "its accepted name is not in the checklist"
NO_SPECIES = "its accepted name is no species"
PRO_PARTE = "a synonym in part"
REFUSED = "its accepted name is refused by the rules"
UNSETTLED = "unplaced or unchecked"


class Kind(Enum):
    """What a checklist says of a name."""

    ACCEPTED = "accepted"
    DOUBTFUL = "may stand on its own"
    SYNONYM = "is another's"
    PRO_PARTE = "is another's in part"
    MISAPPLIED = "was used for another"
    UNSETTLED = "nothing"


# Statuses as checklists write them, letters only, small. Kew's artificial hybrids and local biotypes are their own
# accepted names; names against the code (illegitimate, invalid, another orthography) have an accepted one.
_KINDS = {
    Kind.ACCEPTED: ("accepted", "valid", "artificialhybrid", "localbiotype"),
    Kind.DOUBTFUL: ("doubtful", "provisionallyaccepted"),
    Kind.SYNONYM: (
        "synonym", "heterotypicsynonym", "homotypicsynonym", "illegitimate", "invalid", "orthographic",
        "orthographicvariant",
    ),
    Kind.PRO_PARTE: ("propartesynonym", "ambiguoussynonym"),
    Kind.MISAPPLIED: ("misapplied", "misappliedname"),
}  # fmt: skip
_KIND_OF = {status: kind for kind, statuses in _KINDS.items() for status in statuses}


class Taxon(NamedTuple):
    """A row of a checklist.

    Attributes:
        id: of the row.
        name: as the checklist writes it.
        authors: of the name, empty where it says none.
        status: as the checklist writes it, in any case and with any signs between the words.
        accepted_id: id of the accepted name, empty where there is none.
        is_species: whether it is a species or below one, and no genus or family.
    """

    id: str
    name: str
    authors: str
    status: str
    accepted_id: str
    is_species: bool = True

    @property
    def kind(self) -> Kind:
        """What its status means; what is not known means nothing."""
        return _KIND_OF.get(re.sub("[^a-z]", "", self.status.lower()), Kind.UNSETTLED)


class Verdict(NamedTuple):
    """What a checklist says of a name of the records.

    Attributes:
        accepted: the name that it is a synonym of; ``None`` where nothing is to be renamed.
        source: id of the row that says so.
        reason: why a person has to look at it; ``None`` where that is not so.
        candidates: the accepted names that come into question, with authors and ids.
    """

    accepted: str | None = None
    source: str | None = None
    reason: str | None = None
    candidates: tuple[str, ...] = ()


class Renaming(NamedTuple):
    """What becomes of the names of the records.

    Attributes:
        rows: (synonym, accepted name, id), sorted.
        listed: (name, reason, candidates, images), those of the most images first.
        names: number of names with images.
        accepted: of these that the checklist accepts.
        images: of the names in ``rows``.
        merged: by how many the number of names falls.
    """

    rows: list[tuple[str, str, str]]
    listed: list[tuple[str, str, str | None, int]]
    names: int
    accepted: int
    images: int
    merged: int


def form_cleaner(rules: Names) -> NameCleaner:
    """Give what brings a name to the form by which names are compared: without authors, with what is below a species.

    A variety must not be taken for its species.
    """
    own = {
        "uncertain": "keep",
        "genus_only": "refuse",
        "below_species": "keep",
        "not_scientific": "refuse",
        "synonyms": False,
    }
    return NameCleaner(Names.model_validate(rules.model_dump() | own), {})


def judge(names: Collection[str], taxa: Iterable[Taxon], rules: Names, *, publisher: str) -> dict[str, Verdict]:
    """Say what a checklist says of each of the names.

    Args:
        names: as the records have them after the rules.
        taxa: the rows that bear one of the names and those that are accepted for them, in any order; others are no
            matter.
        rules: section ``names`` of params.yaml.
        publisher: what to write before ids.
    """
    forms, cleaner = form_cleaner(rules), NameCleaner(rules, {})

    @cache
    def form_of(name: str) -> str | None:
        return forms.clean(name).name

    @cache
    def species_of(name: str) -> str | None:
        return cleaner.clean(name).name

    by_id: dict[str, Taxon] = {}
    by_name: dict[str, list[Taxon]] = defaultdict(list)
    for taxon in sorted(set(taxa), key=lambda taxon: (len(taxon.id), taxon)):
        by_id.setdefault(taxon.id, taxon)
        by_name[taxon.name].append(taxon)
    by_form: dict[str, list[Taxon]] = defaultdict(list)
    for name, same in by_name.items():
        if form := form_of(name):
            by_form[form] += same

    def verdict(name: str) -> Verdict:
        form = form_of(name)
        own = [taxon for taxon in by_form.get(form or "", ()) if taxon.is_species]
        own.sort(key=lambda taxon: (len(taxon.id), taxon))
        if not own:
            return Verdict(reason=ABSENT)
        ends: dict[Taxon, str | None] = {}  # the species' names that rows lead to; None where the rules refuse it
        shown: set[str] = set()
        broken: list[str] = []
        for taxon in own:
            end = follow(taxon, by_id)
            if isinstance(end, str):
                broken += [end] if taxon.kind is Kind.SYNONYM else []
                continue
            ends[taxon] = species_of(end.name)
            shown.add(f"{f'{end.name} {end.authors}'.strip()} [{publisher}:{end.id}]")
        kinds = {taxon.kind for taxon in own}
        said = {taxon: end for taxon, end in ends.items() if taxon.kind is Kind.SYNONYM}
        candidates = tuple(sorted(shown))
        if Kind.ACCEPTED in kinds:
            others = any(species is None or form_of(species) != form for species in ends.values())
            return Verdict(reason=HOMONYM, candidates=candidates) if others else Verdict()
        targets = set(ends.values())
        reason = (
            DOUBTFUL if Kind.DOUBTFUL in kinds
            else PRO_PARTE if Kind.PRO_PARTE in kinds
            else AMBIGUOUS if len(set(said.values())) > 1
            else MISAPPLIED if Kind.MISAPPLIED in kinds and (len(targets) > 1 or not said)
            else (broken or [UNSETTLED])[0] if not said
            else AMBIGUOUS if len(targets) > 1  # a status that is not known points elsewhere
            else REFUSED if None in targets
            else None
        )  # fmt: skip
        if reason:
            return Verdict(reason=reason, candidates=candidates)
        (accepted,) = targets
        if accepted is None or form_of(accepted) == form:
            return Verdict()  # a subspecies of its own is accepted
        return Verdict(accepted, f"{publisher}:{plain_id(next(iter(said)).id)}", candidates=candidates)

    return {name: verdict(name) for name in names}


def plain_id(text: str) -> str:
    """Give an id in the signs that ids are written with; of one that is an address, its last part."""
    return re.sub(r"[^\w.:-]", "_", text.rstrip("/").rsplit("/", 1)[-1])


def follow(taxon: Taxon, by_id: Mapping[str, Taxon]) -> Taxon | str:
    """Give the accepted name that a row leads to, over as many others as it takes; or the reason why there is none."""
    way = [taxon]
    while way[-1].kind is not Kind.ACCEPTED:
        if len(way) > 1 and way[-1].kind is not Kind.SYNONYM:
            return NOT_ACCEPTED
        after = by_id.get(way[-1].accepted_id)
        if after is None:
            return NO_ACCEPTED
        if after in way:
            return CIRCLE
        way.append(after)
    return way[-1] if way[-1].is_species else NO_SPECIES


def settle(
    images: Mapping[str, int], verdicts: Mapping[str, Verdict], by_hand: Mapping[str, str], rules: Names
) -> Renaming:
    """Put the checklist's verdicts together with what a person wrote by hand, which wins.

    Args:
        images: number of images of each name of the records, as they are with the synonyms by hand alone; a name
            with none came of an earlier run's synonyms, and is not listed.
        verdicts: of these names, and of those that ``names_by_hand`` gives.
        by_hand: accepted name by synonym.
        rules: section ``names`` of params.yaml.
    """
    own = dict(names_by_hand(by_hand, rules))
    plain = NameCleaner(rules, {})
    accepted_by_hand = {plain.clean(accepted).name for accepted in by_hand.values()} - own.keys()
    renamed: dict[str, Verdict] = {}
    listed: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name in images:
        said = verdicts[name]
        if said.accepted is None:
            if said.reason:
                listed[name] = said.reason, said.candidates
        elif name in accepted_by_hand or name in by_hand:
            listed[name] = BY_HAND, said.candidates
        else:
            renamed[name] = said
    while circle := _circle({name: str(said.accepted) for name, said in renamed.items()} | own) & renamed.keys():
        for name in circle:
            listed[name] = CIRCLE, renamed.pop(name).candidates
    ways = {name: str(said.accepted) for name, said in renamed.items()} | own
    for name, accepted in own.items():
        said = verdicts.get(name, Verdict())
        if said.accepted is not None and said.accepted not in (accepted, _way(name, ways)[-1]):
            listed[name] = BY_HAND, said.candidates
    occurring = {name for name, count in images.items() if count}
    return Renaming(
        rows=sorted((name, str(said.accepted), str(said.source)) for name, said in renamed.items()),
        listed=sorted(
            (
                (name, reason, "; ".join(candidates) or None, images.get(name, 0))
                for name, (reason, candidates) in listed.items()
                if name in occurring or reason == BY_HAND
            ),
            key=lambda entry: (-entry[3], entry[0]),
        ),
        names=len(occurring),
        accepted=sum(
            verdicts[name].accepted is None and verdicts[name].reason in (None, HOMONYM) for name in occurring
        ),
        images=sum(images[name] for name in renamed),
        merged=len(occurring) - len({_way(name, ways)[-1] for name in occurring}),
    )


def names_by_hand(by_hand: Mapping[str, str], rules: Names) -> list[tuple[str, str]]:
    """Give synonyms by hand as (name, accepted name) in the form of names in the records.

    One that renames a usage or a variety alone says nothing of the name itself, and is not among them.

    Raises:
        UserError: as ``NameCleaner``.
    """
    rules = rules.model_copy(update={"synonyms": True})
    cleaner, plain, forms = NameCleaner(rules, dict(by_hand)), NameCleaner(rules, {}), form_cleaner(rules)
    pairs = []
    for synonym, accepted in by_hand.items():
        name, target = forms.clean(synonym).name, plain.clean(accepted).name
        if name and target and name != target and cleaner.clean(name).name != plain.clean(name).name:
            pairs.append((name, target))
    return pairs


def _way(name: str, ways: Mapping[str, str]) -> list[str]:
    """Give a name and all that it leads to, up to the end or back to a name on the way."""
    way = [name]
    while way[-1] in ways:
        after = ways[way[-1]]
        way.append(after)
        if after in way[:-1]:
            break
    return way


def _circle(ways: Mapping[str, str]) -> set[str]:
    """Give the names of a circle, the one that the first of all names leads to; none where there is none."""
    for start in sorted(ways):
        way = _way(start, ways)
        if way[-1] in way[:-1]:
            return set(way[way.index(way[-1]) :])
    return set()
