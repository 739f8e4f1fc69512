"""Running a stage or command by its own command line, and reading what it says."""

import os
import subprocess
import sys
from pathlib import Path

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
        timeout=300,
        check=False,
    )


def complaint(result: subprocess.CompletedProcess) -> str:
    """The one line with which a stage refused to go on; fails if it did not, or showed a traceback."""
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]
