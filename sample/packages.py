"""Debian packages, fetched and unpacked without installing them."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from stages.runtime.errors import UserError


def unpack_packages(names: Iterable[str], folder: Path) -> Path:
    """Fetch packages with apt-get, unpack them in ``folder`` (which must exist), and give the root of their files.

    Raises:
        UserError: apt-get or dpkg-deb is missing, or a package cannot be had.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UserError(f"{tool} is needed to fetch photos from Debian's packages: run this on Debian or Ubuntu")
    root = folder / "root"
    for name in names:
        _run(["apt-get", "download", "-qq", name], folder, f"cannot fetch Debian's package {name}")
    for archive in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "-x", archive.name, str(root)], folder, f"cannot unpack {archive.name}")
    return root


def _run(command: list[str], folder: Path, complaint: str) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{complaint} ({reason}): see that `apt-get update` works")
