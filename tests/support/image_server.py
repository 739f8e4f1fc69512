"""A photo host for tests: a real HTTP server on 127.0.0.1 that answers by script and counts what it is asked for."""

import ssl
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[["Handler"], None]
ENDLESS_BYTES = 400_000_000  # even an endless body ends, should a client not stop reading


class Handler(BaseHTTPRequestHandler):
    """Answers a path by the next of its scripted replies; the last one repeats."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits 40 ms for the head's receipt
    server: "ImageServer"

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked[self.path] += 1
            self.server.agents.add(self.headers.get("User-Agent", ""))
            script = self.server.scripts.get(self.path)
            reply = None if not script else script.popleft() if len(script) > 1 else script[0]
        self.server.before_reply(self)
        try:
            (reply or status(404))(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, code: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def send_until_closed(self, body: bytes) -> None:
        """Send a body without a length; it ends with the connection."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class ImageServer(ThreadingHTTPServer):
    """The server, its scripts by path, and what was asked of it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        super().__init__((address, 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.scripts: dict[str, deque[Reply]] = defaultdict(deque)
        self.before_reply: Callable[[Handler], None] = lambda _handler: None
        self.closing = threading.Event()

    @property
    def host(self) -> str:
        return f"{self.server_address[0]}:{self.server_address[1]}"

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.host}{path}"

    def script(self, path: str, *replies: Reply) -> str:
        """Say how a path is answered, first to last; give its URL."""
        self.scripts[path] = deque(replies)
        return self.url(path)

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no error."""


@contextmanager
def image_server(address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[ImageServer]:
    server = ImageServer(address, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def image(content: bytes) -> Reply:
    return lambda handler: handler.send(200, content, Content_Type="image/jpeg")


def page(content: bytes, kind: str = "text/html") -> Reply:
    return lambda handler: handler.send(200, content, Content_Type=kind)


def status(code: int, **headers: str) -> Reply:
    return lambda handler: handler.send(code, b"no\n", **headers)


def broken_off(code: int, **headers: str) -> Reply:
    """A status with a body that ends early."""

    def reply(handler: Handler) -> None:
        handler.send(code, b"half", length=4000, **headers)
        handler.close_connection = True

    return reply


def redirect(location: str, code: int = 302) -> Reply:
    return lambda handler: handler.send(code, b"", Location=location)


def announced(content: bytes, length: int) -> Reply:
    """A body under a Content-Length that is not its own; then the connection is closed."""

    def reply(handler: Handler) -> None:
        handler.send(200, content, length=length)
        handler.close_connection = True

    return reply


def until_closed(content: bytes) -> Reply:
    """A body without a Content-Length, as HTTP/1.0 sends it."""

    return lambda handler: handler.send_until_closed(content)


def reset() -> Reply:
    """The connection is closed before an answer."""

    def reply(handler: Handler) -> None:
        handler.close_connection = True
        handler.connection.close()

    return reply


def endless(content: bytes) -> Reply:
    def reply(handler: Handler) -> None:
        handler.send_until_closed(content)
        for _ in range(ENDLESS_BYTES // 65_536):
            handler.wfile.write(b"\0" * 65_536)

    return reply


def dripping(content: bytes, *, from_byte: int = 0, in_header: bool = False, last: bool = False) -> Reply:
    """A byte at a time, for as long as the client waits; ``last``: the head says that the connection closes."""

    def reply(handler: Handler) -> None:
        handler.close_connection = True
        if in_header:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        else:
            handler.send_response(200)
            handler.send_header(*(("Connection", "close") if last else ("Content-Length", str(len(content)))))
            handler.end_headers()
            handler.wfile.write(content[:from_byte])
        while not handler.server.closing.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return reply
