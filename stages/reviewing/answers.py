"""What a page says that a reviewer said: read from JSON of which nothing is taken on trust."""

from dataclasses import dataclass
from typing import Any, cast, get_args

from stages.tables.verdicts import PAIR_SAID, REASONS, SAID, PairSaid, Reason, Said

MOST_NOTE = 500  # letters
# What a reviewer gives as a reason; the other one follows from a verdict on one photo alone.
GIVEN_REASONS: tuple[Reason, ...] = tuple(reason for reason in REASONS if reason != "one_of_observation")


class MalformedError(Exception):
    """The answer is none that the page gives."""


@dataclass(frozen=True)
class Answer:
    """What is said of an image.

    Attributes:
        verdict: one of ``SAID``.
        species: of a relabel.
        reason: of a drop, one of ``GIVEN_REASONS``.
        alone: whether it is of the one photo, and not of all that belong together.
        note: what the reviewer adds; perhaps empty.
    """

    verdict: Said
    species: str | None
    reason: Reason | None
    alone: bool
    note: str


@dataclass(frozen=True)
class PairAnswer:
    """What is said of a pair; a verdict of ``None`` is for another time."""

    verdict: PairSaid | None
    note: str


def read_answer(content: dict[str, Any]) -> Answer:
    """Read what is said of an image.

    Raises:
        MalformedError: it is no such answer.
    """
    _check(content, {"turn", "verdict", "species", "reason", "alone", "note"})
    verdict, species, reason, alone = (content.get(name) for name in ("verdict", "species", "reason", "alone"))
    if verdict not in SAID:
        raise MalformedError(f"the verdict must be one of {', '.join(SAID)}")
    if (verdict == "relabel") != isinstance(species, str) or not isinstance(species, str | None):
        raise MalformedError("a relabel, and nothing else, has a species")
    if (verdict == "drop") != (reason is not None) or reason not in (None, *GIVEN_REASONS):
        raise MalformedError(f"a drop, and nothing else, has a reason: {', '.join(GIVEN_REASONS)}")
    if not isinstance(alone, bool):
        raise MalformedError("alone must be true or false")
    return Answer(cast(Said, verdict), species, cast(Reason | None, reason), alone, _note(content))


def read_pair_answer(content: dict[str, Any]) -> PairAnswer:
    """Read what is said of a pair.

    Raises:
        MalformedError: it is no such answer.
    """
    _check(content, {"turn", "verdict", "note"})
    verdict = content.get("verdict")
    if verdict not in (None, *get_args(PairSaid)):
        raise MalformedError(f"the verdict must be one of {', '.join(PAIR_SAID)}, or null")
    return PairAnswer(cast(PairSaid | None, verdict), _note(content))


def _check(content: dict[str, Any], names: set[str]) -> None:
    if unknown := sorted(content.keys() - names):
        raise MalformedError(f"it has what is not known: {', '.join(unknown)[:100]}")


def _note(content: dict[str, Any]) -> str:
    note = content.get("note", "")
    if not isinstance(note, str) or len(note) > MOST_NOTE:
        raise MalformedError(f"a note is text of at most {MOST_NOTE} letters")
    try:
        note.encode()
    except UnicodeEncodeError:
        raise MalformedError("a note is text that can be written") from None
    return " ".join(note.split())
