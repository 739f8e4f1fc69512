"""A clone of this repo, in which the real pipeline runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.clones import git


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repo with the files that git would commit now, as one commit, without any of DVC's caches."""
    folder = tmp_path_factory.mktemp("clone") / "repo"
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "clone")
    return folder
