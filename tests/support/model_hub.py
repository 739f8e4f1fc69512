"""A hub of models for tests: a real HTTP server on 127.0.0.1 that speaks what Hugging Face's client asks."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest


class HubHandler(BaseHTTPRequestHandler):
    """Answers for the repositories of its server: their states, and their files, whole or in part."""

    protocol_version = "HTTP/1.1"
    server: "ModelHub"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.asked[f"{self.command} {path}"] += 1
        if path == "/api/agent-harnesses":  # the client asks that of any hub, without a token
            return self._send(404, b"", {})
        hub.tokens.add(self.headers.get("Authorization", ""))
        if hub.refusal:
            code, error = hub.refusal
            return self._send(code, b"no", {"X-Error-Code": error} if error else {})
        if path.startswith("/api/models/"):
            repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            return self._state(repo, revision)
        repo, _, rest = path.removeprefix("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        return self._file(repo, revision, name)

    def _state(self, repo: str, revision: str) -> None:
        commits = self.server.repos.get(repo)
        if commits is None:
            return self._send(401, b"", {"X-Error-Code": "RepoNotFound"})
        commit = revision or next(reversed(commits))
        if commit not in commits:
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        files = [
            {
                "rfilename": name,
                "size": len(content),
                "lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100},
            }
            for name, content in commits[commit].items()
        ]
        card = {"license": self.server.licenses.get(repo)}
        body = json.dumps({"id": repo, "sha": commit, "siblings": files, "cardData": card}).encode()
        return self._send(200, body, {"Content-Type": "application/json"})

    def _file(self, repo: str, revision: str, name: str) -> None:
        content = self.server.repos.get(repo, {}).get(revision, {}).get(name)
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        digest = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": revision, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if self.command == "HEAD":
            return self._send(200, content, headers)
        if self.server.damage:
            content = self.server.damage(content)
        if wanted := self.headers.get("Range"):
            begin = int(wanted.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            return self._send(206, content[begin:], headers)
        if self.server.cut_once:
            self.server.cut_once = False
            self.close_connection = True
            return self._send(200, content[: len(content) // 2], headers, length=len(content))
        return self._send(200, content, headers)

    def _send(self, code: int, body: bytes, headers: dict[str, str], *, length: int | None = None) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class ModelHub(ThreadingHTTPServer):
    """The server, its repositories, and what was asked of it.

    Attributes:
        repos: of each repository its states, the newest last, and of each of these its files.
        licenses: of repositories.
        refusal: a status and an error's name with which all is answered.
        damage: what is done to each file on its way.
        cut_once: the next file is cut off in the middle.
        asked: how often what was asked for.
        tokens: that clients sent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.licenses: dict[str, str] = {}
        self.refusal: tuple[int, str] | None = None
        self.damage = None
        self.cut_once = False
        self.asked: Counter[str] = Counter()
        self.tokens: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def publish(self, repo: str, license_: str = "apache-2.0", **files: bytes) -> str:
        """Publish a state of a repository, of files whose names have __ for a dot; give its commit."""
        named = {name.replace("__", "."): content for name, content in files.items()}
        content = b"".join(named[name] for name in sorted(named))
        commit = hashlib.sha1(content + bytes(len(self.repos.get(repo, {}))), usedforsecurity=False).hexdigest()
        self.repos.setdefault(repo, {})[commit] = named
        self.licenses[repo] = license_
        return commit

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no error."""


@contextmanager
def model_hub() -> Iterator[ModelHub]:
    hub = ModelHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def use_hub(monkeypatch: pytest.MonkeyPatch, address: str, cache: str) -> None:
    """Have the client of this process ask a hub: it reads its environment once, when it is imported."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
