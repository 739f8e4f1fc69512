"""Writing outputs: always to a temporary name first, so that nothing half-written ever bears the real one."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # which a write may say without its file
_FULL_BYTES = 65_536  # less free space than this is a full disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` when the block ends, delete it when it fails.

    The folder is made if it is missing. After a crash ``path`` is whole: the old content or the new.

    Raises:
        OSError: the disk is full or may not be written to, also where a library says so in words of its own, or without
            the file: then ``path`` is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except Exception as error:
        number = getattr(error, "errno", None)
        if number is None:
            number = _system_error(error, path.parent)
        elif number not in _OF_DISKS or getattr(error, "filename", None):
            raise
        if number:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _system_error(error: Exception, folder: Path) -> int | None:
    """Give the number of the system's error that a library says in words of its own, if it is one."""
    if match := re.search(r"\(os error (\d+)\)", str(error)):
        return int(match[1])
    if "No space left" in str(error) or shutil.disk_usage(folder).free < _FULL_BYTES:
        return errno.ENOSPC
    return None


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder beside ``path``; put it in the place of ``path`` when the block ends.

    It is deleted when the block fails, and ``path`` is as it was. What a killed process left is mended first.
    """
    temporary, old = path.with_name(f".{path.name}.tmp"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            path.rename(old)  # a rename cannot replace a folder that is not empty
        try:
            temporary.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
