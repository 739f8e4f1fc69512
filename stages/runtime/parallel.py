"""Work on many items with all cores of this machine, or of a Dask cluster; results in the items' order."""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import AbstractContextManager, nullcontext
from threading import Thread
from typing import Any, Protocol, TypeVar

from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor

from stages.runtime.errors import UserError
from stages.runtime.machine import machine_setting

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_A_WORKER = 2  # in flight: one is worked on, the next is at hand; what is done and not yet fetched counts too
_LOOKS_S = 1.0  # between two looks of a worker at whether its parent is there
TRIES_ALONE = 2  # of an item that was in flight when a worker died
# Processes are as many as cores, so libraries that start threads of their own would only get in each other's way.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"), "1")


class WorkerDiedError(UserError):
    """Worker processes die of an item.

    Attributes:
        item: the one.
    """

    def __init__(self, item: Any) -> None:
        super().__init__("a worker process was killed, probably for want of memory: free some, then run it again")
        self.item = item


def parallel_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = -1, on_cluster: bool = True
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in the items' order, as the results come in.

    Items are taken and results held only for so many items as workers can be busy with, so memory is bounded however
    many there are. With the machine setting ``CLUSTER`` (tcp://...) the workers are those of a Dask cluster.

    Args:
        function: something that pickles: a function of a module, or a ``functools.partial`` of one. It may be called
            again for an item whose worker died.
        items: large enough pieces of work each (tens of milliseconds), as every piece is sent to a process.
        workers: processes on this machine; -1 for one a core, 0 for none beside this one. The results are the same for
            any number.
        on_cluster: a cluster does the work where there is one; not so where only this machine has what it is done with.

    Raises:
        WorkerDiedError: a worker was killed, and others again when they had an item alone.
        UserError: the cluster does not answer, or what ``stages.runtime.cluster`` says of it. What ``function`` raises
            comes through as it is.
    """
    if workers == 0:
        yield from map(function, items)
        return
    with _workers(workers, on_cluster=on_cluster) as pool:
        in_flight: deque[tuple[Item, _Pending]] = deque()
        left = iter(items)
        try:
            while True:
                for item in itertools.islice(left, ITEMS_A_WORKER * pool.size - len(in_flight)):
                    in_flight.append((item, pool.submit(function, item)))
                if not in_flight:
                    return
                item, future = in_flight.popleft()
                try:
                    result = pool.result(future)
                except pool.died:
                    # On one machine it takes all with it that is in flight, and nobody knows who died of what: so these
                    # are tried one after the other.
                    suspects = [item, *(other for other, _ in in_flight)]
                    while in_flight:
                        in_flight.pop()[1].cancel()
                    for suspect in suspects:
                        yield _alone(function, suspect, pool)
                else:
                    yield result
        finally:
            for _, future in in_flight:
                future.cancel()


class _Pending(Protocol):
    """Work under way."""

    def cancel(self) -> Any: ...


class _Pool(Protocol):
    """Worker processes: how many, how work gets to them, and how their death shows."""

    @property
    def size(self) -> int: ...

    @property
    def died(self) -> tuple[type[Exception], ...]: ...

    def submit(self, function: Callable[[Any], Any], item: Any) -> Any: ...

    def result(self, future: Any) -> Any: ...


def _alone(function: Callable[[Item], Result], item: Item, pool: _Pool) -> Result:
    for _ in range(TRIES_ALONE):
        try:
            return pool.result(pool.submit(function, item))
        except pool.died:
            continue
    raise WorkerDiedError(item)


def _workers(number: int, *, on_cluster: bool) -> AbstractContextManager[_Pool]:
    if on_cluster and (address := machine_setting("CLUSTER")):
        from stages.runtime.cluster import cluster_at  # half a second, and few have one

        return cluster_at(address)
    return nullcontext(_ThisMachine(cpu_count() if number < 0 else number))


class _ThisMachine:
    """Processes of this machine; new ones where they died."""

    died = (BrokenExecutor,)

    def __init__(self, size: int) -> None:
        self.size = size

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future:
        executor = get_reusable_executor(
            max_workers=self.size, env=_ONE_THREAD, timeout=60, initializer=_end_with, initargs=(os.getpid(),)
        )
        return executor.submit(function, item)

    def result(self, future: Future) -> Any:
        return future.result()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, which may be killed: it would wait for ever to hand over a result."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOKS_S)
        os._exit(1)

    Thread(target=watch, name="parent", daemon=True).start()
