"""What must be the same after somebody has looked."""

from pathlib import Path


def state_of(folder: Path) -> dict[str, tuple]:
    """All that a look could change: which files there are, their times and bytes."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes() if path.is_file() else None)
        for path in paths
    }
