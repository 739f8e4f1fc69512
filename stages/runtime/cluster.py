"""Work on the processes of a Dask cluster, which may be on other hosts.

What a process on this machine cannot get wrong, a worker there can: it may hold older code than the checkout, may not
see the image cache, may come and go. Each of these is an error in one line, and none a wrong result or an endless wait.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures import Future as LocalFuture
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar, cast

import cloudpickle
from distributed import Client, Future, KilledWorker
from distributed.core import rpc

import stages
from stages.provenance.code import code_digest
from stages.provenance.libraries import PIXELS, installed_versions
from stages.runtime.errors import UserError

Result = TypeVar("Result")

ANSWER_S = 10.0  # that scheduler and workers have to say who they are
PATIENCE_S = 30.0  # with no worker left, for one that starts again
LOOK_S = 2.0  # between looks at the cluster while a result is waited for


def program() -> str:
    """Give a digest of this project's code as it is on the disk, and of the libraries that pixels go through."""
    package = Path(stages.__file__).parent
    return f"{code_digest(package.rglob('*.py'))} {installed_versions(PIXELS)}"


# Of the time when this module was imported: a process may live on while the code on its disk changes.
PROGRAM = program()
_OTHER_CODE = "has other code, or other libraries, than this checkout: bring it to this commit and restart it"


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
        self.size = self._threads()
        self._ask_workers()

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future:
        """Let a worker call ``function(item)``; Dask moves it to another one when that dies, three times."""

        # As bytes, and through a function that travels whole: what does not unpickle kills a worker, or the scheduler,
        # without a word. This way it is an error of the one call. By cloudpickle, as functions of a stage that runs as
        # `python -m stages...` are those of __main__, which a worker cannot import: they travel whole, too.
        def call(work: bytes, program: str) -> Any:
            from stages.runtime.cluster import checked_call

            return checked_call(work, program)

        # Pure, two items that look alike would count as one. Not by Dask's executor: its futures raise a TypeError
        # where a worker dies between a result and its way home.
        return self._client.submit(call, cloudpickle.dumps((function, item)), PROGRAM, pure=False)

    def result(self, future: Future) -> Any:
        """Wait for a result.

        Raises:
            KilledWorker: workers died of it.
            UserError: the scheduler or all workers are gone. What the function raises comes through as it is.
        """
        alone_s = 0.0
        while True:
            try:
                return future.result(timeout=LOOK_S)
            except ModuleNotFoundError as error:
                raise self._without_code(error) from None
            except CancelledError:  # so Dask ends what it has when the scheduler is gone
                raise self._error("the scheduler stopped answering") from None
            except TimeoutError:
                if future.status == "error":  # of the function itself
                    raise
            alone_s = 0.0 if self._threads() else alone_s + LOOK_S
            if alone_s >= PATIENCE_S:
                raise self._error(f"it has no workers any more: start some with {self._start()}")

    def _threads(self) -> int:
        if self._client.status == "running":
            try:
                return sum(within(ANSWER_S, cast(Callable[[], dict], self._client.nthreads)).values())
            except OSError:  # a timeout is one, and so is what Dask raises when a connection breaks
                pass
        raise self._error("the scheduler stopped answering")

    def _ask_workers(self) -> None:
        """Ask each worker for its code, so that what they lack is said before they work."""

        def ask() -> str:
            from stages.runtime.cluster import PROGRAM

            return PROGRAM

        if not self.size:
            raise self._error(f"it has no workers: start some with {self._start()}")
        try:
            answers = cast(dict, within(3 * ANSWER_S, lambda: self._client.run(ask, on_error="return")))
        except OSError:
            raise self._error("not all of its workers answer: see to them, or restart them") from None
        for worker, found in answers.items():
            if isinstance(found, ModuleNotFoundError):
                raise self._without_code(found)
            if found != PROGRAM:
                raise self._error(f"worker {worker} {_OTHER_CODE}")

    def _without_code(self, error: ModuleNotFoundError) -> UserError:
        return self._error(f"a worker does not find the code ({error}): start it with {self._start()}")

    def _start(self) -> str:
        return f"`python -m dask worker {self._address}` in a checkout of this commit, with its .venv and image cache"

    def _error(self, what: str) -> UserError:
        return UserError(f"CLUSTER={self._address}: {what}")


def checked_call(work: bytes, wanted: str) -> Any:
    """Call what was sent, on a worker that is the same program as its client.

    Raises:
        UserError: it is not; or what the function says, with the worker's host.
    """
    where = f"worker on {socket.gethostname()}"
    loaded = _loaded_modules()
    function, item = cloudpickle.loads(work)
    try:
        result = function(item)
    except UserError as error:
        raise UserError(f"{error} (so says the {where})") from None
    # Modules that were imported for this call are of the disk as it is now.
    if wanted != PROGRAM or (_loaded_modules() != loaded and wanted != program()):
        raise UserError(f"the {where} {_OTHER_CODE}")
    return result


def _loaded_modules() -> set[str]:
    return {name for name in sys.modules if name.startswith(f"{stages.__name__}.")}


@contextmanager
def cluster_at(address: str) -> Iterator[Cluster]:
    """Connect to the scheduler of a Dask cluster.

    Raises:
        UserError: it does not answer, is something else, has no workers, or workers of other code.
    """
    with _quiet():
        found = _who_is(address)
        if found != "Scheduler":
            raise UserError(f"CLUSTER={address} is no Dask scheduler ({found}): set it to the scheduler's address")
        client = Client(address, timeout=ANSWER_S, set_as_default=False)
        try:
            yield Cluster(client, address)
        finally:
            client.close(timeout=LOOK_S)


def _who_is(address: str) -> str:
    """Ask what is at an address: Scheduler, Worker, ... A Client would wait for a web server without end."""

    async def ask() -> str:
        async with rpc(address) as there:
            return (await cast(Any, there).identity())["type"]

    try:
        return asyncio.run(asyncio.wait_for(ask(), ANSWER_S))
    except (OSError, ValueError, TypeError, KeyError) as error:
        what = str(error) or f"nothing in {ANSWER_S:.0f} s"
        raise UserError(f"CLUSTER={address} does not answer ({what}): start a Dask scheduler, or unset it") from None


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """Call something that may wait without end.

    Raises:
        TimeoutError: no result within so many seconds; the call is left to itself.
    """
    future: LocalFuture = LocalFuture()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging tracebacks of what is said in one line here."""
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if "distributed" in name]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
