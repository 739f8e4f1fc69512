"""Running a stage or command by its own command line, or its function in this process, and reading what it says."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from stages.runtime.errors import run
from tests.support import ROOT


def run_stage(stage: str, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a stage or command by its own command line in ``folder``, with this repo's code."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)} | environment
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def run_here(stage: str, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a stage or command as ``run_stage`` does, but in this process: a new one costs seconds of imports.

    An error that the stage does not tell in a line comes through as it is, and so fails the test with its traceback.
    """
    module = importlib.import_module(f"stages.{stage}")
    command = [f"{stage.replace('.', '/')}.py", *words]
    out, err, code = StringIO(), StringIO(), 0
    settings = {"DVC_ROOT": str(folder)} | environment
    with chdir(folder), _set_up(command, settings), redirect_stdout(out), redirect_stderr(err):
        try:
            run(module.main)
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@contextmanager
def _set_up(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Have a command line and environment variables for a while."""
    arguments, before = sys.argv, dict(os.environ)
    sys.argv = command
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(before)


def complaint(result: subprocess.CompletedProcess) -> str:
    """The one line with which a stage refused to go on; fails if it did not, or showed a traceback."""
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]
