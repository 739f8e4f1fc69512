"""How long a reviewer waits: from a key to the next picture, in a real browser, on 20,000 packed images.

    python -m benchmarks.review_page [IMAGES]

Generated images of 448 px, one to three an observation, of 1,000 species, and a reviewer who has judged 5,000 already.
The page of `make review-data` is opened in Chromium, and 100 questions are answered. A key is pressed when a reader's
300 ms are over; what counts is the time from the key to the frame after the one in which the next picture, decoded, is
drawn. Three ways take turns:

ahead     as the page does it: five questions are loaded before they are asked
at once   the next key at once, so that less is loaded ahead
anew      the whole page loaded for a question, as a form would

Then the share of it that is the server's: the verdict's way to disk, and the next questions. All of it grows with what
else the machine does, so its load is printed.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from stages.runtime.wording import size_in_words
from stages.tables.verdicts import VERDICTS
from stages.verdicts.reading import write_verdicts
from tests.support.chromium import CHROMIUM, Page, chromium
from tests.support.review_data import VERDICTS_IN, Served, served, write_data

IMAGES, JUDGED, QUESTIONS, WARM_UP = 20_000, 5_000, 100, 10
SIZE_PX, PICTURES, SPECIES = 448, 40, 1_000
READ_S = 0.3
DRAWN = """
new Promise(then => {
  const look = () => {
    const image = document.querySelector(".stage img");
    if (!image?.complete || !image.naturalWidth) return setTimeout(look, 1);
    image.decode().then(() => requestAnimationFrame(() => requestAnimationFrame(then)));
  };
  look();
})
"""
LIMIT_MS = 100
# Gives how long it took from a key to the frame after the next picture, decoded, is drawn.
WATCH = """
window.waited = new Promise(then => document.addEventListener("keydown", event => {
  const turn = document.body.dataset.turn, start = event.timeStamp;
  const look = () => {
    const image = document.querySelector(".stage img");
    if (document.body.dataset.turn === turn || !image?.complete || !image.naturalWidth) return setTimeout(look, 1);
    image.decode().then(() => requestAnimationFrame(() => requestAnimationFrame(now => then(now - start))));
  };
  look();
}, { once: true, capture: true }));
0
"""


def main() -> None:
    """Make the images, answer questions, print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    if CHROMIUM is None:
        raise SystemExit("no Chromium: `make chromium` installs it")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "repo"
        folder.mkdir()
        species = [f"Genus{place % 97} species{place}" for place in range(SPECIES)]
        table = write_data(folder, groups=number // 2, species=species, size_px=SIZE_PX, pictures=PICTURES)
        packed = sum(path.stat().st_size for path in (folder / "data/packed").iterdir())
        judged = write_judged(folder, table)
        print(f"{table.height:,} images, {size_in_words(packed)}; {judged:,} verdicts so far")
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
        start_s = time.monotonic()
        with served(folder) as server, chromium(Path(temporary), of_this_machine=True) as browser:
            print(f"until the address is printed: {time.monotonic() - start_s:.1f} s")
            page = browser.open(server.url)
            page.resize(1400, 900)
            page.until("document.body.dataset.turn")
            ways: dict[str, list[float]] = {"ahead": [], "at once": [], "anew": []}
            for turn in range(WARM_UP + QUESTIONS):
                ways["ahead"].append(answer(page, turn, READ_S))
                ways["at once"].append(answer(page, turn, 0.0))
                if turn % 4 == 0:
                    ways["anew"].append(load(page))
            for name, waited in ways.items():
                above = sum(ms > LIMIT_MS for ms in waited[WARM_UP:])
                print(f"{name:<8} {in_words(waited[WARM_UP:])}; {above} above {LIMIT_MS} ms")
            print(f"{'server':<8} {in_words(ask_server(server))}")


def write_judged(folder: Path, table: pl.DataFrame) -> int:
    """Write verdicts on images against which nothing speaks, so that the suspects are still to be asked."""
    suspects = pl.read_parquet(folder / "data/suspects/images.parquet").tail(JUDGED)
    judged = table.filter(pl.col("image_name").is_in(suspects["image_name"].implode()))
    rows = judged.select("image_name", "sha256", given="species").with_columns(
        verdict=pl.lit("confirm"),
        species=pl.lit(None, pl.String),
        reason=pl.lit(None, pl.String),
        asked_as=pl.lit("suspect"),
        note=pl.lit(None, pl.String),
    )
    write_verdicts(rows.select(VERDICTS.keys()), folder / VERDICTS_IN / "ann.csv")
    return rows.height


def answer(page: Page, turn: int, read_s: float) -> float:
    """Look at a question for so long, answer it, and give the milliseconds until the next one is seen."""
    time.sleep(read_s)
    page.run(WATCH)
    page.press("12 "[turn % 3])
    return page.run("window.waited")


def load(page: Page) -> float:
    """Load the page anew, and give the milliseconds until its picture is seen."""
    page.reload()
    return page.run(DRAWN)


def ask_server(server: Served) -> list[float]:
    """Give the milliseconds of verdicts asked for without a browser."""
    waited = []
    turn = server.now()["turn"]
    said = {"verdict": "confirm", "species": None, "reason": None, "alone": False, "note": ""}
    for _ in range(QUESTIONS):
        start_s = time.perf_counter()
        _, state = server.ask("verdict", {"turn": turn} | said)
        waited.append(1000 * (time.perf_counter() - start_s))
        turn = state["turn"]
    return waited


def in_words(waited: list[float]) -> str:
    """Give median, 95th percentile and worst."""
    percentile = statistics.quantiles(waited, n=20)[-1]
    return f"median {statistics.median(waited):5.0f} ms, 95 % {percentile:5.0f} ms, worst {max(waited):5.0f} ms"


if __name__ == "__main__":
    main()
