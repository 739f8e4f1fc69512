"""Command ``try_out``: experiments from the last commit, whatever the working tree holds.

python -m stages.commands.try_out -S crop.mode=center
python -m stages.commands.try_out -S profile=teacher -S train.weight_decay=0.01,0.05 -n decay

`dvc exp run`, with `--temp` too, starts from the working tree as it is, with what an experiment before left there. Here
it runs in a clone of the last commit that shares DVC's cache, checkpoints and .env with this repo; the experiment then
comes back by git. The working tree is not touched. Values with commas between them are experiments one after another.
What was stopped goes on from its checkpoint when the same line is typed again.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import get_hydra_sweeps
from hydra.errors import HydraException

from stages.runtime.errors import TRY_OF, UserError, run
from stages.runtime.plain_text import first_line, plain
from stages.runtime.progress import say
from stages.runtime.signals import stop_requests

CLONES = Path(".dvc/tmp/tries")
# Of DVC's refs those of experiments: refs/exps/<first two digits of the commit>/<the others>/<name>.
_EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2}/[0-9a-f]{38})/(.+)")


def main() -> None:
    """Run each experiment that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="a parameter")
    parser.add_argument("-n", "--name", help="of the experiment, for make compare and dvc exp apply")
    parser.add_argument("-m", "--message", help="of the experiment's commit")
    arguments = parser.parse_args()
    root = Path(_git(Path(), "rev-parse", "--show-toplevel"))
    commit = _git(Path(), "rev-parse", "--verify", "--quiet", "HEAD", missing="")
    if not commit:
        raise UserError(f"{root} has no commit yet, and experiments start from one: `git commit`")
    os.chdir(root)
    _clear_up()
    changed = len(_git(Path(), "status", "--porcelain").splitlines())
    without = f"; {changed} files that were changed since are left out, and stay as they are" if changed else ""
    say(f"try: from commit {commit[:7]}{without}")
    experiments = sweep(arguments.set_param)
    for number, overrides in enumerate(experiments, start=1):
        name = arguments.name and arguments.name + (f"-{number}" if len(experiments) > 1 else "")
        try_out(root, commit, overrides, name=name, message=arguments.message)


def sweep(overrides: list[str]) -> list[list[str]]:
    """Give the experiments that a command line asks for, each as its own overrides: every choice of the listed values.

    Args:
        overrides: as DVC takes them: ``train.weight_decay=0.01,0.05``, with a file before it where it is not
            params.yaml (``libraries.yaml:torch=2.9``).

    Raises:
        UserError: DVC cannot read one.
    """
    try:
        chosen = get_hydra_sweeps(to_path_overrides(overrides)) if overrides else [{}]
    except (DvcException, HydraException) as error:
        raise UserError(f"{' '.join(overrides)}: each -S is KEY=VALUE ({first_line(error)})") from None
    return [[f"{path}:{value}" for path, values in each.items() for value in values] for each in chosen]


def try_out(root: Path, commit: str, overrides: list[str], *, name: str | None, message: str | None) -> None:
    """Run one experiment in a clone of a commit, and bring it to the repo.

    Args:
        root: of the repo.
        commit: its SHA.
        overrides: of parameters.
        name: of the experiment; DVC makes one up for ``None``.
        message: of the experiment's commit.

    Raises:
        UserError: an experiment has that name, or is running under it, this very line is running, or it failed.
    """
    if name is not None and any(found == name for _, found in _experiments(root, commit)):
        raise UserError(f"commit {commit[:7]} has an experiment {name}: take another name, or `dvc exp remove {name}`")
    # By its name where it has one: of two under one name git would take the first, and refuse the other for good.
    clone = root / CLONES / hashlib.sha256(repr((commit, name or overrides)).encode()).hexdigest()[:16]
    with _alone(clone) as lock:
        if lock is None:
            which = f"an experiment {name}" if name else "this very experiment"
            raise UserError(f"{which} is running ({clone} is its place): wait for it")
        _make_clone(root, clone, commit)
        words = [word for override in overrides for word in ("-S", override)]
        words += [*(("-n", name) if name else ()), *(("-m", message) if message else ())]
        code, stopped = _run_in(clone, [sys.executable, "-m", "dvc", "exp", "run", "--temp", *words], root, lock)
        made = _bring_back(root, clone)
        shutil.rmtree(clone)
    if stopped and not made:
        raise KeyboardInterrupt("stopped; the same line goes on from the last checkpoint")
    if not made:
        raise UserError(f"the experiment failed (code {code}), as said above; the working tree is as it was")
    say(f"try: the working tree is as it was; `make compare` shows {', '.join(made)}")


def _run_in(clone: Path, command: list[str], root: Path, lock: int) -> tuple[int, bool]:
    """Run a command in a clone, and stop it in good order when this process is asked to; give its code, and if it was.

    Args:
        clone: where.
        command: its words.
        root: of the repo that the clone is of.
        lock: of the clone's place; held so long as the command runs, though this process may be killed.
    """
    running: list[subprocess.Popen] = []

    def stop() -> None:
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)

    with stop_requests(stop) as stopped:
        # A group of its own, so that its stage gets each signal once, by a terminal or by `kill`.
        process = subprocess.Popen(
            command, cwd=clone, env=os.environ | {TRY_OF: str(root)}, pass_fds=[lock], process_group=0
        )
        running.append(process)
        if stopped:
            stop()
        while True:
            try:
                return process.wait(), bool(stopped)
            except KeyboardInterrupt:  # the second one
                stop()


def _make_clone(root: Path, clone: Path, commit: str) -> None:
    shutil.rmtree(clone, ignore_errors=True)
    _git(root, "clone", "--quiet", "--no-checkout", str(root), str(clone))
    _git(clone, "checkout", "--quiet", "--detach", commit)
    for line in _git(root, "config", "--get-regexp", r"^user\.", missing="").splitlines():
        _git(clone, "config", *line.split(" ", 1))  # who commits
    local = root / ".dvc/config.local"
    if local.is_file():
        shutil.copy(local, clone / ".dvc/config.local")
    with Repo(str(root)) as repo:
        cache = repo.cache.local_cache_dir
    with Repo(str(clone)) as copy, copy.config.edit("local") as config:
        cast("dict[str, dict]", config)["cache"]["dir"] = cache


def _bring_back(root: Path, clone: Path) -> list[str]:
    """Bring the experiments that were made in a clone to the repo; give their names."""
    found = [(f"refs/exps/{of}/{name}", name) for of, name in _experiments(clone)]
    if found:
        _git(root, "fetch", "--quiet", "--no-tags", str(clone), *(f"{ref}:{ref}" for ref, _ in found))
    return [name for _, name in found]


def _clear_up() -> None:
    """Bring back or delete what killed ones left."""
    for clone in sorted(CLONES.glob("*/")):
        with _alone(clone) as lock:
            if lock is None:
                continue  # it is running
            if made := _bring_back(Path(), clone):
                say(f"try: {', '.join(made)} had come to its end when it was killed; `make compare` shows it")
            shutil.rmtree(clone)


def _experiments(repo: Path, commit: str | None = None) -> list[tuple[str, str]]:
    """Give the experiments of a repo, or of one of its commits: commit as in refs, and name."""
    under = "refs/exps/" + (f"{commit[:2]}/{commit[2:]}/" if commit else "")
    # By its own folder: of a clone that is not whole git would take the repo around it.
    refs = _git(Path(), "--git-dir", str(repo / ".git"), "for-each-ref", "--format=%(refname)", under, missing="")
    return [(found[1], found[2]) for ref in refs.splitlines() if (found := _EXPERIMENT.fullmatch(ref))]


@contextmanager
def _alone(clone: Path) -> Iterator[int | None]:
    """Hold a clone's place for this process and those that it gives the file to; ``None`` where another does."""
    clone.parent.mkdir(parents=True, exist_ok=True)
    with clone.with_suffix(".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file.fileno()


def _git(folder: Path, *words: str, missing: str | None = None) -> str:
    """Give what git prints; ``missing`` where it fails, or a ``UserError`` with its words."""
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and missing is not None:
        return missing
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"git {words[0]}: {plain(said[-1])}")
    return done.stdout.strip()


if __name__ == "__main__":
    run(main)
