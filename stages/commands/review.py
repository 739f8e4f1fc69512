"""Command ``review``: what the working tree has that another commit has not, as a page and as a comment.

python -m stages.commands.review --base main

The page begins with a verdict: both models on the images that both are tested on and that neither has seen. BASE is a
commit, a branch, a tag or an experiment. Its answers and tables come from DVC's cache, or its remote; its figures,
parameters and plots from git. What cannot be had is named, with what brings it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.config.reading import all_params
from stages.config.schema import Params
from stages.evaluation.paired import Comparison, compare
from stages.evaluation.review import CURVES, DataChange, all_figures, changed_params, curves_of
from stages.evaluation.tree_tables import TreeTables, compare_data
from stages.records.rights import rights_of
from stages.report.review_comment import write_comment
from stages.report.review_content import FigureRow, Gallery, Picture, Plot, Review, own_seen, shown
from stages.report.review_gallery import gallery_of
from stages.report.review_page import write_page
from stages.report.review_sections import moved_in_words, verdict
from stages.runtime.errors import UserError, run
from stages.runtime.freshness import stale_stages
from stages.runtime.outputs import write_bytes
from stages.runtime.plain_text import LONGEST_MESSAGE, first_line, plain
from stages.runtime.progress import say
from stages.runtime.trees import TrackedFiles, Tree, changed_files, find_tree, said_of
from stages.runtime.wording import size_in_words
from stages.runtime.yaml_files import NotYAMLError, parse_yaml
from stages.tables.json_files import parse_json
from stages.tables.table import Schema

PAGE, COMMENT = Path("review.html"), Path("review.md")
PLOTS_PAGE = Path(".dvc/plots/page.html")
PACKED = Path("data/packed")
WORKING = "working tree"
TRAINING, TEST_FIGURES = "plots/curves.csv", "plots/test_figures.csv"
# Of git: what decides on results beside parameters.
CODE = ("stages", "dvc.yaml", "requirements.txt", "constraints.txt", "libraries.yaml")
WAIT_S = 120.0
LONGEST_WAIT_S = 86_400.0
PLOTS_S = 120.0  # that DVC may take for its plots besides
# What is read of plots/curves.csv and plots/test_figures.csv, and of these what each row has.
_CURVE: Schema = {"epoch": pl.Int64, **dict.fromkeys(CURVES, pl.Float64)}
_FIGURE: Schema = {"figure": pl.String, **dict.fromkeys(("value", "low", "high"), pl.Float64), "images": pl.Int64}
_ALWAYS = {"epoch", "figure", "images"}
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_VEGA = re.compile(r'<script id="vega">(.*?)</script>', re.DOTALL)


def main() -> None:
    """Write the page and the comment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="main", help="a commit, branch, tag or experiment (default %(default)s)")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds for DVC's remote (default %(default)s)")
    arguments = parser.parse_args()
    if not 0 < arguments.wait <= LONGEST_WAIT_S:
        raise UserError(f"--wait must be seconds, up to {LONGEST_WAIT_S:.0f} (found {arguments.wait:g})")
    vega, params = read_vega(PLOTS_PAGE), all_params()
    COMMENT.unlink(missing_ok=True)  # or `make comment` would send an earlier one after a review that stopped
    try:
        with Repo() as repo:
            review = review_of(repo, find_tree(arguments.base), params, wait_s=arguments.wait)
    except DvcException as error:
        raise UserError(f"DVC cannot read this repo: {error}; `dvc doctor` may say more") from None
    page, comment = write_page(review, vega).encode(), write_comment(review).encode()
    write_bytes(PAGE, page)
    write_bytes(COMMENT, comment)
    for line in (*review.alarms, *review.missing, verdict(review)[0]):
        say(f"review: {shown(line, LONGEST_MESSAGE)}")
    say(f"review: {review.head} against {review.base} -> {PAGE} ({size_in_words(len(page))}), {COMMENT}")


def read_vega(page: Path) -> str:
    """Give the script that draws plots out of the page that has it for DVC.

    Raises:
        UserError: it is not there.
    """
    found = _VEGA.search(page.read_text(encoding="utf-8")) if page.is_file() else None
    if found is None:
        raise UserError(
            f"{page} is missing, or has no script that draws plots: bring it back with `git restore {page}`"
        )
    return found[1]


def review_of(repo: Repo, base: Tree, params: Params, *, wait_s: float) -> Review:
    """Hold the working tree against another one.

    Args:
        repo: DVC's.
        base: the other one.
        params: of the working tree.
        wait_s: how long DVC's remote is waited for, for each of both.
    """
    head = Tree(WORKING)
    tracked = TrackedFiles(repo, wait_s=wait_s)
    of_base, of_head = TreeTables(base, tracked), TreeTables(head, tracked)
    missing = [*of_base.missing, *of_head.missing]
    data = compare_data(of_base, of_head)
    comparison, gallery = None, Gallery()
    try:
        comparison = _compared(of_base, of_head, params.evaluate.min_groups)
        if comparison is not None:
            rights = rights_of(of_head.splits["test"], params.pictures.licenses)
            gallery = gallery_of(comparison, rights, PACKED)
    except UserError as error:
        missing.append(f"The models cannot be compared: {error}.")
    plots, refused = _plots(base, wait_s=wait_s + PLOTS_S)
    missing += refused
    metrics, of_files = ([read(tree, missing) for tree in (base, head)] for read in (_metrics, _params))
    names = {name for tree in (base, head) for name in tree.files("plots") if name.endswith(_PICTURES)}
    frames = {tree.name: _csv(tree, TRAINING, _CURVE, missing) for tree in (base, head)}
    figures = _test_figures(base, head, missing)
    return Review(
        base=base.name,
        head=head.name,
        about=[f"{base.name} is {said_of(base)}", f"The {head.name} is {said_of(head)}"],
        alarms=_alarms(repo, data) + (own_seen(comparison.counts, base.name, head.name) if comparison else []),
        missing=missing,
        comparison=comparison,
        gallery=gallery,
        figures=figures,
        metrics=all_figures(*metrics),
        params=changed_params(*of_files),
        code=changed_files(base, CODE),
        data=data,
        curves=curves_of({name: frame for name, frame in frames.items() if frame is not None}),
        plots=plots,
        pictures=[Picture(name, base.read(name), head.read(name)) for name in sorted(names)],
    )


def _compared(base: TreeTables, head: TreeTables, min_groups: int) -> Comparison | None:
    sides = base.side, head.side
    if sides[0] is None or sides[1] is None:
        return None
    return compare(sides[0], sides[1], min_groups=min_groups)


def _alarms(repo: Repo, data: DataChange | None) -> list[str]:
    """Say what nobody may overlook."""
    alarms = []
    if data is not None and (moved := moved_in_words(data)):
        alarms.append(
            f"{moved} What a model was trained on is left out of the comparison; figures of each on its own "
            "test are not of the same task"
        )
    try:
        stale = stale_stages(repo)
    except DvcException as error:
        stale = f"DVC cannot say whether the working tree's results are of its code and parameters: {first_line(error)}"
    return [*alarms, stale] if stale else alarms


def _params(tree: Tree, missing: list[str]) -> dict[str, Any]:
    """Give all parameters of a tree, those of libraries.yaml under ``libraries``; of a file that is none it is said."""
    found = {}
    for name in ("params.yaml", "libraries.yaml"):
        try:
            content = parse_yaml(tree.read(name) or b"")
        except NotYAMLError as error:
            content = str(error)
        if isinstance(content, dict):
            found |= content if name == "params.yaml" else {"libraries": content}
        else:
            missing.append(f"{name} of {tree.name} is missing or none: {content or 'it is empty'}.")
    return found


def _metrics(tree: Tree, missing: list[str]) -> dict[str, Any]:
    """Give the figures of a tree's files in metrics/, by the file's name and the figure's; what is none is said."""
    found = {}
    for name in tree.files("metrics"):
        try:
            found[Path(name).stem] = parse_json(tree.read(name) or b"")
        except ValueError as error:
            missing.append(f"{name} of {tree.name} holds no figures: {error}.")
    return found


def _csv(tree: Tree, name: str, columns: Schema, missing: list[str]) -> pl.DataFrame | None:
    """Read columns of a small table of plots/, null those that it lacks; ``None`` for none, a damaged one is said."""
    content = tree.read(name)
    if content is None:
        return None
    try:
        frame = pl.read_csv(content, infer_schema=False)
        frame = frame.select(
            (pl.col(column) if column in frame.columns else pl.lit(None).alias(column)).cast(kind)
            for column, kind in columns.items()
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        missing.append(f"{name} of {tree.name} cannot be read: {plain(first_line(error))}.")
        return None
    for column in columns:
        if column in _ALWAYS and frame[column].has_nulls():
            missing.append(f"{name} of {tree.name} cannot be read: a row has no {column}.")
            return None
    return frame


def _test_figures(base: Tree, head: Tree, missing: list[str]) -> list[FigureRow]:
    """Give the figures of the test that either has, in the order of the second's."""
    tables = [_csv(tree, TEST_FIGURES, _FIGURE, missing) for tree in (base, head)]
    rows = [{} if frame is None else {row["figure"]: row for row in frame.iter_rows(named=True)} for frame in tables]
    found = []
    for name in dict.fromkeys([*rows[1], *rows[0]]):
        both = [row.get(name) for row in rows]
        values = [
            None if row is None or row["value"] is None else (row["value"], row["low"], row["high"]) for row in both
        ]
        images = " -> ".join(dict.fromkeys(str(row["images"]) for row in both if row is not None))
        found.append(FigureRow(str(name), values[0], values[1], images))
    return found


def _plots(base: Tree, *, wait_s: float) -> tuple[list[Plot], list[str]]:
    """Let DVC lay out its plots of both; give those that are drawn, and what went wrong.

    A plot that is in DVC's cache it would fetch, and wait for a silent remote without end.
    Curves of the training are left out: they are drawn in a place of their own.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dvc", "plots", "diff", "--json", "-o", folder, str(base.commit)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=wait_s)
        except subprocess.TimeoutExpired:
            return [], [f"DVC lays out no plots within {wait_s:.0f} s, as a remote does not answer, or is slow."]
    names = {str(base.commit): base.name, "workspace": WORKING}
    try:
        written = json.loads(done.stdout)
        data, errors = written.get("data", {}), written.get("errors", [])
    except (ValueError, AttributeError):
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        said = next((line for line in lines if line.startswith("ERROR: ")), lines[-1])
        return [], [f"DVC lays out no plots: {plain(said.removeprefix('ERROR: '))}"]
    refused: dict[str, list[str]] = {}  # what is wrong with which
    for error in errors:
        tree = WORKING if error.get("rev") == "workspace" else base.name
        said = plain(first_line(Exception(error.get("msg") or error.get("type") or "")))
        refused.setdefault(f"of {tree}: {said}", []).append(str(error.get("name") or "plots"))
    plots = []
    for name, drawn in data.items():
        for each in drawn:
            if each.get("type") != "vega":
                continue
            spec = named(each["content"], names)
            rows = spec.get("data", {}).get("values") or [{}]
            if not {*CURVES} & {*rows[0]}:
                plots.append(Plot(name, spec if rows[0] else {}))
    return plots, [f"DVC cannot draw {', '.join(dict.fromkeys(those))} {said}." for said, those in refused.items()]


def named(value: Any, names: dict[str, str]) -> Any:
    """Give a specification of a plot with other names, where such a name is all of a text."""
    if isinstance(value, dict):
        return {key: named(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [named(entry, names) for entry in value]
    return names.get(value, value) if isinstance(value, str) else value


if __name__ == "__main__":
    run(main)
