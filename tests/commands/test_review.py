"""`make review`: the verdict, what is said where something is missing, and a page that trusts no name that it shows."""

import io
import re
import shutil
import socket
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path

import polars as pl
import pytest
from dvc.repo import Repo

from stages.commands import review
from stages.runtime.errors import UserError
from stages.tables.split import SPLIT
from stages.tables.table import read_table, write_table
from stages.tables.trained_on import TRAINED_ON
from tests.support.chromium import chromium, needs_chromium
from tests.support.clones import git
from tests.support.markup import Markup
from tests.support.reviewed import HOSTILE, commit, make_reviewed, set_crop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The repo that all tests copy, and its commits."""
    folder = tmp_path_factory.mktemp("reviewed")
    return folder / "repo", make_reviewed(folder / "repo")


@pytest.fixture
def repo(made, tmp_path, monkeypatch):
    shutil.copytree(made[0], tmp_path / "repo", symlinks=True)
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def run_review(*words: str) -> tuple[Markup, str, str]:
    """Run the command; give the page, the comment and what was said."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(said):
        patched.setattr(sys, "argv", ["review", *words])
        review.main()
    return Markup(Path("review.html").read_text()), Path("review.md").read_text(), said.getvalue()


@pytest.fixture(scope="module")
def better(made, tmp_path_factory):
    """The experiment in the working tree, reviewed against main: the page's path, and what ``run_review`` gives."""
    repo = tmp_path_factory.mktemp("better") / "repo"
    shutil.copytree(made[0], repo, symlinks=True)
    with chdir(repo):
        git(repo, "checkout", "-q", made[1]["experiment"])
        with Repo() as dvc:
            dvc.checkout(force=True)
        return repo / "review.html", *run_review()


def evict(repo: Path, commit: str, out: str) -> None:
    """Delete an output of a commit from DVC's cache, with all that is in it."""
    lock = git(repo, "show", f"{commit}:dvc.lock")
    digest = lock.split(f"path: {out}\n", 1)[1].split("md5: ", 1)[1].split("\n", 1)[0].strip()
    stored = repo / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    stored.chmod(0o644)
    stored.unlink()


def test_a_better_model_is_called_better_and_names_of_strangers_stay_names(better):
    path, page, comment, said = better
    assert "review: top-1: better by " in said
    assert "top-1: better by " in page.text
    assert "What another seed of the training would change is not in it" in page.text
    assert "🟢 **top-1: better by " in comment
    # Parameters, figures and data of both.
    assert "| crop.mode | smart | center |" in comment
    assert "| test.test\\_top1 | 0.500 | 0.900 | +0.400 |" in comment
    assert "No image moved between splits." in page.text
    # Photos: of those that may be shown all, of the others only how many.
    images = [value for name, value in page.attributes if name == "src"]
    assert sum(value.startswith("data:image/jpeg;base64,") for value in images) == 24
    assert re.search(r"Photos of \d+ images gained are not shown for their license \(.+ \d+\): ", page.text)
    # Whatever a species is called, it is text: nothing is asked for, and nothing runs.
    assert HOSTILE.split("`")[0].strip() in " ".join(page.text.split())
    assert page.asks_for() == []
    assert page.runs() == []
    assert "onerror" not in {name for name, _ in page.attributes}
    assert "<img" not in comment
    assert "@everybody" not in comment
    assert path.stat().st_size < 5_000_000
    assert len(comment.encode()) < 60_000


def test_an_experiment_is_a_base_by_its_name_and_photos_that_are_not_at_hand_are_said(repo):
    shutil.rmtree("data/packed")
    page, comment, _ = run_review("--base", "sharp-eyed")
    assert "🔴 **top-1: worse by " in comment
    assert "sharper eyes" in comment  # what the commit says of itself
    assert "Lost: " in page.text
    assert "No photo is shown: data/packed/shards.csv is missing" in page.text
    assert not any(value.startswith("data:image/jpeg") for _, value in page.attributes)


@needs_chromium
def test_a_browser_without_a_network_draws_all_of_it(better, tmp_path):
    with chromium(tmp_path) as browser:
        page = browser.open(better[0])
        page.until("document.querySelectorAll('.plot').length === document.querySelectorAll('.plot svg.marks').length")
        assert page.run("document.querySelectorAll('.plot').length") == 2  # curves, class_sizes
        assert page.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        curves = "[...document.querySelectorAll('.plot')][0]"
        drawn_lines = page.run(f"{curves}.querySelectorAll('.mark-line path').length")
        assert drawn_lines == 8  # top-1 and top-5, training and validation, of both
        legend = page.run(f"{curves}.querySelector('.role-legend').parentNode.textContent")
        for name in ("main", "working tree", "training", "validation"):
            assert name in legend
        assert page.asked == []
        assert page.errors == []


def test_where_a_commit_has_no_predictions_the_page_shows_what_git_has(repo):
    set_crop(repo, "center")
    (repo / "metrics/cut.json").write_text('{"a": ')
    page, comment, said = run_review("--base", "HEAD~1")
    assert "Of HEAD~1, data/predictions/test.parquet: its pipeline does not write it." in said
    assert "No verdict: the answers of both models" in page.text
    assert "review: metrics/cut.json of working tree holds no figures: " in said
    assert "| crop.mode | smart | center |" in comment
    assert "None of the 2 figures in metrics/ differs." in page.text
    assert "No image moved between splits." in page.text  # its tables are in the cache


def test_what_is_not_in_the_cache_is_named_with_what_brings_it(made, repo):
    commit = made[1]["experiment"]
    for out in ("data/predictions", "models/trained_on.parquet"):
        evict(repo, commit, out)
    _, comment, said = run_review("--base", commit)
    assert (
        f"Of {commit}, data/predictions/test.parquet, models/trained_on.parquet: not in DVC's cache, and there" in said
    )
    assert f"git worktree add ../{commit[:10]} {commit[:10]}" in said
    assert "test.test\\_top1 | 0.900 | 0.500 | -0.400" in comment


def test_a_plot_of_other_columns_is_named(repo):
    (repo / "plots/class_sizes.csv").write_text("shade,leaves\n1,2\n")
    page, _, said = run_review()
    wrong = "DVC cannot draw plots/class_sizes.csv of working tree: "
    assert f"review: {wrong}" in said
    assert wrong in page.text


def test_a_base_that_is_none_is_one_line(repo):
    for base in ("nowhere", "", "--help-me", "HEAD:params.yaml", "HEAD~99"):
        with pytest.raises(UserError, match="is no commit, branch, tag or experiment here: ") as refused:
            run_review(f"--base={base}")
        assert "\n" not in str(refused.value)


def test_a_bad_parameter_stops_a_review_as_it_stops_a_stage(repo):
    """It decides what counts as too few, and which photos are shown: without it there is no verdict."""
    params = repo / "params.yaml"
    params.write_text(params.read_text().replace("min_groups: 10", "min_groups: few"))
    with pytest.raises(UserError, match=r"evaluate\.min_groups"):
        run_review()


def test_a_review_that_stops_leaves_no_earlier_one_to_be_sent(repo):
    run_review()
    assert Path("review.md").exists()
    with pytest.raises(UserError):
        run_review("--base=nonsense")
    assert not Path("review.md").exists()
    assert Path("review.html").exists()


def test_results_that_are_not_of_the_code_and_images_that_moved_are_said_loudly(repo):
    (repo / "model.py").write_text("SEED = 2\n")
    train, test = (read_table(repo / f"data/splits/{name}.parquet", SPLIT) for name in ("train", "test"))
    moved = test.head(3).with_columns(split=pl.lit("train"))
    for name in ("data/splits/train.parquet", "data/splits/test.parquet", "data/predictions/test.parquet"):
        (repo / name).unlink()  # in the cache it stays as it is
    write_table(pl.concat([train, moved]), SPLIT, repo / "data/splits/train.parquet")
    write_table(test.tail(-3), SPLIT, repo / "data/splits/test.parquet")
    page, comment, said = run_review()
    assert "review: 3 images are in another split now: 3 test -> train." in said
    assert "Results of made are not of this working tree: they were made with another model.py" in said
    assert page.text.count("3 images are in another split now: 3 test -> train.") == 2  # first, and in its place
    assert "> **3 images are in another split now" in comment
    # Predictions of another test than that are refused, and none of it is a verdict.
    assert "No verdict" in said
    assert "are not of the images of its test" in said


def test_without_the_script_that_draws_plots_it_says_what_brings_it_back(repo):
    (repo / ".dvc/plots/page.html").unlink()
    with pytest.raises(UserError, match=r"bring it back with `git restore \.dvc/plots/page\.html`"):
        run_review()
    assert not (repo / "review.html").exists()


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "0", "1e9"])
def test_a_wait_that_is_none_is_one_line(repo, seconds):
    with pytest.raises(UserError, match=r"--wait must be seconds, up to 86400 \(found "):
        run_review("--wait", seconds)


@pytest.mark.parametrize(
    "content", ['{"temperature": 77}', '{"temperature": "1"}', '{"temperature": true}', "[1]", '{"temp', "{}"]
)
def test_probabilities_without_a_temperature_are_said_to_be_such(repo, content):
    (repo / "models/calibration.json").write_text(content)
    page, _, said = run_review()
    unscaled = "models/calibration.json: it holds no temperature; probabilities of its answers are those of a"
    assert f"review: Of the working tree, {unscaled} temperature of 1." in said
    assert f"Of the working tree, {unscaled}" in page.text
    assert "no observation changed" in said


def test_a_table_of_a_plot_with_marks_of_a_merge_is_named(repo):
    curves = repo / "plots/curves.csv"
    good = curves.read_text()
    header, first, *others = good.splitlines()
    merged = "\n".join([header, "<<<<<<< HEAD", first, "=======", first, ">>>>>>> other", *others]) + "\n"
    figures = "figure,value,low,high,images,groups\ntop-1,0.9,0.8,0.95,36,25\n"
    for name, content, what in (
        ("curves", merged, "conversion from `str` to `i64` failed in column 'epoch'"),
        ("curves", good.replace("0.5", "x"), "conversion from `str` to `f64` failed in column"),
        ("curves", "", "empty CSV"),
        ("test_figures", figures.replace("0.9,", "abc,"), "conversion from `str` to `f64` failed in column 'value'"),
        ("test_figures", figures + "=======\n", "a row has no images"),
    ):
        curves.write_text(good)
        (repo / f"plots/{name}.csv").write_text(content)
        _, comment, said = run_review()
        assert f"review: plots/{name}.csv of working tree cannot be read: {what}" in said
        assert "| =======" not in comment


def test_a_plot_that_dvc_cannot_draw_is_named(repo):
    (repo / "plots/class_sizes.csv").write_bytes(b"\xff\xfe\x00")
    page, _, said = run_review()
    cause = "DVC cannot draw plots/class_sizes.csv of working tree: unable to read: 'plots/class_sizes.csv'"
    assert f"review: {cause}" in said
    assert cause in page.text


def test_what_dvc_cannot_read_of_a_tree_is_named_and_not_just_left_out(repo):
    lock = repo / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text())
    _, _, said = run_review()
    assert "review: DVC cannot draw plots of working tree: unable to read: 'dvc.lock', YAML file" in said


def test_why_dvc_lays_out_no_plots_is_said_in_its_words(repo):
    pipeline = repo / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("bar_horizontal", "gone"))
    _, _, said = run_review()
    assert "review: DVC lays out no plots: unexpected error - Template 'gone' not found." in said


def test_a_model_that_has_seen_images_of_its_own_test_is_called_out(repo):
    path = repo / "models/trained_on.parquet"
    seen, test = read_table(path, TRAINED_ON), read_table(repo / "data/splits/test.parquet", SPLIT)
    path.unlink()
    leaked = test.filter(pl.col("group") == test["group"][0])
    write_table(
        pl.concat([seen, leaked.select(TRAINED_ON.keys()).with_columns(split=pl.lit("train"))]), TRAINED_ON, path
    )
    page, comment, said = run_review()
    alarm = (
        f"{leaked.height} of 160 test images of the working tree are of what its own model was trained or selected on"
    )
    assert f"review: {alarm}" in said
    assert alarm in page.text
    assert f"> **{alarm}" in comment


def test_plots_that_a_silent_remote_has_are_not_waited_for_without_end(repo, monkeypatch):
    pipeline, plot = repo / "dvc.yaml", repo / "plots/class_sizes.csv"
    pipeline.write_text(pipeline.read_text().replace("class_sizes.csv: {cache: false, ", "class_sizes.csv: {"))
    git(repo, "rm", "-q", "--cached", "plots/class_sizes.csv")
    evict(repo, commit(repo, "a plot in the cache"), "plots/class_sizes.csv")
    plot.unlink()
    monkeypatch.setattr(review, "PLOTS_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Repo() as dvc, dvc.config.edit("local") as config:
            config["core"] = {"remote": "store"}
            config["remote"] = {"store": {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/"}}
        _, _, said = run_review("--base", "HEAD", "--wait", "1")
    assert "review: DVC lays out no plots within 3 s, as a remote does not answer, or is slow." in said
    assert "no observation changed" in said
