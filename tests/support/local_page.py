"""A page that a small server of this machine serves: asked as its script would, or byte by byte."""

import json
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


def address_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Read what a command says until it prints the address of its page: that address, and all that it said so far."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line):
            return found[0], said
    raise AssertionError(said + process.communicate()[1])


@dataclass
class LocalPage:
    """A page that is served.

    Attributes:
        url: that the command printed.
    """

    url: str

    def ask(
        self, place: str, content: Any = None, *, headers: Mapping[str, str] | None = None, method: str | None = None,
        body: bytes | None = None, path: str | None = None,
    ) -> tuple[int, Any]:  # fmt: skip
        """Ask as the page would, but for what is given; give the status and what came, JSON read."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        own = {"Origin": f"http://{parts.netloc}", "Content-Type": "application/json"} if content is not None else {}
        sent = json.dumps(content).encode() if content is not None and body is None else body
        try:
            connection.request(
                method or ("GET" if sent is None else "POST"), f"{parts.path}{place}" if path is None else path, sent,
                {**own, **(headers or {})},
            )  # fmt: skip
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(read) if is_json else read

    def connect(self) -> socket.socket:
        """Open a connection, on which bytes are sent by hand."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=30)

    def raw(self, request: bytes) -> bytes:
        """Send bytes and no more, and give all that comes until the connection is closed."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))
