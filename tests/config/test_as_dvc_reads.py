"""A stage sees of params.yaml what DVC notes in dvc.lock, whatever stands there and however it came there."""

import json
import math
from datetime import date
from pathlib import Path

import pytest
import yaml
from dvc.dependency.param import read_param_file
from dvc.fs import LocalFileSystem
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import YAMLFileCorruptedError, dump_yaml, load_yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.config.reading import declared_values, plain_params, stage_params
from stages.runtime.errors import UserError
from stages.runtime.yaml_files import NotYAMLError, read_yaml
from tests.support import ROOT
from tests.support.clones import git, run_dvc
from tests.support.dvc_yaml import STAGES

# As they stand in a file, and what they are: YAML 1.1 says otherwise of most of them.
SCALARS = {
    "1e-05": 1e-05, "1e-3": 1e-3, "1e3": 1000.0, "1E+3": 1000.0, "1.e1": 10.0, "1.": 1.0, ".5": 0.5, "+1": 1,
    "010": 10, "0777": 777, "08": 8, "0o10": 8, "0x10": 16, "0b11": 3, "1_000": 1000, "1_0.5": 10.5,
    "1:20": "1:20", "190:20:30.15": "190:20:30.15", "yes": "yes", "on": "on", "no": "no", "Off": "Off", "y": "y",
    "true": True, "False": False, "TRUE": True, "~": None, "null": None, "NULL": None, "": None,
    "inf": "inf", "nan": "nan", ".inf": math.inf, "-.INF": -math.inf, "'010'": "010", '"1e3"': "1e3",
    "2026-11-23": date(2026, 11, 23), "'2026-11-23'": "2026-11-23", "!!str 5": "5", "!!float 5": 5.0, "! 5": 5,
}  # fmt: skip
NO_VALUES = (
    "2026-02-30", "2026-13-01", "9" * 5000, "=", "!!int a", "!!bool 3", "!new 3", "*x", "0o_", "._", "&a",
    "!!python/name:os.system", "[" * 40,
)  # fmt: skip
GENERATED = (
    st.sampled_from([*SCALARS, *NO_VALUES])
    | st.integers(-(10**20), 10**20).map(str)
    | st.floats().map(repr)
    | st.from_regex(r"[-+]?[0-9._eE:xob]{1,8}", fullmatch=True)
    | st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ Tt][0-9:.Z+-]{1,12})?", fullmatch=True)
    | st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)
    | st.text("-+0123456789._eE:,[]{}'\"!&*#?|>%@` ~yesnofftrull\\", max_size=12)
)


def same(one: object, other: object) -> bool:
    """Whether two values are the same, NaN too, and of one type."""
    return type(one) is type(other) and repr(one) == repr(other)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("params")
    return folder / "params.yaml", folder / "dvc.lock"


@pytest.mark.parametrize(("written", "value"), SCALARS.items())
def test_a_scalar_is_what_yaml_1_2_says(tmp_path, written, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"value: {written}\n", encoding="utf-8")
    assert same(read_yaml(path)["value"], value)
    assert same(load_yaml(path)["value"], value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {b: 010, c: on}\nd: {<<: *x, b: 1e-5}", "a: [&x {b: 1}, *x]\nb: {<<: [{b: 1, c: 2}, {c: 3}]}",
        "1: a\n2.0: b\nfalse: c\n~: d\n? [a, b]\n: e", "a: !!set {x, y}", "a: !!omap [x: 1, y: 2]", "a: !!binary aGk=",
        "%YAML 1.1\n---\na: yes\nb: 010\nc: 1e-05", "a: ${train.seed}", "a: 2026-11-23T10:00:00.5+02:00", "\ufeffa: 1",
        "a: |\n  yes\n  010\nb: >-\n  1e-5\n\n  on", "{a: 1,\n b: [1, 2]}",
        "a:\n- b\n-\n  - c", "a: 'it''s'\r\nb: \"\\x41\"",
    ],
)  # fmt: skip
def test_all_that_yaml_can_say_is_what_dvc_reads(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    assert same(read_yaml(path), load_yaml(path))


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: {b: 1, b: 1}", "a: !new 1", "a: 1\n---\nb: 2", "a: {<<: 3}", "[a"])
def test_what_dvc_refuses_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(YAMLFileCorruptedError):
        load_yaml(path)
    with pytest.raises(NotYAMLError, match=r"^line \d: [^\n]+$"):
        read_yaml(path)


@given(scalar=GENERATED)
def test_a_stage_sees_what_dvc_notes_in_the_lock(files, scalar):
    """DVC's own reading of a parameter, and its own writing of the lock; what DVC cannot read is one line here."""
    params, lock = files
    params.write_text(f"value: {scalar}\n", encoding="utf-8")
    try:
        noted = read_param_file(LocalFileSystem(), str(params), ["value"], flatten=True)
    except Exception:
        with pytest.raises(NotYAMLError) as error:
            read_yaml(params)
        assert "\n" not in str(error.value)
        return
    seen = read_yaml(params)
    if "value" not in noted:
        assert "value" not in seen
        return
    assert same(seen["value"], noted["value"])
    dump_yaml(lock, {"stages": {"train": {"params": {"params.yaml": noted}}}})
    of_the_lock = read_yaml(lock)["stages"]["train"]["params"]["params.yaml"]["value"]
    assert same(of_the_lock, load_yaml(lock)["stages"]["train"]["params"]["params.yaml"]["value"])
    if isinstance(noted["value"], bool | int | float | None):
        assert same(of_the_lock, seen["value"])


@given(value=st.floats(1e-12, 10), form=st.sampled_from(["{!r}", "{:.15f}", "{:e}", "{:g}"]))
def test_what_a_changed_parameter_is_for_dvc_it_is_for_a_stage(files, value, form):
    """`-S` is Hydra's, goes through OmegaConf, and is written by DVC."""
    params, _ = files
    params.write_text("train:\n  learning_rate: 0.001 # of the first step\n", encoding="utf-8")
    written = form.format(value)
    apply_overrides(params, [f"train.learning_rate={written}"])
    seen = read_yaml(params)["train"]["learning_rate"]
    assert not isinstance(seen, str)
    assert seen == float(written)  # a whole number where it is written without a point
    assert same(seen, load_yaml(params)["train"]["learning_rate"])


@pytest.mark.parametrize("written", ["010", "0777", "1:20", "yes", "on", "1_000", ".5", "1e3", "0x10", "null", "1e-05"])
def test_what_hydra_makes_of_a_value_is_what_a_stage_sees(files, written):
    params, _ = files
    params.write_text("train: {seed: 1}\n", encoding="utf-8")
    apply_overrides(params, [f"train.seed={written}"])
    assert same(read_yaml(params)["train"]["seed"], load_yaml(params)["train"]["seed"])


SHOW = """
import json
from pathlib import Path
from stages.config.reading import plain_params, stage_params
params = stage_params("train")
seen = {"learning_rate": params.train.learning_rate, "weights": params.model.weights.model_dump()}
seen["plain"] = plain_params("train")["model"]["weights"]
Path("seen.json").write_text(json.dumps(seen))
"""


def test_an_experiment_sets_a_small_learning_rate_and_another_kind_of_weights(workspace):
    """By dvc's own command line: what the stage sees, and what the lock notes."""
    entries = [entry for entry in STAGES["train"]["params"] if isinstance(entry, str)]
    stage = {"cmd": "python show.py", "params": entries, "outs": ["seen.json"]}
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage}}), encoding="utf-8")
    (workspace / "show.py").write_text(SHOW, encoding="utf-8")
    (workspace / ".gitignore").write_text("/seen.json\n", encoding="utf-8")
    git(workspace, "init", "-q")
    assert run_dvc(workspace, "init", "-q").returncode == 0
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "-m", "start")
    experiment = (
        "-S", "profile=teacher", "-S", "profiles.teacher.train.learning_rate=0.00001",
        "-S", "+profiles.teacher.model.weights={kind: file, path: w.pth, sha256: %s}" % ("0" * 64),
    )  # fmt: skip
    result = run_dvc(workspace, "exp", "run", *experiment, PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stderr
    assert "learning_rate: 1e-05" in (workspace / "params.yaml").read_text(encoding="utf-8")
    seen = json.loads((workspace / "seen.json").read_text())
    assert seen["learning_rate"] == 0.00001
    assert seen["weights"] == seen["plain"] == {"kind": "file", "path": "w.pth", "sha256": "0" * 64}

    back = ("-S", "profiles.teacher.model.weights.kind=random", "-S", "profiles.teacher.train.learning_rate=3e-7")
    result = run_dvc(workspace, "exp", "run", *back, PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stderr
    said = "train: params.yaml: not looked at, as they are of another kind: profiles.teacher.model.weights.path, "
    assert result.stdout.count(said) == 1
    seen = json.loads((workspace / "seen.json").read_text())
    assert seen == {"learning_rate": 3e-7, "weights": {"kind": "random"}, "plain": {"kind": "random"}}
    noted = read_yaml(workspace / "dvc.lock")["stages"]["train"]["params"]["params.yaml"]
    assert noted == declared_values("train")
    assert noted["profiles.teacher.model"]["weights"]["path"] == "w.pth"


def replace_line(workspace: Path, beginning: str, line: str) -> None:
    path = workspace / "params.yaml"
    lines = path.read_text(encoding="utf-8").split("\n")
    (number,) = (number for number, found in enumerate(lines) if found.strip().startswith(beginning))
    indent = len(lines[number]) - len(lines[number].lstrip())
    lines[number] = " " * indent + line
    path.write_text("\n".join(lines), encoding="utf-8")


def test_a_leading_zero_is_ten_and_not_eight(workspace):
    replace_line(workspace, "min_images_per_class:", "min_images_per_class: 010")
    assert stage_params("split").split.min_images_per_class == 10
    assert plain_params("split")["split"] == declared_values("split")["split"]


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        ("2026-11-23", "profiles.teacher.source.snapshot: must be text: what looks like a number, a date or true "
         "stands in quotes (found 2026-11-23)"),
        ("2026-02-30", "no valid YAML: line 40: 2026-02-30 is no value that there is (day is out of range for month); "
         "what is meant as text stands in quotes"),
        ("'2026-02-30'", "profiles.teacher.source.snapshot: must be a day, written YYYY-MM-DD (found '2026-02-30')"),
    ],
)  # fmt: skip
def test_a_day_that_cannot_be_taken_is_one_line(workspace, snapshot, said):
    replace_line(workspace, "snapshot:", f"snapshot: {snapshot}")
    with pytest.raises(UserError) as error:
        stage_params("split")
    number = 1 + [line.strip() for line in (workspace / "params.yaml").read_text().split("\n")].index(
        f"snapshot: {snapshot}"
    )
    assert said.replace("line 40", f"line {number}") in str(error.value)
    assert "\n" not in str(error.value)
