"""What the answer to a request means for the image that was asked for."""

import email.utils
import errno
import http.client
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

from stages.images.measure import Measurement

# Of these the last three are some hosts' own: "enhance your calm", "bandwidth limit exceeded", "overloaded".
_THROTTLING_STATUS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, 420, 509, 529}
# They say that there is no such photo, whatever else they say.
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_PASSING_STATUS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_REDIRECTS = {301, 302, 303, 307, 308}


class Kind(Enum):
    """What an answer means for the image."""

    IMAGE = auto()  # a sound one is in a temporary file
    REDIRECT = auto()
    THROTTLED = auto()  # the host wants a pause
    FORBIDDEN = auto()  # there is none here, or the host has had enough: see stages/download/forbidden.py
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
        retry_after: the header of that name, where the host wants a pause; its lines joined by commas.
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


_SECONDS = re.compile(r"\+?(\d+(?:\.\d*)?|\.\d+)\s*(?:s|secs?|seconds?)?", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 9  # digits before the point: thirty years


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, section 10.2.3); ``None`` where it says nothing.

    Hosts also send fractions (``1.5``), a sign, a unit, ISO dates and several values, of which the longest counts.

    Args:
        value: of the header.
        now_s: seconds since 1970.
    """
    if value is None:
        return None
    value = value.strip()
    read = [_one_value_s(value, now_s)]
    if "," in value:
        # Dates have a comma too.
        parts = re.split(r",(?!\s*\d{1,2}[ -][A-Za-z]{3}[ -])", value)
        read += [_one_value_s(part.strip(), now_s) for part in parts if part != value]
    return max((seconds for seconds in read if seconds is not None), default=None)


def _one_value_s(text: str, now_s: float) -> float | None:
    if number := _SECONDS.fullmatch(text):
        whole, _, fraction = number[1].partition(".")
        return float(f"{whole[:_LONGEST_NUMBER] or 0}.{fraction[:_LONGEST_NUMBER] or 0}")
    date = _date(text)
    if date is None:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_s)


def _date(text: str) -> datetime | None:
    for read in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = read(text)
            date.timestamp()
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
        return date
    return None


def retry_after_of(headers: http.client.HTTPMessage) -> str | None:
    """Give what the Retry-After headers of an answer say, if there is one that says anything."""
    lines = [line.strip() for line in headers.get_all("Retry-After", []) if line.strip()]
    return ", ".join(lines) or None


def answer_without_image(status: int, url: str, headers: http.client.HTTPMessage) -> Answer:
    """Say what an answer other than 200 means.

    Whatever says when to come again wants a pause, be it a 429, a 502 or a 403: but for what says that the photo is
    gone, where a Retry-After is no word about the host.
    """
    reason = f"http_{status}"
    if status in _REDIRECTS:
        location = _location(url, headers["Location"])
        return Answer(Kind.REDIRECT, "redirected", location=location) if location else _NOWHERE
    retry_after = None if status in _GONE else retry_after_of(headers)
    if status == HTTPStatus.FORBIDDEN:
        return Answer(Kind.FORBIDDEN, reason, retry_after=retry_after)
    if status in _THROTTLING_STATUS or (retry_after is not None and status >= HTTPStatus.BAD_REQUEST):
        return Answer(Kind.THROTTLED, reason, retry_after=retry_after)
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
    return Answer(Kind.PASSING if passing else Kind.FINAL, reason)


_NOWHERE = Answer(Kind.FINAL, "redirect_to_nowhere")


def _location(url: str, header: str | None) -> str:
    """Give where a redirect leads, if anywhere. Hosts send UTF-8 there, and http.client reads Latin-1."""
    try:
        return urljoin(url, header.encode("latin-1").decode()) if header else ""
    except ValueError:
        return ""


# No failure of one request: nothing gets from here to there. A name that does not resolve is the third one.
UNKNOWN_HOST, NO_ROUTE, REFUSED_CONNECTION = "unknown_host", "no_route", "connection_refused"
_REASONS = {
    errno.ECONNREFUSED: REFUSED_CONNECTION,
    **dict.fromkeys((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN), NO_ROUTE),
}


def network_reason(error: Exception) -> str:
    """Say in a word why nothing came."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    return _REASONS.get(getattr(error, "errno", None) or 0, "connection")
