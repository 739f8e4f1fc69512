"""How often two models are called different: where they are equally good, and where one is better.

    python -m benchmarks.comparison [--comparisons 1000]

Pairs of models are compared on simulated tests of 12,000 images, in observations of 2.2 photos (``benchmarks.hits``):
by ours, sign flips per observation; by a z-test over observations; and by McNemar's test, which takes images for
independent. Printed is the share of comparisons that are called a difference, and how often the interval of ours holds
the true difference; then the same of small tests, of which few images change. docs/figures.md has what came out.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from benchmarks.hits import IMAGES, PHOTO_SHARES, PHOTOS, Drawn, Source
from stages.evaluation.differences import Difference, class_difference, image_difference
from stages.evaluation.intervals import Estimate

SEED, MIN_GROUPS, FLIPS = 20261129, 10, 9_999
# Of two models: how alike they are, how images of an observation go together, and where one is better at some species.
PAIRS = {
    "photos partly alike": ({}, 0.0),
    "photos differ": ({"together": 0.3}, 0.0),
    "photos alike": ({"together": 0.9}, 0.0),
    "very like models": ({"shared": 0.9}, 0.0),
    "unlike models": ({"shared": 0.5, "together": 0.8}, 0.0),
    "each better at some species": ({}, 0.3),
}
NOT_NEEDED = Estimate(math.nan, None, None, 0, 0, 0)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--comparisons", type=int, default=1000, help="simulated comparisons a row")
    comparisons = parser.parse_args().comparisons
    for gain in (0.0, 0.005, 0.01, 0.015, 0.02):
        print(f"\nTop-1, the true difference is {100 * gain:.1f} points: called a difference")
        print("| models | images changed | sign flips | z-test | McNemar | the interval holds the truth |")
        print("|---|---|---|---|---|---|")
        for name, (arguments, spread) in PAIRS.items():
            rows = [
                (changed(*hits), found.verdict in ("better", "worse"), *others(*hits, drawn), holds(found, gain))
                for drawn, hits, found in compare(arguments, spread, gain, comparisons)
            ]
            print(f"| {name} | {' | '.join(f'{value:.3f}' for value in np.mean(rows, axis=0))} |", flush=True)
    print("\nSmall tests, top-1: the interval holds the truth (called better, worse)")
    few_observations(comparisons)
    print("\nMean per-class accuracy, no true difference of any species")
    print("| models | sign flips | the interval holds the truth |\n|---|---|---|")
    for name, (arguments, spread) in PAIRS.items():
        if not spread:
            found = list(compare_classes(arguments, comparisons))
            called = np.mean([one.verdict in ("better", "worse") for one in found])
            print(f"| {name} | {called:.3f} | {np.mean([holds(one, 0.0) for one in found]):.3f} |", flush=True)


def compare(
    arguments: dict[str, float], spread: float, gain: float, comparisons: int, *, images: int = IMAGES
) -> Iterator[tuple[Drawn, list[np.ndarray], Difference]]:
    """Yield tests, the hits of two models on each, and how they compare by top-1.

    Args:
        arguments: of the ``Source``.
        spread: what each species has more or less with the second model, see ``Source.other``.
        gain: what the second model's true top-1 has more.
        comparisons: how many.
        images: of a test.
    """
    source = Source(**arguments)
    other = source.other(gain, spread=spread)
    rng = np.random.default_rng(SEED)
    for _ in range(comparisons):
        drawn = source.draw(rng, images)
        hits = source.hits(drawn, rng, source.ability, other)
        yield drawn, hits, image_difference(NOT_NEEDED, NOT_NEEDED, *hits, drawn.groups, min_groups=MIN_GROUPS)


def compare_classes(
    arguments: dict[str, float], comparisons: int, *, images: int = IMAGES, flips: int = FLIPS
) -> Iterator[Difference]:
    """Yield how two models of the same abilities compare by mean per-class accuracy."""
    source = Source(**arguments)
    rng = np.random.default_rng(SEED)
    for _ in range(comparisons):
        drawn = source.draw(rng, images)
        hits = source.hits(drawn, rng, source.ability, source.ability)
        yield class_difference(
            NOT_NEEDED, NOT_NEEDED, *hits, drawn.groups, drawn.labels, min_groups=MIN_GROUPS, flips=flips, seed=SEED
        )


def few_observations(comparisons: int) -> None:
    """Print how small tests are judged, of which so many images are gained and lost, half of them by observation."""
    sizes = (30, 100, 300, 1000)
    print(f"| gained, lost | {' | '.join(f'{size} observations' for size in sizes)} |\n|---|{'---|' * len(sizes)}")
    for gained, lost in ((0.002, 0.0), (0.01, 0.0), (0.03, 0.0), (0.01, 0.01), (0.1, 0.1), (0.15, 0.05), (0.6, 0.05)):
        cells = []
        for size in sizes:
            found = [one for one, _ in zip(compare_few(size, gained, lost), range(comparisons), strict=False)]
            held = np.mean([holds(one, gained - lost) for one in found])
            called = [np.mean([one.verdict == verdict for one in found]) for verdict in ("better", "worse")]
            cells.append(f"{held:.3f} ({called[0]:.3f}, {called[1]:.3f})")
        print(f"| {100 * gained:.1f} %, {100 * lost:.1f} % | {' | '.join(cells)} |", flush=True)


def compare_few(observations: int, gained: float, lost: float) -> Iterator[Difference]:
    """Yield comparisons without end: in half of the observations all images change alike, if at all."""
    rng = np.random.default_rng(SEED)
    shares = (gained, lost, 1 - gained - lost)
    while True:
        groups = np.repeat(np.arange(observations), rng.choice(PHOTOS, observations, p=PHOTO_SHARES))
        of_group, own = (rng.choice((1, -1, 0), number, p=shares) for number in (observations, len(groups)))
        change = np.where((rng.random(observations) < 0.5)[groups], of_group[groups], own)
        yield image_difference(NOT_NEEDED, NOT_NEEDED, change < 0, change > 0, groups, min_groups=MIN_GROUPS)


def holds(found: Difference, truth: float) -> bool:
    """Say whether the interval holds the true difference."""
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def changed(base: np.ndarray, head: np.ndarray) -> float:
    """Give the share of images that one model has right and the other has not."""
    return float((base != head).mean())


def others(base: np.ndarray, head: np.ndarray, drawn: Drawn) -> tuple[bool, bool]:
    """Say whether a z-test over observations calls it a difference, and whether McNemar's test does."""
    change = head.astype(int) - base
    sums = np.bincount(drawn.groups, weights=change)
    deviations = sums - change.mean() * np.bincount(drawn.groups)
    z = change.sum() / math.sqrt((deviations**2).sum() * len(sums) / (len(sums) - 1))
    mcnemar = change.sum() / math.sqrt(np.abs(change).sum())
    return abs(z) > ndtri(0.975), abs(mcnemar) > ndtri(0.975)


if __name__ == "__main__":
    main()
