"""What passes for a photo of a plant: pictures of eight kinds, from sources that no limit was set by; and cut files.

    python -m benchmarks.photos [FOLDER]

Plants on plain ground, herbarium sheets and ordinary photos shall pass; screenshots, web pages, pages, drawings and
maps shall not (benchmarks/photo_kinds.py). Every other source of a kind was for tuning, and the tables have both
halves. Each picture is saved as the web does: a JPEG of quality 60 to 95, some a PNG, of 240 to 2048 px.

The second table cuts pictures that shall pass, fills what is missing as decoders do, and saves them again, half of them
smaller. In FOLDER, packages and pictures are kept, and packages that are there are not fetched again.
"""

import io
import sys
import tempfile
import zlib
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from PIL import Image
from scipy.stats import beta

from benchmarks.photo_kinds import MAKERS, PACKAGES
from sample.packages import unpack_packages
from stages.config.reading import all_params
from stages.images.decode import decode_rgb
from stages.images.measure import measure
from stages.images.verdict import DRAWN, verdict
from stages.runtime.errors import run
from stages.runtime.parallel import parallel_map
from stages.runtime.progress import progress
from stages.tables.inventory import MEASURES, SOUND

PHOTOS = ("plain", "sheets", "photos")  # that shall pass; the other kinds shall not
SIDES_PX = (240, 2048)
QUALITIES = (60, 95)


def saved(pixels: np.ndarray, rng: np.random.Generator, *, png_share: float) -> tuple[bytes, str]:
    """Save a picture as the web does, and give the bytes and the ending of the name."""
    smallest, largest = SIDES_PX
    longest = max(pixels.shape[:2])
    wanted = min(float(np.exp(rng.uniform(np.log(smallest), np.log(largest)))), longest * 1.5)
    scale = wanted / longest
    if scale < 1 or rng.random() < 0.3:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=method)
    if min(pixels.shape[:2]) < 64:
        scale = 64 / min(pixels.shape[:2])
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    buffer = io.BytesIO()
    if rng.random() < png_share:
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue(), "png"
    quality = int(rng.integers(QUALITIES[0], QUALITIES[1] + 1))
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=int(rng.choice([0, 2, 2])))
    return buffer.getvalue(), "jpg"


FILLS = {"gray": (128, 128, 128), "black": (0, 0, 0), "green": (0, 135, 0), "green of YCbCr zero": (0, 136, 0)}


def cut_and_saved_again(pixels: np.ndarray, color: tuple[int, int, int], rng: np.random.Generator) -> bytes:
    """Cut 15 to 90 % off a picture's end, within a row of blocks, fill that with a color, resize some, save again."""
    filled = pixels.copy()
    height, width = filled.shape[:2]
    block = int(rng.choice([8, 16]))
    row = int(height * rng.uniform(0.1, 0.85)) // block * block
    filled[row : row + block, int(rng.integers(0, width)) // block * block :] = color
    filled[row + block :] = color
    if rng.random() < 0.5:
        method = int(rng.choice([cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
        scale = rng.uniform(0.5, 0.9)
        filled = cv2.resize(filled, None, fx=scale, fy=scale, interpolation=method)
    buffer = io.BytesIO()
    quality, subsampling = int(rng.integers(30, 96)), int(rng.choice([0, 2]))
    Image.fromarray(filled).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def make(root: Path, folder: Path, kind: str) -> list[dict[str, object]]:
    """Make, save and measure the pictures of a kind; give kind, source, path and measures of each."""
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    target = folder / "pictures" / kind.replace(" ", "_")
    target.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (source, pixels) in enumerate(MAKERS[kind](root, rng)):
        content, ending = saved(pixels, rng, png_share=0.05 if kind in PHOTOS else 0.3)
        path = target / f"{number:04d}.{ending}"
        path.write_bytes(content)
        row = {"kind": kind, "source": source, "path": str(path), "fill": None} | _measures(content)
        rows.append(row)
        if kind in PHOTOS and min(decode_rgb(content).shape[:2]) >= 100:
            fill = list(FILLS)[number % len(FILLS)]
            rows.append(row | {"fill": fill} | _measures(cut_and_saved_again(decode_rgb(content), FILLS[fill], rng)))
    return rows


def _measures(content: bytes) -> dict[str, object]:
    measured = asdict(measure(content, max_megapixels=200))
    return {name: measured[name] for name in MEASURES}


def interval(table: pl.DataFrame, hit: str) -> tuple[float, float, float]:
    """Give the share of rows with ``hit`` and its 95 % interval, exact for as many pictures as the sources are worth.

    Pictures of one source are alike: the number that the binomial interval (Clopper and Pearson, 1934) is given is that
    of independent ones with the same variance (Korn and Graubard, 1998), and that of the sources where all are alike.
    """
    by_source = table.group_by("source").agg(pl.len().cast(pl.Float64), hits=pl.col(hit).sum().cast(pl.Float64))
    number, sources = table.height, by_source.height
    share = float(by_source["hits"].sum()) / number
    spread = (
        float((by_source["hits"] - share * by_source["len"]).pow(2).sum()) * sources / max(sources - 1, 1) / number**2
    )
    worth = min(number, share * (1 - share) / spread) if spread else sources
    hits = share * worth
    low = float(beta.ppf(0.025, hits, worth - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, worth - hits)) if hits < worth else 1.0
    return share, low, high


def in_words(table: pl.DataFrame, hit: str) -> str:
    """Write a share in per cent with its interval."""
    return "{:.1f} % ({:.1f}-{:.1f})".format(*(100 * value for value in interval(table, hit)))


def main() -> None:
    """Make the pictures, print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        root = folder / "root"
        if not root.exists():
            unpack_packages(PACKAGES, folder)
        kinds = progress(parallel_map(partial(make, root, folder), list(MAKERS)), what="kinds", total=len(MAKERS))
        rows = [row for kind in kinds for row in kind]
        schema = {"kind": pl.String, "source": pl.String, "path": pl.String, "fill": pl.String, **MEASURES}
        judged = pl.DataFrame(rows, schema=schema).with_columns(verdict=verdict(all_params().inventory), drawn=DRAWN)
        place = pl.col("source").rank("dense").over("kind")  # of the sources by name, every other one is for tuning
        judged = judged.with_columns(
            test=place % 2 == 0, refused=pl.col("verdict") != SOUND, cut=pl.col("verdict") == "cut_and_saved_again"
        )
        judged.write_parquet(folder / "judged.parquet")
    show(judged.filter(pl.col("fill").is_null()), judged.filter(pl.col("fill").is_not_null()))


def show(pictures: pl.DataFrame, again: pl.DataFrame) -> None:
    """Print the tables of pictures as they are and of those that were cut and saved again."""
    print("| kind | pictures (sources) | refused, tuning half | refused, test half | by |\n|---|---|---|---|---|")
    for kind, kinds in (*((kind, [kind]) for kind in MAKERS), ("all that shall pass", list(PHOTOS))):
        of_kind = pictures.filter(pl.col("kind").is_in(kinds))
        tuning, test = of_kind.filter(~pl.col("test")), of_kind.filter("test")
        reasons = test.filter("refused").group_by("verdict").len().sort("len", "verdict", descending=True).rows()
        by = ", ".join(f"{verdict} {number}" for verdict, number in reasons)
        size = f"{of_kind.height} ({of_kind['source'].n_unique()})"
        print(f"| {kind} | {size} | {in_words(tuning, 'refused')} | {in_words(test, 'refused')} | {by} |")
    print(f"\n| max_drawn | {' | '.join(MAKERS)} |\n|---{'|---' * len(MAKERS)}|")
    for limit in (0.55, 0.6, 0.65, 0.7, 0.8):
        beyond = dict(pictures.filter("test").group_by("kind").agg((pl.col("drawn") > limit).mean()).rows())
        print(f"| {limit} | {' | '.join(f'{100 * beyond[kind]:.1f} %' for kind in MAKERS)} |")
    print("\n| filled with | pictures | called cut, test half |\n|---|---|---|")
    for fill in FILLS:
        of_fill = again.filter((pl.col("fill") == fill) & pl.col("test"))
        print(f"| {fill} | {of_fill.height} | {in_words(of_fill, 'cut')} |")
    whole = pictures.filter(pl.col("test") & pl.col("kind").is_in(PHOTOS))
    print(f"| nothing | {whole.height} | {in_words(whole, 'cut')} |")


if __name__ == "__main__":
    run(main)
