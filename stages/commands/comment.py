"""Command ``comment``: review.md as a comment of a pull request on GitHub, in the place of the one before.

python -m stages.commands.comment --pr 12

It asks as GITHUB_TOKEN, in GITHUB_REPOSITORY (OWNER/NAME), which a workflow has; by hand, set both. A token that may
not write, as that of a pull request from a fork, is said and no failure: the workflow's summary has the same words.
"""

import argparse
import json
import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from stages.runtime.errors import UserError, run
from stages.runtime.plain_text import first_line
from stages.runtime.progress import say

COMMENT = Path("review.md")
MARK = "<!-- the review of this repo's figures -->"  # by which the comment is known again
_API = "https://api.github.com"
_A_PAGE, _PAGES = 100, 50  # comments that are looked through
_TIMEOUT_S = 60.0
_MAY_NOT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


def main() -> None:
    """Write or rewrite the comment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pr", type=int, required=True, help="the pull request's number")
    number = parser.parse_args().pr
    repository, token = os.environ.get("GITHUB_REPOSITORY", ""), os.environ.get("GITHUB_TOKEN", "")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not token:
        raise UserError("set GITHUB_REPOSITORY to OWNER/NAME and GITHUB_TOKEN to a token that may comment there")
    if not COMMENT.is_file():
        raise UserError(f"{COMMENT} is missing: `make review` writes it")
    if not re.fullmatch(r"[!-~]+", token):
        raise UserError("GITHUB_TOKEN holds a space, a line break or a letter that no token has")
    try:
        body = {"body": f"{MARK}\n{COMMENT.read_text(encoding='utf-8')}"}
    except UnicodeDecodeError:
        raise UserError(f"{COMMENT} is not UTF-8: `make review` writes it anew") from None
    try:
        rewritten = any(_rewrite(repository, earlier, body) for earlier in _earlier(repository, number))
        if not rewritten:
            _ask("POST", f"/repos/{repository}/issues/{number}/comments", body)
    except HTTPError as error:
        if error.code not in _MAY_NOT:
            raise UserError(f"GitHub refuses the comment ({error.code} {error.reason}): try again later") from None
        say(f"comment: none, as this token may not comment on pull request {number} of {repository} ({error.code})")
        return
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise UserError(f"GitHub cannot be asked ({first_line(error)}): try again later") from None
    say(f"comment: {'rewritten' if rewritten else 'written'} on pull request {number} of {repository}")


def _earlier(repository: str, number: int) -> Iterator[int]:
    """Yield the numbers of comments that this wrote before."""
    for page in range(1, _PAGES + 1):
        found = _ask("GET", f"/repos/{repository}/issues/{number}/comments?per_page={_A_PAGE}&page={page}")
        if not isinstance(found, list) or not all(isinstance(each, dict) and "id" in each for each in found):
            raise ValueError("it answers with something else than comments")
        yield from (comment["id"] for comment in found if str(comment.get("body")).startswith(MARK))
        if len(found) < _A_PAGE:
            return


def _rewrite(repository: str, comment: int, body: dict[str, Any]) -> bool:
    """Rewrite a comment; say whether it may be: anybody can write one that begins as ours do."""
    try:
        _ask("PATCH", f"/repos/{repository}/issues/comments/{comment}", body)
    except HTTPError as error:
        if error.code not in _MAY_NOT:
            raise
        return False
    return True


def _ask(method: str, path: str, content: dict[str, Any] | None = None) -> Any:
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
        "Content-Type": "application/json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    data = None if content is None else json.dumps(content).encode()
    request = Request(f"{os.environ.get('GITHUB_API_URL', _API)}{path}", data, headers, method=method)
    with urlopen(request, timeout=_TIMEOUT_S) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    run(main)
