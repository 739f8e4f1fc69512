"""Versions of the published model: git tags of the commits that it was released from.

A tag is called as DVC and GTO call versions of an artifact, ``plant-classifier@v1.0.0``, so that `dvc artifacts get`
finds it; to git it is a tag like any other, and so a BASE of `make review`.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.runtime.errors import UserError
from stages.runtime.plain_text import plain
from stages.runtime.trees import Tree
from stages.tables.json_files import parse_json

ARTIFACT = "plant-classifier"  # as dvc.yaml calls it
METRICS = Path("metrics/test.json")
PUBLISHED = Path("models/published")
POINTER = Path("models/published.dvc")  # by which DVC knows it
# Semantic Versioning 2.0.0, without what may follow the three numbers.
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
# What decides on a model and its figures, and so must be the same in the commit that is released as when it was
# published: the commit between the two adds models/published.dvc.
MADE_OF = (
    "stages", "dvc.yaml", "dvc.lock", "params.yaml", "libraries.yaml", "requirements.txt", "constraints.txt", "metrics",
)  # fmt: skip
# Of files that git does not track: a photo that lies about is none of these; code and verdicts of people are.
_MAY_DECIDE = (*(f"{name}/" for name in ("stages", "metrics", "data", "models", "plots")), *MADE_OF)


@dataclass(frozen=True)
class Release:
    """A version.

    Attributes:
        version: three numbers with dots between them.
        commit: the SHA of what it was released from.
        day: on which it was tagged, YYYY-MM-DD.
        figures: of metrics/test.json in that commit; empty where that holds none.
    """

    version: str
    commit: str
    day: str
    figures: dict[str, Any]

    @property
    def tag(self) -> str:
        """The tag's name."""
        return tag_of(self.version)


def tag_of(version: str) -> str:
    """Give the name of a version's tag."""
    return f"{ARTIFACT}@v{version}"


def check_version(text: str) -> str:
    """Give a version as it is written, 1.0.0 for v1.0.0.

    Raises:
        UserError: it is none.
    """
    version = text.strip().removeprefix(f"{ARTIFACT}@").removeprefix("v")
    if not _VERSION.fullmatch(version):
        raise UserError(f"a version is three numbers with dots between them, such as 1.0.0 (found {plain(text):.40})")
    return version


def releases() -> list[Release]:
    """Give all versions that git knows here, the newest numbers first; a tag that is no version is none of them.

    Raises:
        UserError: git cannot read the repo, or there is none.
    """
    # %(*objectname) is the commit of an annotated tag, %(objectname) that of another.
    form = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(creatordate:short)"
    tags = _listed("for-each-ref", f"--format={form}", f"refs/tags/{ARTIFACT}@v*")
    rows = (line.split("\0") for line in tags.splitlines())
    found = [
        Release(version, commit or own, day, _figures(commit or own))
        for tag, own, commit, day in rows
        if _VERSION.fullmatch(version := tag.removeprefix(f"{ARTIFACT}@v"))
    ]
    return sorted(found, key=lambda release: tuple(map(int, release.version.split("."))), reverse=True)


def _figures(commit: str) -> dict[str, Any]:
    try:
        return parse_json(Tree(commit, commit).read(str(METRICS)) or b"")
    except ValueError:
        return {}


def changed_since(commit: str) -> list[str]:
    """Name the files that decide on a model and are others in the last commit than in an earlier one.

    Raises:
        UserError: git does not know the commit.
    """
    done = _git("diff", "--name-only", "-z", commit, "HEAD", "--", *MADE_OF)
    if done.returncode:
        unknown = f"git does not know the commit {commit[:10]} that models/published was made at"
        if _git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
            raise UserError(f"{unknown}, as this clone is shallow: `git fetch --unshallow`")
        raise UserError(f"{unknown}: publish again")
    return [name for name in done.stdout.split("\0") if name]


def uncommitted() -> list[str]:
    """Name the files that differ from the last commit; of those that git does not track, what may decide on a model.

    Raises:
        UserError: git cannot read the repo, or there is none.
    """
    # Of each entry the first two letters say how it changed; that of a rename is followed by its former name.
    entries = iter(_listed("status", "--porcelain", "-z", "--untracked-files=all").split("\0"))
    names = []
    for entry in entries:
        if entry:
            name = entry[3:]
            if entry[:2] != "??" or name.startswith(_MAY_DECIDE):
                names.append(name)
            if "R" in entry[:2] or "C" in entry[:2]:
                next(entries, None)
    return names


def is_committed(path: Path) -> bool:
    """Say whether the last commit has a file."""
    return not _git("cat-file", "-e", f"HEAD:./{path}").returncode


def tag_last_commit(version: str, message: str) -> str:
    """Tag the last commit as a version; give the tag's name.

    Raises:
        UserError: there is such a tag already, or git refuses.
    """
    tag = tag_of(version)
    if not _git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}").returncode:
        raise UserError(f"{tag} is there already, and what was released stays as it is: take another version")
    done = _git("tag", "--annotate", "--message", message, tag, "HEAD")
    if done.returncode:
        raise UserError(f"git makes no tag {tag}: {plain(done.stderr.strip().partition(chr(10))[0])}")
    return tag


def _listed(*words: str) -> str:
    """Give what git lists; that it cannot is not that there is nothing."""
    done = _git(*words)
    if done.returncode:
        raise UserError(f"git cannot read this repo: {plain(done.stderr.strip().partition(chr(10))[0])}")
    return done.stdout


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", check=False)
