"""Command ``release``: give the last commit's published model a version, as a git tag; or list those that there are.

    python -m stages.commands.release [VERSION] [--md]

What is released is a commit whose results are its own, with models/published tracked by DVC. The tag,
plant-classifier@v1.0.0, is one that DVC knows as a version of the artifact, and a BASE of `make review`.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.publishing.card_words import counted
from stages.publishing.releases import (
    ARTIFACT,
    METRICS,
    POINTER,
    PUBLISHED,
    Release,
    changed_since,
    check_version,
    is_committed,
    releases,
    tag_last_commit,
    uncommitted,
)
from stages.report.text_table import in_columns, in_markdown
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError, run
from stages.runtime.freshness import stale_stages
from stages.runtime.progress import say
from stages.tables.json_files import parse_json
from stages.tables.publish import PUBLISHED_FILE

MODEL = Path("models/model.safetensors")
# Of metrics/test.json, in the order of the table's columns.
FIGURES = ("test_top1", "test_top1_low", "test_top1_high", "test_top5", "test_mean_per_class_accuracy")
_AGAIN = "run `make publish`, `dvc add models/published`, then commit models/published.dvc"


def main() -> None:
    """Tag, or list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", nargs="?", metavar="VERSION", help="such as 1.0.0; without one, versions are listed")
    parser.add_argument("--md", action="store_true", help="list them as Markdown, uncut")
    arguments = parser.parse_args()
    if arguments.version is None:
        say("\n".join(listed(releases(), markdown=arguments.md)))
        return
    version = check_version(arguments.version)
    check_releasable()
    figures = parse_json(METRICS.read_bytes())
    tag = tag_last_commit(version, f"{ARTIFACT} {version}: {in_words(figures)}")
    say(f"release: {tag}: {in_words(figures)}")
    say(f"next: git push origin {tag}; dvc push models/published.dvc; others: make review BASE={tag}")


def check_releasable() -> None:
    """See that the last commit holds a published model, and that this and all results are its own.

    Raises:
        UserError: something is not, and what to do.
    """
    if changed := uncommitted():
        raise UserError(
            f"{_named(changed)} from the last commit: commit what belongs to the version, as that is of a commit, and "
            "move all else out of this folder"
        )
    if not is_committed(POINTER):
        raise UserError(f"the last commit has no {POINTER}, by which DVC knows the published model: {_AGAIN}")
    published = read_published(PUBLISHED / PUBLISHED_FILE)
    if published["model_sha256"] != sha256_of(MODEL):
        raise UserError(f"{PUBLISHED} is of other weights than {MODEL}: {_AGAIN}")
    if published["changed_files"]:
        raise UserError(
            f"{PUBLISHED} was made when {counted(published['changed_files'], 'file')} differed from the last commit, "
            f"so no commit says what it is made of: {_AGAIN}"
        )
    if changed := changed_since(published["commit"]):
        raise UserError(f"{_named(changed)} from {published['commit'][:10]}, at which {PUBLISHED} was made: {_AGAIN}")
    try:
        with Repo() as repo:
            if stale := stale_stages(repo):
                raise UserError(stale)
            if repo.status(targets=[str(POINTER)]):
                raise UserError(f"{PUBLISHED} is not what {POINTER} says: {_AGAIN}")
    except DvcException as error:
        raise UserError(f"DVC cannot read this repo: {error}; `dvc doctor` may say more") from None


def read_published(path: Path) -> dict[str, Any]:
    """Read what a published folder says of itself.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        found = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: `dvc checkout {POINTER}` brings it back, else {_AGAIN}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {_AGAIN}") from None
    if not isinstance(found.get("commit"), str) or not isinstance(found.get("changed_files"), int):
        raise UserError(f"{path} does not say of which commit it is: {_AGAIN}")
    return {"model_sha256": None} | found


def in_words(figures: dict[str, Any]) -> str:
    """Give the figures of a version as a line."""
    top1 = _shown(figures.get("test_top1"))
    low, high = figures.get("test_top1_low"), figures.get("test_top1_high")
    between = "" if low is None else f" ({_shown(low)} to {_shown(high)})"
    top5, mean = (_shown(figures.get(name)) for name in FIGURES[3:])
    return f"test top-1 {top1}{between}, top-5 {top5}, mean per-class accuracy {mean}"


def listed(found: list[Release], *, markdown: bool = False) -> list[str]:
    """Give the lines of the table of versions."""
    if not found:
        return ["no version yet: `make publish`, then `make release VERSION=1.0.0`; `git fetch --tags` brings others'"]
    header = ["version", "day", "commit", *(name.removeprefix("test_") for name in FIGURES)]
    cells = [
        [each.tag, each.day, each.commit[:10], *(_shown(each.figures.get(name)) for name in FIGURES)] for each in found
    ]
    return in_markdown(header, cells) if markdown else in_columns(header, cells, shutil.get_terminal_size().columns)


def _named(changed: list[str]) -> str:
    if len(changed) == 1:
        return f"{changed[0]} differs"
    return f"{counted(len(changed), 'file')}, {changed[0]} the first, differ"


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float | int) else "none"


if __name__ == "__main__":
    run(main)
