"""How a training's time is spent: for people, and for nothing else."""

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """How an epoch's time was spent, since the process started or went on.

    Attributes:
        images: trained on, by this process.
        seconds: in all, up to the last step.
        waiting_s: of them, for data.
        start: of the first, as ``time.perf_counter`` gives it.
    """

    images: int = 0
    seconds: float = 0.0
    waiting_s: float = 0.0
    start: float = field(default_factory=time.perf_counter)
