"""A real Dask cluster of processes on 127.0.0.1."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support import ROOT

START_S = 120  # that a busy machine has


@contextmanager
def dask_cluster(
    folder: Path, *, code: Path | None = ROOT, cwd: Path | None = None, nannies: bool = True
) -> Iterator[tuple[str, list[int]]]:
    """A Dask scheduler on 127.0.0.1 with two worker processes, all started by command.

    Args:
        folder: of its file.
        code: where workers find this project's code; ``None`` for nowhere.
        cwd: where workers stand.
        nannies: have each worker watched by a process that replaces it when it dies; starts are faster without.

    Yields:
        Its address, and the process groups of scheduler and workers.
    """
    file = folder / "scheduler.json"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "1"
    quiet = {"cwd": cwd or folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    quiet["start_new_session"] = True  # a worker has a nanny, and both shall end
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    scheduler = subprocess.Popen([*dask, "scheduler", *local, "--port", "0"], env=environment, **quiet)
    if code:
        environment["PYTHONPATH"] = str(code)
    worker = [*dask, "worker", *local, "--nthreads", "1", "--nanny" if nannies else "--no-nanny"]
    processes = [scheduler, *(subprocess.Popen(worker, env=environment, **quiet) for _ in range(2))]
    try:
        from distributed import Client

        deadline = time.monotonic() + START_S
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with Client(scheduler_file=str(file), timeout=START_S, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=START_S)
            address = client.scheduler.address
        yield address, [process.pid for process in processes]
    finally:
        for process in reversed(processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=START_S)
