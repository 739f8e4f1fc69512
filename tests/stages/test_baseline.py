"""The stage says what the starting network knows of species, and whether labels and photos go together, in one word."""

import json
import shutil
import time

import numpy as np
import polars as pl
import pytest

from stages.features.chance import shuffled_labels
from stages.splitting.label_order import label, read_labels
from stages.tables.baseline import BASELINE_BY_CLASS_SIZE
from stages.tables.gate import read_gate
from stages.tables.split import SPLIT
from stages.tables.table import read_table, write_table
from tests.support import ROOT
from tests.support.generated_features import World, numbers_of, world
from tests.support.running import complaint, run_here, run_stage

FILES = ("data/gate.json", "data/reports/baseline.json", "metrics/baseline.json", "plots/baseline_by_class_size.csv")
PROBES = {"ridge", "nearest_mean", "nearest_images"}


@pytest.fixture
def made() -> World:
    return world(seed=6, classes=24, train=260, val=70, test=90, spread=1.2)


def run(root, made: World, *, weights: str | None = "0" * 64) -> str:
    """Write all that the stage reads, run it, and give what it said."""
    made.write(root, weights=weights)
    result = run_here("baseline", root)
    assert result.returncode == 0, result.stderr
    return " ".join((result.stdout + result.stderr).split())


def read(root, name: str) -> dict:
    return json.loads((root / name).read_text(encoding="utf-8"))


def test_figures_of_each_probe_and_the_word(workspace, made):
    said = run(workspace, made)
    report, metrics = read(workspace, "data/reports/baseline.json"), read(workspace, "metrics/baseline.json")
    assert (workspace / "data/gate.json").read_text() == '{\n  "verdict": "sound"\n}\n'
    assert report["gate"]["verdict"] == "sound" and report["gate"]["words"] in said
    for split in ("val", "test"):
        of = report["figures"][split]
        assert of.keys() == PROBES
        for probe, figures in of.items():
            assert {"top1", "top5", "mean_per_class_accuracy", "few_shot"} <= figures.keys()
            assert figures["top1"]["images"] == made.splits[split].height
            assert figures["top1"]["groups"] == made.splits[split]["group"].n_unique()
            assert figures["top1"]["low"] < figures["top1"]["value"] < figures["top1"]["high"]
            assert f"{probe.replace('_', ' ')} {figures['top1']['value']:.3f}" in said
    of_ridge = report["figures"]["test"]["ridge"]
    assert metrics == {
        "baseline_val_top1": report["figures"]["val"]["ridge"]["top1"]["value"],
        "baseline_test_top1": of_ridge["top1"]["value"],
        "baseline_test_mean_per_class_accuracy": of_ridge["mean_per_class_accuracy"]["value"],
    }
    sizes = read_table(workspace / "plots/baseline_by_class_size.csv", BASELINE_BY_CLASS_SIZE)
    right = (sizes["top1"] * sizes["images"]).sum()
    assert right == pytest.approx(of_ridge["top1"]["value"] * made.splits["test"].height, abs=0.01)
    assert sizes["images"].sum() == made.splits["test"].height
    assert sizes["classes"].sum() == made.splits["test"]["species"].n_unique()


def test_the_same_tables_give_the_same_bytes_in_any_order_and_on_an_older_processor(workspace, made):
    run(workspace, made)
    before = {name: (workspace / name).read_bytes() for name in FILES}
    for split in made.splits:
        write_table(made.splits[split].reverse(), SPLIT, workspace / f"data/splits/{split}.parquet")
    older = {"OPENBLAS_CORETYPE": "Nehalem", "FAISS_OPT_LEVEL": "generic", "OMP_NUM_THREADS": "1"}
    result = run_stage("baseline", workspace, **older)
    assert result.returncode == 0, result.stderr
    assert {name: (workspace / name).read_bytes() for name in FILES} == before


def test_val_in_another_order_is_named_with_its_pairs(workspace, made):
    cycle = np.random.default_rng(2).permutation(24)
    order = np.zeros(24, int)
    order[cycle] = np.roll(cycle, 1)
    made.give("val", order[made.labels("val")])
    said = run(workspace, made)
    assert read_gate(workspace / "data/gate.json") == "order_differs"
    assert "warning: labels: order_differs: val top-1 0.0" in said
    labels = read(workspace, "data/reports/baseline.json")["labels"]
    pairs = labels["val"]["renamed"]["pairs"]
    true = {made.species[order[label]]: made.species[label] for label in range(24)}
    assert len(pairs) >= 12
    assert np.mean([true[pair["given"]] == pair["seems"] for pair in pairs]) >= 0.9
    assert f"'{pairs[0]['given']}' seems '{pairs[0]['seems']}'" in said
    assert labels["test"]["verdict"] == "sound"


def test_shuffled_labels_are_at_chance_and_a_sound_test_is_told_from_them(workspace, made):
    groups = numbers_of(made.splits["val"]["group"])
    made.give("val", next(shuffled_labels(made.labels("val"), groups, shuffles=1, seed=4)))
    said = run(workspace, made)
    assert read_gate(workspace / "data/gate.json") == "at_chance"
    assert "in train labels and photos go together (0." in said and "labels or photos of val" in said
    assert "labels of test" not in said


def test_species_that_train_lacks_are_named_by_number_and_the_others_are_judged(workspace, made):
    """As after a mistake in `split`: which pairs of names seem swapped says nothing then."""
    species = sorted(made.splits["val"]["species"].unique())[::3]
    stays = ~made.splits["train"]["species"].is_in(species)
    made.splits["train"] = made.splits["train"].filter(stays)
    made.vectors["train"] = made.vectors["train"][stays.to_numpy()]
    said = run(workspace, made)
    lost = made.splits["val"].filter(pl.col("species").is_in(species))
    report = read(workspace, "data/reports/baseline.json")
    assert report["of_untrained_species"]["val"] == {"images": lost.height, "species": len(species)}
    assert report["gate"]["verdict"] == "sound"
    assert report["labels"]["val"]["against_chance"]["images"] == made.splits["val"].height - lost.height
    of_val = f"{lost.height} of {made.splits['val'].height} val images are of {len(species)} species"
    assert f"baseline: warning: {of_val} that train does not have" in said


def test_a_sound_sample_says_nothing_of_untrained_species(workspace, made):
    assert "species that train does not have" not in run(workspace, made)


def test_a_test_in_another_order_stops_nothing_and_is_said(workspace, made):
    made.give("test", (made.labels("test") + 1) % 24)
    said = run(workspace, made)
    assert read_gate(workspace / "data/gate.json") == "sound"
    assert "warning: labels of test: order_differs: test top-1 0." in said


def test_a_network_with_random_weights_says_nothing_of_labels(workspace, made):
    made.give("val", (made.labels("val") + 1) % 24)
    said = run(workspace, made, weights=None)
    assert read_gate(workspace / "data/gate.json") == "none"
    assert "warning: labels: none: the starting weights are random, which says nothing of the labels" in said


def test_features_that_are_no_numbers_are_left_out_counted_and_said(workspace, made):
    made.vectors["train"][:7, 3] = np.nan
    made.vectors["val"][5] = np.inf
    made.vectors["test"][:2] = 0
    said = run(workspace, made)
    report = read(workspace, "data/reports/baseline.json")
    assert report["left_out_without_numbers"] == {"train": 7, "val": 1, "test": 2}
    assert report["images"] == {"train": 253, "val": 69, "test": 88}
    assert (
        "the features of 7 of 260 train images are no numbers (NaN or infinite) or all zeros: they are left out" in said
    )
    assert report["figures"]["test"]["ridge"]["top1"]["images"] == 88
    assert report["gate"]["verdict"] == "sound"


def test_features_of_which_none_is_a_number_are_one_line(workspace, made):
    made.vectors["train"][:] = np.nan
    made.write(workspace)
    line = complaint(run_here("baseline", workspace))
    assert "train.parquet has no image with usable features (260 are no numbers, or zeros)" in line
    assert not (workspace / "data/gate.json").exists()


def test_an_empty_train_is_one_line_that_blames_no_weights(workspace, made):
    made.splits["train"], made.vectors["train"] = made.splits["train"].clear(), made.vectors["train"][:0]
    made.write(workspace)
    line = complaint(run_here("baseline", workspace))
    assert "train.parquet has no image" in line
    assert "weights" not in line


@pytest.mark.parametrize("empty", [("val",), ("test",), ("val", "test")])
def test_empty_splits_are_said(workspace, made, empty):
    for split in empty:
        made.splits[split], made.vectors[split] = made.splits[split].clear(), made.vectors[split][:0]
    said = run(workspace, made)
    word = "none" if "val" in empty else "sound"
    assert read_gate(workspace / "data/gate.json") == word
    for split in empty:
        assert f"baseline: {split}: no image" in said
    if "val" in empty:
        assert "labels: none: val has no image of a species that train has, so it says nothing of the labels" in said
    assert len(read(workspace, "metrics/baseline.json")) == 3 - len({"val"} & {*empty}) - 2 * len({"test"} & {*empty})


def test_small_sound_sets_run_and_are_never_silently_at_chance(workspace):
    """Classes of one image, with no val image, in one group; fewer observations than an interval needs."""
    made = world(seed=3, classes=9, train=14, val=3, test=2, spread=0.5)
    made.splits["train"] = made.splits["train"].with_columns(
        group=pl.when(pl.col("species") == made.species[0]).then(pl.lit("0" * 32 + ".jpg")).otherwise("group")
    )
    said = run(workspace, made)
    assert read_gate(workspace / "data/gate.json") in ("sound", "none")
    assert "labels: none: val top-1 " in said and "too few observations" in said
    figures = read(workspace, "data/reports/baseline.json")["figures"]["val"]["ridge"]["top1"]
    assert figures["low"] is None and figures["images"] == 3


def test_what_does_not_belong_together_is_one_line(workspace, made):
    made.write(workspace)
    table = made.splits["val"]
    strange = table.with_columns(image_name=pl.lit("f" * 31) + pl.int_range(pl.len()).cast(pl.String))
    write_table(strange, SPLIT, workspace / "data/splits/val.parquet")
    assert "data/features holds no features of fff" in complaint(run_here("baseline", workspace))
    write_table(table.with_columns(sha256=pl.lit("f" * 64)), SPLIT, workspace / "data/splits/val.parquet")
    assert "data/features holds features of other bytes of" in complaint(run_here("baseline", workspace))
    write_table(table, SPLIT, workspace / "data/splits/val.parquet")
    recipe = workspace / "data/features.json"
    for content, message in (('{"files": {}}', "is damaged"), ("", "is damaged"), (None, "is missing")):
        recipe.write_text(content) if content is not None else recipe.unlink()
        assert f"data/features.json {message}" in complaint(run_here("baseline", workspace))
    assert not (workspace / "data/gate.json").exists()


def test_what_the_network_knows_of_the_sample(workspace, sample):
    """Features that see nothing, or other weights, would show here; and it takes no training."""
    for name in ("features", "splits"):
        shutil.copytree(sample.root / "data" / name, workspace / "data" / name)
    shutil.copy(sample.root / "data/features.json", workspace / "data/features.json")
    start = time.process_time()
    result = run_here("baseline", workspace)
    assert result.returncode == 0, result.stderr
    assert time.process_time() - start < 10  # seconds of a processor
    assert read_gate(workspace / "data/gate.json") == "sound"
    figures = read(workspace, "data/reports/baseline.json")["figures"]
    top1 = [figures[split]["ridge"]["top1"] for split in ("val", "test")]
    assert sum(of["value"] * of["images"] for of in top1) / sum(of["images"] for of in top1) >= 0.88


@pytest.mark.parametrize("seed", range(3))
def test_the_sample_with_its_labels_in_another_order_or_shuffled(workspace, sample, seed):
    for name in ("features", "splits"):
        shutil.copytree(sample.root / "data" / name, workspace / "data" / name)
    shutil.copy(sample.root / "data/features.json", workspace / "data/features.json")
    path = workspace / "data/splits/val.parquet"
    table = read_table(path, SPLIT)
    species = read_labels(workspace / "data/splits/labels.csv")
    cycle = np.random.default_rng(seed).permutation(len(species))
    other = {species[here]: species[there] for here, there in zip(cycle, np.roll(cycle, 1), strict=True)}
    write_table(table.with_columns(pl.col("species").replace_strict(other)), SPLIT, path)
    assert run_here("baseline", workspace).returncode == 0
    assert read_gate(workspace / "data/gate.json") == "order_differs"
    pairs = read(workspace, "data/reports/baseline.json")["labels"]["val"]["renamed"]["pairs"]
    assert len(pairs) >= 15
    assert np.mean([other[pair["seems"]] == pair["given"] for pair in pairs]) >= 0.9
    labels, groups = label(table["species"], species, where="val"), numbers_of(table["group"])
    shuffled = next(shuffled_labels(labels, groups, shuffles=1, seed=seed))
    names = pl.Series([species[number] for number in shuffled], dtype=pl.String)
    write_table(table.with_columns(species=names), SPLIT, path)
    assert run_here("baseline", workspace).returncode == 0
    assert read_gate(workspace / "data/gate.json") == "at_chance"


def test_the_plot_has_the_template_of_accuracy_by_class_size():
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert text.count("template: by_class_size, x: top1, y: train_images") == 2
