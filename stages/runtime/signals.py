"""Stopping: a signal ends a training after its step, saved, and a second one ends it at once."""

import signal
from collections.abc import Iterator
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
def stop_requests() -> Iterator[StopRequest]:
    """Take note of SIGINT and SIGTERM instead of dying of them; the second one does what it always did."""
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: FrameType | None) -> None:
        request.signal_number = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
