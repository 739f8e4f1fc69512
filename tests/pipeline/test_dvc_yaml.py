"""dvc.yaml says what each stage is handed, what it keeps and what people compare."""

import json
import subprocess

import dvc.api
import pytest
import yaml

from stages.config.reading import declared_libraries, plain_params, stage_params
from tests.support import ROOT
from tests.support.dvc_yaml import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_handed_exactly_the_parameters_of_dvc_yaml(stage, monkeypatch):
    monkeypatch.chdir(ROOT)
    shown = dvc.api.params_show(stages=stage)
    recorded = yaml.safe_load((ROOT / "libraries.yaml").read_text(encoding="utf-8"))
    assert declared_libraries(stage) == {name: shown.pop(name) for name in recorded if name in shown}
    of_profile = {}
    for sections in shown.pop("profiles", {}).values():
        of_profile |= sections
    expected = {
        name: shown.get(name, {}) | of_profile.get(name, {}) if name in of_profile else shown[name]
        for name in shown.keys() | of_profile.keys()
    }
    handed = stage_params(stage).model_dump(exclude_unset=True)
    assert handed == plain_params(stage) == expected


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_name_and_figures(stage):
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert STAGES[stage]["desc"]
    assert "cache: false" not in str(STAGES[stage].get("outs", ""))
    assert all(isinstance(out, str) for out in STAGES[stage].get("outs", []))


def test_what_people_compare_is_a_screen_of_plain_figures():
    """`dvc metrics diff` shows a line a figure, and all of them where the profile changed."""
    files = sorted(name for stage in STAGES.values() for metric in stage.get("metrics", []) for name in metric)
    assert files == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "metrics").glob("*.json"))
    figures = [json.loads((ROOT / name).read_text(encoding="utf-8")) for name in files]
    assert all(isinstance(value, int | float) for of_stage in figures for value in of_stage.values())
    names = [name for of_stage in figures for name in of_stage]
    assert len(names) <= 48
    assert len(names) == len(set(names))  # `dvc exp show` shows bare names


def test_outputs_that_dvc_keeps_are_ignored_by_git():
    outs = [out for stage in STAGES.values() for out in stage.get("outs", [])]
    result = subprocess.run(["git", "check-ignore", *outs], cwd=ROOT, capture_output=True, text=True, check=False)
    assert sorted(result.stdout.split()) == sorted(outs)


def test_the_committed_profile_is_the_samples():
    assert yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["profile"] == "sample"
