"""README's first day of a team is no dead end: each line is run as it stands, with a server, a host and a hub."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.clones import git, own_environment
from tests.support.team import NETWORK, Team, team

pytestmark = pytest.mark.slow


def section() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme[readme.index("\n## Move in\n") :].split("\n## ")[1]


def steps() -> dict[str, list[str]]:
    """The lines of each numbered step; what stands before the first is of step 0."""
    (block,) = re.findall(r"```sh\n(.*?)```", section(), re.DOTALL)
    found: dict[str, list[str]] = {}
    number = "0"
    for line in block.splitlines():
        command, _, comment = line.partition(" #")
        if comment[1:2].isdigit():
            number = comment[1]
        found.setdefault(number, []).append(command.strip())
    return found


def in_foreground(line: str) -> str:
    """What a person leaves to run for days is waited for here."""
    return re.sub(r"^nohup (.*) >> fetch\.log 2>&1 &$", r"\1", line)


def set_up(repo: Path, of: Team) -> None:
    """Do what the section tells to do by hand, with a small network and small pictures for a machine without a GPU."""
    where, uri = section().split("```")[1].strip().splitlines()
    assert where.startswith("IMAGE_CACHE_DIR=")
    assert uri.startswith("MONGODB_URI=")
    (repo / ".env").write_text("".join(f"{name}={of.settings[name]}\n" for name in ("IMAGE_CACHE_DIR", "MONGODB_URI")))
    yaml = YAML()
    params = yaml.load(repo / "params.yaml")
    params["profile"] = "teacher"
    params["download"]["contact"] = "team@host.example"
    params["download"]["hosts"][of.host] = {
        "requests_per_s": 50.0, "concurrent": 4, "gb_an_hour": None, "gb_a_day": None, "private": True,
    }  # fmt: skip
    teacher = params["profiles"]["teacher"]
    teacher["model"]["name"] = NETWORK
    teacher["image"] = {"pack_px": 144, "train_px": 128}
    teacher["pack"]["shards"] = 4
    teacher["train"] |= {"epochs": 1, "batch_images": 16, "micro_batch_images": 16, "learning_rate": 0.001}
    yaml.dump(params, repo / "params.yaml")


def give_environment(repo: Path) -> None:
    """Let make find a `.venv` that is set up: this one's."""
    (repo / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if not path.name.endswith(".stamp"):
            (repo / ".venv" / path.name).symlink_to(path)
    for stamp in ("run.stamp", "dev.stamp"):
        (repo / ".venv" / stamp).touch()


def test_the_first_day_of_a_team(clone, tmp_path):
    repo = tmp_path / "repo"
    git(tmp_path, "clone", "-q", str(clone), str(repo))
    for words in (("user.name", "test"), ("user.email", "test@host.example")):
        git(repo, "config", *words)
    give_environment(repo)
    with team(tmp_path) as of:
        set_up(repo, of)
        environment = own_environment(repo, HF_ENDPOINT=of.settings["HF_ENDPOINT"], HF_HOME=of.settings["HF_HOME"])
        said = {}
        for number, lines in steps().items():
            for line in lines:
                done = subprocess.run(
                    ["bash", "-c", in_foreground(line)],
                    cwd=repo, env=environment, capture_output=True, text=True, timeout=900, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                assert "Traceback" not in done.stderr, line
                said[number] = said.get(number, "") + done.stdout
    assert len(list(of.cache.glob("*.jpg"))) == of.images > of.cached
    promised = re.findall(r"^\| (\d) \| `([^`]+)`", section(), re.MULTILINE)
    assert [number for number, _ in promised] == sorted(set(said) - {"0"})
    for number, text in promised:
        assert text in said[number], f"step {number} does not say {text!r}:\n{said[number]}"
    assert git(repo, "status", "--porcelain") == ""
    assert "up to date" in subprocess.run(
        ["dvc", "status"], cwd=repo, env=environment, capture_output=True, text=True, timeout=300, check=False
    ).stdout  # fmt: skip
    # The documents speak of the sample, and are as true in a team's commit.
    about_pages = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "tests/documents/test_figures.py",
        "tests/documents/test_links.py",
    ]
    read = subprocess.run(
        [sys.executable, *about_pages],
        cwd=repo,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert read.returncode == 0, read.stdout
