"""The stage makes all figures of predictions and tables, refuses what does not belong together, and loses nothing."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import yaml
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from stages.config.reading import stage_params
from stages.evaluate import read_train_images
from stages.runtime.errors import UserError
from stages.tables import evaluate as tables
from stages.tables.classes import CLASSES
from stages.tables.predictions import PREDICTIONS
from stages.tables.split import SPLIT
from stages.tables.table import read_table, write_table
from tests.support import ROOT
from tests.support.predictions import MODEL_SHA256, example, write_example
from tests.support.running import complaint, run_here, run_stage

MADE = example(seed=8, classes=24, train=400, val=150, test=200, unknown=60, skill=2.5)
for split in ("val", "test"):  # in each the model is sure that the first label is wrong
    logits = MADE.logits[split].copy()
    logits[0, (MADE.labels(split)[0] + 1) % 24] = 40
    MADE = MADE.with_logits(split, logits)
CSVS = {
    "data/evaluation/species.csv": tables.SPECIES,
    "data/evaluation/confused_pairs.csv": tables.CONFUSED_PAIRS,
    "data/evaluation/never_right.csv": tables.NEVER_RIGHT,
    "data/model_suspects.parquet": tables.MODEL_SUSPECTS,
    "plots/test_figures.csv": tables.TEST_FIGURES,
    "plots/accuracy_by_class_size.csv": tables.BY_CLASS_SIZE,
    "plots/reliability.csv": tables.RELIABILITY,
    "plots/risk_coverage.csv": tables.RISK_COVERAGE,
    "plots/confused_pairs.csv": tables.DRAWN_PAIRS,
}
FILES = (*CSVS, "plots/evaluation.png", "metrics/test.json", "data/reports/test.json", "models/calibration.json")


@pytest.fixture
def world(workspace):
    """A repo root with all that the stage reads."""
    write_example(workspace, MADE)
    return workspace


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A repo root in which the stage has run, and what it said."""
    root = tmp_path_factory.mktemp("ran")
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    write_example(root, MADE)
    result = run_here("evaluate", root)
    assert result.returncode == 0, result.stderr
    return root, said_by(result)


def said_by(result) -> str:
    return " ".join((result.stdout + result.stderr).split())


def read(root, name: str) -> dict:
    return json.loads((root / name).read_text(encoding="utf-8"))


def contents(root) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in FILES if (root / name).exists()}


def test_all_figures_come_of_predictions_and_tables(ran):
    world, said = ran
    for name, schema in CSVS.items():
        assert read_table(world / name, schema).height, name
    report, metrics = read(world, "data/reports/test.json"), read(world, "metrics/test.json")
    hits = MADE.logits["test"].argmax(1) == MADE.labels("test")
    assert report["top1"]["value"] == metrics["test_top1"] == round(hits.mean(), 5)
    assert f"test top-1 {hits.mean():.3f} (" in said
    assert f"(200 images of {len(set(MADE.labels('test')))} species)" in said
    assert metrics["test_top1_low"] < metrics["test_top1"] < metrics["test_top1_high"]
    assert {*metrics} - {"test_few_shot", "test_medium_shot", "test_many_shot"} == {
        "test_top1", "test_top1_low", "test_top1_high", "test_top5", "test_mean_per_class_accuracy", "test_nll",
        "test_coverage_at_risk_10",
    }  # fmt: skip
    assert all(isinstance(value, float) for value in metrics.values())
    assert [entry["max_risk"] for entry in report["abstaining"]] == [0.05, 0.1, 0.2]
    assert report["unknown"]["energy"]["auroc"]["value"] > 0.5
    assert report["calibration"].keys() == {"all"} | report.keys() & {"few_shot", "medium_shot", "many_shot"}
    calibration = read(world, "models/calibration.json")
    assert calibration["temperature"] == pytest.approx(report["temperature"], abs=1e-5)
    assert calibration["val_images"] == 150
    assert calibration["model_sha256"] == MODEL_SHA256
    by_risk = {entry["max_risk"]: entry for entry in calibration["thresholds"]}
    assert by_risk[0.05]["species"] >= by_risk[0.1]["species"] >= by_risk[0.2]["species"]
    suspects = pl.read_parquet(world / "data/model_suspects.parquet")
    assert set(suspects["split"]) == {"val", "test"}
    assert suspects["probability"].min() >= 0.9
    assert sum((world / name).stat().st_size for name in CSVS if name.startswith("plots/")) < 20_000


def test_the_same_tables_give_the_same_bytes_in_any_order_and_on_an_older_processor(ran):
    """A newer one takes other ways through exp and log, and so differs in the last bits before they are rounded."""
    world, said = ran
    before = contents(world)
    assert before.keys() == set(FILES)
    for split, table in MADE.splits.items():
        write_table(table.reverse(), SPLIT, world / f"data/splits/{split}.parquet")
    newer = " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])
    again = run_stage("evaluate", world, NPY_DISABLE_CPU_FEATURES=newer, OPENBLAS_CORETYPE="Nehalem")
    assert said_by(again) == said
    assert contents(world) == before


@pytest.mark.parametrize("split", ["test", "unknown", "val"])
def test_what_the_model_has_seen_is_no_test_of_it(world, split):
    """`dvc repro -s split`, and no training after it: test top-1 rose by five points."""
    drawn = pl.concat([MADE.splits[split], MADE.splits["train"].head(2).with_columns(split=pl.lit(split))])
    write_table(drawn, SPLIT, world / f"data/splits/{split}.parquet")
    write_table(MADE.splits["train"][2:], SPLIT, world / "data/splits/train.parquet")
    said = complaint(run_here("evaluate", world))
    assert f"the model has seen 2 of {drawn.height} {split} images" in said
    assert "train again (`dvc repro train`)" in said
    assert contents(world) == {}


def test_predictions_of_other_images_are_refused_and_nothing_is_lost(ran, world):
    for name in FILES:
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_bytes((ran[0] / name).read_bytes())
    write_table(MADE.splits["test"][3:], SPLIT, world / "data/splits/test.parquet")
    said = complaint(run_here("evaluate", world))
    assert "data/predictions/test.parquet: " in said
    assert "(and 2 more): they are of different runs, run `dvc repro predict`" in said
    assert contents(world) == contents(ran[0])


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"identity": {"model": 1}}', '{"identity": {"model": "ab"}}']
)
def test_predictions_of_nobody_knows_which_model_are_refused(world, content):
    path = world / "data/predictions.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    said = complaint(run_here("evaluate", world))
    assert f"data/predictions.json is {'missing' if content is None else 'damaged'}: " in said
    assert contents(world) == {}


def test_predictions_of_the_test_that_are_no_numbers_are_no_figures(world):
    logits = MADE.logits["test"].copy()
    logits[5:7, 0] = np.inf
    write_example(world, MADE.with_logits("test", logits))
    said = complaint(run_here("evaluate", world))
    name = MADE.splits["test"]["image_name"][5]
    assert (
        f"predictions for 2 of 200 test images are no numbers (NaN or infinite), {name} the first: train again" in said
    )
    assert contents(world) == {}


def test_images_of_val_without_numbers_are_left_out_and_counted(world):
    logits = MADE.logits["val"].copy()
    logits[:4, 0] = np.nan
    made = MADE.with_logits("val", logits).with_logits("unknown", np.full((60, 24), np.nan))
    write_example(world, made)
    result = run_here("evaluate", world)
    assert result.returncode == 0, result.stderr
    said = said_by(result)
    assert "the predictions for 4 of 150 val images are no numbers (NaN or infinite): they are left out" in said
    assert "the predictions for 60 of 60 unknown images are no numbers" in said
    assert "RuntimeWarning" not in said
    assert read(world, "models/calibration.json")["val_images"] == 146
    assert read(world, "data/reports/test.json")["unknown"] is None


def test_a_val_that_says_too_little_is_said_and_fits_nothing_and_no_unknown_species_has_no_figure(world):
    few = MADE.splits["val"].head(6)
    write_table(few, SPLIT, world / "data/splits/val.parquet")
    write_table(MADE.predictions["val"].head(6), PREDICTIONS, world / "data/predictions/val.parquet")
    for folder, schema in (("splits", SPLIT), ("predictions", PREDICTIONS)):
        write_table(getattr(MADE, folder)["unknown"].clear(), schema, world / f"data/{folder}/unknown.parquet")
    said = said_by(run_here("evaluate", world))
    assert f"no temperature is fitted: val has only {few['group'].n_unique()} observations, and 1 is taken" in said
    assert "no species is said at a risk of at most 5%, 10%, 20%: val has too few images for it" in said
    assert "no genus is said at a risk of at most 5%, 10%, 20%" in said
    calibration = read(world, "models/calibration.json")
    assert (calibration["temperature"], calibration["val_images"]) == (1.0, 0)
    report = read(world, "data/reports/test.json")
    assert report["abstaining"][0]["test"]["coverage"]["value"] == 0
    assert report["abstaining"][0]["test"]["risk"]["value"] is None
    assert report["unknown"] is None
    assert "test_coverage_at_risk_10" not in read(world, "metrics/test.json")


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_empty_split_is_said(world, split):
    write_table(MADE.splits[split].clear(), SPLIT, world / f"data/splits/{split}.parquet")
    write_table(MADE.predictions[split].clear(), PREDICTIONS, world / f"data/predictions/{split}.parquet")
    assert "val or test is empty" in complaint(run_here("evaluate", world))


def test_a_parameter_of_evaluate_counts(world):
    path = world / "params.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["evaluate"] |= {"max_risks": [0.3], "min_groups": 1000, "confident": 0.5}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert stage_params("evaluate").evaluate.max_risks == [0.3]
    assert run_here("evaluate", world).returncode == 0
    metrics = read(world, "metrics/test.json")
    assert not {"test_top1_low", "test_top1_high", "test_coverage_at_risk_10"} & metrics.keys()
    assert pl.read_csv(world / "plots/test_figures.csv")["low"].null_count() > 10
    assert pl.read_parquet(world / "data/model_suspects.parquet")["probability"].min() < 0.9


def test_training_images_are_counted_by_species_whatever_the_order():
    """labels.csv alone says which number is which species."""
    counts = {name: [1, 1] for name in CLASSES if name != "species"} | {"train_images": [7, 3]}
    classes = pl.DataFrame({"species": ["B", "A"]} | counts)
    assert read_train_images(classes, ["A", "B"]).tolist() == [3, 7]
    for order in (["A"], ["A", "B", "C"], ["A", "C"]):
        with pytest.raises(UserError, match=r"of different runs, run `dvc repro split`"):
            read_train_images(classes, order)


def test_no_figure_needs_torch():
    """Its import costs seconds, and anyone with the tables can make the figures."""
    code = "import sys, stages.evaluate; print(sorted({'torch', 'timm', 'cv2', 'accelerate'} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
