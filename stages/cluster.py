"""Work on the processes of a Dask cluster, which may be on other hosts.

What a process on this machine cannot get wrong, a worker there can: it may hold older code than the checkout, may not
see the image cache, may come and go. Each of these is an error in one line, and none a wrong result.
"""

import logging
import pickle
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker

from stages.errors import UserError
from stages.provenance import code_digest, library_versions

# Taken when this module is imported, so that it is of the code that a worker has loaded, whatever stands on its disk.
PROGRAM = f"{code_digest(Path(__file__).parent.rglob('*.py'))} {library_versions()}"
START = "`python -m dask worker {address}` in a checkout of this commit, with its .venv and the same image cache"
PATIENCE_S = 30.0  # with no worker left, for one that starts again
_LOOK_S = 2.0


class Cluster:
    """The workers of a cluster, all alike in code and libraries.

    Attributes:
        size: threads of all workers.
        died: what ``result`` raises when workers died of an item, one after the other.
    """

    died = (KilledWorker,)

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._executor = client.get_executor(pure=False)  # pure, two items that look alike would count as one
        self.size = sum(client.nthreads().values())
        self._ask_workers()

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future:
        """Let a worker call ``function(item)``; Dask moves it to another one when that dies, three times."""

        # As bytes, and through a function that travels whole: what does not unpickle kills a worker, or the scheduler,
        # without a word. This way it is an error of the one call.
        def call(work: bytes, program: str) -> Any:
            from stages.cluster import checked_call

            return checked_call(work, program)

        return self._executor.submit(call, pickle.dumps((function, item)), PROGRAM)

    def result(self, future: Future) -> Any:
        """Wait for a result.

        Raises:
            KilledWorker: workers died of it.
            UserError: the scheduler or all workers are gone. What the function raises comes through as it is.
        """
        alone_s = 0.0
        while not wait([future], timeout=_LOOK_S).done:
            if self._client.status != "running":
                raise self._gone("the scheduler stopped answering")
            alone_s = 0.0 if self._client.nthreads() else alone_s + _LOOK_S
            if alone_s >= PATIENCE_S:
                raise self._gone(f"it has no workers any more: start some with {START.format(address=self._address)}")
        if future.cancelled():  # so Dask ends what it has when the scheduler is gone
            raise self._gone("the scheduler stopped answering")
        try:
            return future.result()
        except ModuleNotFoundError as error:
            raise self._gone(self._without_code(error)) from None

    def _ask_workers(self) -> None:
        """Ask each worker for its code, so that what they lack is said before they work."""

        def program() -> str:
            from stages.cluster import PROGRAM

            return PROGRAM

        if not self.size:
            raise self._gone(f"it has no workers: start some with {START.format(address=self._address)}")
        for worker, found in self._client.run(program, on_error="return").items():
            if isinstance(found, Exception):
                raise self._gone(f"worker {worker}: {self._without_code(found)}")
            if found != PROGRAM:
                raise self._gone(f"worker {worker} {_OTHER_CODE}")

    def _without_code(self, error: Exception) -> str:
        return f"a worker does not find the code ({error}): start it with {START.format(address=self._address)}"

    def _gone(self, what: str) -> UserError:
        return UserError(f"CLUSTER={self._address}: {what}")


_OTHER_CODE = "has loaded other code, or other libraries, than this checkout: bring it to this commit and restart it"


def checked_call(work: bytes, program: str) -> Any:
    """Call what was sent, on a worker that is the same program as its client.

    Raises:
        UserError: it is not; or what the function says, with the worker's host.
    """
    where = f"worker on {socket.gethostname()}"
    if program != PROGRAM:
        raise UserError(f"the {where} {_OTHER_CODE}")
    function, item = pickle.loads(work)
    try:
        return function(item)
    except UserError as error:
        raise UserError(f"{error} (so says the {where})") from None


@contextmanager
def cluster_at(address: str) -> Iterator[Cluster]:
    """Connect to the scheduler of a Dask cluster.

    Raises:
        UserError: it does not answer, has no workers, or workers of other code.
    """
    # Dask logs tracebacks of what is said below in one line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"CLUSTER={address} does not answer ({error}): start a Dask scheduler, or unset it") from None
    try:
        yield Cluster(client, address)
    finally:
        client.close(timeout=2)
