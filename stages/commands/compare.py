"""Command ``compare``: experiments, the commits that they started from, and the working tree, in one table.

python -m stages.commands.compare [-n COMMITS | -A] [--md]

A row each; columns of the figures that people decide by, of the parameters in which rows differ (those first that an
experiment changed), and of the other figures in which they do. Figures of test are called ``test_...``. Profiles that a
row did not go by are left out. A row whose classes or test images are not those of its commit is marked, as its figures
cannot be held against that commit's. A commit is held against the newest one.
"""

import argparse
import json
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from typing import Any

import polars as pl
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.evaluation.experiments import SCORED, Row, note_stale, read_rows, tabulate
from stages.report.text_table import in_columns, in_markdown, wrapped
from stages.runtime.errors import UserError, run
from stages.runtime.last_run import GoneError, LastRun
from stages.runtime.lock import locked_params
from stages.runtime.progress import say

COMMITS = 5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--num", type=int, default=COMMITS, help="of so many last commits (default %(default)s)")
    parser.add_argument("-A", "--all-commits", action="store_true", help="of all commits")
    parser.add_argument("--md", action="store_true", help="as Markdown, uncut")
    arguments = parser.parse_args()
    try:
        with Repo() as repo:
            shown = _shown(repo, None if arguments.all_commits else arguments.num)
            rows = read_rows(shown, _subjects(), cache(lambda digest: test_images(repo, digest)))
    except DvcException as error:
        raise UserError(f"DVC cannot show experiments: {error}; `dvc doctor` may say more") from None
    note_stale(rows[0], locked_params())
    header, cells = tabulate(rows)
    notes = footnotes(rows)
    if arguments.md:
        lines = [*in_markdown(header, cells), *(f"{note}\n" if note else "" for note in notes)]
    else:
        width = shutil.get_terminal_size().columns
        lines = [*in_columns(header, cells, width), *(part for note in notes for part in wrapped(note, width))]
    say("\n".join(lines).rstrip())


def footnotes(rows: Iterable[Row]) -> list[str]:
    """Say what the marks mean, and where to look for what failed."""
    rows = list(rows)
    noted: dict[str, list[str]] = {}
    for row in rows:
        if row.notes:
            noted.setdefault("; ".join(row.notes), []).append(row.name.partition(" ")[0])
    lines = [f"* {', '.join(names)}: {note}" for note, names in noted.items()]
    if failed := [row.name for row in rows if row.state == "failed"]:
        lines.append(f"failed: {', '.join(failed)}; `dvc queue logs {failed[0]}` says why")
    return ["", *lines] if lines else []


def test_images(repo: Repo, digest: str) -> pl.DataFrame | None:
    """Give the test images of a split's table, as ``SCORED`` names their columns, by the MD5 that DVC has of the table.

    ``None`` where DVC's cache does not hold it, or holds something else.
    """
    try:
        return pl.read_parquet(LastRun(repo.cache.local, {"test": digest}).file("test"), columns=list(SCORED))
    except (GoneError, pl.exceptions.PolarsError):
        return None


def _shown(repo: Repo, commits: int | None) -> list[dict[str, Any]]:
    """Give what `dvc exp show --json` gives, of so many last commits or of all."""
    which = {"all_commits": True} if commits is None else {"num": commits}
    return json.loads(json.dumps([each.dumpd() for each in repo.experiments.show(**which)], default=str))


def _subjects() -> dict[str, str]:
    done = subprocess.run(
        ["git", "log", "--all", "--format=%H %s"], capture_output=True, text=True, errors="replace", check=False
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


if __name__ == "__main__":
    run(main)
