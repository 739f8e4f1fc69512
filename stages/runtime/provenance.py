"""Which code and libraries a result is of: digests by which results are kept, taken over, or refused."""

import hashlib
import io
import tokenize
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

# Those that pixels go through.
LIBRARIES = ("numpy", "opencv-contrib-python-headless", "pillow", "simplejpeg")


def code_digest(paths: Iterable[Path]) -> str:
    """Give a digest of Python files, without their comments and blank lines; the same under any version of Python."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name} {_without_comments(path.read_text(encoding='utf-8'))}".encode())
    return digest.hexdigest()


def _without_comments(code: str) -> str:
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def library_versions() -> dict[str, str]:
    """Give the installed versions of ``LIBRARIES``."""
    return {name: version(name) for name in LIBRARIES}
