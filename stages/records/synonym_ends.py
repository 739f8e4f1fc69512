"""Where synonyms lead to, and how names are found among them.

A name is a synonym as its row is written, in any case, or as what the row plainly names: without authors, with what is
below the species. A row that says more, or less, than a name (``Rosa rubra hort.``, ``Rubus fruticosus agg.``,
``Rosa sp.``) stands for its own text alone.

The rank of what is below a species makes no other name of it: two that bear one epithet have one type, or the later of
them is no name (ICN Art. 53.3). So ``Quercus ilex ballota`` is ``Quercus ilex subsp. ballota``, unless the synonyms
tell ranks apart.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from stages.records.name_reading import GENUS_ONLY, Reading
from stages.records.spelling import tidy
from stages.runtime.errors import UserError

# How a name and a synonym are the same: to the letter; in any case; in any case, where the name is refused else.
_WRITTEN, _FOLDED, _UNCLEAR = "written", "folded", "unclear"
_PART = re.compile(r"'.+?'(?= '|$)|(?:[^\s']\S*\. )?\S+")  # a cultivar, or an epithet with its rank or without
_RANK = re.compile(r"^[^\s']\S*\. ")
_RANKS = re.compile(r"(?<= )[^\s']\S*\. ")
_BRACKETS_LAST = re.compile(r"\([^()]*\)$")

Key = tuple[str, str]


class Row(NamedTuple):
    """A synonym.

    Attributes:
        synonym: as it is written.
        accepted: the name that it is another of, as it is written.
        keys: what names are found by that are this synonym.
        without_rank: a further one, where no other synonym says otherwise; ``None`` where it names no rank.
    """

    synonym: str
    accepted: str
    keys: frozenset[Key]
    without_rank: Key | None


class End(NamedTuple):
    """Where a name leads to: another name, over these synonyms."""

    name: str
    synonyms: tuple[str, ...]


class Form(NamedTuple):
    """A name, or one that it is part of: ``Quercus ilex subsp. ballota`` of ``Quercus ilex subsp. ballota 'Fordii'``.

    Attributes:
        name: in full.
        without_ranks: likewise, but for the ranks.
    """

    name: str
    without_ranks: str

    @property
    def keys(self) -> tuple[Key, ...]:
        """What synonyms are found by."""
        return (_FOLDED, self.name.casefold()), (_FOLDED, self.without_ranks.casefold())


def forms(reading: Reading, *, whole: bool) -> list[Form]:
    """Give the names that a name may be looked for by, the longest first; none of a genus, or of what is refused.

    Args:
        reading: what the name says.
        whole: look for it with all that is below the species alone.
    """
    if reading.refused not in (None, GENUS_ONLY):
        return []
    if reading.full != f"{reading.species} {reading.below}".rstrip():  # a hybrid's formula
        names = [reading.full] if whole else [reading.full, reading.species]
        return [Form(name, name) for name in names]
    parts = _PART.findall(reading.below)
    shortest = len(parts) if whole else 0
    return [
        Form(
            " ".join([reading.species, *parts[:length]]),
            " ".join([reading.species, *(_RANK.sub("", part) for part in parts[:length])]),
        )
        for length in range(len(parts), shortest - 1, -1)
        if length or not reading.refused
    ]


def without_ranks(name: str) -> str:
    """Give a name in full without the ranks of what is below its species."""
    return _RANKS.sub("", name)


def keys_as_written(text: str) -> tuple[Key, ...]:
    """Give what synonyms of a tidy text are found by, before it is read."""
    return (_WRITTEN, text), (_FOLDED, text.casefold())


def key_of_refused(text: str) -> Key:
    """Give what a synonym of a tidy text that is refused otherwise is found by."""
    return _UNCLEAR, text.casefold()


def row_of(synonym: str, accepted: str, read: Callable[[str, Collection[str]], Reading | None]) -> Row:
    """Say how names are found to be a synonym.

    Args:
        synonym: as it is written.
        accepted: likewise.
        read: gives what a tidy text says, by what is known besides; ``None`` for what is too long.
    """
    text = tidy(synonym)
    reading = _read(text, read)
    keys = {(_WRITTEN, text)}
    # Rosa Canina may be what is refused; Rosa canina, in other letters, is a name.
    keys.add((_UNCLEAR if reading is None or reading.refused else _FOLDED, text.casefold()))
    named = forms(reading, whole=True) if reading and not _says_more(text, reading) else []
    loose = None
    for form in named:
        key, other = form.keys
        keys.add(key)
        loose = other if other != key else None
    return Row(synonym, accepted, frozenset(keys), loose)


def _read(text: str, read: Callable[[str, Collection[str]], Reading | None]) -> Reading | None:
    """Read a synonym. That it is one tells that its third word is no part of a common name."""
    reading = read(text, ())
    if reading is None or reading.refused in (None, GENUS_ONLY):
        return reading
    species = " ".join(text.split()[:2])
    again = read(text, (species,))
    return again if again and not again.refused and again.species == species and again.below else reading


def _says_more(text: str, reading: Reading) -> bool:
    """Whether a synonym says more than its name: a remark, or words in brackets where authors would go on behind."""
    return bool(reading.remarks) or bool(_BRACKETS_LAST.search(text))


def resolve(
    by_hand: Sequence[Row],
    of_checklist: Sequence[Row],
    *,
    ways_on: Callable[[str], Iterator[Key]],
    clean: Callable[[str], str | None],
    where: str,
) -> tuple[dict[Key, End], tuple[str, ...]]:
    """Follow synonyms to their ends.

    Args:
        by_hand: what a person says.
        of_checklist: what a checklist says; where the former say otherwise, they win.
        ways_on: gives the keys by which an accepted name may be a synonym itself.
        clean: gives the name for an accepted one, without synonyms; ``None`` where the rules refuse it.
        where: they come from, for messages.

    Returns:
        The ends by the keys that names are found by; and the checklist's synonyms that are left out.

    Raises:
        UserError: synonyms go round in a circle, have two accepted names, or one that is refused.
    """
    kept, left_out = _not_said_by_hand(of_checklist, by_hand)
    while True:
        rows = [*by_hand, *kept]
        table = _table(rows)
        staying = {row for row in rows if _stays(row, table, ways_on)}
        ways = {row: _follow(row, table, staying, ways_on) for row in rows}
        circle = next((way for way in ways.values() if way[-1] in way[:-1]), None)
        if circle is None:
            return _ends(table, ways, clean, where), tuple(left_out)
        broken = set(circle[circle.index(circle[-1]) :]) & set(kept)
        if not broken:
            shown = " -> ".join(row.synonym for row in circle)
            raise UserError(f"{where}: {shown} goes round in a circle")
        left_out += [row.synonym for row in kept if row in broken]
        kept = [row for row in kept if row not in broken]


def _not_said_by_hand(rows: Sequence[Row], by_hand: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Give the rows of a checklist of which none by hand speaks, and the synonyms of those that are other by hand."""
    said: dict[Key, set[str]] = defaultdict(set)
    said_loosely: dict[Key, set[str]] = defaultdict(set)
    for row in by_hand:
        for key in row.keys:
            said[key].add(tidy(row.accepted))
        if row.without_rank:
            said_loosely[row.without_rank].add(tidy(row.accepted))
    kept, left_out = [], []
    for row in rows:
        found = [said[key] for key in (*row.keys, row.without_rank) if key in said]
        found += [said_loosely[key] for key in row.keys if key in said_loosely]
        if not found:
            kept.append(row)
        elif any(names != {tidy(row.accepted)} for names in found):
            left_out.append(row.synonym)
    return kept, left_out


def _table(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    table: dict[Key, list[Row]] = defaultdict(list)
    loose: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        for key in row.keys:
            table[key].append(row)
        if row.without_rank:
            loose[row.without_rank].append(row)
    for key, same in loose.items():
        if key not in table and len({tidy(row.accepted) for row in same}) == 1:
            table[key] = same
    return dict(table)


def _follow(
    row: Row, table: Mapping[Key, list[Row]], staying: Collection[Row], ways_on: Callable[[str], Iterator[Key]]
) -> list[Row]:
    """Give a row and those that it leads to, to the end or back to one on the way."""
    way = [row]
    while after := _next(way[-1], table, staying, ways_on):
        if after in way and (after in staying or way[-1] in staying):
            break
        way.append(after)
        if after in way[:-1]:
            break
    return way


def _next(
    row: Row, table: Mapping[Key, list[Row]], staying: Collection[Row], ways_on: Callable[[str], Iterator[Key]]
) -> Row | None:
    """Give the row for a row's accepted name; one that stays leads on only as what it is part of is another's."""
    for key in ways_on(row.accepted):
        others = [other for other in table.get(key, ()) if other is not row]
        found = [other for other in others if other not in staying] or (others if row not in staying else [])
        if found:
            return found[0]
    return None


def _stays(row: Row, table: Mapping[Key, list[Row]], ways_on: Callable[[str], Iterator[Key]]) -> bool:
    """Whether a row has one name in both columns."""
    return next((key for key in ways_on(row.accepted) if key in table), None) in row.keys


def _ends(
    table: Mapping[Key, list[Row]], ways: Mapping[Row, list[Row]], clean: Callable[[str], str | None], where: str
) -> dict[Key, End]:
    names = {}
    for row, way in ways.items():
        names[row] = clean(way[-1].accepted)
        if names[row] is None:
            raise UserError(f"{where}: {way[-1].accepted!r} cannot be an accepted name: the rules of `names` refuse it")
    ends = {}
    for key, same in table.items():
        name = str(names[same[0]])
        if other := next((row for row in same if names[row] != name), None):
            raise UserError(
                f"{where}: {other.synonym!r} has two accepted names, {name!r} and {names[other]!r}: keep one"
            )
        if key not in ((_WRITTEN, name), (_FOLDED, name.casefold())):
            ends[key] = End(name, tuple(one.synonym for one in ways[same[0]]))
    return ends
