"""A small server for one person's browser on this machine.

It listens on 127.0.0.1 alone. The path of every address begins with a secret token, so nobody else on the machine, and
no other page in the browser, can ask for anything. A page that made its own name point here (DNS rebinding) is known by
the header Host, and one that sends a form or a script's request by Origin.
"""

import base64
import errno
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from stages.reviewing.answers import MalformedError
from stages.reviewing.catalog import Catalog
from stages.reviewing.pictures import Pictures
from stages.reviewing.saving import ReviewerFile
from stages.runtime.errors import UserError
from stages.runtime.plain_text import plain, without_secrets

ADDRESS = "127.0.0.1"
MOST_BYTES = 16_384  # of what the page sends
PATIENCE_S = 60.0  # for a request, and between two of one connection
_OF_THIS_MACHINE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_PAGE = Path(__file__).with_name("page.html")
_JSON, _JPEG, _HTML = "application/json", "image/jpeg", "text/html; charset=utf-8"


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


class _RefusedError(Exception):
    """What is asked for is not given."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class ReviewServer(ThreadingHTTPServer):
    """Serves one review.

    Attributes:
        token: the secret part of every address.
        url: of the page.
    """

    daemon_threads = True
    allow_reuse_address = True

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
        self.token = secrets.token_urlsafe(16)
        self._review, self._catalog, self._pictures, self._reviewer = review, catalog, pictures, reviewer
        self._turn = 0
        self._one_at_a_time = Lock()
        self.page = _PAGE.read_bytes()
        self.policy = _policy(self.page.decode())
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise UserError(
                f'port {port} of {ADDRESS} cannot be listened on ({why}): take another by ARGS="--port N"'
            ) from None
        self.url = f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away; anything else is a fault of ours, and shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Let a verdict that is being saved be saved, and take no more."""
        self._one_at_a_time.acquire()
        self.server_close()

    def now(self, said: str = "") -> dict[str, Any]:
        """Give all that the page shows."""
        with self._one_at_a_time:
            return self._now(said)

    def act(self, action: Callable[[dict[str, Any]], str], content: dict[str, Any], *, turn: object) -> dict[str, Any]:
        """Do what the page asks for, if it has seen what came before; give what it shows then.

        Raises:
            _RefusedError: it has not; another window went on meanwhile. Nothing is done.
        """
        with self._one_at_a_time:
            if turn != self._turn:
                raise _RefusedError(HTTPStatus.CONFLICT, "another window went on meanwhile: nothing was saved twice")
            if self._review.refresh():
                self._turn += 1
                raise _RefusedError(
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
            raise _RefusedError(HTTPStatus.CONFLICT, "there is nothing to undo since the last start")
        return self._review.undo()

    def species(self) -> list[str]:
        """Give the species that a photo can be of."""
        return self._catalog.species

    def picture(self, kind: str, image_name: str) -> bytes:
        """Give a picture as a JPEG.

        Raises:
            _RefusedError: there is no such image, or it cannot be shown.
        """
        if image_name not in self._catalog:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such image in the splits")
        give = self._pictures.crop if kind == "crop" else self._pictures.original
        try:
            return give(image_name, self._catalog.of(image_name)["sha256"])
        except UserError as error:
            raise _RefusedError(HTTPStatus.GONE, str(error)) from None
        except OSError as error:
            raise _RefusedError(HTTPStatus.GONE, f"{image_name} cannot be read ({error.strerror or error})") from None

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


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: ReviewServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        return "review"

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: it would hold the token, and stand among what the command says."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server itself refuses in a line, as all else."""
        self.close_connection = True
        self._send(HTTPStatus(code), _JSON, _encoded({"error": message or explain or HTTPStatus(code).phrase}))

    def _answer(self, give: Callable[[str], tuple[str, bytes]]) -> None:
        try:
            kind, content = give(self._place())
        except _RefusedError as error:
            self._refuse(error.status, str(error))
        except MalformedError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except UserError as error:
            self._refuse(HTTPStatus.CONFLICT, str(error))
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, _not_saved(error))
        except Exception:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "NOT saved: the program failed, see its terminal")
            raise
        else:
            self._send(HTTPStatus.OK, kind, content)

    def _place(self) -> str:
        """Give what is asked for behind the token.

        Raises:
            _RefusedError: it is not this page that asks.
        """
        host = self.headers.get_all("Host", [])
        if len(host) != 1 or not _OF_THIS_MACHINE.fullmatch(host[0]):
            raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name than that")
        origins = self.headers.get_all("Origin", [])
        if origins and origins != [f"http://{host[0]}"]:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "another page asks for this: it gets nothing")
        try:
            path = urlsplit(self.path).path
        except ValueError:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "that is no address") from None
        _, token, *rest = [*path.split("/", 2), ""]
        if not hmac.compare_digest(token.encode(errors="replace"), self.server.token.encode()):
            raise _RefusedError(
                HTTPStatus.FORBIDDEN, "the address lacks the token of this start: use the one that the command printed"
            )
        return rest[0]

    def _get(self, place: str) -> tuple[str, bytes]:
        if place == "":
            return _HTML, self.server.page
        if place == "now":
            return _JSON, _encoded(self.server.now())
        if place == "species":
            return _JSON, _encoded(self.server.species())
        kind, _, name = place.partition("/")
        if kind in ("crop", "original"):
            return _JPEG, self.server.picture(kind, unquote(name))
        raise _RefusedError(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def _post(self, place: str) -> tuple[str, bytes]:
        actions = {"verdict": self.server.judge, "undo": self.server.undo}
        if place not in actions:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        if not self.headers.get("Origin"):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "a verdict comes from the page, and Origin says so")
        if self.headers.get_content_type() != _JSON:
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a verdict is JSON")
        content = self._body()
        return _JSON, _encoded(self.server.act(actions[place], content, turn=content.get("turn")))

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,10}", length):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "a verdict says how long it is")
        if int(length) > MOST_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a verdict has at most {MOST_BYTES:,} bytes")
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "a verdict is JSON, and this is none") from None
        if not isinstance(content, dict) or type(content.get("turn")) is not int:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "a verdict says of which turn it is")
        return content

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        # What was sent may not have been read to its end.
        self.close_connection = True
        self._send(status, _JSON, _encoded({"error": " ".join(without_secrets(plain(why)).split())}))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        # Pictures stay as they are while the server runs, and its next start has another token.
        kept = kind == _JPEG and status == HTTPStatus.OK
        self.send_header("Cache-Control", "private, max-age=86400, immutable" if kept else "no-store")
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _encoded(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


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


def _policy(page: str) -> str:
    """Give the policy by which the browser runs the page's own script and style, and asks nobody else for anything."""
    digests = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()}'"
            for found in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    return (
        f"default-src 'none'; script-src {digests['script']}; style-src {digests['style']}; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
