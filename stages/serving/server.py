"""The server of the page on which people ask the model about their photos."""

import select
import socket
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote

from stages.answering.cropped import PhotoError
from stages.runtime.errors import UserError
from stages.serving.identifier import Identifier
from stages.web.local_server import HTML, JPEG, JSON, LocalHandler, LocalServer, RefusedError, encoded

MOST_BYTES = 50_000_000  # of a photo; the page has the same figure
MOST_HELD_BYTES = 10 * MOST_BYTES  # of all photos that wait
_PHOTO = "application/octet-stream"
_PAGE = Path(__file__).with_name("page.html")


class PhotoServer(LocalServer):
    """Serves one model."""

    def __init__(self, identifier: Identifier, *, port: int = 0) -> None:
        """Listen, but answer nobody yet.

        Args:
            identifier: what is asked.
            port: to listen on; 0 takes one that is free.

        Raises:
            UserError: the port is taken, or may not be used.
        """
        super().__init__(_PAGE.read_bytes(), _Handler, port=port)
        self.identifier = identifier
        self._held = 0
        self._holding = Lock()

    def hold(self, size: int) -> None:
        """Count bytes of photos that are in memory.

        Raises:
            RefusedError: they are too many. They are counted all the same, until they are let go.
        """
        with self._holding:
            self._held += size
            held = self._held
        if size > 0 and held > MOST_HELD_BYTES:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many photos wait: send it again in a moment", trouble="busy"
            )

    def end(self) -> None:
        """Let what is being asked be answered, and take no more."""
        super().end()
        self.identifier.end()


class _Handler(LocalHandler):
    """Answers one connection."""

    server: PhotoServer  # pyright: ignore[reportIncompatibleVariableOverride]
    name = "photos"

    def get(self, place: str) -> tuple[str, bytes]:
        if place == "":
            return HTML, self.server.page
        if place == "about":
            return JSON, encoded(self.server.identifier.about())
        kind, _, image_name = place.partition("/")
        if kind == "example":
            return JPEG, self._example(unquote(image_name))
        return super().get(place)

    def post(self, place: str) -> tuple[str, bytes]:
        if place != "photo":
            return super().post(place)
        return JSON, encoded(self._said_of_photo())

    def _said_of_photo(self) -> dict[str, Any]:
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            held += size
            self.server.hold(size)

        try:
            data = self.body(_PHOTO, most=MOST_BYTES, what="a photo", give=hold)
            return self.server.identifier.answer(data, is_wanted=self._is_there)
        except PhotoError as error:
            # The question was in order, and this is what there is to say: no error of the page, for its console.
            return {"trouble": error.trouble, "error": str(error)}
        finally:
            self.server.hold(-held)

    def _is_there(self) -> bool:
        """Say whether the browser still waits: one that went away has closed its end."""
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return not readable or self.connection.recv(1, socket.MSG_PEEK) != b""
        except (OSError, ValueError):
            return False

    def _example(self, image_name: str) -> bytes:
        try:
            return self.server.identifier.examples.picture(image_name)
        except KeyError:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such example") from None
        except UserError as error:
            raise RefusedError(HTTPStatus.GONE, str(error)) from None
