"""A photo whose address a person typed: asked for once, bounded in bytes, time and redirects; each trouble is a line.

Unlike the photos of a collection it may come from anywhere, also from this machine: somebody meant that very address.
"""

import re
import threading
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from stages.runtime.plain_text import first_line, without_secrets
from stages.runtime.wording import size_in_words

MOST_BYTES = 40_000_000
LONGEST_S = 60.0  # from the first byte asked to the last one had, redirects included
MOST_REDIRECTS = 5
_CONNECT_S, _SILENCE_S = 10.0, 20.0
_CHUNK_BYTES = 65_536
_HOST = re.compile(r"[^/?#]*")
_NO_PORT = re.compile(r"[^\[:]*:(?![0-9]*$)")
_HEADERS = {"User-Agent": "plant-teacher/0.1", "Accept": "image/*, */*;q=0.1", "Accept-Encoding": "identity"}


class UrlError(Exception):
    """An address gave no photo. Its message is one line, without the address, and says what to do if that is known."""


def is_url(word: str) -> bool:
    """Say whether a word is an address and no path: it begins with a scheme and ``://``."""
    scheme, sign, _ = word.partition("://")
    return bool(sign) and scheme.isascii() and scheme.isalpha()


def shown_url(url: str) -> str:
    """Give an address as it may be shown: stars for user and password, and for all that is asked behind ``?``.

    Unlike ``without_secrets``, which finds addresses in a text, it takes all of ``url`` for one, whatever a password in
    it holds.
    """
    scheme, _, rest = url.partition("://")
    host = _HOST.match(rest)
    end = host.end() if host else 0
    who, at, named = rest[:end].rpartition("@")
    if "@" in rest[end:] and _NO_PORT.match(named):  # a password has one of /?# in it, which should be escaped there
        who, at, _ = rest.rpartition("@")
    shown, asks, _ = rest[len(who + at) :].partition("?")
    return f"{scheme}://{'***@' if at else ''}{shown}{'?***' if asks else ''}"


def fetch_typed(url: str, *, most_bytes: int = MOST_BYTES, longest_s: float = LONGEST_S) -> bytes:
    """Get what is at an address; it is no empty file and no page.

    Args:
        url: http or https, perhaps with user and password.
        most_bytes: that are taken.
        longest_s: that all of it may take, however little comes how often.

    Raises:
        UrlError: it cannot be had, or not within these bounds.
    """
    came: list[bytes | Exception] = []
    gone = threading.Event()

    def work() -> None:
        try:
            came.append(_get(url, most_bytes, gone))
        except Exception as error:  # it is raised again where somebody waits for it
            came.append(error)

    # A host can drip: a byte a second lets no timeout of a socket pass, neither in the head nor in the body. So another
    # thread asks, and one that takes too long is left alone; it ends with the process.
    worker = threading.Thread(target=work, name="typed url", daemon=True)
    worker.start()
    worker.join(longest_s)
    if not came:
        gone.set()
        raise UrlError(f"the host did not send all of it within {longest_s:g} s")
    if isinstance(came[0], Exception):
        raise came[0]
    return came[0]


class _Session(requests.Session):
    """Follows no redirect: requests would read the body that comes with one, whatever its size."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # its name is requests'
        return None


def _get(url: str, most_bytes: int, gone: threading.Event) -> bytes:
    try:
        with _Session() as session:
            session.headers.update(_HEADERS)
            for _ in range(MOST_REDIRECTS + 1):
                _check(url)
                answer = session.get(url, stream=True, timeout=(_CONNECT_S, _SILENCE_S), allow_redirects=False)
                with answer:
                    target = requests.Session.get_redirect_target(session, answer)
                    if target is None:
                        return _body(answer, most_bytes, gone)
                    url = urljoin(url, target)
    except (requests.RequestException, HTTPError, ValueError, OSError) as error:
        raise UrlError(_in_words(error)) from None
    raise UrlError(f"the host sends on and on, more than {MOST_REDIRECTS} times")


def _check(url: str) -> None:
    """See that an address can be asked.

    Raises:
        UrlError: it is of another scheme, or names no host.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https"):
        raise UrlError(f"only http and https are asked (found {parts.scheme}); a file is named by its path")
    if not parts.hostname:
        raise UrlError("it names no host")


def _body(answer: requests.Response, most_bytes: int, gone: threading.Event) -> bytes:
    if answer.status_code != requests.codes.ok:
        raise UrlError(f"the host answered {answer.status_code} {answer.reason or ''}".rstrip())
    too_large = UrlError(f"it is larger than {size_in_words(most_bytes)}: save it, shrink it, and name the file")
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise too_large
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > most_bytes:
            raise too_large
        if gone.is_set():
            break
    if not body:
        raise UrlError("the host sent nothing")
    if bytes(body[:1000]).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        raise UrlError("it is a page (HTML), no photo: take the address of the picture itself")
    return bytes(body)


def _in_words(error: Exception) -> str:
    """Say in a few words what requests says in many, with the address in it."""
    if isinstance(error, requests.Timeout):
        return "the host does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no safe connection can be made ({_innermost(error)})"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer ended early"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy does not answer ({_innermost(error)})"
    if isinstance(error, requests.ConnectionError):
        return f"the host cannot be reached ({_innermost(error)})"
    if isinstance(error, requests.exceptions.InvalidURL | UnicodeError) or not isinstance(error, OSError):
        return "it is no address that can be asked"
    return without_secrets(first_line(error))


def _innermost(error: BaseException) -> str:
    """Give what the system said, at the bottom of errors that wrap each other."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((one for one in error.args if isinstance(one, BaseException)), None) or error.__cause__
        if inner is None or inner is error:
            break
        error = inner
    said = getattr(error, "strerror", None) or str(error).rpartition(": ")[2]
    return first_line(Exception(without_secrets(said)))
