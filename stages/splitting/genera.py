"""The genus of a species, by its name: to take a species for another of its genus is less wrong than for any other."""

from collections.abc import Sequence

import numpy as np


def genus_of(species: str) -> str:
    """Give the first word of a cleaned name, without the sign of a hybrid: Petunia × atkinsiana, × Fatshedera lizei."""
    return species.replace("×", " ").split(maxsplit=1)[0]


def number_genera(species: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Number the genera of some species.

    Args:
        species: in the order of labels.

    Returns:
        The genera's names, sorted, and the number of each species' genus among them, int64 [species].
    """
    names = [genus_of(name) for name in species]
    genera = sorted(set(names))
    numbers = {name: number for number, name in enumerate(genera)}
    return genera, np.array([numbers[name] for name in names], np.int64)
