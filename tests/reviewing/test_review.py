"""What a verdict changes: rows of a whole observation or of one photo, what stays of earlier ones, and what is said."""

import shutil
from itertools import chain

import polars as pl
import pytest

from stages.config.sources import synonyms_path
from stages.reviewing.answers import MalformedError
from stages.reviewing.review import reason_in_words
from stages.tables.evaluate import MODEL_SUSPECTS
from stages.tables.suspects import SUSPECTS
from stages.tables.table import read_table, write_table
from stages.tables.verdicts import VERDICTS
from stages.verdicts.random_order import random_order
from stages.verdicts.reading import read_pair_verdicts, read_verdicts, write_verdicts
from tests.support.review_data import PAIRS_IN, VERDICTS_IN, serving, write_data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "repo"
    folder.mkdir()
    return folder, write_data(folder)


@pytest.fixture
def repo(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "repo")
    return tmp_path / "repo"


def rows_in(repo) -> dict[str, dict]:
    return {row["image_name"]: row for row in read_verdicts(repo / VERDICTS_IN).iter_rows(named=True)}


def until(page, photos: int) -> dict:
    """Skip until an observation of so many photos is asked; give the question."""
    while len((question := page.now()["question"])["photos"]) != photos:
        assert page.judge("skip")[0] == 200
    return question


def test_a_verdict_counts_for_the_whole_observation(repo):
    with serving(repo, "--random-share", "0") as (page, _):
        question = until(page, 3)
        names = [photo["name"] for photo in question["photos"]]
        status, state = page.judge("relabel", species=question["candidates"][0], note=" seen\tagain ")
        assert status == 200
        assert "for all 3 photos of the observation" in state["said"]
    rows = rows_in(repo)
    assert [rows[name]["asked_as"] for name in names] == ["suspect", "neighbor", "neighbor"]
    for name in names:
        said = rows[name]
        assert (said["verdict"], said["given"], said["species"]) == (
            "relabel",
            question["given"],
            question["candidates"][0],
        )
        assert (said["reason"], said["note"]) == (None, "seen again")


def test_one_photo_alone_that_is_another_species_is_dropped_and_the_rest_may_be_confirmed(repo):
    with serving(repo, "--random-share", "1") as (page, _):
        question = until(page, 3)
        names = [photo["name"] for photo in question["photos"]]
        _, state = page.judge("relabel", species=question["candidates"][1], alone=True)
        assert "This photo alone is dropped, as it shows" in state["said"]
        assert "the other 2 photos stand as before" in state["said"]
        said = rows_in(repo)
        assert names[1] not in said
        alone = said[names[0]]
        assert (alone["verdict"], alone["reason"]) == ("drop", "one_of_observation")
        assert (alone["species"], alone["given"]) == (question["candidates"][1], question["given"])
        # Its observation comes again with another photo; what was said of the one alone stays.
        while (again := page.now()["question"])["id"] not in names:
            assert page.judge("skip")[0] == 200
        assert [photo["said"] for photo in again["photos"] if photo["name"] == names[0]] == ["drop"]
        _, state = page.judge("confirm")
        assert "What you said of 1 photo before stays." in state["said"]
        said = rows_in(repo)
        assert [said[name]["verdict"] for name in names] == ["drop", "confirm", "confirm"]


def test_an_observation_of_one_photo_is_relabeled_with_shift_as_without(repo):
    with serving(repo, "--random-share", "0") as (page, _):
        question = until(page, 1)
        page.judge("relabel", species=question["candidates"][0], alone=True)
        assert rows_in(repo)[question["id"]]["verdict"] == "relabel"


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("reason", ["not_a_plant", "herbarium", "drawing", "several_species", "unrecognizable"])
def test_each_reason_to_drop_is_written(repo, reason, alone):
    with serving(repo, "--random-share", "0") as (page, _):
        question = until(page, 2)
        assert page.judge("drop", reason=reason, alone=alone)[0] == 200
        said = rows_in(repo)
        dropped = [said.get(photo["name"], {}).get("reason") for photo in question["photos"]]
        assert dropped == [reason, None if alone else reason]


def test_the_question_does_not_tell_why_it_is_asked(repo):
    """The same image asked as a suspect, of the sample and with its split is the same question."""
    shown: dict[str, list[dict]] = {}
    for words in (["--random-share", "0"], ["--random-share", "1"], ["--split", "val"]):
        with serving(repo, *words) as (page, review):
            for each in review._catalog.images["image_name"].to_list()[::7]:
                shown.setdefault(each, []).append(review._make(each))
            state = page.now()
            assert state["question"].keys() == {
                "id", "given", "candidates", "words", "photos", "of_given", "of_candidates", "neighbors"
            }  # fmt: skip
            text = str(state)
            assert not [word for word in ("asked_as", "suspect", "random", "rank", "score", "split") if word in text]
    assert all(one == questions[0] for questions in shown.values() for one in questions)
    assert reason_in_words("A b", [], []) == "No other species is near to it."


def test_nothing_of_its_own_observation_is_shown_beside_it(repo, made):
    groups = dict(made[1].select("image_name", "group").iter_rows())
    with serving(repo, "--random-share", "1") as (_, review):
        for name, group in groups.items():
            question = review._make(name)
            beside = [*question["of_given"], *question["neighbors"], *chain(*question["of_candidates"])]
            assert not [photo for photo in beside if groups[photo["name"]] == group]
            for photos in (question["of_given"], *question["of_candidates"]):
                assert len({groups[photo["name"]] for photo in photos}) == len(photos)
            assert {groups[photo["name"]] for photo in question["photos"]} == {group}


def test_the_sample_takes_in_what_was_judged_as_a_suspect_and_what_left_the_splits(repo, made):
    sample = random_order(made[1]["image_name"])
    table = {row["image_name"]: row for row in made[1].iter_rows(named=True)}
    gone = "f" * 32 + ".jpg"
    order = random_order([*sample, gone])
    of_gone = {"sha256": "0" * 64, "species": "Rosa canina"}
    said = [
        {"image_name": name, "sha256": of["sha256"], "given": of["species"], "verdict": verdict, "reason": reason}
        for name, of, verdict, reason in (
            (sample[0], table[sample[0]], "confirm", None),
            (gone, of_gone, "drop", "not_a_plant"),
        )
    ]
    rows = [row | {"species": None, "asked_as": "suspect", "note": None} for row in said]
    write_verdicts(pl.DataFrame(rows, schema=dict(VERDICTS)), repo / VERDICTS_IN / "ann.csv")
    before = (repo / VERDICTS_IN / "ann.csv").read_bytes()
    with serving(repo, "--random-share", "1") as (page, _):
        while order.index(page.now()["question"]["id"]) < order.index(gone):
            assert page.judge("confirm")[0] == 200
        assert page.judge("confirm")[0] == 200
        rows = rows_in(repo)
        assert rows[sample[0]]["asked_as"] == rows[gone]["asked_as"] == "random"
        drawn = {name for name, row in rows.items() if row["asked_as"] == "random"}
        assert drawn == set(order[: len(drawn)])
        while page.now()["can_undo"]:
            assert page.undo()[0] == 200
    assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == before


def test_the_sample_takes_in_what_another_reviewer_took_out_of_the_splits(repo, made):
    """Ann drops what is wrong among the suspects; a sample of what is left would find too few that are wrong."""
    sample = random_order(made[1]["image_name"])
    gone = random_order([f"{number:032x}.jpg" for number in range(40)])
    order = random_order([*sample, *gone])
    rows = [
        {"image_name": name, "sha256": "0" * 64, "given": "Rosa canina", "verdict": verdict, "reason": reason}
        | {"species": None, "asked_as": "suspect", "note": None}
        for name, verdict, reason in zip(gone, ["drop"] * 39 + ["skip"], ["not_a_plant"] * 39 + [None], strict=True)
    ]
    write_verdicts(pl.DataFrame(rows, schema=dict(VERDICTS)), repo / VERDICTS_IN / "ann.csv")
    with serving(repo, "--random-share", "1", reviewer="bob") as (page, _):
        for _ in range(12):
            assert page.judge("confirm")[0] == 200
        said = read_verdicts(repo / VERDICTS_IN).filter(reviewer="bob", asked_as="random")
        drawn = set(said["image_name"])
        assert drawn == set(order[: len(drawn)])
        assert len(drawn & set(gone)) >= 3
        # Bob says nothing of what he has not seen: in the sample it is, with what Ann said.
        assert set(said.filter(pl.col("image_name").is_in(gone))["verdict"]) == {"skip"}
        while page.now()["can_undo"]:
            assert page.undo()[0] == 200
    assert not (repo / VERDICTS_IN / "bob.csv").exists()


def test_what_was_judged_and_followed_is_not_asked_again_and_what_changed_is(repo, made):
    with serving(repo, "--random-share", "0") as (page, _):
        first = page.now()["question"]
        page.judge("relabel", species=first["candidates"][0])
        second = page.now()["question"]
        page.judge("confirm")
        third = page.now()["question"]
        page.judge("confirm")
    species = {photo["name"]: first["candidates"][0] for photo in first["photos"]}
    digests = {photo["name"]: "e" * 64 for photo in third["photos"]}  # its file is another one now
    for path, schema in ((repo / "data/suspects/images.parquet", SUSPECTS), (repo / "data/splits/train.parquet", None)):
        table = read_table(path, schema) if schema else pl.read_parquet(path)
        table = table.with_columns(
            species=pl.col("image_name").replace_strict(species, default=pl.col("species")),
            sha256=pl.col("image_name").replace_strict(digests, default=pl.col("sha256")),
        )
        write_table(table, dict(table.schema), path)
    with serving(repo, "--random-share", "0") as (page, review):
        assert page.now()["question"]["id"] == third["id"]
        assert second["id"] in review._by_me
        assert first["id"] in review._by_me


def test_a_verdict_older_than_a_synonym_still_holds(repo):
    with serving(repo, "--random-share", "0") as (page, _):
        question = page.now()["question"]
        page.judge("confirm")
    path = repo / VERDICTS_IN / "ann.csv"
    path.write_text(path.read_text().replace(f",{question['given']},", ",Aaa vetus,"))
    synonyms = repo / synonyms_path("sample")
    with serving(repo, "--random-share", "0") as (page, _):
        assert page.now()["question"]["id"] == question["id"]  # of another species, as it seems
    synonyms.write_text(f"synonym,accepted\nAaa vetus,{question['given']}\n")
    with serving(repo, "--random-share", "0") as (page, _):
        assert page.now()["question"]["id"] != question["id"]


def test_whom_another_reviewer_judged_is_no_suspect_any_more(repo):
    with serving(repo, "--random-share", "0", reviewer="ann") as (page, _):
        first = page.now()["question"]
        page.judge("confirm")
        second = page.now()["question"]
        page.judge("skip")
    with serving(repo, "--random-share", "0", reviewer="bob") as (page, _):
        assert page.now()["question"]["id"] == second["id"] != first["id"]


def test_the_guess_of_a_trained_model_comes_first_and_is_not_said_to_be_its(repo, made):
    row = made[1].filter(pl.col("split") == "val").row(0, named=True)
    with serving(repo) as (_, review):
        before = review._make(row["image_name"])
    said = {name: row[name] for name in ("image_name", "sha256", "split", "group", "species")}
    said |= {"said": before["candidates"][2], "probability": 0.9, "own_probability": 0.01}
    write_table(pl.DataFrame([said]), MODEL_SUSPECTS, repo / "data/model_suspects.parquet")
    with serving(repo) as (_, review):
        after = review._make(row["image_name"])
    others = [name for name in before["candidates"] if name != said["said"]]
    assert after["candidates"][: len(others)] == [said["said"], *others][: len(others)]
    assert "model" not in after["words"]


def test_a_confirm_after_ones_own_relabel_was_followed_stays_a_relabel(repo, made):
    """The earlier row is why the image has its species; with a confirm in its place the source's would come back."""
    with serving(repo, "--random-share", "0") as (page, _):
        question = until(page, 3)
        names = [photo["name"] for photo in question["photos"]]
        page.judge("relabel", species=question["candidates"][0])
    path = repo / VERDICTS_IN / "ann.csv"
    kept = read_verdicts(repo / VERDICTS_IN).filter(pl.col("image_name") != names[0])  # so that it is asked again
    write_verdicts(kept, path)
    for table_path in (repo / "data/suspects/images.parquet", repo / "data/splits/train.parquet"):
        table = pl.read_parquet(table_path)
        species = pl.col("image_name").replace_strict(
            dict.fromkeys(names, question["candidates"][0]), default=pl.col("species")
        )
        write_table(table.with_columns(species=species), dict(table.schema), table_path)
    with serving(repo, "--random-share", "0") as (page, _):
        assert page.now()["question"]["id"] == names[0]
        page.judge("confirm")
    said = rows_in(repo)
    assert [(said[name]["verdict"], said[name]["given"]) for name in names[1:]] == [("relabel", question["given"])] * 2
    assert (said[names[0]]["verdict"], said[names[0]]["given"]) == ("confirm", question["candidates"][0])


@pytest.mark.parametrize(
    "content",
    [
        {"verdict": "perhaps"},
        {"verdict": None},
        {"verdict": ["drop"]},
        {"verdict": "relabel"},
        {"verdict": "relabel", "species": "No such"},
        {"verdict": "relabel", "species": ["Abies alba"]},
        {"verdict": "drop"},
        {"verdict": "drop", "reason": "one_of_observation"},
        {"verdict": "drop", "reason": ["herbarium"]},
        {"verdict": "skip", "reason": "herbarium"},
        {"verdict": "confirm", "species": "Abies alba"},
        {"verdict": "confirm", "alone": "yes"},
        {"verdict": "confirm", "note": "x" * 501},
        {"verdict": "confirm", "note": 3},
        {"verdict": "confirm", "note": "\ud800"},
        {"verdict": "confirm", "image_name": "../x"},
    ],
)
def test_what_is_no_verdict_is_refused_and_changes_nothing(repo, content):
    with serving(repo) as (page, review):
        before = page.now()
        said = {"species": None, "reason": None, "alone": False, "note": ""} | content
        with pytest.raises(MalformedError):
            review.judge(said)
        status, answer = page.ask("verdict", {"turn": before["turn"]} | said)
        assert status == 400
        assert answer["error"]
        assert page.now() == before
        assert not (repo / VERDICTS_IN / "ann.csv").exists()


def test_pairs_are_asked_in_their_order_and_may_be_left_for_later(repo):
    with serving(repo, "--pairs") as (page, _):
        asked = []
        for verdict in ("same", "different", None, "same"):
            state = page.now()
            asked.append(state["question"]["id"])
            status, state = page.ask("verdict", {"turn": state["turn"], "verdict": verdict, "note": ""})
            assert status == 200
        assert len(set(asked)) == 4
        path = repo / PAIRS_IN / "ann.csv"
        three = path.read_bytes()
        assert read_pair_verdicts(repo / PAIRS_IN)["verdict"].sort().to_list() == ["different", "same", "same"]
        page.undo()
        assert path.read_bytes() != three
        page.undo()  # of what was left for later
        assert page.now()["question"]["id"] == asked[2]
    with serving(repo, "--pairs") as (page, _):
        assert page.now()["question"]["id"] == asked[2]
        assert page.now()["progress"]["of_all"] == 8
