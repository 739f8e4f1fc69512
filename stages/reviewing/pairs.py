"""A review of pairs of photos that look alike: whether they are one picture, or of one plant at one moment."""

from typing import Any

import polars as pl

from stages.reviewing.answers import MalformedError, read_pair_answer
from stages.reviewing.catalog import Catalog
from stages.reviewing.pictures import Pictures
from stages.reviewing.review import AHEAD
from stages.reviewing.saving import Key, ReviewerFile, Row
from stages.tables.verdicts import PAIR_SAID


class PairReview:
    """Asks of pairs, and keeps what is said.

    Attributes:
        kind: of review, which the page goes by.
        file: of the reviewer.
        passed_over: proposed pairs of which an image is not in the splits any more, or is another one.
    """

    kind = "pairs"

    def __init__(self, catalog: Catalog, pictures: Pictures, pairs: pl.DataFrame, file: ReviewerFile) -> None:
        """Find the first pair.

        Args:
            catalog: what is known of images.
            pictures: where they are.
            pairs: columns of ``LOOK_ALIKES``, in the order in which they are asked.
            file: of the reviewer.
        """
        self._catalog, self._pictures, self.file = catalog, pictures, file
        rows = pairs.iter_rows(named=True)
        self._pairs = [row for row in rows if self._is_there(row)]
        self.passed_over = pairs.height - len(self._pairs)
        self._later: list[Key] = []  # for another time, the last one last
        self._done: list[Key | None] = []  # what was put off, or None for a verdict that was saved
        self._of_all = len(self._open())

    def question(self) -> dict[str, Any] | None:
        """Give the pair at hand as the page gets it; ``None`` where there is none any more."""
        found = self._open()
        return self._shown(found[0]) if found else None

    def ahead(self) -> list[dict[str, Any]]:
        """Give the pairs that come next."""
        return [self._shown(row) for row in self._open()[1 : 1 + AHEAD]]

    def progress(self) -> dict[str, Any]:
        """Give what there is so far."""
        said = [row["verdict"] for row in self.file.rows.values()]
        return {
            "answered": len(self._done),
            "of_all": max(self._of_all, len(self._done)),
            "photos": len(said),
            "said": {verdict: said.count(verdict) for verdict in PAIR_SAID},
        }

    def judge(self, content: dict[str, Any]) -> str:
        """Take a verdict on the pair at hand, save it, go on; give in words what came of it.

        Raises:
            MalformedError: it is no verdict.
            UserError, OSError: it could not be saved; all is as before.
        """
        answer = read_pair_answer(content)
        found = self._open()
        if not found:
            raise MalformedError("there is no pair")
        row = found[0]
        key = _key(row)
        if answer.verdict is None:
            self._later.append(key)
            self._done.append(key)
            return "Left for the next start."
        kept = {name: row[name] for name in ("image_name", "sha256", "other_name", "other_sha256")}
        self.file.put({key: {**kept, "verdict": answer.verdict, "note": answer.note or None}})
        self._done.append(None)
        if answer.verdict == "different":
            return "Different: they may stand in two splits."
        one, other = (self._catalog.of(name)["species"] for name in key)
        if one == other:
            return "The same: they will stand in one split."
        return f"The same, and of two species ({one}, {other}): both are left out until one label is mended."

    def undo(self) -> str:
        """Take the last verdict back; give in words what was done.

        Raises:
            IndexError: there is none.
            UserError, OSError: it could not be saved; all is as before.
        """
        if self._done[-1] is not None:
            self._later.remove(self._done[-1])
            self._done.pop()
            return "Undone: the pair is asked again."
        self.file.undo()
        self._done.pop()
        return "Undone: the file is as it was before that verdict."

    def can_undo(self) -> bool:
        """Say whether there is something to undo."""
        return bool(self._done)

    def refresh(self) -> bool:
        """See whether another program wrote the file meanwhile, and go by that; say whether it did."""
        changed = self.file.refresh()
        if changed:
            self._done.clear()
        return changed

    def _open(self) -> list[dict[str, Any]]:
        """Give the pairs that are to be asked: what others judged is not."""
        held = [row for row in self.file.rows.values() if self._is_there(row)]
        held += [row for row in self.file.others.iter_rows(named=True) if self._is_there(row)]
        judged = {_key(row) for row in held} | set(self._later)
        return [row for row in self._pairs if _key(row) not in judged]

    def _is_there(self, row: Row) -> bool:
        """Say whether both images of a row are still those that it is of."""
        return all(
            row[name] in self._catalog and self._catalog.of(row[name])["sha256"] == row[sha256]
            for name, sha256 in (("image_name", "sha256"), ("other_name", "other_sha256"))
        )

    def _shown(self, row: Row) -> dict[str, Any]:
        return {"id": " ".join(_key(row)), "photos": [self._photo(name) for name in _key(row)]}

    def _photo(self, image_name: str) -> dict[str, Any]:
        row = self._catalog.of(image_name)
        return {
            "name": image_name,
            "species": row["species"],
            "credit": self._catalog.rights.credit(image_name),
            "source": row["source"],
            "size": [row["width"], row["height"]],
            "square": self._pictures.square(image_name),
        }


def _key(row: Row) -> Key:
    return (row["image_name"], row["other_name"])
