"""The gate before a training: what the baseline found of labels and photos, minutes after they were packed.

A training once ran 20 hours and ended at chance, and labels that stood in another order were never looked at.
"""

import os
from pathlib import Path

from stages.runtime.errors import UserError
from stages.runtime.machine import machine_choice
from stages.runtime.progress import say
from stages.tables.gate import Verdict, read_gate

_REPORT = "data/reports/baseline.json"
_STOPS: dict[Verdict, str] = {
    "order_differs": (
        "the labels of validation are in another order than those of train: a probe on the starting network's features "
        f"is right far more often once species are renamed than as they are given; {_REPORT} names them"
    ),
    "at_chance": (
        "a probe on the starting network's features is right in validation no more often than with shuffled labels: "
        "labels or photos are wrong, the starting weights know nothing of plants, or there are too few images to tell "
        f"that; see {_REPORT} and plots/suspects.png"
    ),
}
_IN_WORDS: dict[Verdict, str] = {
    "sound": "labels and photos go together",
    "none": f"whether labels and photos go together cannot be said; {_REPORT} has the reason",
}


def pass_gate(path: Path, *, stage: str) -> None:
    """Say what the baseline found, and stop where nothing good can come of a training.

    Args:
        path: of the verdict.
        stage: or command that asks.

    Raises:
        UserError: labels are in another order, or at chance, and GATE=off does not say to go on; or GATE is neither
            on nor off, or the verdict is missing or damaged.
    """
    gated = machine_choice("GATE", ("on", "off")) == "on"
    verdict = read_gate(path)
    if verdict in _STOPS and gated:
        raise UserError(f"{path} says {verdict}: {_STOPS[verdict]}; GATE=off trains in spite of it")
    if os.environ.get("RANK", "0") != "0":  # of several processes that train together, the first speaks
        return
    if verdict not in _STOPS:
        say(f"{stage}: {path} says {verdict}: {_IN_WORDS[verdict]}")
    else:
        say(f"{stage}: WARNING: {path} says {verdict}, and GATE=off trains in spite of it: {_STOPS[verdict]}")
