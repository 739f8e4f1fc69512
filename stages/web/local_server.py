"""A small server for one person's browser on this machine.

It listens on 127.0.0.1 alone. The path of every address begins with a secret token, so nobody else on the machine, and
no other page in the browser, can ask for anything. A page that made its own name point here (DNS rebinding) is known by
the header Host, and one that sends a form or a script's request by Origin.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from stages.runtime.errors import UserError
from stages.runtime.plain_text import plain, without_secrets

ADDRESS = "127.0.0.1"
PATIENCE_S = 60.0  # for a request, between two of one connection, and for all of what one sends
JSON, JPEG, HTML = "application/json", "image/jpeg", "text/html; charset=utf-8"
_OF_THIS_MACHINE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
# Of what is refused, so much is read and thrown away: a browser whose words are not heard out sees a connection that
# broke, and not the line that says why.
_HEARD_OUT_BYTES, _HEARD_OUT_S = 256_000_000, 10.0
_PIECE = 1 << 18  # bytes


class RefusedError(Exception):
    """What is asked for is not given. Its message is one line.

    Attributes:
        status: of the answer.
        trouble: a name of why, for a page that says it in the reader's language; may be none.
    """

    def __init__(self, status: HTTPStatus, why: str, *, trouble: str | None = None) -> None:
        super().__init__(why)
        self.status, self.trouble = status, trouble


class LocalServer(ThreadingHTTPServer):
    """Serves one page.

    Attributes:
        token: the secret part of every address.
        url: of the page.
        page: the page itself.
        policy: by which the browser runs it.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # of 5, socketserver's own, a browser's next connection waits a second

    def __init__(self, page: bytes, handler: type["LocalHandler"], *, port: int = 0) -> None:
        """Listen, but answer nobody yet.

        Args:
            page: UTF-8, one file, with its script and style in it.
            handler: what answers.
            port: to listen on; 0 takes one that is free.

        Raises:
            UserError: the port is taken, or may not be used.
        """
        self.token = secrets.token_urlsafe(16)
        self.page = page
        self.policy = _policy(page.decode())
        try:
            super().__init__((ADDRESS, port), handler)
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
        """Take no more."""
        self.server_close()


class LocalHandler(BaseHTTPRequestHandler):
    """Answers one connection. Who inherits from it says what there is, by ``get`` and ``post``: here is nothing."""

    server: LocalServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    disable_nagle_algorithm = True
    name = "page"  # of the server, to browsers
    _unread = 0  # bytes of the request's body

    def get(self, place: str) -> tuple[str, bytes]:
        """Give what stands at a place behind the token: its type, and its bytes.

        Raises:
            RefusedError: nothing does.
        """
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def post(self, place: str) -> tuple[str, bytes]:
        """Do what is asked for; ``body`` gives what was sent with it.

        Raises:
            RefusedError: it is not done.
        """
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def refusal(self, error: Exception) -> RefusedError:
        """Give what to say of an error that is none of the server's own."""
        if isinstance(error, UserError):
            return RefusedError(HTTPStatus.CONFLICT, str(error))
        return RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "the program failed, see its terminal", trouble="failed")

    def version_string(self) -> str:
        """Say what serves, and nothing of the versions of what it is made of."""
        return self.name

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: it would hold the token, and stand among what the command says."""

    def do_GET(self) -> None:
        """Answer."""
        self._answer(self.get)

    def do_POST(self) -> None:
        """Answer."""
        self._answer(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server itself refuses in a line, as all else."""
        self.close_connection = True
        self._send(HTTPStatus(code), JSON, encoded({"error": message or explain or HTTPStatus(code).phrase}))

    def body(self, kind: str, *, most: int, what: str, give: Callable[[int], None] = lambda _: None) -> bytes:
        """Read what was sent.

        Args:
            kind: what its header must say that it is.
            most: bytes.
            what: it is, in words.
            give: told of the bytes of each piece that came; may raise.

        Raises:
            RefusedError: it is of another kind, does not say how long it is, is too long, or came cut.
            ConnectionError: the browser went away.
            TimeoutError: it does not come to an end.
        """
        if self.headers.get_content_type() != kind:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{what} is sent as {kind}")
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,10}", length):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, f"{what} says how long it is")
        if int(length) > most:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{what} has at most {most:,} bytes", trouble="too_large"
            )
        pieces = []
        for piece in self._pieces(monotonic() + PATIENCE_S):
            give(len(piece))
            pieces.append(piece)
        if self._unread:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"{what} came cut: send it again", trouble="cut")
        return b"".join(pieces)

    def _pieces(self, end: float) -> Iterator[bytes]:
        """Read the rest of the request's body, as far as it comes; a client that drips is left after a while."""
        while self._unread:
            if monotonic() > end:
                raise TimeoutError("what was sent did not come to an end")
            # read1 gives what is there, so that the clock is looked at again.
            piece = self.rfile.read1(min(_PIECE, self._unread))
            if not piece:
                return
            self._unread -= len(piece)
            yield piece

    def _post(self, place: str) -> tuple[str, bytes]:
        if not self.headers.get("Origin"):
            raise RefusedError(HTTPStatus.FORBIDDEN, "this comes from the page alone, and Origin says so")
        return self.post(place)

    def _answer(self, give: Callable[[str], tuple[str, bytes]]) -> None:
        length = self.headers.get("Content-Length", "")
        self._unread = int(length) if re.fullmatch("[0-9]{1,10}", length) else 0
        try:
            kind, content = give(self._place())
        except RefusedError as error:
            self._refuse(error)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            refusal = self.refusal(error)
            self._refuse(refusal)
            if refusal.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        else:
            # What is sent with a question that needs none is no part of the next one.
            self.close_connection |= self._unread > 0
            self._send(HTTPStatus.OK, kind, content)

    def _place(self) -> str:
        """Give what is asked for behind the token.

        Raises:
            RefusedError: it is not this page that asks.
        """
        host = self.headers.get_all("Host", [])
        if len(host) != 1 or not _OF_THIS_MACHINE.fullmatch(host[0]):
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name than that")
        origins = self.headers.get_all("Origin", [])
        if origins and origins != [f"http://{host[0]}"]:
            raise RefusedError(HTTPStatus.FORBIDDEN, "another page asks for this: it gets nothing")
        try:
            path = urlsplit(self.path).path
        except ValueError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "that is no address") from None
        _, token, *rest = [*path.split("/", 2), ""]
        if not hmac.compare_digest(token.encode(errors="replace"), self.server.token.encode()):
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "the address lacks the token of this start: use the one that the command printed"
            )
        return rest[0]

    def _refuse(self, refused: RefusedError) -> None:
        # What was sent may not have been read to its end.
        self.close_connection = True
        said: dict[str, str] = {"error": " ".join(without_secrets(plain(str(refused))).split())}
        if refused.trouble:
            said["trouble"] = refused.trouble
        self._send(refused.status, JSON, encoded(said))
        self._hear_out()

    def _hear_out(self) -> None:
        """Read on for a while: a connection that is closed before takes the answer with it (RFC 9112, section 9.6)."""
        if self._unread > _HEARD_OUT_BYTES:
            return
        self.wfile.flush()
        try:
            self.connection.settimeout(_HEARD_OUT_S)
            for _ in self._pieces(monotonic() + _HEARD_OUT_S):
                pass
        except OSError:
            pass  # it went away, or goes on too long

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        # Pictures stay as they are while the server runs, and its next start has another token.
        kept = kind == JPEG and status == HTTPStatus.OK
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


def encoded(content: Any) -> bytes:
    """Give JSON as it is sent: ASCII, on one line."""
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


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
        f"default-src 'none'; script-src {digests['script']}; style-src {digests['style']}; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
