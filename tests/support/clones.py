"""Clones of this repo, and DVC in them."""

import os
import subprocess
import sys
from pathlib import Path


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@host.example"]
    return subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def run_dvc(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess:
    """Run dvc in ``folder`` with a cache of its own, so that nothing is skipped that has not run there."""
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        env=own_environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def own_environment(folder: Path, **settings: str) -> dict[str, str]:
    """Give the environment of what runs in a clone by the clone's own code and DVC cache."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")} | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("PYTHONPATH", None)
    return environment | settings
