"""What the answer to a request means for the image that was asked for."""

import email.utils
import http.client
import ssl
from dataclasses import dataclass
from datetime import UTC
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

from stages.images.measure import Measurement

_THROTTLING_STATUS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_PASSING_STATUS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_REDIRECTS = {301, 302, 303, 307, 308}


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


def answer_without_image(status: int, url: str, headers: http.client.HTTPMessage) -> Answer:
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


def network_reason(error: Exception) -> str:
    """Say in a word why nothing came."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    return "connection"
