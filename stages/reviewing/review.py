"""A review of photos: the question at hand, what a verdict on it changes, and how that is undone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from stages.reviewing.answers import Answer, MalformedError, read_answer
from stages.reviewing.asked import Judged, Order, Question, Upcoming
from stages.reviewing.catalog import PANEL, Catalog
from stages.reviewing.pictures import Pictures
from stages.reviewing.saving import Key, ReviewerFile, Row
from stages.tables.verdicts import SAID, AskedAs

AHEAD = 5  # questions that the page loads before they are asked

Spelled = Callable[[set[str]], Mapping[str, str | None]]


class ImageReview:
    """Asks of images, and keeps what is said.

    Attributes:
        kind: of review, which the page goes by.
        file: of the reviewer.
    """

    kind = "images"

    def __init__(
        self, catalog: Catalog, pictures: Pictures, order: Order, file: ReviewerFile, spelled: Spelled
    ) -> None:
        """Find the first question.

        Args:
            catalog: what is known of images.
            pictures: where they are.
            order: of questions.
            file: of the reviewer.
            spelled: gives what the name rules make of names in verdicts, as these may be older than a synonym.
        """
        self._catalog, self._pictures, self._order, self.file = catalog, pictures, order, file
        self._spelled = spelled
        self._names: dict[str, str | None] = {name: name for name in catalog.images["species"].unique()}
        self._by_me: dict[str, AskedAs] = {}
        self._shown_before: dict[str, dict[str, Any]] = {}
        self._answered = 0
        self._take_all()
        self._of_all = self._order.left(self._judged, catalog.group)

    def question(self) -> dict[str, Any] | None:
        """Give the question at hand as the page gets it; ``None`` where there is none any more."""
        return self._shown(self._upcoming.questions[0]) if self._upcoming.questions else None

    def ahead(self) -> list[dict[str, Any]]:
        """Give the questions that come next if whole observations are judged."""
        return [self._shown(question) for question in self._upcoming.questions[1:]]

    def progress(self) -> dict[str, Any]:
        """Give what there is so far. It counts questions, not kinds of them."""
        said = [row["verdict"] for row in self.file.rows.values()]
        return {
            "answered": self._answered,
            "of_all": max(self._of_all, self._answered),
            "photos": len(said),
            "said": {verdict: said.count(verdict) for verdict in SAID},
        }

    def judge(self, content: dict[str, Any]) -> str:
        """Take a verdict on the question at hand, save it, go on; give in words what came of it.

        Raises:
            MalformedError: it is no verdict.
            UserError, OSError: it could not be saved; all is as before.
        """
        answer = read_answer(content)
        if not self._upcoming.questions:
            raise MalformedError("there is no question")
        if answer.species is not None and not self._catalog.is_species(answer.species):
            raise MalformedError("that is none of the species of labels.csv")
        question = self._upcoming.questions[0]
        if answer.species == self._catalog.of(question.image_name)["species"]:
            answer = replace(answer, verdict="confirm", species=None)
        changes, words = self._changes(question, answer)
        self.file.put(changes, self._answered)
        self._answered += 1
        self._take(changes)
        return words

    def undo(self) -> str:
        """Take the last verdict back; give in words what was done.

        Raises:
            IndexError: there is none.
            UserError, OSError: it could not be saved; all is as before.
        """
        changed = self.file.last_change()
        self._answered = self.file.undo()
        self._take(changed)
        return "Undone: the file is as it was before that verdict."

    def can_undo(self) -> bool:
        """Say whether there is something to undo."""
        return self.file.can_undo()

    def refresh(self) -> bool:
        """See whether another program wrote the file meanwhile, and go by that; say whether it did."""
        changed = self.file.refresh()
        if changed:
            self._take_all()
        return changed

    def _take_all(self) -> None:
        """Go by all that stands in the files."""
        others = list(self.file.others.iter_rows(named=True))
        names = {row[name] for row in (*self.file.rows.values(), *others) for name in ("given", "species")} - {None}
        if unknown := names - self._names.keys():
            self._names |= self._spelled(unknown)
        held = [row for row in others if self._holds(row)]
        self._by_others = frozenset(row["image_name"] for row in held if row["verdict"] != "skip")
        self._sampled_by_others = frozenset(row["image_name"] for row in held if row["asked_as"] == "random")
        self._gone = {row["image_name"]: row for row in held if row["image_name"] not in self._catalog}
        self._by_me.clear()
        self._shown_before.clear()
        self._take(self.file.rows)

    def _take(self, keys: Iterable[Key]) -> None:
        """Go by rows that are other ones now, or gone, and find the next questions."""
        for key in keys:
            (name,) = key
            row = self.file.rows.get(key)
            if row is not None and self._holds(row):
                self._by_me[name] = row["asked_as"]
            else:
                self._by_me.pop(name, None)
            if name in self._catalog:
                for other in self._catalog.together(name):
                    self._shown_before.pop(other, None)
        self._judged = Judged(self._by_me, self._by_others, self._sampled_by_others, self._gone.keys())
        self._upcoming: Upcoming = self._order.upcoming(self._judged, self._catalog.together, 1 + AHEAD)

    def _holds(self, row: Row) -> bool:
        """Say whether a verdict is of the image as it is. That it was followed does not make it stale."""
        if row["image_name"] not in self._catalog:
            return True
        now = self._catalog.of(row["image_name"])
        said = [row["given"], row["species"]] if row["verdict"] == "relabel" else [row["given"]]
        return now["sha256"] == row["sha256"] and now["species"] in [self._names.get(name) for name in said]

    def _held(self, image_name: str) -> Row | None:
        """Give the reviewer's row of an image, if it holds."""
        return self.file.rows[image_name,] if image_name in self._by_me else None

    def _changes(self, question: Question, answer: Answer) -> tuple[dict[Key, Row], str]:
        """Give the rows that a verdict makes, and in words what came of it."""
        asked = self._catalog.of(question.image_name)
        together = self._catalog.together(question.image_name)
        names = [name for name in together if not answer.alone or self._catalog.of(name)["sha256"] == asked["sha256"]]
        apart = answer.verdict == "relabel" and len(names) < len(together)
        changes: dict[Key, Row] = {
            (name,): {**(self.file.rows.get((name,)) or _in_sample(self._gone[name])), "asked_as": "random"}
            for name in self._upcoming.taken
        }
        replaced = kept = 0
        for name in names:
            before = self._held(name)
            if name != question.image_name and before is not None and _stays(before, answer):
                kept += 1
                continue
            asked_as: AskedAs = "neighbor" if before is None else changes.get((name,), before)["asked_as"]
            changes[name,] = {
                **self._said_of(name, answer, before, apart=apart),
                "asked_as": question.asked_as if name == question.image_name else asked_as,
                "note": answer.note or None,
            }
            replaced += before is not None and before["verdict"] not in ("skip", answer.verdict)
        counts = (len(names) - kept, len(together))
        words = _in_words(answer, asked["species"], counts, apart=apart)
        words += f" What you said of {_photos(kept)} before stays." if kept else ""
        words += f" That takes the place of what you said before of {_photos(replaced)}." if replaced else ""
        return changes, words

    def _said_of(self, image_name: str, answer: Answer, before: Row | None, *, apart: bool) -> Row:
        """Give the row of one image, without why it was asked.

        What was said of it before may be why it has the species that it is shown under. So `given` stays that of the
        source, and to confirm what is shown is then to relabel it so: the earlier row is gone.
        """
        row = self._catalog.of(image_name)
        given = row["species"] if before is None else before["given"]
        verdict, species, reason = answer.verdict, answer.species, answer.reason
        if apart:
            verdict, reason = "drop", "one_of_observation"
        elif verdict in ("confirm", "relabel"):
            right = species or row["species"]
            is_given = self._names.get(given) == right
            verdict, species = ("confirm", None) if is_given else ("relabel", right)
        return {
            "image_name": image_name,
            "sha256": row["sha256"],
            "given": given,
            "verdict": verdict,
            "species": species,
            "reason": reason,
        }

    def _shown(self, question: Question) -> dict[str, Any]:
        """Give a question as the page gets it. It depends on the image alone, never on why it is asked."""
        name = question.image_name
        if name not in self._shown_before:
            if len(self._shown_before) > 10 * AHEAD:
                self._shown_before.clear()
            self._shown_before[name] = self._make(name)
        return self._shown_before[name]

    def _make(self, name: str) -> dict[str, Any]:
        catalog = self._catalog
        row, candidates = catalog.of(name), catalog.candidates(name)
        neighbors = [self._photo(each) for each in catalog.neighbors(name)]

        def examples(species: str, most: int) -> list[dict[str, Any]]:
            return [self._photo(each) for each in catalog.typical(species, most, but_for=[row["group"]])]

        return {
            "id": name,
            "given": row["species"],
            "candidates": candidates,
            "words": reason_in_words(row["species"], candidates, [each["species"] for each in neighbors]),
            "photos": [self._whole_photo(each) for each in catalog.together(name)],
            "of_given": examples(row["species"], PANEL),
            "of_candidates": [examples(species, PANEL if not place else 2) for place, species in enumerate(candidates)],
            "neighbors": neighbors,
        }

    def _photo(self, image_name: str) -> dict[str, Any]:
        row = self._catalog.of(image_name)
        return {"name": image_name, "species": row["species"], "credit": self._catalog.rights.credit(image_name)}

    def _whole_photo(self, image_name: str) -> dict[str, Any]:
        row, before = self._catalog.of(image_name), self._held(image_name)
        return self._photo(image_name) | {
            "source": row["source"],
            "size": [row["width"], row["height"]],
            "square": self._pictures.square(image_name),
            "said": None if before is None else before["verdict"],
        }


def _in_sample(said: Row) -> Row:
    """Give the row that brings an image into the sample of which another reviewer's is all that can be known now."""
    nothing = dict.fromkeys(("species", "reason"))
    note = f"out of the splits; judged by {said['reviewer']}"
    return (
        {name: said[name] for name in ("image_name", "sha256", "given")} | nothing | {"verdict": "skip", "note": note}
    )


def _stays(before: Row, answer: Answer) -> bool:
    """Say whether what was said of another photo of the observation stays: that it is dropped was said of it alone."""
    return before["verdict"] == "drop" or (answer.verdict == "skip" and before["verdict"] != "skip")


def reason_in_words(given: str, candidates: list[str], neighbors: list[str]) -> str:
    """Say what speaks for which species: for every image in the same way, whether it is suspected or not.

    Args:
        given: the species of the label.
        candidates: others, the likeliest first.
        neighbors: species of the nearest photos.
    """
    if not candidates:
        return "No other species is near to it."
    words = f"Of all other species, the rest of the photos speaks most for {candidates[0]}."
    if not neighbors:
        return words
    counts = [f"{neighbors.count(name) or 'none'} of {name}" for name in (given, candidates[0])]
    return f"{words} Of the {len(neighbors)} most like it, {' and '.join(counts)}."


def _in_words(answer: Answer, given: str, counts: tuple[int, int], *, apart: bool) -> str:
    """Say what came of a verdict.

    Args:
        answer: the verdict.
        given: the species of the label.
        counts: photos that it counts for, and that belong together.
        apart: whether one photo is taken out of its observation.
    """
    photos, of = counts
    if apart:
        return (
            f"This photo alone is dropped, as it shows {answer.species} and its observation is of {given}; "
            f"the other {_photos(of - photos)} stand{'s' if of - photos == 1 else ''} as before."
        )
    which = "the one photo" if of == 1 else f"all {of} photos of the observation" if photos == of else ""
    which = which or f"{_photos(photos)} of the {of} of the observation"
    if answer.verdict == "confirm":
        return f"{given} is confirmed, for {which}."
    if answer.verdict == "relabel":
        return f"{given} becomes {answer.species}, for {which}."
    if answer.verdict == "drop":
        return f"Dropped ({(answer.reason or '').replace('_', ' ')}): {which}."
    return f"Skipped: {which}."


def _photos(number: int) -> str:
    return "1 photo" if number == 1 else f"{number} photos"
