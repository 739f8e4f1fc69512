"""Reading a small file that is others': without waiting for anybody, and never more than a bit."""

import os
from pathlib import Path

MOST_BYTES = 4_000_000


def peek(path: Path, *, most_bytes: int = MOST_BYTES) -> str:
    """Give the beginning of a text file; what is no UTF-8 in it, as where it is cut off, has U+FFFD instead.

    A pipe in its place, which would keep a reader waiting, is an empty file.

    Raises:
        OSError: it is missing or cannot be read.
    """
    parts, left = [], most_bytes
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
    except BlockingIOError:  # a pipe that somebody holds open
        pass
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", errors="replace")
