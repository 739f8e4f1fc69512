"""Command ``publish``: the model as others can use it -> models/published/.

python -m stages.commands.publish

A folder for timm and onnxruntime, with the model's own files, its card, the credits of the photos that made it, and
published.json, which says what it is made of. Each exported file is scored on test images against the model itself, and
one that does worse than section ``publish`` of params.yaml allows stops it; then the folder of before stays as it was.
"""

import argparse
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.config.reading import all_params
from stages.config.schema import Params
from stages.learning.trained_on import read_trained_on
from stages.publishing.credits import trained_images, write_credits
from stages.publishing.licenses import check_license
from stages.publishing.releases import POINTER, PUBLISHED, uncommitted
from stages.runtime.errors import UserError, run
from stages.runtime.freshness import stale_stages
from stages.runtime.lock import LOCK
from stages.runtime.outputs import replacing_directory
from stages.runtime.plain_text import first_line
from stages.runtime.progress import say
from stages.runtime.trees import find_tree
from stages.runtime.wording import size_in_words
from stages.tables.json_files import parse_json

MODEL_IN = Path("models")
PACKED_IN = Path("data/packed")
SPLITS_IN = Path("data/splits")
PREDICTIONS_IN = Path("data/predictions")
SUSPECTS_IN = Path("data/suspects/images.parquet")
TRAINING_IN = Path("data/reports/train.json")

# All that must be there, and what makes it.
NEEDED = {
    "models/model.safetensors": "train",
    "models/model.json": "train",
    "models/labels.csv": "train",
    "models/trained_on.parquet": "train",
    "models/run.json": "train",
    "data/reports/train.json": "train",
    "data/packed": "pack",
    "data/splits/train.parquet": "split",
    "data/splits/val.parquet": "split",
    "data/splits/test.parquet": "split",
    "models/preprocessing.json": "predict",
    "data/predictions/test.parquet": "predict",
    "data/predictions.json": "predict",
    "models/calibration.json": "evaluate",
    "data/reports/test.json": "evaluate",
    "data/evaluation": "evaluate",
    "plots/accuracy_by_class_size.csv": "evaluate",
    "data/reports/cache_filter.json": "cache_filter",
    "data/reports/suspects.json": "suspects",
}
_SPARE = 4  # times the weights: so much free space all files together take at the most


def main() -> None:
    """Look at what can be refused at once, then make the folder."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = all_params()
    commit, changed_files = check_tree()
    images = trained_images(read_trained_on(MODEL_IN / "trained_on.parquet"), SPLITS_IN)
    check_license(params.publish.license, images, read_weights_license(TRAINING_IN))
    check_space(PUBLISHED)
    with _alone(MODEL_IN):
        publish(params, images, commit=commit, changed_files=changed_files)


def check_tree() -> tuple[str, int]:
    """See that all results are there and of the working tree; give the last commit, and how many files differ from it.

    Raises:
        UserError: something is missing, or is not of the code and parameters that lie there.
    """
    missing = {name: stage for name, stage in NEEDED.items() if not Path(name).exists()}
    if not LOCK.is_file():
        missing[str(LOCK)] = ""
    if missing:
        name, stage = next(iter(missing.items()))
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(f"{name} is missing{more}: `dvc pull` brings it, or `{f'dvc repro {stage}'.strip()}` makes it")
    commit = find_tree("HEAD").commit
    assert commit is not None  # of all trees that of the working tree alone has none
    try:
        with Repo() as repo:
            stale = stale_stages(repo)
    except DvcException as error:
        raise UserError(f"DVC cannot read this repo: {first_line(error)}; `dvc doctor` may say more") from None
    if stale:
        raise UserError(f"what would be published is not of this working tree. {stale}")
    changed = _others()
    if changed:
        files = "1 file" if len(changed) == 1 else f"{len(changed):,} files"
        say(
            f"publish: warning: not all is committed ({files}, {changed[0]} the first): the card will say so, and "
            "`make release` will refuse it; commit first"
        )
    return commit, len(changed)


def check_unchanged(commit: str, changed_files: int) -> None:
    """See that the repo is as it was when all this began: to score a large network takes an hour.

    Raises:
        UserError: it is not.
    """
    if (find_tree("HEAD").commit, len(_others())) != (commit, changed_files):
        raise UserError(
            "commits or files changed while the model was published, so nobody knows of which: publish again"
        )


def _others() -> list[str]:
    """Name the files that differ from the last commit, but for those that are of this very folder."""
    half_made = f"{PUBLISHED.parent}/.{PUBLISHED.name}."
    return [name for name in uncommitted() if name != str(POINTER) and not name.startswith(half_made)]


def read_weights_license(path: Path) -> str | None:
    """Read the license of the starting weights, as far as it is known, from the report of the training.

    Raises:
        UserError: the report is damaged.
    """
    try:
        found = parse_json(path.read_bytes()).get("starting_weights") or {}
        return found.get("license")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout train`") from None


def check_space(out: Path) -> None:
    """See that there is space for the folder.

    Raises:
        UserError: there is not.
    """
    needed = _SPARE * (MODEL_IN / "model.safetensors").stat().st_size
    free = shutil.disk_usage(out.parent).free
    if free < needed:
        raise UserError(
            f"{out.parent} has {size_in_words(free)} of free space, and up to {size_in_words(needed)} are needed: free "
            "some, then run it again"
        )


def publish(params: Params, images: pl.DataFrame, *, commit: str, changed_files: int) -> None:
    """Make the folder, and say what lies in it.

    Args:
        params: of the active profile.
        images: that made the model, of ``trained_images``.
        commit: the last one.
        changed_files: that differ from it.

    Raises:
        UserError: a file is missing, damaged or of another model, or an exported one does worse than it may.
    """
    # Torch and onnxruntime take seconds to import: what can be refused without them was.
    from stages.learning.arithmetic import use_portable_arithmetic
    from stages.publishing import folder as files
    from stages.publishing.card_facts import read_card_facts
    from stages.publishing.made_of import MadeOf, data_digests

    use_portable_arithmetic()
    sources = files.Sources(MODEL_IN, PACKED_IN, SPLITS_IN, PREDICTIONS_IN, SUSPECTS_IN)
    model = files.read_model(sources)
    tested = files.read_tested(sources, model, params)
    made_of = MadeOf(commit, changed_files, data_digests(LOCK.read_bytes()))
    # Before minutes are spent on scores, which it gets later.
    facts = read_card_facts(
        Path(), model=model, images=images, license=params.publish.license, shots=params.shots, files=(), scores=(),
        unscored=(), made_of=made_of,
    )  # fmt: skip
    with replacing_directory(PUBLISHED) as folder:
        files.write_timm_folder(folder, sources, model, tested, params)
        write_credits_said(folder, images)
        files.write_examples(folder, sources, model, params)
        scored = files.write_onnx_files(folder, model, tested, params)
        files.write_card(folder, facts, scored)
        files.write_published(folder, model, scored, params, sources=sources, made_of=made_of)
        check_unchanged(commit, changed_files)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    say_made(sizes, params, commit)


def write_credits_said(folder: Path, images: pl.DataFrame) -> None:
    """Write credits.csv, and say of how many photos something is not known."""
    unsaid = {what: count for what, count in write_credits(folder, images).items() if count}
    said = ", ".join(f"of {count:,} no source {what}" for what, count in unsaid.items())
    say(f"publish: credits of {images.height:,} photos; {said or 'all name photographer and license'}")


def say_made(sizes: Mapping[str, int], params: Params, commit: str) -> None:
    """Say what lies in the folder, and what is next.

    Args:
        sizes: bytes of each file.
        params: section ``publish``.
        commit: that it is of.
    """
    from stages.publishing.card import CARD
    from stages.publishing.card_use import FILES

    say(f"publish: {PUBLISHED} is of {commit[:10]}, {size_in_words(sum(sizes.values()))}")
    about = FILES | {CARD: "the model card: what it can do, what it cannot, whose photos made it"}
    for name, size in sizes.items():
        shown = size_in_words(size) if size >= 100_000 else f"{size / 1000:,.1f} kB"
        say(f"  {name:20}{shown:>10}  {about.get(name, '')}".rstrip())
    if params.publish.license is None:
        say("publish: not for redistribution, as nobody has set publish.license in params.yaml: the card says why")
    say(
        f"next: read {PUBLISHED / CARD}; dvc add {PUBLISHED}; git add {POINTER}; git commit; make release VERSION=1.0.0"
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one that publishes here, as far as the file system has locks.

    Raises:
        UserError: another one does.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(f"another `make publish` is at work in {folder}: wait for it") from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    run(main)
