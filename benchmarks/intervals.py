"""How often 95 % intervals hold the truth: ours and the obvious ones, on simulated tests.

    python -m benchmarks.intervals [--tests 1000]

Tests of 12,000 images are drawn of a long tail (``benchmarks.hits``), in observations of 2.2 photos, and the share of
tests is printed whose interval of top-1 and of mean per-class accuracy holds the true value, with its width as a ratio
of the true one's; then the same of small tests of nearly perfect models, and of an area under the risk-coverage curve,
which is resampled. docs/figures.md has what came out.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtr, ndtri

from benchmarks.hits import PHOTO_SHARES, PHOTOS, Drawn, Source
from stages.evaluation.intervals import mean_per_class, resampled, share

SEED, MIN_GROUPS, RESAMPLES = 20261129, 10, 200
Interval = tuple[float, float]
# How accuracy goes with how common a species is, and how images of an observation go together.
TAILS = {
    "as good on rare species, photos differ": {"slope": 0.0, "together": 0.3},
    "as good on rare species, photos alike": {"slope": 0.0, "together": 0.9},
    "worse on rare species, photos differ": {"together": 0.3},
    "worse on rare species, photos alike": {"together": 0.9},
    "much worse on rare species": {"slope": 0.6},
    "good throughout": {"ability": 1.2},
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", type=int, default=1000, help="simulated tests a row; a fifth of it where resampled")
    tests = parser.parse_args().tests
    of_top1 = {"closed form": ours_of_images, "images as trials": images_as_trials}
    of_classes = {
        "closed form": ours_of_classes,
        "one pooled variance": pooled_variance,
        "Jeffreys a class": jeffreys_a_class,
        "classes as units": classes_as_units,
    }
    slow = {"observations drawn again": redraw_observations, "images drawn again in classes": redraw_within_classes}
    print("Top-1 of 12,000 images: coverage (width, of the true one)")
    print_table(TAILS, of_top1, tests, lambda source, _: source.top1(source.ability))
    print(f"where all tests have the same observations of each species: {fixed_mixture(tests):.3f}")
    print("\nMean per-class accuracy of 12,000 images, 58 % of the species with one observation")
    print_table(TAILS, of_classes, tests, lambda source, drawn: source.mean_per_class(drawn, source.ability))
    some = {name: TAILS[name] for name in ("worse on rare species, photos alike",)}
    print_table(some, slow, max(tests // 5, 1), lambda source, drawn: source.mean_per_class(drawn, source.ability))
    print("\nTop-1 of small tests: coverage by ours, and by value ± 1.96 standard errors")
    few_observations(tests)
    print("\nArea under the risk-coverage curve of 12,000 images, resampled")
    print(f"coverage {area_coverage(max(tests // 5, 1)):.3f}")


def simulate(source: Source, tests: int) -> Iterator[tuple[Drawn, np.ndarray]]:
    """Draw tests and what a model hits of them."""
    rng = np.random.default_rng(SEED)
    for _ in range(tests):
        drawn = source.draw(rng)
        yield drawn, source.hits(drawn, rng, source.ability)[0]


def print_table(
    sources: dict[str, dict[str, float]],
    methods: dict[str, Callable[[np.ndarray, Drawn], Interval]],
    tests: int,
    truth_of: Callable[[Source, Drawn], float],
) -> None:
    """Print coverage and width of each method on each source."""
    print(f"| source | {' | '.join(methods)} |\n|---|{'---|' * len(methods)}")
    for name, arguments in sources.items():
        source = Source(**arguments)
        ends, truths, values = [], [], []
        for drawn, hits in simulate(source, tests):
            ends.append([method(hits, drawn) for method in methods.values()])
            truths.append(truth_of(source, drawn))
            values.append(value_of(hits, drawn, of_classes=ours_of_images not in methods.values()))
        low, high = np.array(ends).transpose(2, 1, 0)
        truth = np.array(truths)
        true_width = 2 * ndtri(0.975) * np.std(np.array(values) - truth)
        cells = [
            f"{np.mean((low[at] <= truth) & (truth <= high[at])):.3f} ({np.mean(high[at] - low[at]) / true_width:.2f})"
            for at in range(len(methods))
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def value_of(hits: np.ndarray, drawn: Drawn, *, of_classes: bool) -> float:
    """Give the figure itself."""
    if not of_classes:
        return float(hits.mean())
    return float(accuracies(drawn.labels, hits)[0].mean())


def accuracies(
    labels: np.ndarray, hits: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Give the accuracy of each class present, and its images; classes of no weight are left out."""
    weight = np.ones(len(hits)) if weights is None else weights
    images = np.bincount(labels, weights=weight)
    right = np.bincount(labels, weights=weight * hits)
    present = images > 0
    return right[present] / images[present], images[present]


def ours_of_images(hits: np.ndarray, drawn: Drawn) -> Interval:
    """The closed form over observations."""
    found = share(hits, drawn.groups, drawn.labels, min_groups=MIN_GROUPS)
    return found.low or 0.0, found.high or 0.0


def ours_of_classes(hits: np.ndarray, drawn: Drawn) -> Interval:
    """The closed form over observations within classes."""
    found = mean_per_class(hits, drawn.groups, drawn.labels, min_groups=MIN_GROUPS)
    return found.low or 0.0, found.high or 0.0


def around(value: float, error: float) -> Interval:
    """Give the normal interval of a standard error."""
    return value - ndtri(0.975) * error, value + ndtri(0.975) * error


def images_as_trials(hits: np.ndarray, _: Drawn) -> Interval:
    """The binomial interval, as if no two images were of one observation."""
    value = float(hits.mean())
    return around(value, float(np.sqrt(value * (1 - value) / len(hits))))


def pooled_variance(hits: np.ndarray, drawn: Drawn) -> Interval:
    """One variance of observations within classes, of all classes together, for each of them."""
    number = int(drawn.groups.max()) + 1
    images = np.bincount(drawn.groups, minlength=number)
    rates = np.bincount(drawn.groups, weights=hits, minlength=number) / images
    label = np.zeros(number, np.int64)
    label[drawn.groups] = drawn.labels
    groups = np.bincount(label)
    means = np.bincount(label, weights=rates) / np.maximum(groups, 1)
    squares = np.bincount(label, weights=(rates - means[label]) ** 2)
    variance = squares.sum() / np.maximum(groups - 1, 0).sum()
    each, _ = accuracies(drawn.labels, hits)
    weights = images / np.bincount(drawn.labels)[label] / len(each)
    return around(float(each.mean()), float(np.sqrt(variance * (weights**2).sum())))


def jeffreys_a_class(hits: np.ndarray, drawn: Drawn) -> Interval:
    """The variance p (1 - p) / observations of each class, p with half a hit and half a miss more."""
    each, _ = accuracies(drawn.labels, hits)
    _, first = np.unique(drawn.groups, return_index=True)
    groups = np.bincount(drawn.labels[first])
    groups = groups[groups > 0]
    mean = (each * groups + 0.5) / (groups + 1)
    return around(float(each.mean()), float(np.sqrt((mean * (1 - mean) / groups).sum()) / len(each)))


def classes_as_units(hits: np.ndarray, drawn: Drawn) -> Interval:
    """The standard deviation of the classes' accuracies: what other species would give."""
    each, _ = accuracies(drawn.labels, hits)
    return around(float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))))


def redraw_observations(hits: np.ndarray, drawn: Drawn) -> Interval:
    """The bootstrap over observations, by percentiles; a class that is not drawn is left out."""
    low, high = resampled(
        lambda weights: float(accuracies(drawn.labels, hits, weights)[0].mean()),
        drawn.groups,
        resamples=RESAMPLES,
        seed=SEED,
    )
    return float(low), float(high)


def redraw_within_classes(hits: np.ndarray, drawn: Drawn) -> Interval:
    """The bootstrap over the images of each class, by percentiles: binomial draws of its accuracy."""
    each, images = accuracies(drawn.labels, hits)
    rng = np.random.default_rng(SEED)
    drawn_anew = rng.binomial(images.astype(int), each, (RESAMPLES, len(each))) / images
    low, high = np.quantile(drawn_anew.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def fixed_mixture(tests: int) -> float:
    """Give the coverage of top-1 where what is drawn anew is not which species a test has."""
    source = Source()
    rng = np.random.default_rng(SEED)
    drawn = source.draw(rng)
    truth = float(ndtr(source.ability)[drawn.labels].mean())
    held = 0
    for _ in range(tests):
        low, high = ours_of_images(source.hits(drawn, rng, source.ability)[0], drawn)
        held += low <= truth <= high
    return held / tests


def few_observations(tests: int) -> None:
    """Print the coverage of small tests with a top-1 near 1."""
    print("| observations | top-1 | photos differ | photos alike | ± 1.96, photos alike |\n|---|---|---|---|---|")
    for observations in (10, 30, 50, 100):
        for truth in (0.5, 0.9, 0.95, 0.99):
            differ, _ = small_coverage(observations, truth, 0.3, tests)
            alike, plain = small_coverage(observations, truth, 0.8, tests)
            print(f"| {observations} | {truth} | {differ:.3f} | {alike:.3f} | {plain:.3f} |", flush=True)


def small_coverage(observations: int, truth: float, together: float, tests: int) -> tuple[float, float]:
    """Give the coverage of our interval, and of value ± 1.96 standard errors, on small tests of one accuracy.

    Args:
        observations: of a test.
        truth: the true top-1.
        together: part of the variance that is the observation's.
        tests: that are simulated.
    """
    rng = np.random.default_rng(SEED)
    ours, plain = 0, 0
    for _ in range(tests):
        photos = rng.choice(PHOTOS, observations, p=PHOTO_SHARES)
        noise = np.sqrt(together) * rng.standard_normal(observations)
        chance = ndtr((ndtri(truth) + noise) / np.sqrt(1 - together))
        groups = np.repeat(np.arange(observations), photos)
        hits = rng.random(len(groups)) < chance[groups]
        found = share(hits, groups, np.zeros_like(groups), min_groups=MIN_GROUPS)
        assert found.low is not None and found.high is not None
        ours += found.low <= truth <= found.high
        right = np.bincount(groups, weights=hits)
        error = np.sqrt(((right - found.value * photos) ** 2).sum()) / len(hits)
        low, high = around(found.value, float(error))
        plain += low <= truth <= high
    return ours / tests, plain / tests


def area_coverage(tests: int) -> float:
    """Give the coverage of the resampled area under the risk-coverage curve (by the mean of all tests as the truth)."""
    source = Source()
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(tests):
        drawn = source.draw(rng)
        # What a second, like model is right on says how easy an image is.
        hits, other = source.hits(drawn, rng, source.ability, source.ability)
        confidence = source.ability[drawn.labels] + other + 0.5 * rng.standard_normal(len(hits))
        misses = ~hits[np.argsort(-confidence, kind="stable")]
        order = drawn.groups[np.argsort(-confidence, kind="stable")]

        def area(weights: np.ndarray, misses: np.ndarray = misses) -> float:
            return float(np.average(np.cumsum(weights * misses) / np.maximum(np.cumsum(weights), 1), weights=weights))

        found.append((area(np.ones(len(hits))), *resampled(area, order, resamples=RESAMPLES, seed=SEED)))
    values, low, high = np.array(found, float).T
    return float(np.mean((low <= values.mean()) & (values.mean() <= high)))


if __name__ == "__main__":
    main()
