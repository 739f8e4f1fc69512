"""The repo at a commit, beside the working tree: what git holds of each, and what DVC has in its cache or its remote.

An experiment is a commit that only its name leads to, see docs/experiments.md.
"""

import json
import logging
import multiprocessing
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

from dvc.repo import Repo

from stages.runtime.errors import UserError
from stages.runtime.last_run import GoneError, LastRun
from stages.runtime.lock import LOCK, locked_outputs
from stages.runtime.plain_text import first_line, plain, without_secrets

# Of DVC's refs those of experiments: refs/exps/<first two digits of the commit>/<the others>/<name>.
_EXPERIMENT = re.compile(r"([0-9a-f]+) refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/(.+)")
_OF_FOLDERS = ".dir"  # ends the MD5 of a folder


@dataclass(frozen=True)
class Tree:
    """A state of the repo.

    Attributes:
        name: as people call it.
        commit: its SHA; ``None`` for the working tree, as it lies there.
    """

    name: str
    commit: str | None = None

    def read(self, path: str) -> bytes | None:
        """Give the content of a file that git tracks; ``None`` where there is none of that name."""
        if self.commit is None:
            return Path(path).read_bytes() if Path(path).is_file() else None
        done = _git("cat-file", "blob", f"{self.commit}:./{path}")
        return None if done.returncode else done.stdout

    def files(self, folder: str) -> list[str]:
        """Name the files in a folder that git tracks, or would, sorted; not those in folders of it."""
        if self.commit is None:
            done = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder)
            names = sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
            return [name for name in names if Path(name).is_file() and Path(name).parent == Path(folder)]
        done = _git("ls-tree", "-z", self.commit, f"{folder}/")
        entries = (entry.split(b"\t", 1) for entry in done.stdout.split(b"\0") if entry)
        return sorted(os.fsdecode(name) for about, name in entries if about.split()[1] == b"blob")


def find_tree(name: str) -> Tree:
    """Give the tree of a commit, by whatever git or DVC knows it: SHA, branch, tag, ``HEAD~2``, or an experiment.

    Of experiments with one name that of the last commit is meant. With three dots behind it, as ``git diff`` reads
    them, it is the commit at which the last one left it: without what it got since.

    Raises:
        UserError: there is none of that name, or several experiments have it, and none is of the last commit.
    """
    if name.endswith("..."):
        of = find_tree(name.removesuffix("..."))
        left_at = _git("merge-base", str(of.commit), "HEAD")
        if left_at.returncode:
            raise UserError(f"{of.name} and the last commit have no commit in common: name one without the dots")
        return Tree(name, left_at.stdout.decode().strip())
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if not done.returncode:
        return Tree(name, done.stdout.decode().strip())
    found = {of: commit for commit, of, known_as in _experiments() if known_as == name}
    last = _git("rev-parse", "--verify", "--quiet", "HEAD").stdout.decode().strip()
    if len(found) == 1 or last in found:
        return Tree(name, found.get(last) or next(iter(found.values())))
    if found:
        commits = ", ".join(commit[:10] for commit in found.values())
        raise UserError(f"{name}: {len(found)} experiments have this name: name the commit of one of them ({commits})")
    there = f"origin/{name}"  # as in a clone of another branch
    if (
        name.strip()
        and not _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{there}^{{commit}}").returncode
    ):
        raise UserError(f"{name} is no commit, branch, tag or experiment here, but {there} is one: name that")
    shallow = _git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
    raise UserError(
        f"{name or 'BASE'} is no commit, branch, tag or experiment here: `git log --oneline` and `dvc exp list "
        "--all-commits` name them, and `git fetch` and `dvc exp pull` bring those of others"
        + "; this clone has only the last commits: `git fetch --unshallow` brings the others"
        * shallow
    )


def _experiments() -> list[tuple[str, str, str]]:
    """Give the experiments: commit, the commit that it started from, name."""
    refs = _git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/").stdout.decode().splitlines()
    return [(found[1], found[2] + found[3], found[4]) for ref in refs if (found := _EXPERIMENT.fullmatch(ref))]


@dataclass(frozen=True)
class Found:
    """Files that DVC tracks: where each lies, or why it cannot be had."""

    paths: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


class TrackedFiles:
    """What DVC has of trees: outputs of stages that git does not hold."""

    def __init__(self, repo: Repo, *, wait_s: float) -> None:
        """Look into a repo's cache, and for what it lacks into its default remote, for so many seconds at most."""
        self._repo = repo
        self._wait_s = wait_s

    def find(self, tree: Tree, names: Iterable[str]) -> Found:
        """Find outputs of a tree, or files in such as are folders, by their paths in the repo.

        Of the working tree that is what lies there, and what its dvc.lock names where nothing does.
        """
        there = {name: Path(name) for name in names if tree.commit is None and Path(name).is_file()}
        left = [name for name in names if name not in there]
        if not left:
            return Found(there)
        content = tree.read(str(LOCK))
        try:
            outputs = {} if content is None else locked_outputs(content)
        except UserError:
            return Found(there, dict.fromkeys(left, f"its {LOCK} is none of DVC's"))
        unknown = {name: "its pipeline does not write it" for name in left if not _out_of(name, outputs)}
        wanted = [name for name in left if name not in unknown]
        cached = self._cached(outputs, wanted)
        if lacking := dict(cached.missing):
            why = self._bring(tree, list(lacking))
            cached = self._cached(outputs, wanted)
            cached.missing.update({name: f"{lacking[name]}, and {why}: {_advice(tree)}" for name in cached.missing})
        return Found(there | cached.paths, unknown | cached.missing)

    def _cached(self, outputs: dict[str, str], names: list[str]) -> Found:
        found = Found()
        for name in names:
            try:
                found.paths[name] = self._object(outputs, name)
            except GoneError as gone:
                damaged = "damaged" in str(gone)
                found.missing[name] = (
                    "was damaged in DVC's cache, and is deleted there" if damaged else "not in DVC's cache"
                )
        return found

    def _object(self, outputs: dict[str, str], name: str) -> Path:
        cache = LastRun(self._repo.cache.local, outputs)
        out = _out_of(name, outputs) or name
        if out == name:
            return cache.file(name)
        try:
            entries = {f"{out}/{entry['relpath']}": entry["md5"] for entry in json.loads(cache.read(out))}
        except (ValueError, KeyError, TypeError):
            raise GoneError(f"{out} is no folder in DVC's cache") from None
        return LastRun(self._repo.cache.local, entries).file(name)

    def _bring(self, tree: Tree, names: list[str]) -> str:
        """Fetch files from the default remote into the cache; say why one that is not there then is not."""
        config: Any = self._repo.config
        remote = config["core"].get("remote")
        if remote is None:
            return (
                "no remote is the default one (`dvc remote default NAME`)" if config["remote"] else "there is no remote"
            )
        where = without_secrets(plain(f"{remote} ({config['remote'].get(remote, {}).get('url', 'without a URL')})"))
        # A process of its own: what waits for a host that never answers cannot be ended otherwise.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_fetch, args=(self._repo.root_dir, tree.commit, names, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            said = ours.recv() if ours.poll(self._wait_s) else f"does not answer within {self._wait_s:.0f} s"
        except EOFError:
            said = "cannot be asked"
        finally:
            process.kill()
            process.join()
            ours.close()
        return f"the remote {where} {said or 'does not have it or does not answer'}"


def _fetch(root: str, commit: str | None, names: list[str], answer: Connection) -> None:
    """Let DVC fetch files; send what went wrong in one line, "" for nothing that it tells."""
    Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # its bars and its warnings, which name digests
    logging.disable()
    try:
        with Repo(root) as repo:
            repo.fetch(targets=names, revs=[commit] if commit else None, workspace=commit is None)
    except Exception as error:  # whatever a host, a file system or a library of theirs raises
        answer.send(f"cannot be asked: {without_secrets(plain(first_line(error)))}")
    else:
        answer.send("")


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, killed too: it holds DVC's lock as long as it waits."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _advice(tree: Tree) -> str:
    if tree.commit is None:
        return "`dvc pull` brings it where a remote has it, `dvc repro` makes it"
    return (
        "`dvc push` where it was made, to a remote that is named here too (`dvc remote add -d NAME URL`), then this "
        f"again; or make it anew: `git worktree add ../{tree.commit[:10]} {tree.commit[:10]}`, and `dvc repro` there"
    )


def changed_files(tree: Tree, paths: Sequence[str]) -> list[str]:
    """Name the files, under some paths, in which the working tree differs from a commit; new ones too, added or not."""
    tracked = _git("diff", "--name-only", "--relative", "-z", tree.commit or "HEAD", "--", *paths)
    new = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    names = {os.fsdecode(name) for done in (tracked, new) for name in done.stdout.split(b"\0") if name}
    return sorted(names)


def said_of(tree: Tree) -> str:
    """Give a commit's number, day and first line; of the working tree the last commit's, and how much was changed."""
    done = _git("log", "-1", "--format=%h of %cs: %s", tree.commit or "HEAD", "--")
    commit = plain(done.stdout.decode(errors="replace").strip())
    if tree.commit is not None:
        return commit
    changed = len([line for line in _git("status", "--porcelain", "-z").stdout.split(b"\0") if line])
    return f"commit {commit}" + (f", with {changed:,} files changed since" if changed else "")


def _out_of(name: str, outputs: dict[str, str]) -> str | None:
    """Give the output that a file is, or is in."""
    if name in outputs:
        return name
    above = (str(path) for path in Path(name).parents)
    return next((path for path in above if outputs.get(path, "").endswith(_OF_FOLDERS)), None)


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    # Without a lock on the index: who commits meanwhile would find it.
    return subprocess.run(["git", "--no-optional-locks", *words], capture_output=True, check=False)
