"""`make release`: a version is of a commit whose published model is its own, and what is not is refused by name."""

import json
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.artifacts import Artifacts

from stages.publishing.releases import check_version
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.trees import find_tree
from tests.support import ROOT
from tests.support.clones import git
from tests.support.running import complaint, run_here

pytestmark = pytest.mark.slow

TAG = "plant-classifier@v{}"
FIGURES = {"test_top1": 0.75, "test_top1_low": 0.6, "test_top1_high": 0.875, "test_top5": 1.0}
PIPELINE = """
stages:
  evaluate:
    cmd: "true"
    params: [split]
    metrics:
      - metrics/test.json: {cache: false}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repo of git and DVC with a model that is published and committed, ready to be released."""
    repo = tmp_path_factory.mktemp("release") / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "config", "user.name", "test")
    git(repo, "config", "user.email", "test@host.example")
    Repo.init(str(repo)).close()
    artifacts = (ROOT / "dvc.yaml").read_text(encoding="utf-8").partition("\nartifacts:\n")
    assert artifacts[2]
    (repo / "dvc.yaml").write_text(PIPELINE + "".join(artifacts[1:]))
    (repo / "params.yaml").write_text("split: {seed: 1}\n")
    (repo / ".gitignore").write_text("/models/model.safetensors\n/models/published\n")
    write_metrics(repo, FIGURES)
    with chdir(repo), Repo() as dvc:
        dvc.commit(force=True)
    (repo / "models").mkdir()
    (repo / "models/model.safetensors").write_bytes(b"weights")
    commit(repo, "results")
    publish(repo)
    commit(repo, "published")
    return repo


@pytest.fixture
def repo(made, tmp_path):
    shutil.copytree(made, tmp_path / "repo", symlinks=True)
    return tmp_path / "repo"


def commit(repo: Path, message: str) -> str:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", message)
    return git(repo, "rev-parse", "HEAD").strip()


def write_metrics(repo: Path, figures: dict) -> None:
    (repo / "metrics").mkdir(exist_ok=True)
    (repo / "metrics/test.json").write_text(json.dumps(figures))


def publish(repo: Path, **otherwise) -> None:
    folder = repo / "models/published"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    says = {
        "commit": git(repo, "rev-parse", "HEAD").strip(),
        "changed_files": 0,
        "model_sha256": sha256_of(repo / "models/model.safetensors"),
    }
    (folder / "published.json").write_text(json.dumps(says | otherwise))
    with chdir(repo), Repo() as dvc:
        dvc.add("models/published")


def release(repo: Path, *words: str, **environment: str):
    return run_here("commands.release", repo, *words, **environment)


def tags(repo: Path) -> list[str]:
    return git(repo, "tag").split()


def test_a_version_is_a_tag_of_the_last_commit_with_its_figures(repo, monkeypatch):
    said = release(repo, "1.0.0")
    assert said.returncode == 0, said.stderr
    tag = TAG.format("1.0.0")
    assert tags(repo) == [tag]
    head = git(repo, "rev-parse", "HEAD").strip()
    assert git(repo, "rev-parse", f"{tag}^{{commit}}").strip() == head
    figures = "test top-1 0.750 (0.600 to 0.875), top-5 1.000, mean per-class accuracy none"
    assert figures in git(repo, "tag", "-n1", "-l", tag)
    assert figures in said.stdout
    assert f"git push origin {tag}" in said.stdout
    assert f"make review BASE={tag}" in said.stdout
    monkeypatch.chdir(repo)
    assert find_tree(tag).commit == head


def test_dvc_brings_the_released_model_to_others(repo, tmp_path):
    """What people of DVC would type: `dvc artifacts get REPO plant-classifier --rev v1.0.0`."""
    assert release(repo, "v1.0.0").returncode == 0
    (repo / "models/model.safetensors").write_bytes(b"later weights")
    write_metrics(repo, FIGURES | {"test_top1": 0.8})
    with chdir(repo), Repo() as dvc:
        dvc.commit(force=True)
    commit(repo, "later results")
    publish(repo)
    commit(repo, "published again")
    assert release(repo, "1.1.0").returncode == 0
    for version, top1, weights in (("v1.0.0", "0.750", b"weights"), ("v1.1.0", "0.800", b"later weights")):
        Artifacts.get(str(repo), "plant-classifier", version=version, out=str(tmp_path / version))
        assert top1 in release(repo).stdout
        said = json.loads((tmp_path / version / "published.json").read_text())
        (tmp_path / "weights").write_bytes(weights)
        assert said["model_sha256"] == sha256_of(tmp_path / "weights")


def test_versions_are_listed_by_their_numbers_newest_first(repo):
    assert "no version yet" in release(repo).stdout
    for version in ("0.9.0", "0.10.0", "0.2.1"):
        assert release(repo, version).returncode == 0
    git(repo, "tag", "plant-classifier@latest")
    git(repo, "tag", TAG.format("0.1"))
    git(repo, "tag", TAG.format("0.1.0"), "HEAD~1")  # one of somebody's hand, without a message
    rows = [line.split() for line in release(repo, "--md").stdout.splitlines()[2:]]
    assert [row[1] for row in rows] == [TAG.format(version) for version in ("0.10.0", "0.9.0", "0.2.1", "0.1.0")]
    assert [row[5] for row in rows] == [git(repo, "rev-parse", "--short=10", place).strip()
                                        for place in ("HEAD", "HEAD", "HEAD", "HEAD~1")]  # fmt: skip
    assert all("0.750" in row for row in rows)
    narrow = run_here("commands.release", repo, COLUMNS="60").stdout
    assert max(map(len, narrow.splitlines())) <= 60


def test_what_was_released_stays_as_it_is(repo):
    assert release(repo, "1.0.0").returncode == 0
    before = git(repo, "rev-parse", TAG.format("1.0.0"))
    assert "is there already" in complaint(release(repo, "1.0.0"))
    assert git(repo, "rev-parse", TAG.format("1.0.0")) == before


@pytest.mark.parametrize("text", ["1.0", "1.0.0.0", "one", "01.0.0", "1.0.0-rc1", "", "-1.0.0", "1.0.0\n2", "١.0.0"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(UserError, match="three numbers with dots"):
        check_version(text)


@pytest.mark.parametrize("text", ["1.0.0", "v1.0.0", "plant-classifier@v1.0.0", " 1.0.0 "])
def test_a_version_is_understood_however_it_is_written(text):
    assert check_version(text) == "1.0.0"


def not_committed(repo):
    (repo / ".gitignore").write_text("/models/model.safetensors\n/models/published\n/more\n")


def several_not_committed(repo):
    not_committed(repo)
    (repo / "data").mkdir()
    (repo / "data/new.csv").write_text("")


def shallow(repo):
    """As `git clone --depth 1` leaves it: its only commit is without its parents."""
    (repo / ".git/shallow").write_text(git(repo, "rev-parse", "HEAD"))
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")


def renamed(repo):
    git(repo, "mv", "params.yaml", "parameters.yaml")


def without_published(repo):
    git(repo, "rm", "-q", "models/published.dvc")
    commit(repo, "nothing published")


def of_other_weights(repo):
    (repo / "models/model.safetensors").write_bytes(b"other weights")


def of_a_dirty_tree(repo):
    publish(repo, changed_files=3)
    commit(repo, "published too early")


def of_earlier_parameters(repo):
    (repo / "params.yaml").write_text("split: {seed: 1}\nother: 2\n")
    commit(repo, "another parameter")


def of_an_unknown_commit(repo):
    publish(repo, commit="12" * 20)
    commit(repo, "published elsewhere")


def stale(repo):
    (repo / "params.yaml").write_text("split: {seed: 2}\n")
    commit(repo, "another seed")
    publish(repo)
    commit(repo, "published")


def touched(repo):
    path = repo / "models/published/published.json"
    content = path.read_text()
    path.unlink()  # which may be a link into DVC's cache
    path.write_text(f"{content}\n")


def gone(repo):
    shutil.rmtree(repo / "models/published")


def test_files_that_lie_about_and_decide_on_nothing_hinder_no_version(repo):
    (repo / "rose.jpg").write_bytes(b"photo")
    (repo / "notes").mkdir()
    (repo / "notes/today.txt").write_text("mine")
    assert release(repo, "1.0.0").returncode == 0


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (not_committed, ".gitignore differs from the last commit: commit what belongs to the version"),
        (several_not_committed, "2 files, .gitignore the first, differ from the last commit: commit what belongs"),
        (renamed, "parameters.yaml differs from the last commit: "),
        (without_published, "the last commit has no models/published.dvc"),
        (of_other_weights, "models/published is of other weights than models/model.safetensors"),
        (of_a_dirty_tree, "was made when 3 files differed from the last commit"),
        (of_earlier_parameters, "params.yaml differs from "),
        (of_an_unknown_commit, "git does not know the commit 1212121212 that models/published was made at: publish"),
        (shallow, "as this clone is shallow: `git fetch --unshallow`"),
        (stale, "Results of evaluate are not of this working tree"),
        (touched, "models/published is not what models/published.dvc says"),
        (gone, "models/published/published.json is missing: `dvc checkout models/published.dvc` brings it back"),
    ],
)
def test_what_is_not_of_the_commit_is_refused_by_name(repo, happens, said):
    happens(repo)
    assert said in complaint(release(repo, "1.0.0"))
    assert tags(repo) == []


def test_whoever_has_no_name_in_git_is_told_so(repo, tmp_path):
    git(repo, "config", "--unset", "user.name")
    git(repo, "config", "--unset", "user.email")
    git(repo, "config", "user.useConfigOnly", "true")
    nobody = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    assert f"git makes no tag {TAG.format('1.0.0')}: " in complaint(
        run_here("commands.release", repo, "1.0.0", **nobody)
    )


@pytest.mark.parametrize("words", [(), ("1.0.0",)], ids=["list", "release"])
def test_a_repo_that_git_cannot_read_is_not_taken_for_a_clean_one(repo, words):
    """An index that is damaged lists no file that differs, and no repo at all no version."""
    (repo / ".git/index").write_bytes(b"damaged")
    if not words:
        (repo / ".git/HEAD").write_text("damaged")
    said = complaint(release(repo, *words, GIT_CEILING_DIRECTORIES=str(repo.parent)))
    assert said.startswith("release: git cannot read this repo: fatal: ")
