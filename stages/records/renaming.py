"""Which names of the records a checklist renames, and which it leaves to a person.

Decided is only what can mean one thing: a name that is no accepted one anywhere in the checklist, and a synonym of
just one species. All others are listed with the reason.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from stages.config.schema import Names
from stages.records.names import REMARK, Cleaned, NameCleaner
from stages.records.synonym_ends import Form, without_ranks

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
TWICE = "an id of its rows stands at another row too"
UNSETTLED = "unplaced or unchecked"


class Kind(Enum):
    """What a checklist says of a name."""

    ACCEPTED = auto()
    DOUBTFUL = auto()  # it may stand on its own
    SYNONYM = auto()  # it is another's
    PRO_PARTE = auto()  # it is another's in part
    MISAPPLIED = auto()  # it was used for another
    UNSETTLED = auto()  # nothing


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
# Remarks on a name that leave it what it is: Rosa rubra Mill. nom. illeg. bears the name, Rosa rubra agg. does not.
_OF_THE_NAME = re.compile(r"\(?\b(?:nom\. ?\w+|ined|pro \w+)\b\.?\)?")
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
    rows = ChecklistRows(taxa, rules)
    return {name: verdict_of(rows.leads_of(name), rows.form_of(name), rows, publisher) for name in names}


class Lead(NamedTuple):
    """A row of a name, and where it leads to.

    Attributes:
        taxon: the row.
        end: that of its accepted name; ``None`` where there is none.
        species: the accepted name after the rules; ``None`` also where they refuse it.
        broken: why there is no end.
    """

    taxon: Taxon
    end: Taxon | None
    species: str | None
    broken: str | None


class ChecklistRows:
    """The rows of a checklist by what is asked for."""

    def __init__(self, taxa: Iterable[Taxon], rules: Names) -> None:
        """Sort the rows by the names that they bear.

        Args:
            taxa: in any order.
            rules: section ``names`` of params.yaml.
        """
        self._forms, self._cleaner = form_cleaner(rules), NameCleaner(rules, {})
        self._cleaned: dict[str, Cleaned] = {}
        self._by_id: dict[str, Taxon | None] = {}  # None where several rows have one id
        self._by_form: dict[str, list[Taxon]] = defaultdict(list)
        self._beside: dict[str, list[Taxon]] = defaultdict(list)
        for taxon in sorted(set(taxa), key=lambda taxon: (len(taxon.id), taxon)):
            self._by_id[taxon.id] = None if taxon.id in self._by_id else taxon
            cleaned = self._form(taxon.name)
            if taxon.is_species and cleaned.name and not _of_another_scope(cleaned):
                bearers = self._beside if "remark" in cleaned.rules else self._by_form
                bearers[cleaned.name].append(taxon)
        self._of_any_rank: dict[str, list[str]] = defaultdict(list)
        for form in self._by_form:
            self._of_any_rank[without_ranks(form)].append(form)

    def form_of(self, name: str) -> str | None:
        """Give the form by which a name is compared."""
        return self._form(name).name

    def leads_of(self, name: str) -> list[Lead]:
        """Give the rows that bear a name; none where all of these say something against it (``nom. illeg.``)."""
        form = self.form_of(name)
        return self._leads([] if form is None else [form])

    def leads_below(self, form: Form) -> list[Lead]:
        """Give the rows that bear a name below a species; those of any rank where none is of its own."""
        return self._leads([form.name]) or self._leads(self._of_any_rank.get(form.without_ranks, ()))

    def _leads(self, forms: Iterable[str]) -> list[Lead]:
        own = [
            taxon
            for form in forms
            if form in self._by_form
            for taxon in (*self._by_form[form], *self._beside.get(form, ()))
        ]
        return [self._lead(taxon) for taxon in sorted(own, key=lambda taxon: (len(taxon.id), taxon))]

    def _lead(self, taxon: Taxon) -> Lead:
        end = follow(taxon, self._by_id)
        if isinstance(end, str):
            return Lead(taxon, None, None, end)
        species = None if _of_another_scope(self._form(end.name)) else self._cleaner.clean(end.name).name
        return Lead(taxon, end, species, None)

    def _form(self, name: str) -> Cleaned:
        if name not in self._cleaned:
            self._cleaned[name] = self._forms.clean(name)
        return self._cleaned[name]


def _of_another_scope(cleaned: Cleaned) -> bool:
    """Whether a name is no species': an aggregate, or a species in a wider or narrower sense, or a gardener's."""
    remarks = [words for kind, words in cleaned.cut if kind == REMARK]
    return "remark" in cleaned.rules and any(_OF_THE_NAME.sub("", words).strip() for words in remarks)


def verdict_of(leads: Sequence[Lead], own: str | None, rows: ChecklistRows, publisher: str) -> Verdict:
    """Say what the rows of a name say of it.

    Args:
        leads: its rows, and where they lead to.
        own: the form of the name that it has without them.
        rows: of the checklist.
        publisher: what to write before ids.
    """
    if not leads:
        return Verdict(reason=ABSENT)
    ends = {lead.end for lead in leads if lead.end}
    candidates = tuple(sorted(f"{f'{end.name} {end.authors}'.strip()} [{publisher}:{end.id}]" for end in ends))
    if any(lead.taxon.kind is Kind.ACCEPTED for lead in leads):
        others = any(lead.species is None or rows.form_of(lead.species) != own for lead in leads if lead.end)
        return Verdict(reason=HOMONYM, candidates=candidates) if others else Verdict()
    if reason := _left_open(leads):
        return Verdict(reason=reason, candidates=candidates)
    accepted = leads[0].species  # that of all
    if accepted is None or rows.form_of(accepted) == own:
        return Verdict()  # a subspecies of its own is accepted
    return Verdict(accepted, f"{publisher}:{plain_id(saying_of(leads).id)}", candidates=candidates)


def saying_of(leads: Sequence[Lead]) -> Taxon:
    """Give the row that says that a name is a synonym, of one that is."""
    return next(lead.taxon for lead in leads if lead.taxon.kind is Kind.SYNONYM)


def _left_open(leads: Sequence[Lead]) -> str | None:
    """Say why the rows of a name that is not accepted do not decide; ``None`` where all say one thing."""
    by_kind: dict[Kind, list[Lead]] = defaultdict(list)
    for lead in leads:
        by_kind[lead.taxon.kind].append(lead)
    if Kind.DOUBTFUL in by_kind:
        return DOUBTFUL
    if Kind.PRO_PARTE in by_kind:
        return PRO_PARTE
    synonyms = by_kind[Kind.SYNONYM]
    if len(species_of(synonyms)) > 1:
        return AMBIGUOUS
    agreed = bool(species_of(synonyms)) and len(species_of(leads)) == 1
    misapplied = by_kind[Kind.MISAPPLIED]
    if misapplied and (not agreed or any(lead.broken for lead in misapplied)):
        return MISAPPLIED
    if broken := [lead.broken for lead in synonyms if lead.broken]:
        return broken[0]
    if not synonyms or any(lead.broken for lead in leads):
        return UNSETTLED
    if not agreed:
        return AMBIGUOUS  # a status that is not known points elsewhere
    return REFUSED if species_of(leads) == {None} else None


def species_of(leads: Sequence[Lead]) -> set[str | None]:
    """Give the names that rows lead to; ``None`` is among them where the rules refuse one."""
    return {lead.species for lead in leads if lead.end}


def plain_id(text: str) -> str:
    """Give an id in the signs that ids are written with; of one that is an address, its last part."""
    return re.sub(r"[^\w.:-]", "_", text.rstrip("/").rsplit("/", 1)[-1] or text)


def follow(taxon: Taxon, by_id: Mapping[str, Taxon | None]) -> Taxon | str:
    """Give the accepted name that a row leads to, over as many others as it takes; or the reason why there is none.

    Args:
        taxon: the row.
        by_id: all rows; ``None`` where several have one id.
    """
    way = [taxon]
    if by_id[taxon.id] is None:
        return TWICE
    while way[-1].kind is not Kind.ACCEPTED:
        if len(way) > 1 and way[-1].kind is not Kind.SYNONYM:
            return NOT_ACCEPTED
        if way[-1].accepted_id not in by_id:
            return NO_ACCEPTED
        after = by_id[way[-1].accepted_id]
        if after is None:
            return TWICE
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
    alone = NameCleaner(rules.model_copy(update={"synonyms": True}), by_hand)
    accepted_by_hand = {alone.clean(synonym).name for synonym in by_hand}
    renamed, listed = _divide({name: verdicts[name] for name in images}, own, accepted_by_hand)
    ways = {name: str(said.accepted) for name, said in renamed.items()} | own
    for name, accepted in own.items():
        said = verdicts.get(name, Verdict())
        if said.accepted is not None and said.accepted not in (accepted, way_of(name, ways)[-1]):
            listed[name] = said._replace(reason=BY_HAND)
    occurring = {name for name, count in images.items() if count}
    return Renaming(
        rows=sorted((name, str(said.accepted), str(said.source)) for name, said in renamed.items()),
        listed=in_order(
            {name: said for name, said in listed.items() if name in occurring or said.reason == BY_HAND}, images
        ),
        names=len(occurring),
        accepted=sum(
            verdicts[name].accepted is None and verdicts[name].reason in (None, HOMONYM) for name in occurring
        ),
        images=sum(images[name] for name in renamed),
        merged=len(occurring) - len({way_of(name, ways)[-1] for name in occurring}),
    )


def _divide(
    verdicts: Mapping[str, Verdict], by_hand: Mapping[str, str], accepted_by_hand: Collection[str | None]
) -> tuple[dict[str, Verdict], dict[str, Verdict]]:
    """Divide names into those that are renamed and those that are left to a person."""
    renamed: dict[str, Verdict] = {}
    listed: dict[str, Verdict] = {}
    for name, said in verdicts.items():
        if said.accepted is None:
            if said.reason:
                listed[name] = said
        elif name in by_hand:
            pass  # it is no more
        elif name in accepted_by_hand:
            listed[name] = said._replace(reason=BY_HAND)
        else:
            renamed[name] = said
    while circle := _circle({name: str(said.accepted) for name, said in renamed.items()} | dict(by_hand)):
        if circle.isdisjoint(renamed):
            break
        for name in circle & renamed.keys():
            listed[name] = renamed.pop(name)._replace(reason=CIRCLE)
    return renamed, listed


def in_order(listed: Mapping[str, Verdict], images: Mapping[str, int]) -> list[tuple[str, str, str | None, int]]:
    """Give what is listed as rows (name, reason, candidates, images), those of the most images first."""
    rows = (
        (name, str(said.reason), "; ".join(said.candidates) or None, images.get(name, 0))
        for name, said in listed.items()
    )
    return sorted(rows, key=lambda row: (-row[3], row[0]))


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


def way_of(name: str, ways: Mapping[str, str]) -> list[str]:
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
        way = way_of(start, ways)
        if way[-1] in way[:-1]:
            return set(way[way.index(way[-1]) :])
    return set()
