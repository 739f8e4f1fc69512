"""Work on many items with all cores, results in the items' order."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from stages.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = -1) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in the items' order, as the results come in.

    Args:
        function: something that pickles: a function of a module, or a ``functools.partial`` of one.
        items: large enough pieces of work each (tens of milliseconds), as every piece is sent to a process.
        workers: processes; -1 for one a core. The results are the same for any number.

    Raises:
        UserError: a worker process was killed. What ``function`` raises comes through as it is.
    """
    try:
        yield from Parallel(n_jobs=workers, return_as="generator", pre_dispatch="2 * n_jobs")(
            delayed(function)(item) for item in items
        )
    except TerminatedWorkerError:
        raise UserError(
            "a worker process was killed, probably for want of memory: free some, then run it again"
        ) from None
