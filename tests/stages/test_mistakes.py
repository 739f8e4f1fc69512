"""What the model takes for something else is shown with its photos, as far as these may be shown."""

from types import ModuleType

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages import mistakes as stage
from stages.evaluation.confusion import confused_pairs
from stages.evaluation.evaluated import read_evaluated
from stages.mistakes import check_pairs, choose, mistakes_in_words, pairs_in_words
from stages.records.rights import Rights, rights_of
from stages.report import mistakes_page, pairs_page
from stages.runtime.errors import UserError
from stages.runtime.yaml_files import read_yaml
from stages.tables.evaluate import CONFUSED_PAIRS, MODEL_SUSPECTS
from stages.tables.json_files import write_json
from stages.tables.predictions import PREDICTIONS
from stages.tables.table import write_table
from tests.support.figures import texts
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg
from tests.support.predictions import Example, example, write_example
from tests.support.running import complaint, run_here

OPEN = ["cc0", "pd", "cc-by", "cc-by-sa"]


def square(number: int) -> np.ndarray:
    """The pixels of an image: it is known by its color."""
    color = [number * 37 % 256, number * 91 % 256, number * 151 % 256]
    return np.broadcast_to(np.array(color, np.uint8), (64, 64, 3))


@pytest.fixture(scope="module")
def made() -> Example:
    """A model that is often wrong, of a few species; every license is there."""
    return example(classes=6, train=60, val=4, test=50, skill=1.0)


@pytest.fixture
def world(workspace, made):
    """All that the stage reads; photos under some licenses may not be shown."""
    write_world(workspace, made)
    allow(workspace, OPEN)
    return workspace


def write_world(root, made: Example, temperature: float = 1.5) -> None:
    write_example(root, made)
    images = pl.concat([made.splits["train"], made.splits["test"]])
    rows = [
        packed_image(name, jpeg(square(seed)), sha256)
        for seed, (name, sha256) in enumerate(images.select("image_name", "sha256").iter_rows())
    ]
    write_images(rows, root / "data/packed")
    write_json(root / "models/calibration.json", {"temperature": temperature})
    test = read_evaluated(root / "data/predictions", root / "data/splits", "test", made.species)
    write_table(confused_pairs(test, made.species), CONFUSED_PAIRS, root / "data/evaluation/confused_pairs.csv")


@pytest.fixture
def seen(monkeypatch) -> dict:
    """What the stage draws: what it gives to the pages, and their texts."""
    found: dict = {}

    def watch(name: str, page: ModuleType) -> None:
        draw, save = getattr(stage, f"draw_{name}"), page.save_png

        def drawn(shown, path, **words):
            found[name], found[f"{name} notes"] = list(shown), list(words["notes"])
            draw(shown, path, **words)

        def saved(figure, path):
            found[f"{name} texts"] = texts(figure)
            save(figure, path)

        monkeypatch.setattr(stage, f"draw_{name}", drawn)
        monkeypatch.setattr(page, "save_png", saved)

    watch("mistakes", mistakes_page)
    watch("pairs", pairs_page)
    return found


def allow(root, licenses: list[str] | None) -> None:
    content = read_yaml(root / "params.yaml")
    content["pictures"]["licenses"] = licenses
    (root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def test_the_most_confident_mistakes_are_shown_with_their_own_photos(world, made, seen):
    said = run_here("mistakes", world)
    assert said.returncode == 0, said.stderr
    test = made.splits["test"]
    logits = made.logits["test"] / np.float32(1.5)
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    labels = made.labels("test")
    wrong = probabilities.argmax(1) != labels
    assert f"mistakes: {wrong.sum()} of 50 test images" in said.stdout
    rights = rights_of(test, OPEN)
    may = np.array([rights.may_show(name) for name in test["image_name"]])
    assert f"{(wrong & ~may).sum()} of {wrong.sum()} images may not be shown" in said.stdout
    groups = test["group"].to_numpy()
    assert len(seen["mistakes"]) == min(18, len(set(groups[wrong & may])))
    sures = [mistake.probability for mistake in seen["mistakes"]]
    assert sures == sorted(sures, reverse=True)
    assert sures[0] == pytest.approx(probabilities.max(1)[wrong & may].max(), abs=1e-3)
    for shown in seen["mistakes"]:
        row = int(np.abs(np.where(wrong & may, probabilities.max(1), 9) - shown.probability).argmin())
        assert (shown.species, shown.said) == (test["species"][row], made.species[probabilities[row].argmax()])
        assert shown.own_probability == pytest.approx(probabilities[row, labels[row]], abs=1e-3)
        seed = len(made.splits["train"]) + row
        assert np.abs(shown.pixels.astype(int) - square(seed)).max() < 6  # a JPEG of it
    for name in ("mistakes", "confused_pairs"):
        assert Image.open(world / f"plots/{name}.png").width > 500


def test_a_pair_is_shown_by_mistaken_photos_and_photos_of_both(world, made, seen):
    assert run_here("mistakes", world).returncode == 0
    assert seen["pairs"]
    for pair in seen["pairs"]:
        own, said = pair.title.split(": ")[0].split(" → ")
        assert pair.mistaken.title == f"test: taken for {said}"
        assert 1 <= len(pair.mistaken.pixels) <= 3
        train = made.splits["train"]
        for photos, species in ((pair.own, own), (pair.said, said)):
            count = train.filter(pl.col("species") == species).height
            assert photos.title.startswith(f"train: {species}, {len(photos.pixels)} of {count} photo")
            assert bool(photos.pixels) != bool(photos.missing)
    pairs = pl.read_csv(world / "data/evaluation/confused_pairs.csv")
    assert seen["pairs notes"][0].startswith(f"{pairs.height} pairs are confused; shown: {len(seen['pairs'])}")


def test_no_photo_of_another_license_is_shown_and_where_none_is_left_it_is_said(world, made, seen):
    allow(world, ["pd"])
    said = run_here("mistakes", world)
    assert said.returncode == 0, said.stderr
    assert seen["mistakes"] == seen["pairs"] == []
    assert "may not be shown, as pictures.licenses allows pd" in said.stdout
    assert any("as pictures.licenses allows pd" in text for text in seen["mistakes texts"])
    assert any("no mistaken photo may be shown" in text for text in seen["pairs texts"])
    wrong = int((made.predictions["test"]["rank"] > 0).sum())
    assert f"{wrong} of 50 test images are mistaken; shown: 0" in seen["mistakes notes"]


def test_any_photo_is_shown_where_a_parameter_says_so(world, made, seen):
    allow(world, None)
    said = run_here("mistakes", world)
    assert "may not be shown" not in said.stdout
    licenses = {mistake.credit.partition(", ")[2] for mistake in seen["mistakes"]}
    assert {"CC BY-NC", "no license"} & licenses


def test_a_model_without_mistakes_is_said_to_have_none(workspace, made, seen):
    labels = made.labels("test")
    right = made.with_logits("test", 9 * np.eye(6, dtype=np.float32)[labels])
    write_world(workspace, right)
    said = run_here("mistakes", workspace)
    assert said.returncode == 0, said.stderr
    assert "mistakes: 0 of 50 test images" in said.stdout
    assert "no mistakes: all 50 test images are right" in seen["mistakes texts"]
    assert "no mistakes: no species was taken for another" in seen["pairs texts"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing: run `dvc repro evaluate`"),
        (b"{", "is damaged"),
        (b"{}", "is damaged ('temperature')"),
        (b'{"temperature": "1"}', "temperature must be 0.25 to 4 (found '1')"),
        (b'{"temperature": true}', "temperature must be 0.25 to 4 (found True)"),
        (b'{"temperature": 99}', "temperature must be 0.25 to 4 (found 99)"),
    ],
)
def test_a_temperature_that_is_none_is_refused(world, content, said):
    path = world / "models/calibration.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert said in complaint(run_here("mistakes", world))
    assert not (world / "plots/mistakes.png").exists()


def test_pairs_of_another_run_are_refused(world, made):
    """A species' mistakes by the table are not those of the predictions."""
    path = world / "data/evaluation/confused_pairs.csv"
    pairs = pl.read_csv(path, schema=dict(CONFUSED_PAIRS))
    for changed in (pairs.with_columns(pl.col("images") + 1), pairs.tail(-1), pairs.head(0)):
        write_table(changed, CONFUSED_PAIRS, path)
        said = complaint(run_here("mistakes", world))
        assert "test images of Genus" in said
        assert "run `dvc repro evaluate`" in said
    write_table(pairs, CONFUSED_PAIRS, path)
    others = made.with_logits("test", -made.logits["test"])
    write_table(others.predictions["test"], PREDICTIONS, world / "data/predictions/test.parquet")
    assert "run `dvc repro evaluate`" in complaint(run_here("mistakes", world))


def test_a_photo_that_does_not_decode_is_named(world, made):
    images = pl.concat([made.splits["train"], made.splits["test"]])
    rows = [
        packed_image(name, b"\xff\xd8\xff", sha256) for name, sha256 in images.select("image_name", "sha256").rows()
    ]
    write_images(rows, world / "data/packed")
    assert "data/packed does not decode" in complaint(run_here("mistakes", world))


def mistakes(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    """Mistakes by group, species and probability."""
    return pl.DataFrame(
        [
            {"image_name": f"{n:03}", "sha256": "0" * 64, "split": "test", "group": group, "species": species}
            | {"said": "X", "probability": probability, "own_probability": 0.0}
            for n, (group, species, probability) in enumerate(rows)
        ],
        schema=dict(MODEL_SUSPECTS),
    ).sort("probability", "image_name", descending=[True, False])


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("PQR"), st.sampled_from([0.2, 0.5, 0.9])), max_size=30
    ),
    st.integers(1, 10),
    st.sets(st.integers(0, 29)),
)
def test_one_of_a_group_and_species_in_turns(rows, most, withheld):
    table = mistakes(rows)
    codes = {f"{n:03}": "cc-by-nc" if n in withheld else "cc0" for n in range(30)}
    choice = choose(table, Rights(codes, {}, frozenset(["cc0"])), most)
    shown = choice.shown
    assert choice.mistakes == len(rows)
    assert choice.withheld == sum(codes[name] != "cc0" for name in table["image_name"])
    assert all(codes[name] == "cc0" for name in shown["image_name"])
    assert shown["group"].is_unique().all()
    groups = table.filter(~pl.col("image_name").is_in([n for n in codes if codes[n] != "cc0"]))["group"].n_unique()
    assert shown.height == min(most, groups)
    assert choice.repeated == choice.mistakes - choice.withheld - groups
    assert shown["probability"].to_list() == sorted(shown["probability"], reverse=True)
    if shown.height == most:  # no species has two more than another that has any left
        may_be_shown = table.filter(pl.col("image_name").is_in([name for name in codes if codes[name] == "cc0"]))
        first = may_be_shown.unique("group", keep="first", maintain_order=True)
        left = first.filter(~pl.col("group").is_in(shown["group"].to_list()))
        counts = dict(shown.group_by("species").len().iter_rows())
        assert all(counts.get(species, 0) + 1 >= max(counts.values()) for species in left["species"])


def test_what_is_shown_of_how_many_is_said():
    assert mistakes_in_words(choose(mistakes([]), Rights(), 5), 0) == "test is empty"
    two = choose(mistakes([("a", "P", 0.9), ("a", "P", 0.5)]), Rights(), 5)
    assert mistakes_in_words(two, 1234) == (
        "2 of 1,234 test images are mistaken; shown: 1, one of a group, species in turns; probabilities after "
        "temperature, 1 more of the same groups"
    )
    rights = Rights({}, {}, frozenset(["cc0"]))
    assert pairs_in_words(5, 9, 0, rights) == ["9 pairs are confused; shown: 5, those of most test images"]
    assert pairs_in_words(0, 1, 1, rights) == [
        "1 pair is confused; shown: 0",
        "of 1 no mistaken photo may be shown, as pictures.licenses allows cc0",
    ]


def test_pairs_are_held_against_the_mistakes():
    table = mistakes([("a", "P", 0.9), ("b", "P", 0.5)])
    pairs = pl.DataFrame([("P", "X", 2, 2, 3, False)], schema=dict(CONFUSED_PAIRS), orient="row")
    check_pairs(pairs, table)
    with pytest.raises(UserError, match=r"says that 2 test images of P were said to be X, and it is 1 by"):
        check_pairs(pairs, table.head(1))
