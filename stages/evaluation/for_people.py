"""Figures as a report holds them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from stages.evaluation.intervals import Estimate


def for_people(value: Any) -> Any:
    """Give figures as a report holds them: estimates as objects, and ``null`` for what is of no image."""
    if isinstance(value, Estimate):
        return for_people(asdict(value))
    if isinstance(value, Mapping):
        return {name: for_people(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [for_people(entry) for entry in value]
    return None if isinstance(value, float) and np.isnan(value) else value
