"""One request for one image: let in only as a whole, sound image, and said why where it is not."""

import contextlib
import http.client
import os
import ssl
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import certifi

from stages.config.schema import Download, HostLimits, Inventory
from stages.download.answer import (
    Answer,
    Kind,
    RefusedError,
    answer_without_image,
    network_reason,
    retry_after_of,
)
from stages.download.connection import HTTPConnection, HTTPSConnection, has_ended
from stages.download.content_encoding import decoded
from stages.images.jpeg import is_jpeg
from stages.images.measure import measure
from stages.images.verdict import BROKEN, verdict_on
from stages.tables.inventory import SOUND

READ_BYTES = 262_144
DRAINED_BYTES = 65_536  # of an answer that is no use, read so that the connection can be used again
# What needs no quoting beyond what the URL's author has done. RFC 3986, sections 3.3 and 3.4.
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~"
_SAFE_IN_QUERY = f"{_SAFE_IN_PATH}?"
# More decodes at once than cores gain nothing. JPEGs are decoded small; others in full, which takes gigabytes just
# below inventory.max_megapixels, so these are decoded one at a time.
_DECODES = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))
_FULL_DECODES = threading.Lock()

_BODILESS = {HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
# Hosts are known to send "slow down" as a page or as nothing with status 200, and connections to end early.
_PASSING_VERDICTS = {"empty", "not_an_image", "truncated"}


class _Body(NamedTuple):
    """What may be an image, and what its head says of it."""

    content: bytes
    encodings: list[str]
    retry_after: str | None


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
            return self._refusal(network_reason(error), Kind.PASSING)
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

    def _connection(self, url: str, limits: HostLimits) -> HTTPConnection:
        """Give this thread's connection to the host of ``url``."""
        connections = self._own.__dict__.setdefault("connections", {})
        parts = urlsplit(url)
        key = (parts.scheme, parts.hostname or "", parts.port)
        if key not in connections:
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            connections[key] = kind(*key[1:], limits.private, self._tls, self._timeout_s)
        connection = connections[key]
        if connection.sock is not None and has_ended(connection.sock):
            connection.close()
        return connection

    def _exchange(self, connection: HTTPConnection, url: str) -> Answer | _Body:
        """Send the request and read the answer: what it means, or the body of what may be an image."""
        if connection.sock is None:
            connection.connect()
        self._check_time()
        parts = urlsplit(url)
        query = f"?{quote(parts.query, safe=_SAFE_IN_QUERY)}" if parts.query else ""
        connection.request("GET", quote(parts.path or "/", safe=_SAFE_IN_PATH) + query, headers=self._headers)
        response = connection.getresponse()
        if response.status == HTTPStatus.OK:
            encodings = response.headers.get_all("Content-Encoding", [])
            return _Body(self._read_body(response), encodings, retry_after_of(response.headers))
        # Decided by its head: a body that breaks off makes no 429 undone.
        answer = answer_without_image(response.status, url, response.headers)
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

    def _drain(self, connection: HTTPConnection, response: http.client.HTTPResponse) -> None:
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

    def _judge(self, body: _Body, image_name: str) -> Answer:
        size = len(body.content)
        try:
            content = decoded(body.content, body.encodings, self._largest_bytes)
        except RefusedError as refused:
            return Answer(refused.kind, str(refused), size)
        with _DECODES if is_jpeg(content) else _FULL_DECODES:
            measured = measure(content, max_megapixels=self._limits.max_megapixels)
        verdict = verdict_on(measured, self._limits)
        if verdict in BROKEN:
            if verdict not in _PASSING_VERDICTS:
                return Answer(Kind.FINAL, verdict, size)
            # A page that says "slow down" with status 200 may say for how long.
            kind = Kind.PASSING if body.retry_after is None else Kind.THROTTLED
            return Answer(kind, verdict, size, retry_after=body.retry_after)
        temporary = self._directory / f".{image_name}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(self._directory)) from None
        return Answer(Kind.IMAGE, SOUND, size, measured=measured, temporary=temporary)
