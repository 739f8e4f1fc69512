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
import sys
from collections.abc import Iterable
from typing import Any

from stages.evaluation.experiments import Row, note_stale, read_rows, tabulate
from stages.report.text_table import in_columns, in_markdown, wrapped
from stages.runtime.errors import UserError, run
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
    rows = read_rows(_shown(["-A"] if arguments.all_commits else ["-n", str(arguments.num)]), _subjects())
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
    lines = [f"* {row.name}: {'; '.join(row.notes)}" for row in rows if row.notes]
    if failed := [row.name for row in rows if row.state == "failed"]:
        lines.append(f"failed: {', '.join(failed)}; `dvc queue logs {failed[0]}` says why")
    return ["", *lines] if lines else []


def _shown(words: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "show", "--json", *words], capture_output=True, text=True, check=False
    )
    try:
        if done.returncode == 0:
            return json.loads(done.stdout)
    except ValueError:
        pass
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or [""]
    raise UserError(f"`dvc exp show` failed: {said[0].removeprefix('ERROR: ')}; `dvc doctor` may say more")


def _subjects() -> dict[str, str]:
    done = subprocess.run(
        ["git", "log", "--all", "--format=%H %s"], capture_output=True, text=True, errors="replace", check=False
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


if __name__ == "__main__":
    run(main)
