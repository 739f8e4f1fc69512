"""The plots of a diff: each file is drawn once, by a template that fits its columns and tells two commits apart."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import yaml
from dvc_render.vega import VegaRenderer

from stages.evaluation.accuracies import SIZES
from stages.tables import evaluate as tables
from stages.tables.baseline import BASELINE_BY_CLASS_SIZE
from stages.tables.compare_crops import GAIN_CURVES, KEPT_CURVES
from stages.tables.near_duplicates import DISTANCES
from stages.tables.size_bins import name_bins
from stages.tables.split import CLASS_SIZES, LONG_TAIL
from tests.support import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
TEMPLATES = ROOT / ".dvc/plots"
PLOTS = [
    (path, props) for stage in STAGES.values() for entry in stage.get("plots", []) for path, props in entry.items()
]
CURVES = [(path, props) for path, props in PLOTS if path.endswith(".csv")]
COLUMNS = {
    "plots/accuracy_by_class_size.csv": tables.BY_CLASS_SIZE,
    "plots/baseline_by_class_size.csv": BASELINE_BY_CLASS_SIZE,
    "plots/class_sizes.csv": CLASS_SIZES,
    "plots/confused_pairs.csv": tables.DRAWN_PAIRS,
    "plots/crop_gain.csv": GAIN_CURVES,
    "plots/crop_kept.csv": KEPT_CURVES,
    "plots/curves.csv": tables.CURVES,
    "plots/long_tail.csv": LONG_TAIL,
    "plots/near_duplicate_distances.csv": DISTANCES,
    "plots/reliability.csv": tables.RELIABILITY,
    "plots/risk_coverage.csv": tables.RISK_COVERAGE,
    "plots/test_figures.csv": tables.TEST_FIGURES,
}


def spec_of(path: str, props: dict[str, Any], revs: tuple[str, ...]) -> dict[str, Any]:
    """What DVC gives to Vega of a file that has one row in each commit; to DVC all of a CSV is text."""
    row = {name: "" if name in ("low", "high") else "1" for name in COLUMNS[path]}
    rows = [{**row, "rev": rev} for rev in revs]
    wanted = {name: props[name] for name in ("x", "y", "title", "template")}
    return VegaRenderer(
        rows, path, template_dir=str(TEMPLATES), revs_with_datapoints=list(revs), **wanted
    ).get_filled_template()


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a specification, from its top down."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def test_every_file_is_drawn_once():
    """DVC draws what a stage's `plots` names, and once more what stands in `plots` of the whole pipeline."""
    paths = [path for path, _ in PLOTS]
    assert len(paths) == len(set(paths))
    assert "plots" not in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert {path for path, _ in CURVES} == set(COLUMNS)
    names = [path.name for path in TEMPLATES.glob("*.json")]
    assert sorted(names) == sorted({f"{props['template']}.json" for _, props in CURVES})


@pytest.mark.parametrize(("path", "props"), CURVES, ids=[path for path, _ in CURVES])
def test_a_template_fits_its_file(path, props):
    """Each field that it draws is a column or is worked out, and nothing is left to be filled in."""
    spec = spec_of(path, props, ("workspace", "main"))
    assert "<DVC_METRIC" not in json.dumps(spec)
    of_file = {*COLUMNS[path], "rev"}
    made: set[str] = set()
    for part in objects({key: value for key, value in spec.items() if key != "data"}):
        as_ = part.get("as", [])
        made |= {as_} if isinstance(as_, str) else set(as_)
        made |= {name for row in (part.get("values") or []) if isinstance(row, dict) for name in row}
    drawn = {part["field"] for part in objects(spec) if isinstance(part.get("field"), str)}
    assert drawn - of_file - made == set()
    assert {props["x"], props["y"]} <= of_file


@pytest.mark.parametrize(("path", "props"), CURVES, ids=[path for path, _ in CURVES])
def test_two_commits_are_told_apart_and_what_a_bar_is_of_is_said(path, props):
    spec = spec_of(path, props, ("workspace", "main"))
    channels = {name for part in objects(spec) for name, value in part.items()
                if isinstance(value, dict) and value.get("field") == "rev"}  # fmt: skip
    assert channels & {"color", "stroke", "strokeDash", "shape"}
    marks = [part["mark"]["type"] for part in objects(spec) if isinstance(part.get("mark"), dict)]
    if "low" in COLUMNS[path] or "bar" in marks:
        assert "text" in marks  # n
    if "low" in COLUMNS[path]:
        assert {"from", "to"} <= {part.get("as") for part in objects(spec) if isinstance(part.get("as"), str)}
    if "bar" in marks or props["template"] in ("forest", "by_class_size"):
        assert "yOffset" in channels  # side by side, in a line each


def test_all_curves_are_drawn_by_points_too():
    """A run of one epoch has no line."""
    props = dict(CURVES)["plots/curves.csv"]
    spec = spec_of("plots/curves.csv", props, ("main",))
    (folded,) = (part["fold"] for part in objects(spec) if "fold" in part)
    assert set(folded) == set(tables.CURVES) - {"epoch"}
    assert {"line", "point"} <= {part["mark"]["type"] for part in objects(spec) if "mark" in part}
    (color,) = (part["color"] for part in objects(spec) if "color" in part and "field" in part["color"])
    assert color["scale"]["domain"] == folded
    assert len(set(color["scale"]["range"])) == len(folded)


def test_bins_stand_in_the_order_of_their_names_and_figures_in_that_of_the_table():
    order = {props["template"]: spec_of(path, props, ("main",))["encoding"]["y"]["sort"]
             for path, props in CURVES if props["template"] in ("by_class_size", "class_sizes", "forest")}  # fmt: skip
    assert order["by_class_size"] == order["class_sizes"] == "ascending"
    assert order["forest"] == {"field": "order", "op": "min"}
    assert pl.Series(name_bins(SIZES)).is_sorted()
