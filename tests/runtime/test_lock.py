"""What dvc.lock says is held against what there is; where it cannot be, that is said; and no lock is one line."""

import hashlib
from pathlib import Path

import pytest
from dvc.utils.serialize import dump_yaml

from stages.runtime.errors import UserError
from stages.runtime.lock import check_pin, check_profile, locked_params

DECLARED = {"profile": "teacher", "train": {"learning_rate": 1e-05, "seed": 10, "ema_decay": None}}
ROWS = b"rows"
MD5 = hashlib.md5(ROWS).hexdigest()


@pytest.mark.parametrize(
    "entry",
    ["text", [], {"params": None, "outs": []}, {"params": {"params.yaml": []}, "outs": []}, {"params": []}]
    + [{"params": {"params.yaml": {}}, "outs": outs} for outs in (None, [{}], [{"path": "a"}], [{"md5": "b"}])]
    + [{"params": {"params.yaml": {}}, "outs": [], "deps": deps} for deps in ("text", [{}], ["a"])],
)
def test_a_lock_that_dvc_never_wrote_is_one_line(workspace, entry):
    dump_yaml("dvc.lock", {"stages": {"export": entry}})
    with pytest.raises(UserError, match=r"dvc\.lock is no lock of DVC's"):
        check_profile("export", "sample", workspace)
    with pytest.raises(UserError, match=r"dvc\.lock is no lock of DVC's"):
        check_pin("export", {}, workspace / "a", workspace / "a", accepted=None)


@pytest.mark.parametrize("text", ["", "stages: [", "stages: 1", "- stages", "a: 2026-02-30", "stages: {}\nstages: {}"])
def test_a_file_that_is_no_lock_is_one_line(workspace, text):
    (workspace / "dvc.lock").write_text(text)
    with pytest.raises(UserError, match=r"dvc\.lock is no lock of DVC's"):
        check_profile("export", "sample", workspace)


@pytest.fixture
def pin(workspace, capsys):
    """Hold new rows against a lock that DVC wrote of such an entry; gives what is said of it."""
    Path("written").write_bytes(ROWS)
    Path("names.csv").write_bytes(b"a,b\n")
    entry = {
        "params": {"params.yaml": DECLARED},
        "deps": [{"path": "names.csv", "hash": "md5", "md5": hashlib.md5(b"a,b\n").hexdigest()}],
        "outs": [{"path": "rows", "hash": "md5", "md5": MD5}],
    }

    def held(declared: dict = DECLARED, **changed: object) -> str:
        left = {key: value for key, value in (entry | changed).items() if value != "none"}
        dump_yaml("dvc.lock", {"schema": "2.0", "stages": {"export": left} if left else {}})
        check_pin("export", declared, Path("rows"), Path("written"), accepted=None, inputs=[Path("names.csv")])
        return capsys.readouterr().out

    return held


def test_rows_that_are_as_the_lock_says_are_taken_without_a_word(pin):
    assert pin() == ""


def test_other_rows_of_the_same_parameters_are_refused(pin):
    Path("written").write_bytes(b"others")
    with pytest.raises(UserError, match=f"rows is pinned by dvc.lock to {MD5}, but the same parameters now give"):
        pin()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"params": "none", "deps": "none", "outs": "none"}, "it knows no run of this stage yet"),
        ({"params": "none"}, "it has no parameters of this stage"),
        ({"params": {"libraries.yaml": {"numpy": "1"}}}, "it has no parameters of this stage"),
        ({"params": {"params.yaml": {"profile": "teacher"}}}, "train is not as there, so other rows are expected"),
        ({"params": {"params.yaml": {}}}, "profile, train are not as there, so other rows are expected"),
        ({"params": {"params.yaml": DECLARED | {"none": None}}}, "none is not as there, so other rows are expected"),
        ({"deps": []}, "names.csv changed since, so other rows are expected"),
        ({"deps": "none"}, "names.csv changed since, so other rows are expected"),
        ({"outs": []}, "it has no digest of that"),
        ({"outs": "none"}, "it has no digest of that"),
    ],
)
def test_where_nothing_can_be_compared_that_is_said(pin, changed, said):
    Path("written").write_bytes(b"others")
    assert pin(**changed) == f"export: rows is not held against dvc.lock: {said}\n"


def test_the_parameters_of_all_stages_are_those_that_the_lock_notes(workspace):
    Path("dvc.lock").unlink(missing_ok=True)
    assert locked_params() == {}
    entries = {
        "split": {"params": {"params.yaml": {"profile": "sample", "split": {"seed": 1}}}},
        "train": {"params": {"libraries.yaml": {"numpy": "1"}}},
        "pack": {"params": {"params.yaml": {"profile": "sample", "pack": {"jpeg_quality": 90}}}},
    }
    dump_yaml("dvc.lock", {"stages": entries})
    assert locked_params() == {"profile": "sample", "split": {"seed": 1}, "pack": {"jpeg_quality": 90}}
    dump_yaml("dvc.lock", {"stages": entries | {"split": {"params": {"params.yaml": [1]}}}})
    with pytest.raises(UserError, match=r"dvc\.lock is no lock of DVC's"):
        locked_params()


def test_a_profile_that_the_lock_does_not_tell_is_said(workspace, capsys):
    check_profile("split", "sample", Path("data/splits"))
    said = "dvc.lock does not say of which profile data/splits is: it is taken for one of sample\n"
    assert capsys.readouterr().out == said
    dump_yaml("dvc.lock", {"stages": {"split": {"params": {"params.yaml": {"profile": "sample"}}, "outs": []}}})
    check_profile("split", "sample", Path("data/splits"))
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match="data/splits is of profile sample, not teacher: run `dvc repro split`"):
        check_profile("split", "teacher", Path("data/splits"))
