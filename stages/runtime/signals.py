"""Stopping: a signal asks a long work to end in good order, and a second one ends it at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether, and by which signal, the process was asked to stop.

    Attributes:
        signal_number: of SIGINT or SIGTERM; 0 while nobody asked.
    """

    signal_number = 0

    def __bool__(self) -> bool:
        return bool(self.signal_number)

    def name(self) -> str:
        """Give the signal's name."""
        return signal.Signals(self.signal_number).name


@contextmanager
def stop_requests(on_stop: Callable[[], None] = lambda: None) -> Iterator[StopRequest]:
    """Take note of SIGINT and SIGTERM instead of dying of them; the second one does what it always did.

    Args:
        on_stop: called at the first one, wherever the process is: it may only leave word.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: FrameType | None) -> None:
        request.signal_number = number
        for each, handler in before.items():
            signal.signal(each, handler)
        on_stop()

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
