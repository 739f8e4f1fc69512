"""Experiments side by side: what each changed, its figures, and whether these can be compared.

Rows are read from what `dvc exp show --json` gives. A row whose classes or test images are not those of the commit that
it started from is noted: its figures cannot be held against that commit's. Test images are the same where name, digest
and species are: a table of them is another file also for a corrected license or another group.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from stages.runtime.plain_text import plain

MAIN_FIGURES = ("test_top1", "test_mean_per_class_accuracy", "val_top1")  # in every table
# What rows must have in common to be compared: the file whose digest DVC notes, and the figure that counts it.
_ALIKE = {
    "classes": ("data/splits/labels.csv", "classes"),
    "test images": ("data/splits/test.parquet", "test_images"),
}
SCORED = ("image_name", "sha256", "species")  # what a test image is known by
ImagesOf = Callable[[str], pl.DataFrame | None]


@dataclass
class Row:
    """What one run is: its parameters and figures by full name, and DVC's digests of what it was scored on."""

    name: str
    indent: bool = False  # an experiment, under its commit
    state: str = ""  # "" has come to its end, else queued, running, failed or unreadable
    params: dict[str, Any] = field(default_factory=dict)
    figures: dict[tuple[str, str], Any] = field(default_factory=dict)  # by the file's stem and the name in it
    digests: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # why its figures cannot be compared
    base: "Row | None" = None  # the commit that it started from; of a commit, the newest one

    def label(self) -> str:
        """Give its name as the table shows it."""
        return f"{'  ' * self.indent}{self.name}{' *' * bool(self.notes)}"


def read_rows(
    shown: Iterable[dict[str, Any]], subjects: dict[str, str], images_of: ImagesOf = lambda _: None
) -> list[Row]:
    """Give the rows of what `dvc exp show --json` gives, in its order.

    Args:
        shown: the working tree, then commits, newest first, each with its experiments.
        subjects: first lines of the commits' messages by SHA.
        images_of: gives the test images of a table, the columns ``SCORED``, by the digest that DVC has of it; ``None``
            where that table is not at hand.
    """
    rows: list[Row] = []
    newest: Row | None = None
    for entry in shown:
        sha = entry["rev"]
        of_commit = _read(entry, "workspace" if sha == "workspace" else f"{sha[:7]} {subjects.get(sha, '')}".strip())
        rows.append(of_commit)
        if sha != "workspace":
            newest = newest or of_commit
            of_commit.base = newest
        for experiment in entry.get("experiments") or ():
            for rev in experiment["revs"]:
                name = rev["name"] or experiment["name"] or rev["rev"][:7]
                rows.append(_read(rev, name, experiment.get("executor")))
                rows[-1].base, rows[-1].indent = of_commit, True
    for row in rows:
        row.base = row.base or newest  # the working tree starts from it
        _note_differences(row, images_of)
    return rows


def _read(entry: dict[str, Any], name: str, executor: dict[str, Any] | None = None) -> Row:
    data = entry.get("data")
    state = (executor or {}).get("state") or ""
    if entry.get("error"):
        state = "failed" if executor else "unreadable"
    row = Row(plain(name).replace("\n", " "), state="" if state == "success" else state)
    if data is None:
        return row
    for file in (data.get("params") or {}).values():
        row.params |= dict(flat(file.get("data") or {}))
    row.params = dict(of_active_profile(row.params))
    if row.state:  # DVC gives such a one the figures and digests of its commit
        return row
    for path, file in (data.get("metrics") or {}).items():
        row.figures |= {(Path(path).stem, figure): value for figure, value in flat(file.get("data") or {})}
    deps = data.get("deps") or {}
    row.digests = {what: (deps.get(path) or {}).get("hash") for what, (path, _) in _ALIKE.items()}
    return row


def flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested sections, with their names behind those of the sections, joined by dots."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def of_active_profile(params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Leave out the profiles that a run did not go by, and name the keys of its own without it."""
    own = f"profiles.{params.get('profile')}."
    for name, value in params.items():
        if name.startswith(own):
            yield name.removeprefix(own), value
        elif not name.startswith("profiles."):
            yield name, value


def _note_differences(row: Row, images_of: ImagesOf) -> None:
    base = row.base
    if base is None or base is row:
        return
    other, sure = [], False
    for what, (_, figure) in _ALIKE.items():
        ours, theirs = row.digests.get(what), base.digests.get(what)
        if not ours or not theirs or ours == theirs:
            continue
        before, now = (str(each.figures.get(("split", figure), "?")) for each in (base, row))
        counted = now if before == now else f"{before} -> {now}"
        if what == "test images":
            images = [images_of(digest) for digest in (theirs, ours)]
            if images[0] is not None and images[1] is not None:
                same = images[1].join(images[0], on=SCORED, how="semi").height
                if same == images[0].height == images[1].height:
                    continue
                counted += f", {same} of them the same"
            elif before == now:
                other.append(f"perhaps other {what} ({counted}; their tables differ, and are not in DVC's cache)")
                continue
        other.append(f"other {what} ({counted})")
        sure = True
    if other:
        compare = "do not compare" if sure else "may not compare"
        row.notes.append(f"{' and '.join(other)} than {base.name[:7]}, so their figures {compare}")


def note_stale(workspace: Row, made_with: dict[str, Any]) -> None:
    """Note where the working tree's figures were made with other parameters than it has now.

    Args:
        workspace: its row.
        made_with: the parameters of the stages' last runs, by name, as dvc.lock notes them.
    """
    made_with = dict(of_active_profile(dict(flat(made_with))))
    if other := [name for name, value in made_with.items() if workspace.params.get(name) != value]:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        workspace.notes.append(f"its figures were made with another {other[0]}{more}; `dvc repro` makes them anew")


def tabulate(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Give the header, and for each row its cells, as text; "" where a row has no such value."""
    figures = _figure_names(rows)
    of_figures = [{figures[key]: value for key, value in row.figures.items()} for row in rows]
    main = [name for name in MAIN_FIGURES if any(name in values for values in of_figures)]
    changed = _changed_params(rows)
    short = _short_names({name for row in rows for name in row.params}, taken=set(figures.values()))
    rest = [name for name in _changed(of_figures) if name not in main]
    states = ["state"] if any(row.state for row in rows) else []
    header = ["", *states, *main, *(short[name] for name in changed), *rest]
    cells = [
        [
            row.label(),
            *(row.state for _ in states),
            *(_figure(values.get(name, "")) for name in main),
            *(_text(row.params.get(name, "")) for name in changed),
            *(_figure(values.get(name, "")) for name in rest),
        ]
        for row, values in zip(rows, of_figures, strict=True)
    ]
    return header, cells


def _figure_names(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Name each figure so that no two files share a name: those of test by ``test_``, others bare where they can be."""
    keys = {key: None for row in rows for key in row.figures}
    files = Counter(figure for _, figure in keys)
    return {
        (stem, figure): f"{stem}_{figure}"
        if not figure.startswith(f"{stem}_") and (stem == "test" or files[figure] > 1)
        else figure
        for stem, figure in keys
    }


def _changed(values: Sequence[dict[str, Any]]) -> list[str]:
    """Say which names have more than one value among those that have them, in order of appearance."""
    found: dict[str, set[str]] = {}
    for each in values:
        for name, value in each.items():
            found.setdefault(name, set()).add(json.dumps(value, default=str))
    return [name for name, texts in found.items() if len(texts) > 1]


def _changed_params(rows: Sequence[Row]) -> list[str]:
    """Say which parameters differ among rows: first those that differ between one and what it started from."""
    changed = _changed([row.params for row in rows])
    tried = {
        name
        for row in rows
        if row.base is not None and (row.indent or row.name == "workspace")
        for name in changed
        if name in row.params and name in row.base.params and row.params[name] != row.base.params[name]
    }
    return sorted(changed, key=lambda name: name not in tried)


def _short_names(names: set[str], *, taken: set[str]) -> dict[str, str]:
    """Give each dotted name the shortest of its ends that no other name has, nor a figure."""
    ends = Counter(end for name in names for end in _ends(name))
    return {name: next((end for end in _ends(name) if ends[end] == 1 and end not in taken), name) for name in names}


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[at:]) for at in reversed(range(len(parts)))]


def _text(value: Any) -> str:
    return plain(value if isinstance(value, str) else json.dumps(value)).replace("\n", " ")


def _figure(value: Any) -> str:
    """Give a figure as text: shares and losses with three decimals."""
    return f"{value:.3f}" if isinstance(value, float) else _text(value)
