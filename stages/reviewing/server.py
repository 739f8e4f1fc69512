"""The server of the page on which people look at suspects: what it shows, and what a person may do."""

import errno
import json
import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import unquote

from stages.reviewing.answers import MalformedError
from stages.reviewing.catalog import Catalog
from stages.reviewing.pictures import Pictures
from stages.reviewing.saving import ReviewerFile
from stages.runtime.errors import UserError
from stages.web.local_server import HTML, JPEG, JSON, LocalHandler, LocalServer, RefusedError, encoded

MOST_BYTES = 16_384  # of what the page sends
_PAGE = Path(__file__).with_name("page.html")


class Review(Protocol):
    """What the server lets a person do."""

    kind: str
    file: ReviewerFile

    def question(self) -> dict[str, Any] | None: ...  # noqa: D102
    def ahead(self) -> list[dict[str, Any]]: ...  # noqa: D102
    def progress(self) -> dict[str, Any]: ...  # noqa: D102
    def judge(self, content: dict[str, Any]) -> str: ...  # noqa: D102
    def can_undo(self) -> bool: ...  # noqa: D102
    def undo(self) -> str: ...  # noqa: D102
    def refresh(self) -> bool: ...  # noqa: D102


class ReviewServer(LocalServer):
    """Serves one review."""

    def __init__(self, review: Review, catalog: Catalog, pictures: Pictures, *, reviewer: str, port: int = 0) -> None:
        """Listen, but answer nobody yet.

        Args:
            review: of images or pairs.
            catalog: what is known of images.
            pictures: where they are.
            reviewer: whose verdicts these are.
            port: to listen on; 0 takes one that is free.

        Raises:
            UserError: the port is taken, or may not be used.
        """
        super().__init__(_PAGE.read_bytes(), _Handler, port=port)
        self._review, self._catalog, self._pictures, self._reviewer = review, catalog, pictures, reviewer
        self._turn = 0
        self._one_at_a_time = Lock()

    def end(self) -> None:
        """Let a verdict that is being saved be saved, and take no more."""
        self._one_at_a_time.acquire()
        super().end()

    def now(self, said: str = "") -> dict[str, Any]:
        """Give all that the page shows."""
        with self._one_at_a_time:
            return self._now(said)

    def act(self, action: Callable[[dict[str, Any]], str], content: dict[str, Any], *, turn: object) -> dict[str, Any]:
        """Do what the page asks for, if it has seen what came before; give what it shows then.

        Raises:
            RefusedError: it has not; another window went on meanwhile. Nothing is done.
        """
        with self._one_at_a_time:
            if turn != self._turn:
                raise RefusedError(HTTPStatus.CONFLICT, "another window went on meanwhile: nothing was saved twice")
            if self._review.refresh():
                self._turn += 1
                raise RefusedError(
                    HTTPStatus.CONFLICT,
                    f"{self._review.file.path} was changed by another program: it is read anew, nothing is lost; "
                    "your last key was not taken",
                )
            said = action(content)
            self._turn += 1
            return self._now(said)

    def judge(self, content: dict[str, Any]) -> str:
        """Take a verdict."""
        return self._review.judge(content)

    def undo(self, _content: dict[str, Any]) -> str:
        """Take the last verdict back."""
        if not self._review.can_undo():
            raise RefusedError(HTTPStatus.CONFLICT, "there is nothing to undo since the last start")
        return self._review.undo()

    def species(self) -> list[str]:
        """Give the species that a photo can be of."""
        return self._catalog.species

    def picture(self, kind: str, image_name: str) -> bytes:
        """Give a picture as a JPEG.

        Raises:
            RefusedError: there is no such image, or it cannot be shown.
        """
        if image_name not in self._catalog:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such image in the splits")
        give = self._pictures.crop if kind == "crop" else self._pictures.original
        try:
            return give(image_name, self._catalog.of(image_name)["sha256"])
        except UserError as error:
            raise RefusedError(HTTPStatus.GONE, str(error)) from None
        except OSError as error:
            raise RefusedError(HTTPStatus.GONE, f"{image_name} cannot be read ({error.strerror or error})") from None

    def _now(self, said: str) -> dict[str, Any]:
        return {
            "kind": self._review.kind,
            "turn": self._turn,
            "reviewer": self._reviewer,
            "file": str(self._review.file.path),
            "originals": self._pictures.cache is not None,
            "question": self._review.question(),
            "ahead": self._review.ahead(),
            "progress": self._review.progress(),
            "can_undo": self._review.can_undo(),
            "said": said,
        }


class _Handler(LocalHandler):
    """Answers one connection."""

    server: ReviewServer  # pyright: ignore[reportIncompatibleVariableOverride]
    name = "review"

    def refusal(self, error: Exception) -> RefusedError:
        if isinstance(error, MalformedError):
            return RefusedError(HTTPStatus.BAD_REQUEST, str(error))
        if isinstance(error, OSError):
            return RefusedError(HTTPStatus.INSUFFICIENT_STORAGE, _not_saved(error))
        if isinstance(error, UserError):
            return RefusedError(HTTPStatus.CONFLICT, str(error))
        return RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "NOT saved: the program failed, see its terminal")

    def get(self, place: str) -> tuple[str, bytes]:
        if place == "":
            return HTML, self.server.page
        if place == "now":
            return JSON, encoded(self.server.now())
        if place == "species":
            return JSON, encoded(self.server.species())
        kind, _, name = place.partition("/")
        if kind in ("crop", "original"):
            return JPEG, self.server.picture(kind, unquote(name))
        return super().get(place)

    def post(self, place: str) -> tuple[str, bytes]:
        actions = {"verdict": self.server.judge, "undo": self.server.undo}
        if place not in actions:
            return super().post(place)
        content = self._verdict()
        return JSON, encoded(self.server.act(actions[place], content, turn=content.get("turn")))

    def _verdict(self) -> dict[str, Any]:
        try:
            content = json.loads(self.body(JSON, most=MOST_BYTES, what="a verdict"))
        except (ValueError, RecursionError):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a verdict is JSON, and this is none") from None
        if not isinstance(content, dict) or type(content.get("turn")) is not int:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a verdict says of which turn it is")
        return content


def _not_saved(error: OSError) -> str:
    """Say that a verdict could not be written, and what to do."""
    advice = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some of the quota",
        errno.EROFS: "mount the file system writable",
        errno.EACCES: "give this user the right to it",
        errno.EPERM: "give this user the right to it",
    }.get(error.errno or 0, "see to it")
    where = f"{error.filename}: " if error.filename else ""
    why = error.strerror or os.strerror(error.errno or errno.EIO)
    return f"NOT saved: {where}{why}: {advice}, then press the key again; all that was said before is on disk"
