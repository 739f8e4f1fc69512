"""A review becomes one comment of a pull request, which is rewritten; a token that may not write is no failure."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from stages.commands import comment
from stages.runtime.errors import UserError


class Forge(ThreadingHTTPServer):
    """What of GitHub's interface is asked: comments of pull requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.comments: list[dict] = []
        self.refused = 0  # with this status, where it is one
        self.of_others: set[int] = set()  # comments that may not be rewritten
        self.raw: bytes | None = None  # what it answers instead


class _Handler(BaseHTTPRequestHandler):
    server: Forge

    def do_GET(self) -> None:
        if self.server.raw is not None:
            self.wfile.write(self.server.raw)
            return
        page = int(self.path.rpartition("page=")[2])
        self._answer(200, self.server.comments[100 * (page - 1) : 100 * page])

    def do_POST(self) -> None:
        self.server.comments.append({"id": len(self.server.comments), "body": self._body()})
        self._answer(201, {})

    def do_PATCH(self) -> None:
        number, body = int(self.path.rpartition("/")[2]), self._body()
        if number in self.server.of_others:
            self._answer(403, {})
            return
        self.server.comments[number]["body"] = body
        self._answer(200, {})

    def _body(self) -> str:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def _answer(self, status: int, content: object) -> None:
        assert self.headers["Authorization"] == "Bearer its-secret"
        self.send_response(self.server.refused or status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def forge(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["comment", "--pr", "12"])
    (tmp_path / "review.md").write_text("## better\n")
    with Forge() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("GITHUB_REPOSITORY", "ann/plants")
        monkeypatch.setenv("GITHUB_TOKEN", "its-secret")
        yield server
        server.shutdown()


def test_the_comment_is_written_once_and_rewritten_after_that(forge, tmp_path):
    forge.comments = [{"id": number, "body": "of somebody else"} for number in range(205)]
    comment.main()
    (tmp_path / "review.md").write_text("## worse\n")
    comment.main()
    assert [each["body"] for each in forge.comments[205:]] == [f"{comment.MARK}\n## worse\n"]
    assert all(each["body"] == "of somebody else" for each in forge.comments[:205])


def test_a_comment_of_somebody_else_that_begins_alike_keeps_none_from_being_written(forge, tmp_path):
    forge.comments, forge.of_others = [{"id": 0, "body": f"{comment.MARK}\nhello"}], {0}
    comment.main()
    (tmp_path / "review.md").write_text("## worse\n")
    comment.main()
    assert [each["body"] for each in forge.comments] == [f"{comment.MARK}\nhello", f"{comment.MARK}\n## worse\n"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_may_not_write_is_said_and_no_failure(forge, status, capsys):
    forge.refused = status
    comment.main()
    said = capsys.readouterr().out
    assert said == f"comment: none, as this token may not comment on pull request 12 of ann/plants ({status})\n"


def test_what_else_fails_is_one_line_without_the_token(forge, tmp_path, monkeypatch):
    forge.refused = 502
    with pytest.raises(UserError, match=r"GitHub refuses the comment \(502 Bad Gateway\)"):
        comment.main()
    (tmp_path / "review.md").unlink()
    with pytest.raises(UserError, match=r"review\.md is missing: `make review` writes it"):
        comment.main()
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(UserError, match="set GITHUB_REPOSITORY to OWNER/NAME and GITHUB_TOKEN"):
        comment.main()


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP\n\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n[]",
        b'HTTP/1.0 200 OK\r\n\r\n{"message": "hello"}',
        b"HTTP/1.0 200 OK\r\n\r\n[1, 2]",
        b'HTTP/1.0 200 OK\r\n\r\n[{"body": "<!-- the review of this repo\'s figures -->"}]',
        b"HTTP/1.0 200 OK\r\n\r\nnull",
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        b"",
    ],
)
def test_what_is_no_answer_of_github_is_one_line(forge, answer):
    forge.raw = answer
    with pytest.raises(UserError, match=r"^GitHub cannot be asked \(.+\): try again later$"):
        comment.main()


@pytest.mark.parametrize("token", ["its-secret\n", "its secret", "its-sécret"])
def test_a_token_that_no_request_can_hold_is_refused_and_not_shown(forge, token, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", token)
    with pytest.raises(UserError, match=r"^GITHUB_TOKEN holds a space, a line break or a letter") as refused:
        comment.main()
    assert "cret" not in str(refused.value)
    assert forge.comments == []


def test_a_review_that_is_no_text_is_one_line(forge, tmp_path):
    (tmp_path / "review.md").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"review\.md is not UTF-8: `make review` writes it anew"):
        comment.main()
