"""What runs on GitHub runs on a desk: every command of the workflows is a target of make."""

import re

import pytest
import yaml

from tests.support import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def steps(path) -> list[dict]:
    return [step for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_of_a_workflow_is_a_target_of_make(path):
    commands = [line for step in steps(path) if "run" in step for line in step["run"].strip().splitlines()]
    assert commands
    for command in commands:
        found = re.fullmatch(r'make ([a-z-]+)(?: [A-Z]+="?[\w/$. -]*"?)*', command)
        assert found, command
        assert found[1] in TARGETS
    # What others choose, such as the name of a branch, reaches a shell as a variable, never as its text.
    assert not any("${{" in step.get("run", "") for step in steps(path))


def test_a_review_is_kept_and_its_token_may_comment_and_nothing_else():
    review = yaml.safe_load((ROOT / ".github/workflows/review.yml").read_text(encoding="utf-8"))
    assert review["permissions"] == {"contents": "read", "pull-requests": "write"}
    kept = next(step["with"]["path"].split() for step in steps(ROOT / ".github/workflows/review.yml")
                if step.get("uses", "").startswith("actions/upload-artifact"))  # fmt: skip
    assert kept == ["review.html", "review.md"]


def test_tests_of_pages_find_a_browser_there():
    assert "make chromium" in [step.get("run") for step in steps(ROOT / ".github/workflows/ci.yml")]
    assert "Chromium" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
