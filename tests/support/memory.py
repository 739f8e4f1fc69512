"""The most memory that this process has held."""

import re
import resource
from contextlib import suppress
from pathlib import Path


def peak_memory_kb(*, anew: bool = False) -> int:
    """Give the peak so far, in kB; ``anew``: forget it before, so that it is of what comes from now on.

    Only Linux forgets it. Elsewhere the peak is of all that the process ever did, which may be more than what a test
    asks about.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if anew:
        with suppress(OSError):  # a sandbox may forbid it
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))[1])
