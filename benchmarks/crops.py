"""What crops are worth, on photos of which neither the plants nor the places took part in any choice.

    python -m benchmarks.crops [PHOTOS_A_CELL]

Composes photos of five families of subjects before six of backgrounds (a cell each, 80 photos by default). For each
cell the weights of the cues are fitted anew on the cells that share neither family, and the choices of the search are
made anew by what they are worth on those cells, each by its own weights. What is measured on this cell is then what the
procedure is worth on what nobody has seen. The last lines are what it gives on all cells, for `crop` in params.yaml.
The photos come out of memory: a seed makes the same ones again. Needs apt-get and dpkg-deb; fetches 600 MB and takes
some ten minutes on two cores.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from benchmarks import ROOT
from benchmarks.crop_fitting import CHOICES, Kept, Seen, choose, crop_all, fit_weights
from benchmarks.crop_photos import Photo, compose, cut_frames
from benchmarks.inventory import photo as large_photo
from sample.compose import ALL_FRAMES
from sample.families import PACKAGES
from sample.packages import unpack_packages
from stages.config.schema import Crop
from stages.config.schema import Cues as Weights
from stages.images.crop import find_crop
from stages.images.decode import decode_rgb
from stages.images.prepare import reduction_for
from stages.images.saliency import read_cues
from stages.runtime.errors import run
from stages.runtime.parallel import parallel_map
from stages.runtime.yaml_files import read_yaml

PHOTOS_A_CELL = 80
RESAMPLED = 1000  # times, for an interval
CUES = ("surrounded", "compact", "texture", "residual")
SIZES = (0.0, 0.012, 0.03, 0.08, 0.2, 1.0)  # of the subject's box, as shares of the frame
FIGURES: dict[str, Callable[[Kept], np.ndarray]] = {
    "kept": lambda kept: kept.smart,
    "off center": lambda kept: np.where(kept.off > 0, kept.smart, np.nan),
    "missed": lambda kept: kept.missed,
    "over 5 points worse": lambda kept: kept.worse,
    "better": lambda kept: kept.better,
    "fell back": lambda kept: kept.fell_back,
}


def main() -> None:
    """Compose, fit and measure by folds, print the tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS_A_CELL
    params = Crop(**read_yaml(ROOT / "params.yaml")["crop"])
    params = params.model_copy(update={"mode": "smart"})
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_packages(PACKAGES, Path(folder))
        photos, real = list(compose(root, number)), list(cut_frames(root))
    seen = look(photos, params)
    cells = Cells(photos)
    print(f"{len(photos):,} photos in {len(cells.members)} cells, {len(real)} frames of real photographs", flush=True)

    cv2.setNumThreads(1)  # what is forked below must find no threads
    everywhere = partial(forked, range(len(cells.members)))

    def by_cell(change: dict[str, float], weights: Sequence[Weights]) -> Kept:
        """Crop each cell by weights of its own."""
        return together(
            everywhere(
                lambda cell: crop_all(
                    [seen[i] for i in cells.members[cell]],
                    params.model_copy(update={**change, "cues": weights[cell]}),
                )
            ),
            cells,
        )

    weights = everywhere(lambda cell: fit_weights([seen[i] for i in np.flatnonzero(cells.others(cell))]))
    measured = [by_cell(change, weights) for change in CHOICES]
    chosen = [choose(measured, cells.others(cell)) for cell in range(len(cells.members))]
    by_folds = together([measured[number].of(cells.members[cell]) for cell, number in enumerate(chosen)], cells)
    print_figures("by folds", by_folds, cells)
    print_figures("as in params.yaml, which saw all", crop_all(seen, params), cells)
    print_groups(by_folds)

    best = choose(measured, np.ones(len(photos), bool))
    print("\n| by folds, with | kept | missed | worse | share of the crop, ratio |\n|---|---|---|---|---|")
    for change, kept in zip(CHOICES, measured, strict=True):
        if all(change[key] == CHOICES[best][key] for key in ("center_sigma", "min_gain")):
            print_short(f"area_price {change['area_price']}, margin {change['margin']}", kept, cells)
    for change, kept in zip(CHOICES, measured, strict=True):
        if all(change[key] == CHOICES[best][key] for key in ("area_price", "margin")):
            print_short(f"center_sigma {change['center_sigma']}, min_gain {change['min_gain']}", kept, cells)
    for cue in CUES:
        without = everywhere(
            lambda cell, cue=cue: fit_weights([seen[i] for i in np.flatnonzero(cells.others(cell))], without=cue)
        )
        print_short(f"without {cue}", by_cell(CHOICES[best], without), cells)

    print_real(crop_all(look(real, params), params), real)
    print_cost(params)
    print("\ncrop, fitted on all:", fit_weights(seen).model_dump(), CHOICES[best], sep="\n")
    print("chosen for the cells:", *sorted({str(CHOICES[number]) for number in chosen}), sep="\n")


class Cells:
    """Which photos are of which pair of families, and which take part in choices for a pair."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.photos = photos
        self.names = sorted({(one.family, one.place) for one in photos})
        self.members = [[i for i, one in enumerate(photos) if (one.family, one.place) == name] for name in self.names]

    def others(self, cell: int) -> np.ndarray:
        """Say of each photo whether it shares neither family with a cell: bool [photos]."""
        family, place = self.names[cell]
        return np.array([photo.family != family and photo.place != place for photo in self.photos])

    def mean(self, values: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Average over the cells the average of each; photos whose value is NaN do not count."""
        weights = np.ones(len(values)) if weights is None else weights
        means = []
        for members in self.members:
            counted = [i for i in members if not np.isnan(values[i]) and weights[i]]
            if counted:
                means.append(np.average(values[counted], weights=weights[counted]))
        return float(np.mean(means))

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Give the 95 % interval of ``mean``, had other subjects and backgrounds been found for the same families.

        Photos of one subject or background are no independent ones, so these are drawn anew, with replacement, both at
        once within their families (Owen's pigeonhole bootstrap, 2007).
        """
        rng = np.random.default_rng(0)
        drawn = [
            self.mean(values, self._draw(rng, "subject", "family") * self._draw(rng, "background", "place"))
            for _ in range(RESAMPLED)
        ]
        low, high = np.quantile(drawn, (0.025, 0.975))
        return float(low), float(high)

    def _draw(self, rng: np.random.Generator, what: str, of: str) -> np.ndarray:
        """Say how often each photo's subject or background was drawn: float64 [photos]."""
        times = {}
        for group in sorted({getattr(one, of) for one in self.photos}):
            names = sorted({getattr(one, what) for one in self.photos if getattr(one, of) == group})
            times |= dict(zip(names, rng.multinomial(len(names), [1 / len(names)] * len(names)), strict=True))
        return np.array([times[getattr(one, what)] for one in self.photos], float)


def look(photos: Sequence[Photo], params: Crop) -> list[Seen]:
    """Decode photos and read their cues."""
    tasks = [photos[start : start + 50] for start in range(0, len(photos), 50)]
    return [one for several in parallel_map(partial(_look_at, params.thumbnail_px), tasks) for one in several]


def _look_at(thumbnail_px: int, photos: Sequence[Photo]) -> list[Seen]:
    seen = []
    for one in photos:
        pixels = decode_rgb(one.data)
        seen.append(Seen(read_cues(pixels, thumbnail_px), pixels.shape[1], pixels.shape[0], one.box))
    return seen


def forked(cells: Sequence[int], work: Callable[[int], Any]) -> list[Any]:
    """Do the work of all cells in processes of their own, which inherit what it needs: it is too much to be sent."""
    global _work  # noqa: PLW0603
    _work = work
    with get_context("fork").Pool() as pool:
        return pool.map(_do, cells, chunksize=1)


_work: Callable[[int], Any]


def _do(cell: int) -> Any:
    return _work(cell)


def together(parts: Sequence[Kept], cells: Cells) -> Kept:
    """Put what was measured cell by cell into the order of the photos."""
    order = np.argsort(np.concatenate([np.array(members) for members in cells.members]))
    return Kept(*(np.concatenate(columns)[order] for columns in zip(*parts, strict=True)))


def share_ratio(kept: Kept, cells: Cells) -> float:
    """How many times as much of smart crop is subject as of center crop."""
    return cells.mean(kept.smart_share) / cells.mean(kept.center_share)


def print_figures(title: str, kept: Kept, cells: Cells) -> None:
    """Print each figure with its interval."""
    print(f"\n| {title} | mean over the cells | 95 % interval |\n|---|---|---|")
    print(f"| center crop, kept | {cells.mean(kept.center):.3f} | {_range(cells.interval(kept.center))} |")
    for name, read in FIGURES.items():
        values = read(kept)
        print(f"| {name} | {cells.mean(values):.3f} | {_range(cells.interval(values))} |", flush=True)
    print(f"| share of the crop, ratio | {share_ratio(kept, cells):.2f} | |")


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def print_short(title: str, kept: Kept, cells: Cells) -> None:
    """Print a row of the front."""
    means = [cells.mean(values) for values in (kept.smart, kept.missed, kept.worse)]
    print(
        f"| {title} | {means[0]:.3f} | {means[1]:.1%} | {means[2]:.1%} | {share_ratio(kept, cells):.2f} |", flush=True
    )


def print_groups(kept: Kept) -> None:
    """Print what is kept by the frame's shape and by the subject's size, with intervals of independent photos."""
    print("\n| by folds | photos | smart, kept | 95 % | missed | center, kept |\n|---|---|---|---|---|---|")
    for width, height, _ in sorted(ALL_FRAMES.values(), key=lambda frame: frame[0] / frame[1]):
        _print_group(f"{width}:{height}", kept, np.abs(kept.aspect * height / width - 1) < 0.02)
    for low, high in pairwise(SIZES):
        _print_group(f"subject {low:.1%} to {high:.1%} of the frame", kept, (kept.size >= low) & (kept.size < high))


def _print_group(title: str, kept: Kept, rows: np.ndarray) -> None:
    values = kept.smart[rows]
    half = 1.96 * values.std() / len(values) ** 0.5
    ends = (values.mean() - half, min(1.0, values.mean() + half))
    print(
        f"| {title} | {rows.sum()} | {values.mean():.3f} | {_range(ends)} | {kept.missed[rows].mean():.1%} | "
        f"{kept.center[rows].mean():.3f} |"
    )


def print_real(kept: Kept, photos: Sequence[Photo]) -> None:
    """Print what crops keep of the plant in frames of real photographs, which are drawn anew for the intervals."""
    cells = Cells(photos)
    print(f"\n| frames of real photographs ({len(photos)}) | mean | 95 % interval |\n|---|---|---|")
    for name, values in {"center crop, kept": kept.center, **{n: read(kept) for n, read in FIGURES.items()}}.items():
        if not np.isnan(values).all():
            print(f"| {name} | {cells.mean(values):.3f} | {_range(cells.interval(values))} |")


def print_cost(params: Crop) -> None:
    """Print what finding a crop adds to decoding an original of 2048 x 1536 px, in full and as ``pack`` does."""
    data = simplejpeg.encode_jpeg(large_photo(1), quality=91)
    decodes = {"in full": 1, "reduced, for 448 px": reduction_for(data, 1536, 448)}
    print("\n| decode | ms | smart crop, ms | smart crop by decode |\n|---|---|---|---|")
    for name, factor in decodes.items():
        decoding, cropping = [], []
        for _ in range(30):
            start = time.perf_counter()
            pixels = decode_rgb(data, factor=factor)
            middle = time.perf_counter()
            find_crop(pixels, params)
            decoding.append(middle - start)
            cropping.append(time.perf_counter() - middle)
        decode_ms, crop_ms = (statistics.median(seconds) * 1e3 for seconds in (decoding, cropping))
        print(f"| {name} ({len(data) / 1e6:.2f} MB) | {decode_ms:.1f} | {crop_ms:.1f} | {crop_ms / decode_ms:.2f} |")


if __name__ == "__main__":
    run(main)
