"""Command ``predict_photos``: ask a model about photos of your own.

    python -m stages.commands.predict_photos PHOTO|FOLDER|URL ... [--model FOLDER] [--risk 0.1] [--json|--csv] [--show]

A photo is read, cropped and sized as those were that the model was trained on. Each answer is a species, or the genus
alone, or "I do not know", as the model is sure, and below it the most probable species with calibrated probabilities.
Answers go to the standard output (or to --out), in the order of the photos; progress and troubles to the standard
error. A photo that cannot be read stops nothing. The exit code is 0 where any photo was answered, else 1. Of a folder
all files that are photos are asked about, in the folders within it too. All that is needed is in the model's folder.
"""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from stages.answering.photo_files import Found, find_photos
from stages.answering.preparing import FEW, prepare_photos
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing
from stages.runtime.plain_text import plain
from stages.runtime.progress import ProgressLine, say
from stages.runtime.wording import in_words

if TYPE_CHECKING:
    from stages.answering.answered import AnsweredPhoto
    from stages.answering.asking import Asked

MODEL = Path("models")
PICTURES = Path("predicted")
BATCH_ON_CPU, BATCH_ON_GPU = 16, 64
SHOWN_PX = 1120  # twice as large as it is drawn
_LONGEST_NAME = 80

Write = Callable[[str], None]


def main() -> None:
    """Ask about what the command line names, and write the answers."""
    arguments = _parser().parse_args()
    pictures: Path | None = arguments.pictures or (PICTURES if arguments.show else None)
    found = find_photos(arguments.photos, pictures=pictures or PICTURES)
    if not found.sources:
        raise UserError("; ".join(found.unread))
    check_outputs(arguments.out, pictures, found)
    answers = sys.stdout
    if arguments.csv and isinstance(answers, TextIOWrapper):  # a table is the same whatever the terminal can show
        answers.reconfigure(encoding="utf-8")
    try:
        # What libraries and settings have to say is no answer.
        with redirect_stdout(sys.stderr), writing(arguments.out, answers) as write:
            asked = load(arguments.model, arguments.risk)
            tally = Tally(found, bar=arguments.out is not None or not answers.isatty())
            if arguments.csv:
                write(_csv_head())
            for one in tally.follow(answer(found, asked, with_whole=pictures is not None)):
                if pictures and one.answer:
                    draw(one, pictures)
                if line := form(one, arguments):
                    write(line)
    except BrokenPipeError:  # who reads the answers has enough of them, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), answers.fileno())
        raise SystemExit(1) from None
    with redirect_stdout(sys.stderr):
        tally.finish(pictures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a file, a folder, or an address (http, https)")
    parser.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER", help="of the model (%(default)s)")
    parser.add_argument(
        "--risk", type=float, metavar="SHARE", help="share of wrong answers that is accepted, of those fitted (0.1)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a JSON object a photo, each in a line of its own")
    form.add_argument("--csv", action="store_true", help="a table, a row a photo")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the answers there")
    parser.add_argument("--show", action="store_true", help=f"draw each answer: a picture a photo in {PICTURES}/")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw them there instead")
    return parser


def check_outputs(out: Path | None, pictures: Path | None, found: Found) -> None:
    """See that what is asked for can be written where it is wanted, before photos are asked about.

    Raises:
        UserError: answers would take the place of a folder or of a photo, pictures that of a file, or there is no
            standard output.
    """
    if out is None and sys.stdout is None:
        raise UserError("the standard output is closed: open it, or name a file by --out")
    if out and out.is_dir():
        raise UserError(f"--out {out} is a folder: name a file in it")
    if out and out.is_file() and any(source.path and _is_same(out, source.path) for source in found.sources):
        raise UserError(f"--out {out} is one of the photos, and would be lost: name another file")
    if pictures and pictures.exists() and not pictures.is_dir():
        raise UserError(f"{pictures} is a file, and pictures are written to a folder: name one by --pictures")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # the other one is gone, or its links lead round in circles
        return False


def load(folder: Path, max_risk: float | None) -> "Asked":
    """Load a model and bring it to its device; say what it is, and what may make its answers others.

    Raises:
        UserError: what ``load_used_model`` says, or there are no thresholds for the risk.
    """
    from stages.learning.processes import make_accelerator  # torch takes seconds to import

    accelerator = make_accelerator()  # first: it says how torch computes
    from stages.answering.asking import Asked
    from stages.answering.model_folder import load_used_model
    from stages.answering.other_crops import other_crops
    from stages.answering.wording import sureness

    model = load_used_model(folder)
    asked = Asked(model, accelerator, max_risk=max_risk)
    say(f"predict_photos: {folder}: {len(model.species):,} species; {sureness(asked.thresholds, model)}")
    if differing := other_crops(model.preprocessing):
        say(f"predict_photos: warning: {differing}")
    return asked


@contextmanager
def writing(path: Path | None, answers: TextIO) -> Iterator[Write]:
    """Give what writes a line: to a file, which is there when all is written, or else to the standard output.

    A device or a pipe, such as /dev/null, is written to and stays what it is; where the path is a link, the file behind
    it is written.
    """
    if path is None:
        yield lambda line: print(line, file=answers, flush=True)
        return
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield lambda line: print(line, file=file, flush=True)
        return
    with replacing(path.resolve()) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda line: print(line, file=file)


def answer(found: Found, asked: "Asked", *, with_whole: bool) -> "Iterator[AnsweredPhoto]":
    """Ask about all that was found, and give what came of each, in order.

    Args:
        found: the photos.
        asked: the model.
        with_whole: all of each photo comes along, as it is drawn.
    """
    from stages.answering.answered import answer_photos

    photos = prepare_photos(found.sources, asked.model.preprocessing, shown_px=SHOWN_PX if with_whole else None)
    on_gpu = BATCH_ON_GPU if asked.device == "cuda" else BATCH_ON_CPU
    # Of a few, each is answered as it comes.
    return answer_photos(photos, asked, batch_photos=1 if len(found.sources) <= FEW else on_gpu)


def form(one: "AnsweredPhoto", arguments: argparse.Namespace) -> str:
    """Give what is written of a photo: nothing of a file that is none, and for people nothing of trouble."""
    from stages.answering.wording import as_csv, as_json, most_probable, said_of

    if not one.is_photo:
        return ""
    if arguments.json or arguments.csv:
        return as_json(one) if arguments.json else as_csv(one)
    return f"{_shown(one.source.name)}: {said_of(one.answer)}\n    {most_probable(one.answer)}" if one.answer else ""


def _csv_head() -> str:
    from stages.answering.wording import csv_head

    return csv_head()


def draw(one: "AnsweredPhoto", folder: Path) -> None:
    """Draw an answer; the picture is named by the photo's name and its bytes, so that none takes the place of another.

    Raises:
        ValueError: there is no answer to draw.
    """
    from stages.report.answered_photo import draw_answer

    if not one.answer or not one.photo:
        raise ValueError(one.source.name)
    stem = re.sub(r"[^\w.-]+", "_", Path(one.source.name).stem)[:_LONGEST_NAME].lstrip(".")
    path = folder / f"{stem}-{one.photo.sha256[:8]}.jpg"
    draw_answer(one.shown, one.photo, one.answer, path, name=one.source.name)


class Tally:
    """Counts what comes of photos, says each trouble in a line as it comes, and how far it is."""

    def __init__(self, found: Found, *, bar: bool) -> None:
        """Begin with none.

        Args:
            found: the photos, and what was left out.
            bar: whether progress shows; not so where the answers themselves go to the same screen.
        """
        self._found = found
        self._bar = bar
        self._levels: Counter[str] = Counter()
        self._troubles: Counter[str] = Counter()
        self._no_photos: Counter[str] = Counter()
        self._last = ""

    def follow(self, photos: "Iterator[AnsweredPhoto]") -> "Iterator[AnsweredPhoto]":
        """Pass photos on, and count them."""
        sources = self._found.sources
        shown = None
        if self._bar:
            shown = ProgressLine("predict photos", total=len(sources), unit="photos", start_s=time.monotonic())
        line = shown.line if shown else say
        try:
            for unread in self._found.unread:
                line(f"predict_photos: {unread}")
            for done, one in enumerate(photos, 1):
                self._count(one)
                # The trouble of a photo that is alone is what the command ends with.
                if one.trouble and len(sources) > 1:
                    line(f"predict_photos: {self._last}")
                yield one
                if shown:
                    shown.show(done, time.monotonic())
        finally:
            if shown:
                shown.close()

    def _count(self, one: "AnsweredPhoto") -> None:
        if one.answer:
            self._levels[one.answer.level] += 1
        elif one.trouble:
            self._troubles[one.trouble] += 1
            self._last = f"{_shown(one.source.name)}: {one.message}"
        else:
            suffix = Path(one.source.name).suffix.lower()
            self._no_photos[suffix or "no suffix"] += 1

    def finish(self, pictures: Path | None) -> None:
        """Say what came of all of them.

        Raises:
            UserError: no photo was answered.
        """
        left_out = in_words(_left_out(self._found) | {f"no photo: {name}": n for name, n in self._no_photos.items()})
        left_out = f"; left out{left_out}" if left_out else ""
        answered, troubled = self._levels.total(), self._troubles.total()
        if not answered:
            if len(self._found.sources) == 1 and troubled:
                raise UserError(self._last)
            none = f"none of {troubled:,} photos can be answered" if troubled else "there is no photo to ask about"
            raise UserError(f"{none}{in_words(self._troubles)}{left_out}")
        if len(self._found.sources) > 1 or left_out:
            names = {"species": "a species", "genus": "the genus alone", "nothing": "I do not know"}
            said = in_words({names[level]: number for level, number in self._levels.items()})
            trouble = f"; not answered: {troubled:,}{in_words(self._troubles)}" if troubled else ""
            say(f"predict_photos: photos answered: {answered:,}{said}{trouble}{left_out}")
        if pictures:
            say(f"predict_photos: pictures are in {pictures}")


def _left_out(found: Found) -> dict[str, int]:
    return {"hidden": found.hidden, "linked folders": found.linked, "pictures of answers": found.drawn}


def _shown(name: str) -> str:
    return " ".join(plain(name).split("\n"))


if __name__ == "__main__":
    run(main)
