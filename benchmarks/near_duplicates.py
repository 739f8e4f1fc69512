"""What finding look-alikes costs among a million images, and how many of the planted ones are found.

    python -m benchmarks.near_duplicates [IMAGES ...]

Hashes are drawn, and one in fifty is planted again with up to 24 bits changed, half of them mirrored. Says seconds, and
seconds by the number of images against the first size: below the square of that is what the index brings.
"""

import sys
import time

import numpy as np
import polars as pl

from stages.config.schema import NearDuplicates
from stages.images.similar import HASH_BITS, MIRROR, find_pairs
from stages.near_duplicates import SHARED, find_alike

SIZES = (125_000, 250_000, 500_000, 1_000_000)
DISTANCE = 24
CLUSTER = 10_000


def main() -> None:
    """Measure each size, print the table."""
    rows = []
    for size in [int(word) for word in sys.argv[1:]] or SIZES:
        hashes, planted = population(size, np.random.default_rng(1))
        start = time.perf_counter()
        pieces = list(find_pairs(hashes, max_distance=DISTANCE, mirrored=True))
        seconds = time.perf_counter() - start
        found = {pair for piece in pieces for pair in zip(piece.first.tolist(), piece.second.tolist(), strict=True)}
        recall = sum(pair in found for pair in planted) / len(planted)
        rows.append((size, seconds, recall, len(found) - sum(pair in planted for pair in found)))
    clustered = measure_cluster(CLUSTER)
    print("| images | seconds | time by that of the first | square of the size | planted pairs found | others |")
    print("|---|---|---|---|---|---|")
    for size, seconds, recall, others in rows:
        ratio, square = seconds / rows[0][1], (size / rows[0][0]) ** 2
        print(f"| {size:,} | {seconds:.1f} | {ratio:.1f} | {square:.0f} | {recall:.2%} | {others} |")
    seconds, pairs, kept = clustered
    print(f"\n{CLUSTER:,} pictures that all look alike: {seconds:.1f} s, {pairs:,} pairs, of which {kept:,} are kept")


def measure_cluster(size: int) -> tuple[float, int, int]:
    """Give the seconds that so many pictures take which all look alike, their pairs, and how many of these are kept."""
    hashes = np.unpackbits(np.tile(np.random.default_rng(2).integers(0, 256, 32, dtype=np.uint8), (size, 1)), axis=1)
    rng = np.random.default_rng(3)
    for row in hashes:
        row[rng.choice(HASH_BITS, 4, replace=False)] ^= 1
    images = pl.DataFrame({"phash": [row.tobytes() for row in np.packbits(hashes, axis=1)], "species": "A"})
    images = images.with_columns(pl.lit(None, pl.String).alias(link) for link in SHARED).with_row_index("row")
    start = time.perf_counter()
    kept, _, figures = find_alike(images, NearDuplicates(max_distance=DISTANCE, mirrored=True))
    return time.perf_counter() - start, figures["pairs"], kept.height


def population(size: int, rng: np.random.Generator) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Give hashes, uint8 [size, 32], and the pairs of them that were planted."""
    copies = size // 50
    hashes = rng.integers(0, 256, (size, HASH_BITS // 8), dtype=np.uint8)
    originals = rng.choice(size - copies, copies, replace=False)
    for place, original in enumerate(originals, start=size - copies):
        bits = np.unpackbits(hashes[original] ^ (MIRROR if place % 2 else 0))
        bits[rng.choice(HASH_BITS, rng.integers(1, DISTANCE + 1), replace=False)] ^= 1
        hashes[place] = np.packbits(bits)
    return hashes, {(int(original), place) for place, original in enumerate(originals, start=size - copies)}


if __name__ == "__main__":
    main()
