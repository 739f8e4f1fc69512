"""Command ``review_data``: a page on this machine on which a person looks at suspects and says what they are.

python -m stages.commands.review_data [--reviewer NAME] [--pairs] [--split val] [--random-share 0.2] [--port 8765]

It prints an address with a secret token and serves the page at 127.0.0.1 until Ctrl-C. Each verdict is written at once
to data/sources/<profile>/verdicts/NAME.csv, with --pairs to pair_verdicts/NAME.csv: commit them.
"""

import argparse
import re
import subprocess
import unicodedata
import webbrowser
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.cache.directory import cache_directory
from stages.config.reading import all_params
from stages.config.schema import Params
from stages.config.sources import assignments_path, pair_verdicts_path, synonyms_path, verdicts_path
from stages.reviewing.asked import Order, sample_order, suspects, whole_split
from stages.reviewing.catalog import Catalog, read_catalog
from stages.reviewing.pairs import PairReview
from stages.reviewing.pictures import Pictures
from stages.reviewing.review import ImageReview
from stages.reviewing.saving import ReviewerFile
from stages.reviewing.server import ReviewServer
from stages.runtime.errors import UserError, run
from stages.runtime.lock import check_profile
from stages.runtime.progress import say
from stages.runtime.wording import in_words
from stages.tables.classes import SPLITS
from stages.tables.suspects import LOOK_ALIKES
from stages.tables.table import read_table
from stages.tables.verdicts import PAIR_VERDICTS, VERDICTS
from stages.verdicts.names import spell
from stages.verdicts.reading import read_pair_verdicts, read_verdicts, write_pair_verdicts, write_verdicts
from stages.web.until_stopped import has_screen, serve_until_stopped

SPLITS_IN = Path("data/splits")
SUSPECTS_IN = Path("data/suspects")
MODEL_SUSPECTS_IN = Path("data/model_suspects.parquet")
PACKED_IN = Path("data/packed")

RANDOM_SHARE = 0.2
LONGEST_NAME = 60  # letters


def main() -> None:
    """Serve the page until somebody stops it."""
    arguments = _arguments()
    server, review = open_server(arguments)
    say(f"review_data: {server.url} (Ctrl-C ends it; verdicts go to {review.file.path})")
    if not arguments.no_browser and has_screen():
        webbrowser.open(server.url)
    serve_until_stopped(server)
    said = Counter(row["verdict"] for row in review.file.rows.values())
    say(
        f"review_data: {said.total():,} verdicts in {review.file.path}{in_words(said)}"
        + (": commit it, then `dvc repro`" if said else "")
    )
    review.file.close()


def open_server(arguments: argparse.Namespace) -> tuple[ReviewServer, ImageReview | PairReview]:
    """Read what there is, and give a server that answers nobody yet, and its review.

    Raises:
        UserError: a table is missing or damaged, there is no name for the reviewer, or the port is taken.
    """
    params = all_params()
    check_profile("split", params.profile, SPLITS_IN)
    reviewer = reviewer_name(arguments.reviewer)
    catalog = read_catalog(SPLITS_IN, SUSPECTS_IN, MODEL_SUSPECTS_IN)
    say_counts(catalog)
    if not assignments_path(params.profile).exists():
        say(
            "review_data: the splits are not remembered, so a label that changes may move photos between train, val "
            "and test: `make remember` first keeps the test of before and of then one test"
        )
    pictures = Pictures(PACKED_IN, _cache(params.profile))
    review = (_pairs if arguments.pairs else _images)(arguments, params, catalog, pictures, reviewer)
    return ReviewServer(review, catalog, pictures, reviewer=reviewer, port=arguments.port), review


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviewer", metavar="NAME", help="whose verdicts these are (git's user.name)")
    parser.add_argument("--pairs", action="store_true", help="ask of pairs of photos that look alike")
    parser.add_argument(
        "--split", choices=SPLITS, default="train", help="train: its suspects; val or test: all of it (train)"
    )
    parser.add_argument(
        "--random-share",
        type=_share,
        metavar="SHARE",
        help=f"of the questions, images drawn from all, which tell the error rate; 1 asks these alone ({RANDOM_SHARE})",
    )
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes a free one (0)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open nothing")
    arguments = parser.parse_args(words)
    if arguments.pairs and (arguments.split != "train" or arguments.random_share is not None):
        parser.error("--pairs asks pairs of all splits: leave out --split and --random-share")
    if arguments.random_share == 1 and arguments.split != "train":
        parser.error("--random-share 1 asks the sample alone, which is of all splits: leave out --split")
    return arguments


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1 (found {text})")
    return share


def _images(
    arguments: argparse.Namespace, params: Params, catalog: Catalog, pictures: Pictures, reviewer: str
) -> ImageReview:
    file = ReviewerFile(verdicts_path(params.profile), reviewer, VERDICTS, read_verdicts, write_verdicts)
    whole = arguments.split != "train"
    share = arguments.random_share if arguments.random_share is not None else 0.0 if whole else RANDOM_SHARE
    first = [] if share == 1 else (whole_split if whole else suspects)(catalog, arguments.split)
    judged = {name for (name,) in file.rows} | set(file.others["image_name"])
    order = Order(first, sample_order(catalog, judged), share)

    def spelled(names: Iterable[str]) -> dict[str, str | None]:
        found = spell(names, catalog.species, params.names, synonyms_path(params.profile))
        return {name: cleaned.name for name, cleaned in found.items()}

    return ImageReview(catalog, pictures, order, file, spelled)


def _pairs(
    _arguments: argparse.Namespace, params: Params, catalog: Catalog, pictures: Pictures, reviewer: str
) -> PairReview:
    pairs = read_table(SUSPECTS_IN / "look_alikes.parquet", LOOK_ALIKES)
    folder = pair_verdicts_path(params.profile)
    file = ReviewerFile(folder, reviewer, PAIR_VERDICTS, read_pair_verdicts, write_pair_verdicts)
    review = PairReview(catalog, pictures, pairs, file)
    if review.passed_over:
        say(
            f"review_data: {review.passed_over:,} of {pairs.height:,} pairs are passed over, as an image of them is "
            "not in the splits any more: `dvc repro suspects` proposes new ones"
        )
    return review


def reviewer_name(given: str | None) -> str:
    """Give a name that is fit for a file, of what was given or else of git's user.name: ``Ann O'Hara`` is ann-o-hara.

    Raises:
        UserError: there is none.
    """
    name = given if given is not None else _name_in_git()
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    fit = re.sub("[^a-z0-9]+", "-", letters).strip("-")[:LONGEST_NAME].strip("-")
    if not fit:
        found = f" ({name!r} has no letter from a to z)" if name.strip() else ""
        raise UserError(f'whose verdicts are these{found}? Say ARGS="--reviewer NAME", or set git\'s user.name')
    return fit


def _name_in_git() -> str:
    try:
        found = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout.strip()


def say_counts(catalog: Catalog) -> None:
    """Say what is passed over."""
    counts = catalog.counts
    if counts.other_suspects or counts.without:
        say(
            f"review_data: {counts.other_suspects:,} suspects are not in the splits as they are now, and of "
            f"{counts.without:,} images of the splits it is not known how suspect they are: run `dvc repro suspects`"
        )


def _cache(profile: str) -> Path | None:
    """Give the image cache; it need not be at hand."""
    try:
        return cache_directory(profile)
    except UserError as error:
        say(f"review_data: no originals are shown: {error}")
        return None


if __name__ == "__main__":
    run(main)
