"""Command ``gain``: what people's verdicts brought, measured: the model of another commit against the working tree's.

python -m stages.commands.gain --base main

Both are held against the same images of the test, by the labels of BASE, by those of now, and on images alone that
people have looked at. BASE is a commit, a branch, a tag or an experiment, of before the verdicts.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.config.reading import all_params
from stages.config.sources import verdicts_path
from stages.evaluation.gain import Gain, Verdicts, measure_gain
from stages.evaluation.paired import FIGURES, Comparison
from stages.evaluation.review import DataChange
from stages.evaluation.tree_tables import TreeTables, compare_data
from stages.report.review_sections import moved_in_words
from stages.runtime.errors import UserError, run
from stages.runtime.freshness import stale_stages
from stages.runtime.plain_text import first_line
from stages.runtime.progress import say
from stages.runtime.trees import TrackedFiles, Tree, find_tree, said_of
from stages.runtime.wording import in_words
from stages.verdicts.reading import read_verdicts

WORKING = "working tree"
WAIT_S = 120.0
LONGEST_WAIT_S = 86_400.0
_NAMES = {"top1": "top-1", "top5": "top-5", "mean_per_class_accuracy": "mean per class"}


def main() -> None:
    """Compare, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="main", help="a commit, branch, tag or experiment (default %(default)s)")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds for DVC's remote (default %(default)s)")
    arguments = parser.parse_args()
    if not 0 < arguments.wait <= LONGEST_WAIT_S:
        raise UserError(f"--wait must be seconds, up to {LONGEST_WAIT_S:.0f} (found {arguments.wait:g})")
    params = all_params()
    base, head = find_tree(arguments.base), Tree(WORKING)
    folder = verdicts_path(params.profile)
    verdicts = [verdicts_of(tree, folder) for tree in (base, head)]
    try:
        with Repo() as repo:
            tracked = TrackedFiles(repo, wait_s=arguments.wait)
            of_base, of_head = TreeTables(base, tracked), TreeTables(head, tracked)
            stale = stale_stages(repo)
    except DvcException as error:
        raise UserError(f"DVC cannot read this repo: {first_line(error)}; `dvc doctor` may say more") from None
    of_before, of_now = of_base.side, of_head.side
    if of_before is None or of_now is None:
        raise UserError("; ".join([*of_base.missing, *of_head.missing]))
    gain = measure_gain(of_before, of_now, *verdicts, min_groups=params.evaluate.min_groups)
    say(f"gain: {base.name} is {said_of(base)}")
    say(f"gain: the {head.name} is {said_of(head)}")
    if stale:
        say(f"gain: warning: {stale}")
    for line in in_lines(gain, base.name, compare_data(of_base, of_head)):
        say(f"gain: {line}")


def verdicts_of(tree: Tree, folder: Path) -> pl.DataFrame:
    """Read what people had said at a tree: columns of ``VERDICTS`` and reviewer.

    Raises:
        UserError: a file is none of verdicts; the tree is named.
    """
    if tree.commit is None:
        return read_verdicts(folder)
    with tempfile.TemporaryDirectory() as name:
        for path in tree.files(str(folder)):
            (Path(name) / Path(path).name).write_bytes(tree.read(path) or b"")
        try:
            return read_verdicts(Path(name))
        except UserError as error:
            raise UserError(f"of {tree.name}: {str(error).replace(name, str(folder))}") from None


def in_lines(gain: Gain, base: str, data: DataChange | None) -> Iterator[str]:
    """Say what was measured, and what may mislead.

    Args:
        gain: of the working tree against another one.
        base: name of the latter.
        data: what became of images; None where that is not known.
    """
    yield from _of_verdicts(gain.verdicts, base)
    if data is None:
        yield "warning: whether images changed between the splits cannot be said: tables of them are missing"
    else:
        if moved := moved_in_words(data):
            yield f"warning: {moved} The models did not learn from the same split, so not all that differs is of labels"
        for what, names in (("new", data.new_classes), ("gone", data.gone_classes)):
            if names:
                yield f"{len(names):,} species are {what} since {base}, such as {names[0]!r}"
    for what, comparison in (
        (f"old labels, of {base}", gain.old),
        ("new labels", gain.new),
        ("images that people have looked at, by new labels", gain.looked_at),
    ):
        yield from _of_comparison(what, comparison)
    yield f"{gain.relabeled:,} images of both tests have another label now"
    if gain.otherwise:
        yield (
            f"warning: {gain.otherwise:,} test images have another species than people said of them (stale verdicts, "
            "or name rules): they are not among those looked at; data/reports/cache_filter.json counts what was applied"
        )


def _of_verdicts(verdicts: Verdicts, base: str) -> Iterator[str]:
    number = sum(verdicts.added.values())
    if not number and not verdicts.removed:
        yield f"warning: nobody has said anything since {base}: what differs is not what verdicts brought"
        return
    removed = f"; {verdicts.removed:,} were taken back or changed" if verdicts.removed else ""
    yield (
        f"{number:,} verdicts since {base}{in_words(verdicts.added)}, of images shown as{in_words(verdicts.asked)}"
        f"{removed}; {verdicts.of_test:,} are of test images"
    )
    if verdicts.corrected_unasked and not verdicts.whole_test:
        yield (
            f"warning: of {verdicts.corrected:,} test images that were corrected, {verdicts.corrected_unasked:,} were "
            "not shown by chance, and not all of the test was looked at: where only what a model gets wrong is "
            "corrected, new labels flatter the models; look at the test by chance or as a whole"
        )


def _of_comparison(what: str, comparison: Comparison) -> Iterator[str]:
    counts = comparison.counts
    if not counts["compared"]:
        yield f"{what}: no image to compare"
        return
    left_out = {name: counts[name] for name in ("seen", "of_unknown_species", "added", "removed") if counts[name]}
    out = f"; left out{in_words(left_out)}" if left_out else ""
    yield f"{what}: {counts['compared']:,} images of {counts['observations']:,} observations{out}"
    for name in FIGURES:
        found = comparison.differences[name]
        yield f"  {_NAMES[name]} {found.base.value:.3f} -> {found.head.value:.3f}: {found.words}"


if __name__ == "__main__":
    run(main)
