"""Experiments stand side by side only by what is theirs, under names that cannot be taken for another's."""

import json

import polars as pl
import pytest

from stages.commands.compare import footnotes
from stages.evaluation.experiments import Row, note_stale, read_rows, tabulate
from tests.support import ROOT

PARAMS = {"profile": "a", "profiles": {"a": {"train": {"epochs": 3}}, "b": {"train": {"epochs": 9}}}}
SPLIT = {"classes": 4, "test_images": 8}
SCORED = ["image_name", "sha256", "species"]


def run_of(rev: str, *, params: dict | None = None, labels: str = "l", images: str = "t", **more) -> dict:
    """A run as `dvc exp show --json` gives it."""
    metrics = {"split": SPLIT, "test": {"test_top1": 0.5}, "train": {"val_top1": 0.25}} | more.pop("metrics", {})
    data = {
        "params": {"params.yaml": {"data": PARAMS | {"train": {"seed": 1}, "split": {"seed": 1}} | (params or {})}},
        "metrics": {f"metrics/{name}.json": {"data": figures} for name, figures in metrics.items()},
        "deps": {"data/splits/labels.csv": {"hash": labels}, "data/splits/test.parquet": {"hash": images}},
    }
    return {"rev": rev, "name": None, "data": data, "error": None, "experiments": None} | more


def experiment(name: str, *, state: str | None = None, **more) -> dict:
    error = {"msg": "failed", "type": ""} if state == "failed" else None
    run = run_of("e" * 40, **more) | {"name": name, "error": error}
    return {"revs": [run], "name": name, "executor": {"state": state} if state else None}


def table(*experiments: dict, **more) -> dict[str, dict[str, str]]:
    """Cells by row and column, of a commit with experiments."""
    commit = run_of("c" * 40, experiments=list(experiments), **more)
    header, cells = tabulate(read_rows([run_of("workspace", **more), commit], {"c" * 40: "subject"}))
    assert len(set(header)) == len(header)
    return {row[0].strip(): dict(zip(header, row, strict=True)) for row in cells}


def test_figures_of_two_files_never_share_a_name():
    """As they were when test.json said `top1`, too."""
    rows = table(metrics={"test": {"top1": 0.125}, "train": {"top1": 0.75, "val_top1": 0.25}})
    assert rows["workspace"]["test_top1"] == "0.125"
    assert rows["workspace"]["val_top1"] == "0.250"
    other = experiment("x", metrics={"test": {"top1": 0.5}, "train": {"top1": 0.8, "val_top1": 0.25}})
    rows = table(other, metrics={"test": {"top1": 0.125}, "train": {"top1": 0.75, "val_top1": 0.25}})
    assert (rows["x"]["test_top1"], rows["x"]["train_top1"]) == ("0.500", "0.800")
    assert "top1" not in rows["x"]


def test_only_what_differs_is_shown_by_the_shortest_name_that_is_its_own():
    rows = table(experiment("x", params={"train": {"seed": 2}, "profiles": {"a": {"train": {"epochs": 4}}}}))
    assert rows["x"].keys() == {"", "test_top1", "val_top1", "train.seed", "epochs"}
    assert (rows["x"]["train.seed"], rows["x"]["epochs"]) == ("2", "4")
    assert (rows["ccccccc subject"]["train.seed"], rows["ccccccc subject"]["epochs"]) == ("1", "3")


def test_a_profile_that_a_row_did_not_go_by_is_no_column():
    rows = table(experiment("x", params={"profiles": {**PARAMS["profiles"], "b": {"train": {"epochs": 10}}}}))
    assert "epochs" not in rows["x"]
    rows = table(experiment("x", params={"profile": "b"}))
    assert (rows["x"]["profile"], rows["x"]["epochs"]) == ("b", "9")


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"labels": "other"}, "other classes (4) than ccccccc, so their figures do not compare"),
        (
            {"labels": "other", "metrics": {"split": SPLIT | {"classes": 3}}},
            "other classes (4 -> 3) than ccccccc, so their figures do not compare",
        ),
        (
            {"images": "other", "metrics": {"split": SPLIT | {"test_images": 7}}},
            "other test images (8 -> 7) than ccccccc, so their figures do not compare",
        ),
        (
            {"images": "other"},
            "perhaps other test images (8; their tables differ, and are not in DVC's cache) than ccccccc, so their "
            "figures may not compare",
        ),
        ({}, None),
    ],
)
def test_other_classes_or_test_images_are_marked(changes, note):
    shown = [run_of("workspace"), run_of("c" * 40, experiments=[experiment("x", **changes)])]
    rows = {row.name: row for row in read_rows(shown, {})}
    assert rows["x"].notes == ([note] if note else [])
    assert rows["x"].label() == ("  x *" if note else "  x")
    assert rows["workspace"].notes == rows["ccccccc"].notes == []


def test_an_older_commit_is_held_against_the_newest_and_its_experiments_against_it():
    shown = [
        run_of("workspace"),
        run_of("c" * 40),
        run_of("b" * 40, labels="older", experiments=[experiment("x", labels="older")]),
    ]
    rows = {row.name: row for row in read_rows(shown, {})}
    assert "other classes (4) than ccccccc" in rows["bbbbbbb"].notes[0]
    assert rows["x"].notes == []


def test_tables_that_differ_in_other_columns_alone_hold_the_same_test_images():
    """A corrected license, another group, a column more: the table has another digest, and the figures compare."""

    def images(*names: str, species: str = "Zea mays") -> pl.DataFrame:
        return pl.DataFrame([(name, name * 32, species) for name in names], SCORED, orient="row")

    tables = {"t": images("aa", "bb"), "same": images("bb", "aa"), "moved": images("aa", "cc")}
    tables |= {"renamed": images("aa", "bb", species="Rosa")}
    tried = [experiment(name, images=name) for name in (*tables, "gone")]
    shown = [run_of("workspace"), run_of("c" * 40, experiments=tried)]
    notes = {row.name: row.notes for row in read_rows(shown, {}, tables.get)}
    assert notes["t"] == notes["same"] == []
    assert notes["moved"] == ["other test images (8, 1 of them the same) than ccccccc, so their figures do not compare"]
    assert "other test images (8, 0 of them the same)" in notes["renamed"][0]
    assert notes["gone"][0].startswith("perhaps other test images (8; ")


def test_rows_with_one_note_share_a_line_and_commits_are_named_by_their_digits():
    rows = [Row("workspace"), Row("ccccccc a long subject"), Row("bbbbbbb another"), Row("x", indent=True)]
    for row, note in zip(rows, ([], ["other classes"], ["other classes"], ["fewer", "older"]), strict=True):
        row.notes += note
    assert footnotes(rows) == ["", "* ccccccc, bbbbbbb: other classes", "* x: fewer; older"]
    assert footnotes(rows[:1]) == []


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_what_has_no_figures_yet_does_not_show_those_of_its_commit(state):
    rows = table(experiment("x", state=state, labels="other", params={"train": {"seed": 2}}))
    assert rows["x"]["state"] == state
    assert (rows["x"]["test_top1"], rows["x"]["train.seed"]) == ("", "2")


def test_a_commit_that_dvc_cannot_read_is_a_row():
    broken = {"rev": "d" * 40, "name": None, "data": None, "error": {"msg": "no", "type": ""}, "experiments": None}
    rows = read_rows([run_of("workspace"), run_of("c" * 40), broken], {})
    assert (rows[-1].name, rows[-1].state) == ("ddddddd", "unreadable")
    tabulate(rows)


def test_control_characters_of_a_message_or_name_are_only_shown():
    shown = [run_of("workspace"), run_of("c" * 40, experiments=[experiment("x\x1b[2J")])]
    assert [row.name for row in read_rows(shown, {"c" * 40: "s\x07"})][1:] == ["ccccccc s\\x07", "x\\x1b[2J"]


def test_figures_that_were_made_with_other_parameters_are_noted():
    (row,) = read_rows([run_of("workspace", params={"train": {"seed": 2}})], {})
    made_with = {"profiles.a.train": {"epochs": 3}, "train": {"seed": 1}, "profile": "a"}
    note_stale(row, made_with)
    assert row.notes == ["its figures were made with another train.seed; `dvc repro` makes them anew"]
    (row,) = read_rows([run_of("workspace")], {})
    note_stale(row, made_with)
    assert row.notes == []


def test_no_parameter_and_no_figure_is_hidden(params_content):
    """Each that differs has a column of its own: here all do."""
    figures = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "metrics").glob("*.json")}
    others = {name: dict.fromkeys(values, -1) for name, values in figures.items()}
    shown = [
        run_of("workspace", params=params_content, metrics=figures),
        run_of("c" * 40, params={"profile": "sample"}, metrics=others),
    ]
    rows = read_rows(shown, {})
    other = Row("other", params=dict.fromkeys(rows[0].params, "other"))
    header, _ = tabulate([*rows, other])
    assert len(set(header)) == len(header) == 1 + len(rows[0].params) + sum(map(len, figures.values()))
    assert {"test_top1", "val_top1", "classes", "weight_decay", "learning_rate"} <= set(header)
