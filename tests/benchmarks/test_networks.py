"""Networks of several families go from their making to their score, and one that cannot is a row that says why."""

import signal
import subprocess

import pytest

from benchmarks.networks import MESSAGE, NETWORKS, TRIED, ending, table, try_network
from stages.runtime.errors import UserError


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "convnext_atto", "mobilenetv3_small_050", "levit_128s", "lambda_resnet26t"]
)
def test_a_network_can_be_trained_saved_and_loaded(name, tmp_path):
    told = {}
    try_network(name, NETWORKS[name], tmp_path, told.__setitem__)
    assert tuple(told) == TRIED
    assert all(told[what].startswith("yes") for what in TRIED[:-1]), told


def test_a_network_that_cannot_be_made_says_so(tmp_path):
    told = {}
    with pytest.raises(UserError, match="timm knows no model resnet_of_nobody"):
        try_network("resnet_of_nobody", 64, tmp_path, told.__setitem__)
    assert told == {}


def test_what_ends_a_process_is_said():
    def ended(code: int, said: str = "") -> str:
        return ending(subprocess.CompletedProcess([], code, "", said))

    assert ended(-signal.SIGSEGV) == "SIGSEGV"
    assert (
        ended(1, "Traceback:\n  File\nValueError: Expected more than 1 value\n\n")
        == "ValueError: Expected more than 1 value"
    )
    assert ended(3) == "exit code 3"
    long = ended(1, "ValueError: " + "tensor " * 40)
    assert long.endswith("tensor …")
    assert len(long) <= MESSAGE


def test_rows_are_those_of_a_table():
    row = {"network": "a", "px": "64"} | dict.fromkeys(TRIED, "yes") | {"other size": "no: x|y"}
    head, line, found = table([row]).splitlines()
    assert head.count("|") == line.count("|") == found.count("|") == len(TRIED) + 3
    assert found.startswith("| a | 64 | yes |")
    assert "no: x/y" in found
