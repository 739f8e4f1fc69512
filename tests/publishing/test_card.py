"""The card says what reports, tables and scores say, and nothing else; what is not known is said."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from stages.evaluation.intervals import Estimate
from stages.publishing.card import model_card
from stages.publishing.card_facts import CardFacts
from stages.publishing.card_limits import not_measured, weaknesses
from stages.publishing.card_rights import license_and_credits
from stages.publishing.card_words import between, percent, with_interval
from stages.publishing.licenses import WANTED
from stages.publishing.made_of import MadeOf
from stages.publishing.scoring import CENTER, center_name
from stages.records.licenses import license_codes
from tests.support.carded import COMMIT, facts_in, score_of, write_carded
from tests.support.predictions import example

MANY = example(seed=8, classes=24, train=400, val=150, test=200, unknown=60, skill=2.5)
FEW = example(seed=3, classes=12, train=40, val=12, test=16, skill=4.0)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """A repo with a test of 200 images, of which some species are unknown, and one with a test of 16."""
    return {name: write_carded(tmp_path_factory.mktemp(name), made) for name, made in (("many", MANY), ("few", FEW))}


@pytest.fixture(scope="module")
def facts(roots) -> dict[str, CardFacts]:
    return {name: facts_in(root) for name, root in roots.items()}


@pytest.fixture(params=["many", "few"])
def root_and_facts(request, roots, facts) -> tuple[Path, CardFacts]:
    return roots[request.param], facts[request.param]


def report(root: Path, name: str = "data/reports/test.json") -> dict:
    return json.loads((root / name).read_text(encoding="utf-8"))


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown text, as cells; a bar that is escaped parts no cells."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            found.append([rows[0], *rows[2:]])
            rows = []
    return found


def table_with(text: str, column: str) -> list[list[str]]:
    """The rows of the one table that has a column."""
    (found,) = [table[1:] for table in tables(text) if column in table[0]]
    return found


def body(card: str) -> str:
    return card.split("---\n", 2)[2].lstrip("\n")


def in_percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %"


def interval(entry: dict) -> str:
    if entry["value"] is None:
        return "–"
    return (
        "too few observations" if entry["low"] is None else f"{entry['low'] * 100:.1f} to {entry['high'] * 100:.1f} %"
    )


def test_figures_are_those_of_the_report(root_and_facts):
    root, facts = root_and_facts
    found, rows = report(root), table_with(model_card(facts), "of the test")
    names = ["top1", "top5", "mean_per_class_accuracy", "few_shot", "medium_shot", "many_shot", "genus_top1",
             "genus_top1_by_sum"]  # fmt: skip
    assert [row[1:] for row in rows] == [
        [in_percent(entry["value"]), interval(entry), *(f"{entry[of]:,}" for of in ("images", "groups", "classes"))]
        for entry in (found[name] for name in names if name in found)
    ]
    assert f"**This test is {'too small' if found['top1']['low'] is None else 'small'}" in model_card(facts)
    assert f"first in {in_percent(found['top1']['value'])} ({interval(found['top1'])}) of" in model_card(facts)


def test_a_large_test_is_not_called_small(facts):
    found = facts["many"]
    sharp = found.test["top1"] | {"low": 0.7, "high": 0.75}
    assert "is small" not in model_card(replace(found, test=found.test | {"top1": sharp}))


def test_what_the_model_says_and_leaves_unsaid_is_that_of_the_report(root_and_facts):
    root, facts = root_and_facts
    rows, entries = table_with(model_card(facts), "photos without an answer"), report(root)["backing_off"]
    assert len(rows) == len(entries)
    for row, entry in zip(rows, entries, strict=True):
        wanted = [f"{100 * entry['max_risk']:.0f} %"]
        for level in ("species", "genus"):
            threshold, right = entry["thresholds"][level], entry[level]["precision"]
            wanted += [
                "never" if threshold is None else f"{threshold:.3f}",
                in_percent(entry[level]["coverage"]["value"]),
                f"{in_percent(right['value'])} ({interval(right)})" if right["images"] else "–",
            ]
        assert row == [*wanted, in_percent(entry["nothing"]["value"])]


@pytest.mark.parametrize("column", ["source", "license"])
def test_photos_are_counted_by_source_and_license_with_their_figures(root_and_facts, column):
    root, facts = root_and_facts
    splits = {name: pl.read_parquet(root / f"data/splits/{name}.parquet") for name in ("train", "val", "test")}
    of = {
        name: table["source"] if column == "source" else license_codes(table["license"])
        for name, table in splits.items()
    }
    rows = table_with(model_card(facts), column)
    by_part = {row[0].replace("without a license", "none"): row[1:] for row in rows}
    assert by_part.keys() == {part for series in of.values() for part in series}
    found = report(root)[f"by_{column}"]
    for part, cells in by_part.items():
        entry = found.get(part, {"value": None})
        counts = [f"{(series == part).sum():,}" for series in of.values()]
        assert cells == [*counts, in_percent(entry["value"]), interval(entry)]


def test_weak_species_and_pairs_are_those_of_the_tables(roots, facts):
    root, text = roots["many"], weaknesses(facts["many"])
    never = pl.read_csv(root / "data/evaluation/never_right.csv")
    pairs = pl.read_csv(root / "data/evaluation/confused_pairs.csv")
    species = pl.read_csv(root / "data/evaluation/species.csv")
    untested = species.filter(pl.col("test_images") == 0)["species"].to_list()
    tested = species.height - len(untested)
    assert never.height
    assert pairs.height > 10
    assert f"{never.height} of {tested} tested species were not right" in text
    assert f"Of {len(untested)} of 24 species the test has no photo" in text
    assert all(name in text for name in untested)
    assert {row[0] for row in table_with(text, "most often taken for")} == {*never["species"]}
    shown = table_with(text, "it was called")
    assert [(row[0], row[1], int(row[3])) for row in shown] == pairs.head(10).select("species", "said", "images").rows()
    assert f"the 10 most frequent of {pairs.height} such pairs" in text
    wrong = 200 - species["hits"].sum()
    assert f"{wrong} test photos were given a wrong species" in text
    seldom = species.filter((pl.col("hits") > 0) & (pl.col("hits") * 2 < pl.col("test_images"))).height
    assert (f"A further {seldom} of {tested} tested species" in text) == (seldom > 0)


def test_long_lists_are_cut_and_the_rest_is_counted(facts):
    found = facts["many"]
    names = [f"Genus species{number:03}" for number in range(45)]
    rows = pl.DataFrame({"species": names}).join(found.never_right.head(1).drop("species"), how="cross")
    untested = pl.DataFrame({"species": names}).join(found.by_species.head(1).drop("species"), how="cross")
    many = replace(
        found,
        never_right=rows.select(found.never_right.columns),
        by_species=untested.select(found.by_species.columns).with_columns(test_images=pl.lit(0), hits=pl.lit(0)),
    )
    text = weaknesses(many)
    assert len(table_with(text, "most often taken for")) == 20
    assert "45 of 0 tested species were not right in a single test photo; those with the most test photos are" in text
    assert f"{', '.join(names[:20])} and 25 more." in text


def with_part(found: CardFacts, column: str, **parts: tuple[float, float | None, float | None]) -> CardFacts:
    entries = {
        name: {"value": value, "low": low, "high": high, "images": 50, "groups": 30, "classes": 9}
        for name, (value, low, high) in parts.items()
    }
    return replace(found, test=found.test | {f"by_{column}": entries})


def test_sources_and_licenses_that_do_worse_are_named_and_chance_is_not_blamed_on_them(facts):
    found = facts["many"]
    whole = found.test["top1"]["value"]
    parts = {
        "far": (whole - 0.3, whole - 0.4, whole - 0.2),
        "near": (whole - 0.1, whole - 0.3, whole + 0.1),
        "touching": (whole - 0.1, whole - 0.2, found.test["top1"]["low"]),  # below the value, and not surely below
        "few": (0.0, None, None),
        "above": (whole + 0.1, whole, 1.0),
    }
    text = weaknesses(with_part(found, "source", **parts))
    (sure,) = re.findall(r"\*\*Worse by source\.\*\*.*", text)
    (perhaps,) = re.findall(r"Lower by source.*", text)
    assert "photos from far" in sure
    assert f"the whole test, {in_percent(whole)} (" in sure
    assert "near" not in sure + perhaps.replace("from near", "")
    assert "from near" in perhaps
    assert "from touching" in perhaps
    assert "from few 0.0 % (too few observations), 50 photos" in perhaps
    assert "above" not in sure + perhaps
    alone = weaknesses(with_part(found, "license", none=(0.0, 0.0, 0.1)))
    assert "by license" not in alone


def test_what_was_not_measured_is_said(facts):
    many, few = facts["many"], facts["few"]
    assert "**Species that it does not know.** It was shown 60 photos of 3 other species" in weaknesses(many)
    passed = many.test["unknown"]["largest_probability"]["false_at_95"]
    assert f"{in_percent(passed['value'])} ({interval(passed)})" in weaknesses(many)
    assert "does not know" not in weaknesses(few)
    assert "the test has none" in not_measured(few)
    assert "the test has none" not in not_measured(many)
    assert "7 photos that a program found damaged or unfit (too blurred 7)" in not_measured(few)
    assert "middle of a photo" in not_measured(few)
    hits = np.arange(40) % 4 > 0
    scored = replace(few, scores=[score_of(center_name("model.onnx"), hits, hits, changed=0)])
    assert CENTER in center_name("model.onnx")
    assert "middle of a photo" not in not_measured(scored)
    assert "what that costs was not measured" in model_card(few)
    assert (
        "in the test that was right for 75.0 % of the photos, and the square around the plant [for 75.0 %](#the-s"
        in (model_card(scored))
    )
    reason = "the center crop, as the image cache is not here"
    said = not_measured(replace(few, unscored=[reason]))
    assert said.count("enter crop") == 1
    assert "- The center crop, as the image cache is not here." in said
    assert "middle of a photo" not in said


def test_scores_are_told_paired(facts):
    base = np.arange(60) % 5 > 0
    worse = base & (np.arange(60) % 3 > 0)
    scores = [
        score_of("model.onnx", base, base, changed=0),
        score_of("model.onnx, center crop", base, worse, changed=23),
    ]
    card = model_card(replace(facts["many"], scores=scores))
    rows = table_with(card, "largest difference of an output")
    assert rows[0] == ["`model.onnx`", scores[0].difference.words, "80.0 %", "80.0 %", "0", "0.001", "60 of 60"]
    assert rows[1][:4] == ["`model.onnx, center crop`", scores[1].difference.words, percent(worse.mean()), "80.0 %"]
    assert rows[1][4] == "23"
    assert scores[1].difference.verdict == "worse"
    assert (
        f"**`model.onnx, center crop` does worse than the model itself**: {percent(worse.mean())} right, and not "
        f"80.0 % ({scores[1].difference.words})."
    ) in card
    assert "`model.onnx` does worse" not in card
    some = base & (np.arange(60) != 1)
    perhaps = weaknesses(replace(facts["many"], scores=[score_of("model.fp16.onnx", base, some, changed=1)]))
    assert "**`model.fp16.onnx` does worse than the model itself**, which may be chance: 78.3 % right" in perhaps
    assert "`model.fp16.onnx` was not scored." in card
    assert "`model.onnx` was not scored." not in card


def test_a_score_of_some_of_the_test_says_of_how_many(facts):
    """As of a large network, or where originals are gone: its figures are not those of the whole test."""
    base = np.arange(60) % 5 > 0
    found = score_of("model.onnx, center crop", base, base & (np.arange(60) % 3 > 0), changed=23)
    whole, part = (model_card(replace(facts["many"], scores=[replace(found, of_images=n)])) for n in (60, 90))
    right = percent(found.top1.value)
    assert f"in the test that was right for {right} of the photos, and" in whole
    assert f"in the test that was right for {right} of 60 of its 90 photos, and" in part
    assert f"{right} right, and not 80.0 % ({found.difference.words})." in whole
    assert f"{right} right, and not 80.0 %, of 60 of the 90 test photos ({found.difference.words})." in part


def test_without_exported_files_nothing_is_said_of_them(facts):
    card = model_card(replace(facts["few"], files=frozenset({"model.safetensors", "credits.csv"})))
    assert "onnx" not in card
    assert "timm.create_model" not in card
    assert "was not scored" not in card
    assert [row[0] for row in table_with(card, "what it is")] == ["`model.safetensors`", "`credits.csv`"]


@pytest.mark.parametrize(
    ("ece", "high", "confidence", "said"),
    [
        (0.05, 0.08, 0.9, "so this one shows no fault"),
        (0.21, 0.08, 0.9, "the model is too sure."),
        (0.21, 0.08, 0.5, "the model is not sure enough"),
    ],
)
def test_a_fault_of_probabilities_is_told_from_chance(facts, ece, high, confidence, said):
    found = facts["many"]
    after = {"ece": ece, "ece_if_calibrated_high": high, "mean_confidence": confidence, "top1": 0.7}
    parts = {"all": {"after": after}, "few_shot": {"after": after}}
    card = model_card(replace(found, test=found.test | {"calibration": parts}))
    assert said in card
    assert f"lie {100 * ece:.1f} points on average" in card
    too_sure = ece > high and confidence > 0.7
    assert ("**Too sure.**" in card, "**Too sure of rare species.**" in card) == (too_sure, too_sure)


def backing_off(max_risk: float, species: float | None, right: Estimate) -> dict:
    of = {"value": 1.0, "low": None, "high": None, "images": 9, "groups": 9, "classes": 3}
    named = {"coverage": of, "precision": vars(right)}
    return {
        "max_risk": max_risk,
        "thresholds": {"species": species, "genus": None},
        "species": named,
        "genus": named,
        "nothing": of,
    }


@pytest.mark.parametrize(
    ("right", "said", "chance"),
    [
        (Estimate(0.85, 0.8, 0.88, 300, 200, 9), True, False),
        (Estimate(0.85, 0.7, 0.95, 300, 200, 9), True, True),
        (Estimate(0.85, None, None, 9, 9, 9), True, True),
        (Estimate(0.9, 0.8, 0.95, 300, 200, 9), False, False),
    ],
)
def test_more_wrong_answers_than_wished_for_are_said(facts, right, said, chance):
    found = facts["many"]
    text = weaknesses(replace(found, test=found.test | {"backing_off": [backing_off(0.1, 0.5, right)]}))
    assert ("at most 10 % were wished for, 15.0 % of the test's answers of a species were wrong" in text) == said
    assert ("which may be chance" in text) == chance
    assert "it names no species" not in text
    assert "it names no species" in weaknesses(
        replace(found, test=found.test | {"backing_off": [backing_off(0.1, None, right)]})
    )


def test_verdicts_of_people_are_said(facts):
    found = facts["few"]
    rate = {"value": 0.041, "low": 0.02, "high": 0.08, "images": 300, "groups": 290, "classes": 9, "asked": 320}
    reviewed = {"review": {"relabeled": {"images": 12}, "dropped": {"images": 5}}, "label_errors": rate}
    assert "33 of 777 photos suspicious. No person's verdict on any of them is known." in weaknesses(found)
    text = weaknesses(replace(found, selected=found.selected | reviewed))
    assert "People have relabeled 12 photos and taken out 5." in text
    assert "Of photos drawn by chance 4.1 % (2.0 to 8.0 %) had a wrong label" in text
    nothing = reviewed | {"label_errors": rate | {"value": None, "low": None, "high": None, "images": 0}}
    assert "drawn by chance" not in weaknesses(replace(found, selected=found.selected | nothing))


@pytest.mark.parametrize("wanted", [None, *WANTED])
def test_the_head_is_what_hugging_face_reads(root_and_facts, wanted):
    root, facts = root_and_facts
    card = ModelCard(model_card(replace(facts, license=wanted)))
    head, found = card.data.to_dict(), report(root)
    assert head["license"] == (wanted or "other")
    assert head.get("license_name") == (None if wanted else "not-for-redistribution")
    assert (head["library_name"], head["pipeline_tag"]) == ("timm", "image-classification")
    assert head["base_model"] == "timm/some_net.on_photos"
    _, results = model_index_to_eval_results(head["model-index"])
    assert {result.metric_name: result.metric_value for result in results} == {
        "top-1 accuracy": found["top1"]["value"],
        "top-5 accuracy": found["top5"]["value"],
        "mean per-class accuracy": found["mean_per_class_accuracy"]["value"],
    }
    assert all((result.metric_args or {})["images"] == found["images"] for result in results)
    assert yaml.safe_load(model_card(facts).split("---\n")[1])


def test_a_model_without_a_license_says_so_before_all_else(facts):
    found = facts["many"]
    first, *_ = body(model_card(found)).splitlines()
    assert first.startswith("> **Not for redistribution.** Nobody has decided")
    text = license_and_credits(found)
    counts = dict(license_codes(found.images["license"]).value_counts().iter_rows())
    for code, count in counts.items():
        assert f"{count} photos {'without a license' if code == 'none' else f'under {code}'}" in text
    assert "there is none under which it could be passed on" in text
    free = replace(found, images=found.images.with_columns(license=pl.lit("cc-by-nc")))
    assert "on under cc-by-nc-4.0 or cc-by-nc-sa-4.0; nobody has decided to" in license_and_credits(free)


def test_a_model_with_a_license_names_it(facts):
    found = replace(facts["many"], license="cc-by-nc-4.0")
    assert body(model_card(found)).startswith("# Which plant is it? 24 species, from a photo\n")
    assert "edistribution" not in model_card(found)
    assert "**cc-by-nc-4.0**, as those who publish it have decided" in license_and_credits(found)


def test_starting_weights_are_named_with_their_license_or_that_it_is_unknown(facts):
    found = facts["few"]
    weights = found.starting_weights
    assert "under the license apache-2.0, as is said there" in license_and_credits(found)
    unknown = license_and_credits(replace(found, starting_weights=replace(weights, license=None)))
    assert "**under which license is not known**" in unknown
    nowhere = replace(weights, source=None, revision=None, license=None, sha256=None)
    assert "weights of an unknown place, **under" in license_and_credits(replace(found, starting_weights=nowhere))
    nothing = replace(weights, random=True)
    assert "random weights" in license_and_credits(replace(found, starting_weights=nothing))


def test_photos_that_the_tables_no_longer_know_are_counted(facts):
    found = facts["few"]
    lost = pl.col("image_name") == found.images["image_name"][0]
    names = ("species", "source", "license", "observer", "image_url")
    nothing = [pl.when(~lost).then(name).alias(name) for name in names]
    gone = replace(found, images=found.images.with_columns(nothing))
    assert "Of 1 photo the tables know nothing any more." in license_and_credits(gone)
    assert "know nothing any more" not in license_and_credits(found)
    (row,) = [row for row in table_with(model_card(gone), "source") if "no longer in the tables" in row[0]]
    assert row[1:4] == ["1", "0", "0"]


def test_example_photos_are_said_to_be_the_work_of_others(facts):
    assert "`examples.parquet` are others' work" in license_and_credits(facts["few"])
    without = replace(facts["few"], files=frozenset({"credits.csv"}))
    assert "examples.parquet" not in license_and_credits(without)


def test_what_no_source_says_of_photos_is_counted(facts):
    found = facts["few"]
    images, unsaid = found.images.height, found.images["license"].null_count()
    assert f"of {images} photos no source names the photographer" in license_and_credits(found)
    assert f"of {unsaid} photo{'s' if unsaid != 1 else ''} no source says the license" in license_and_credits(found)


def test_commit_and_data_are_named(facts):
    found = facts["few"]
    clean = model_card(found)
    assert f"commit `{COMMIT}` of its repository. Its weights have the SHA-256 `{found.model.sha256}`" in clean
    assert "seed was 41, its libraries timm 1.99.3, torch 2.99.1." in clean
    assert table_with(clean, "digest") == [["photos, cropped and sized", "`data/packed`", "`0123.dir`"]]
    changed = model_card(replace(found, made_of=MadeOf(COMMIT, 1, {})))
    assert "**with 1 file changed since**" in changed
    assert "no commit" in model_card(replace(found, made_of=MadeOf(None, 0, {})))


def test_text_of_strangers_stays_text_and_tables_keep_their_columns(facts):
    found = facts["many"]
    wild = "Rosa *<script>alert(1)</script>* | [x](http://evil.example) `a`\n\n# Heading"
    rename = pl.when(pl.col("species") == pl.col("species").first()).then(pl.lit(wild)).otherwise("species")
    strange = replace(
        found,
        images=found.images.with_columns(source=pl.lit(wild)),
        never_right=found.never_right.with_columns(species=rename, most_taken_for=pl.lit(wild)),
        pairs=found.pairs.with_columns(species=rename, said=pl.lit(wild)),
        starting_weights=replace(found.starting_weights, source=wild, license=wild),
        test=found.test | {"by_source": {wild: found.test["top1"], "b": found.test["top1"]}},
    )
    plain, card = model_card(found), model_card(strange)
    assert "<script>" not in re.sub(r"`[^`]*`", "", card)
    assert "](http" not in re.sub(r"`[^`]*`", "", card).replace("\\[x\\](http", "")
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings == [line for line in plain.splitlines() if line.startswith("#")]
    for table in tables(card):
        assert {len(row) for row in table} == {len(table[0])}
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "other"


def test_the_same_facts_give_the_same_card(roots, facts):
    assert model_card(facts_in(roots["few"])) == model_card(facts["few"])


def test_a_card_has_no_nan_no_none_and_no_hole(root_and_facts):
    card = re.sub(r"```.*?```", "code", body(model_card(root_and_facts[1])), flags=re.DOTALL)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|\{|\}|  \S|\n\n\n", card)
    links = re.findall(r"\]\(#([\w-]+)\)", card)
    headings = [line.lstrip("# ").lower() for line in card.splitlines() if line.startswith("#")]
    anchors = {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}
    assert links
    assert {*links} <= anchors


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.91667, 0.71136, 0.98004, "91.7 % (71.1 to 98.0 %)"),
        (1.0, None, None, "100.0 % (too few observations)"),
        (float("nan"), None, None, "– (–)"),
    ],
)
def test_shares_are_said_with_their_intervals(value, low, high, said):
    found = Estimate(value, low, high, 0 if value != value else 36, 25, 19)
    assert with_interval(found) == said
    assert between(found) in said
