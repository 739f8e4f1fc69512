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
from dataclasses import dataclass
from datetime import UTC
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import certifi

from stages.images.decode import JPEG_MAGIC
from stages.images.measure import Measurement, measure
from stages.images.verdict import BROKEN, verdict_on
from stages.params import Download, HostLimits, Inventory
from stages.tables import SOUND

CONNECT_TIMEOUT_S = 15.0
READ_BYTES = 262_144
DRAINED_BYTES = 65_536  # of an answer that is no use, read so that the connection can be used again
# More decodes at once than cores gain nothing. JPEGs are decoded small; others in full, which takes gigabytes just
# below inventory.max_megapixels, so these are decoded one at a time.
_DECODES = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))
_FULL_DECODES = threading.Lock()

_THROTTLING_STATUS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_PASSING_STATUS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_BODILESS = {HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_REDIRECTS = {301, 302, 303, 307, 308}
# Hosts are known to send "slow down" as a page or as nothing with status 200, and connections to end early.
_PASSING_VERDICTS = {"empty", "not_an_image", "truncated"}
_NAT64 = [ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48")]
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class Kind(Enum):
    """What an answer means for the image."""

    IMAGE = auto()  # a sound one is in a temporary file
    REDIRECT = auto()
    THROTTLED = auto()  # the host wants a pause
    PASSING = auto()  # no image, but another try may bring one
    FINAL = auto()  # there is none here
    STOPPED = auto()  # the run ended before the answer


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        kind: what it means.
        reason: why there is no image, in a word for counts (``http_404``, ``blank``, ...); ``sound`` for one.
        size: bytes of the body that came.
        location: where a redirect leads.
        retry_after: the header of that name, where the host wants a pause.
        measured: of an image, what the index is to know.
        temporary: of a sound image, the file that holds it.
    """

    kind: Kind
    reason: str
    size: int = 0
    location: str = ""
    retry_after: str | None = None
    measured: Measurement | None = None
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
        self._own = threading.local()  # of each thread: its connections, and the state of its request
        self._under_way: dict[int, tuple[float, HTTPConnection]] = {}
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
        self._own.received = 0
        self._own.deadline_s = time.monotonic() + self._timeout_s
        connection = self._connection(url, limits)
        self._under_way[threading.get_ident()] = (self._own.deadline_s, connection)
        try:
            got = self._exchange(connection, url)
        except RefusedError as refused:
            connection.close()
            return self._refusal(str(refused), refused.kind)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: cut while TLS was at work
            connection.close()
            return self._refusal(_network_reason(error), Kind.PASSING)
        finally:
            self._under_way.pop(threading.get_ident(), None)
        return got if isinstance(got, Answer) else self._judge(got, image_name)

    def abort_overdue(self) -> None:
        """Cut the connections whose answers take longer than ``timeout_s`` in all, however slowly they drip.

        To be called now and then by a thread that does not ask.
        """
        now_s = time.monotonic()
        for deadline_s, connection in list(self._under_way.values()):
            if now_s >= deadline_s or self._closed:
                connection.cut()

    def close(self) -> None:
        """Cut all connections under way and let no new ones be made."""
        self._closed = True
        self.abort_overdue()

    def _connection(self, url: str, limits: HostLimits) -> "HTTPConnection":
        """Give this thread's connection to the host of ``url``."""
        connections = self._own.__dict__.setdefault("connections", {})
        parts = urlsplit(url)
        key = (parts.scheme, parts.hostname, parts.port)
        if key not in connections:
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            connections[key] = kind(parts.hostname, parts.port, limits.private, self._tls, self._timeout_s)
        connection = connections[key]
        if connection.sock is not None and _has_ended(connection.sock):
            connection.close()
        return connection

    def _exchange(self, connection: "HTTPConnection", url: str) -> Answer | bytes:
        """Send the request and read the answer: what it means, or the body of what may be an image."""
        if connection.sock is None:
            connection.connect()
        self._check_time()
        parts = urlsplit(url)
        query = f"?{quote(parts.query, safe=_SAFE_IN_QUERY)}" if parts.query else ""
        connection.request("GET", quote(parts.path or "/", safe=_SAFE_IN_PATH) + query, headers=self._headers)
        response = connection.getresponse()
        if response.status == HTTPStatus.OK:
            return self._read_body(response)
        # Decided by its head: a body that breaks off makes no 429 undone.
        answer = _without_image(response.status, url, response.headers)
        try:
            self._drain(connection, response)
        except (OSError, http.client.HTTPException, RefusedError):
            connection.close()
        if response.status in _BODILESS:
            connection.close()  # what some hosts send after these would be taken for the answer to the next request
        return Answer(answer.kind, answer.reason, self._own.received, answer.location, answer.retry_after)

    def _read_body(self, response: http.client.HTTPResponse) -> bytes:
        if response.length is not None and response.length > self._largest_bytes:
            raise RefusedError("too_long")
        body = bytearray()
        while piece := response.read1(READ_BYTES):
            body += piece
            self._own.received += len(piece)
            if len(body) > self._largest_bytes:
                raise RefusedError("too_long")
            self._check_time()
        self._check_time()  # a connection that was cut ends like one that is done
        if response.length:  # what was announced and did not come
            raise RefusedError("cut_off", Kind.PASSING)
        response.close()
        return bytes(body)

    def _drain(self, connection: "HTTPConnection", response: http.client.HTTPResponse) -> None:
        """Read a short body so that the connection can be used again; cut a longer one."""
        while self._own.received <= DRAINED_BYTES:
            piece = response.read1(DRAINED_BYTES)
            self._own.received += len(piece)
            if not piece:
                response.close()
                return
            self._check_time()
        connection.close()

    def _check_time(self) -> None:
        if self._closed:
            raise RefusedError("stopped", Kind.STOPPED)
        if time.monotonic() >= self._own.deadline_s:
            raise RefusedError("timeout", Kind.PASSING)

    def _refusal(self, reason: str, kind: Kind) -> Answer:
        try:
            self._check_time()  # what a cut connection raises says nothing of why
        except RefusedError as cut:
            reason, kind = str(cut), cut.kind
        return Answer(kind, reason, self._own.received)

    def _judge(self, body: bytes, image_name: str) -> Answer:
        with _DECODES if body.startswith(JPEG_MAGIC) else _FULL_DECODES:
            measured = measure(body, max_megapixels=self._limits.max_megapixels)
        verdict = verdict_on(measured, self._limits)
        if verdict in BROKEN:
            return Answer(Kind.PASSING if verdict in _PASSING_VERDICTS else Kind.FINAL, verdict, len(body))
        temporary = self._directory / f".{image_name}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(self._directory)) from None
        return Answer(Kind.IMAGE, SOUND, len(body), measured=measured, temporary=temporary)


class _Response(http.client.HTTPResponse):
    """An answer, without the announcements (1xx) that may come before it. RFC 9110, section 15.2."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # http.client itself passes over 100 alone
            if not HTTPStatus.PROCESSING <= status < HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)


class HTTPConnection(http.client.HTTPConnection):
    """A connection to an address that has been judged, which another thread can cut."""

    response_class = _Response

    def __init__(self, host: str, port: int | None, private: bool, tls: ssl.SSLContext, timeout_s: float) -> None:
        """Prepare; nothing is asked before ``connect``.

        Args:
            host: a name or an address.
            port: ``None`` for that of the scheme.
            private: whether the host may have an address of this machine or network.
            tls: used where the scheme asks for it.
            timeout_s: the longest silence.
        """
        super().__init__(host, port, timeout=timeout_s)
        self._private, self._tls = private, tls
        # http.client gives its own up as soon as an answer says that it is the last one.
        self._link: socket.socket | None = None

    def connect(self) -> None:
        """Connect to an address of the host that is allowed.

        Raises:
            RefusedError: ``private_address`` or ``unknown_host``.
            OSError: no address could be reached.
        """
        self._link = self.sock = connect_checked(self.host, self.port, private=self._private, timeout_s=self.timeout)

    def cut(self) -> None:
        """End the connection at once, whoever reads from it."""
        link = self._link
        if link is not None:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                socket.socket.shutdown(link, socket.SHUT_RDWR)


class HTTPSConnection(HTTPConnection):
    """The same under TLS, with the certificate held against the host's name."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        """Connect as above, then agree on TLS.

        Raises:
            ssl.SSLError: the certificate is not one of the host's, or there is no TLS.
        """
        super().connect()
        # The handshake comes when the link can already be cut.
        self._link = self.sock = self._tls.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self._link.do_handshake()


# What needs no quoting beyond what the URL's author has done. RFC 3986, sections 3.3 and 3.4.
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~"
_SAFE_IN_QUERY = f"{_SAFE_IN_PATH}?"


def connect_checked(host: str, port: int, *, private: bool, timeout_s: float) -> socket.socket:
    """Connect to a host, if none of its addresses is one of this machine or network.

    Args:
        host: a name or an address.
        port: of the host.
        private: let such addresses be.
        timeout_s: the longest silence once it is connected.

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
            made.settimeout(min(CONNECT_TIMEOUT_S, timeout_s))
            made.connect(address)
            made.settimeout(timeout_s)
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
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if any(parsed in network for network in (*_NAT64, _IPV4_COMPATIBLE)):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        if inner:
            return is_public(str(inner))
        if parsed.is_site_local:
            return False
    return parsed.is_global and not parsed.is_multicast


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
        date = email.utils.parsedate_to_datetime(value)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def _has_ended(connected: socket.socket) -> bool:
    """Say whether the host has closed an idle connection, or sent what nobody asked for."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))


def _without_image(status: int, url: str, headers: http.client.HTTPMessage) -> Answer:
    """Say what an answer other than 200 means."""
    if status in _REDIRECTS:
        location = _location(url, headers["Location"])
        return Answer(Kind.REDIRECT, "redirected", location=location) if location else _NOWHERE
    if status in _THROTTLING_STATUS:
        return Answer(Kind.THROTTLED, f"http_{status}", retry_after=headers["Retry-After"])
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
    return Answer(Kind.PASSING if passing else Kind.FINAL, f"http_{status}")


_NOWHERE = Answer(Kind.FINAL, "redirect_to_nowhere")


def _location(url: str, header: str | None) -> str:
    """Give where a redirect leads, if anywhere. Hosts send UTF-8 there, and http.client reads Latin-1."""
    try:
        return urljoin(url, header.encode("latin-1").decode()) if header else ""
    except ValueError:
        return ""


def _network_reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    return "connection"
