"""Which code and libraries a result is of: digests by which results are kept, taken over, or refused."""

import ast
import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

# Those that pixels go through.
LIBRARIES = ("numpy", "opencv-contrib-python-headless", "pillow", "simplejpeg")


def code_digest(paths: Iterable[Path]) -> str:
    """Give a digest of what Python files do: comments and layout do not count, docstrings do."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name} {ast.dump(ast.parse(path.read_bytes()))}".encode())
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Give the installed versions of ``LIBRARIES``."""
    return {name: version(name) for name in LIBRARIES}
