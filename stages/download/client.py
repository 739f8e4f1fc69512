"""One request for one image: let out only to where it may go, and let in only as a whole, sound image.

Python's own HTTP client does the protocol. It is the leanest one (half the processor time of urllib3's pool, a seventh
of requests', measured on loopback), and connecting is a method of it that may be replaced: here it looks up a name
once, judges the addresses and connects to one that it has judged, so that no second answer of the name service can lead
elsewhere.
"""

import contextlib
import email.utils
import http.client
import ipaddress
import os
import select
import socket
import ssl
import threading
import time
from dataclasses import astuple, dataclass, replace
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import certifi

from stages.download.cache import File
from stages.images.verdict import Judgement, judge
from stages.params import Download, HostLimits, Inventory
from stages.tables import SOUND

CONNECT_TIMEOUT_S = 15.0
READ_BYTES = 262_144
DRAINED_BYTES = 65_536  # of an answer that is no use, read so that the connection can be used again
# A decoded image takes up to 800 MB (inventory.max_megapixels of RGBA); more decodes at once than cores gain nothing.
_DECODES = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))

# Answers that another try may better: what says so, and what is no answer to the question.
_PASSING_STATUS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_THROTTLING_STATUS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_REDIRECTS = {301, 302, 303, 307, 308}
# Hosts are known to send "slow down" as a page or as nothing with status 200, and connections to end early.
_PASSING_VERDICTS = {"empty", "not_an_image", "truncated"}


class Kind(Enum):
    """What an answer means for the image."""

    SOUND = auto()  # it is in a temporary file
    REDIRECT = auto()
    THROTTLED = auto()  # the host wants a pause
    PASSING = auto()  # no image, but another try may bring one
    FINAL = auto()  # there is none here


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        kind: what it means.
        reason: why there is no image, in a word for counts (``http_404``, ``blank``, ...); ``sound`` for one.
        size: bytes of the body that came.
        location: where a redirect leads.
        retry_after: the header of that name, where the host wants a pause.
        judged: of a sound image, a row of the index but for its time.
        temporary: of a sound image, the file that holds it.
    """

    kind: Kind
    reason: str
    size: int = 0
    location: str = ""
    retry_after: str | None = None
    judged: Judgement | None = None
    temporary: Path | None = None


class RefusedError(Exception):
    """A request is not sent, or its answer not taken; the message is the reason in a word."""

    def __init__(self, reason: str, kind: Kind = Kind.FINAL) -> None:
        super().__init__(reason)
        self.kind = kind


class Client:
    """Asks for images, in as many threads as call it; each thread keeps one connection to each host."""

    def __init__(self, params: Download, limits: Inventory, directory: Path) -> None:
        """Prepare to fill ``directory``; nothing is asked yet."""
        self._limits = limits
        self._directory = directory
        self._timeout_s = params.timeout_s
        self._largest_bytes = int(params.max_image_mb * 1e6)
        self._headers = {
            "User-Agent": f"plant-teacher/0.1 ({params.contact})",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        }
        self._tls = ssl.create_default_context()
        self._tls.load_verify_locations(certifi.where())
        self._own = threading.local()
        self._under_way: dict[int, tuple[float, http.client.HTTPConnection]] = {}
        self._closed = False

    def ask(self, url: str, limits: HostLimits, image_name: str) -> Answer:
        """Ask for one image and judge what comes; a sound one is written to a temporary file.

        Args:
            url: of the host that ``limits`` are of.
            limits: of this host.
            image_name: names the temporary file.

        Raises:
            OSError: the file cannot be written.
        """
        started_s = time.monotonic()
        self._own.received = 0
        try:
            connection = self._connection(url, limits)
            self._under_way[threading.get_ident()] = (started_s + self._timeout_s, connection)
            try:
                answer, body = self._exchange(connection, url)
            except RefusedError:
                connection.close()
                raise
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise RefusedError(_network_reason(error, overdue=self._is_overdue()), Kind.PASSING) from None
            finally:
                self._under_way.pop(threading.get_ident(), None)
        except RefusedError as refused:
            return Answer(refused.kind, str(refused), self._own.received)
        return answer if body is None else self._judge(bytes(body), image_name)

    def abort_overdue(self) -> None:
        """Cut the connections whose answers take longer than ``timeout_s`` in all, however slowly they drip.

        To be called now and then by a thread that does not ask.
        """
        now_s = time.monotonic()
        for deadline_s, connection in list(self._under_way.values()):
            if now_s >= deadline_s or self._closed:
                _cut(connection)

    def close(self) -> None:
        """Cut all connections under way and let no new ones be made."""
        self._closed = True
        self.abort_overdue()

    def _connection(self, url: str, limits: HostLimits) -> http.client.HTTPConnection:
        """Give this thread's connection to the host of ``url``."""
        connections = self._own.__dict__.setdefault("connections", {})
        parts = urlsplit(url)
        key = (parts.scheme, parts.hostname, parts.port)
        if key not in connections:
            made: http.client.HTTPConnection
            if parts.scheme == "https":
                made = _CheckedHTTPSConnection(parts.hostname, parts.port, limits.private, self._tls)
            else:
                made = _CheckedHTTPConnection(parts.hostname, parts.port, limits.private)
            connections[key] = made
        connection = connections[key]
        if connection.sock is not None and select_readable(connection.sock):
            connection.close()  # the host has closed it meanwhile, or sent what nobody asked for
        return connection

    def _exchange(self, connection: http.client.HTTPConnection, url: str) -> tuple[Answer, bytearray | None]:
        """Send the request and read the answer: what it means, and the body of one that may be an image."""
        if self._closed:
            raise RefusedError("stopped", Kind.PASSING)
        parts = urlsplit(url)
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
            "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~") if parts.query else ""
        )
        connection.request("GET", target, headers=self._headers)
        response = connection.getresponse()
        if response.status == HTTPStatus.OK:
            return Answer(Kind.FINAL, SOUND), self._read_body(response)
        answer = _without_image(response.status, url, response.headers)
        self._drain(connection, response)
        return replace(answer, size=self._own.received), None

    def _read_body(self, response: http.client.HTTPResponse) -> bytearray:
        if response.length is not None and response.length > self._largest_bytes:
            raise RefusedError("too_long")
        body = bytearray()
        while piece := response.read1(READ_BYTES):
            body += piece
            self._own.received += len(piece)
            if len(body) > self._largest_bytes:
                raise RefusedError("too_long")
        cut_off = bool(response.length)  # what was announced and did not come
        response.close()
        if cut_off or self._is_overdue():
            raise RefusedError("timeout" if self._is_overdue() else "cut_off", Kind.PASSING)
        return body

    def _drain(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        """Read a short body so that the connection can be used again; cut a longer one."""
        while self._own.received <= DRAINED_BYTES:
            piece = response.read1(DRAINED_BYTES)
            self._own.received += len(piece)
            if not piece:
                response.close()
                return
        connection.close()

    def _is_overdue(self) -> bool:
        deadline_s, _ = self._under_way.get(threading.get_ident(), (float("inf"), None))
        return time.monotonic() >= deadline_s

    def _judge(self, body: bytes, image_name: str) -> Answer:
        with _DECODES:
            judged = judge(body, self._limits)
        if judged.verdict != SOUND:
            kind = Kind.PASSING if judged.verdict in _PASSING_VERDICTS else Kind.FINAL
            return Answer(kind, judged.verdict, len(body))
        temporary = self._directory / f".{image_name}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(self._directory)) from None
        return Answer(Kind.SOUND, SOUND, len(body), judged=judged, temporary=temporary)


def index_row(file: File, judged: Judgement) -> tuple[Any, ...]:
    """Give the row of the index for an image that was judged before it got its name."""
    return (file.image_name, *astuple(judged), file.mtime_ns)


class _CheckedHTTPConnection(http.client.HTTPConnection):
    """A connection to an address that has been judged."""

    def __init__(self, host: str, port: int | None, private: bool) -> None:
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S)
        self._private = private

    def connect(self) -> None:
        self.sock = connect_checked(self.host, self.port, private=self._private)


class _CheckedHTTPSConnection(http.client.HTTPSConnection):
    """The same under TLS, with the certificate held against the host's name."""

    def __init__(self, host: str, port: int | None, private: bool, tls: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S, context=tls)
        self._private, self._tls = private, tls

    def connect(self) -> None:
        plain = connect_checked(self.host, self.port, private=self._private)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def connect_checked(host: str, port: int, *, private: bool) -> socket.socket:
    """Connect to a host, if none of its addresses is one of this machine or network.

    Args:
        host: a name or an address.
        port: of the host.
        private: let such addresses be.

    Raises:
        RefusedError: ``private_address`` or ``unknown_host``.
        OSError: no address could be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RefusedError("unknown_host", Kind.PASSING) from None
    if not private and not all(is_public(entry[4][0]) for entry in found):
        raise RefusedError("private_address")
    for position, (family, kind, protocol, _, address) in enumerate(found, start=1):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(CONNECT_TIMEOUT_S)
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            made.close()
            if position == len(found):
                raise
        else:
            return made
    raise RefusedError("unknown_host", Kind.PASSING)


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet: not loopback, private, link-local, multicast or reserved."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # Addresses that carry an IPv4 address go where that one goes.
        nat64 = ipaddress.ip_network("64:ff9b::/96")
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if parsed in nat64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        if inner:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def select_readable(connected: socket.socket) -> bool:
    """Say whether there is something to read, or the other side has closed."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, section 10.2.3); ``None`` where it says nothing.

    Args:
        value: of the header.
        now_s: seconds since 1970.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def _without_image(status: int, url: str, headers: http.client.HTTPMessage) -> Answer:
    """Say what an answer other than 200 means."""
    if status in _REDIRECTS:
        try:
            location = urljoin(url, headers["Location"]) if headers["Location"] else ""
        except ValueError:
            location = ""
        return (
            Answer(Kind.REDIRECT, f"http_{status}", location=location)
            if location
            else Answer(Kind.FINAL, "redirect_to_nowhere")
        )
    if status in _THROTTLING_STATUS:
        return Answer(Kind.THROTTLED, f"http_{status}", retry_after=headers["Retry-After"])
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
    return Answer(Kind.PASSING if passing else Kind.FINAL, f"http_{status}")


def _network_reason(error: Exception, *, overdue: bool) -> str:
    if overdue or isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    return "connection"


def _cut(connection: http.client.HTTPConnection) -> None:
    connected = connection.sock
    if connected is not None:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            connected.shutdown(socket.SHUT_RDWR)
