"""A section of several kinds is switched by one `-S`, and a slip in a key is refused all the same."""

import copy
import re

import pytest
from dvc.utils.hydra import apply_overrides

from stages.config.keys import what_is_allowed
from stages.config.kinds import PLACES, kinds_at, set_aside
from stages.config.reading import declared_values, plain_params, stage_params, validate
from stages.config.schema import Params, RandomWeights, TimmWeights
from stages.runtime.errors import UserError
from stages.runtime.yaml_files import read_yaml

VALUES = {
    "kind": None, "file": "f.bson", "database": "d", "collection": "c", "snapshot": "2026-01-01", "path": "w.pth",
    "package": "p", "sha256": "0" * 64,
}  # fmt: skip


def kinds_of(place: tuple[str, ...]) -> dict:
    section = Params
    for key in place[:-1]:
        section = section.model_fields[key].annotation
    return kinds_at(section.model_fields[place[-1]].annotation)


def test_the_sections_of_several_kinds_are_found():
    assert PLACES == (("source",), ("model", "weights"))
    assert kinds_of(("source",)).keys() == {"dump", "mongodb"}


@pytest.mark.parametrize("profile", ["sample", "teacher"])
@pytest.mark.parametrize(("place", "kind"), [(place, kind) for place in PLACES for kind in kinds_of(place)])
def test_one_override_switches_to_any_kind_and_back(workspace, profile, place, kind):
    """As `-S` does it: DVC merges the mapping into the one that is there."""
    path = workspace / "params.yaml"
    apply_overrides(path, [f"profile={profile}"])
    where = ".".join(("profiles", profile, *place))
    fields = kinds_of(place)[kind].model_fields
    mapping = ", ".join(f"{key}: {kind if key == 'kind' else VALUES[key]}" for key in fields)
    before = stage_params("train" if place != ("source",) else "export")
    former = before.source.kind if place == ("source",) else before.model.weights.kind
    apply_overrides(path, [f"+{where}={{{mapping}}}"])
    stage = "export" if place == ("source",) else "train"
    section = stage_params(stage)
    plain = plain_params(stage)
    for key in place:
        section, plain = getattr(section, key), plain[key]
    assert section.kind == kind
    assert plain.keys() == fields.keys()  # an identity is of these
    apply_overrides(path, [f"{where}.kind={former}"])
    if kind != former:
        again = stage_params(stage)
        if not fields.keys() & kinds_of(place)[former].model_fields.keys() - {"kind"}:  # which it has overwritten
            assert again.model_dump() == before.model_dump()


def test_a_switch_by_its_kind_alone(workspace, capsys):
    apply_overrides(workspace / "params.yaml", ["profiles.sample.model.weights.kind=random"])
    assert stage_params("train").model.weights == RandomWeights(kind="random")
    said = capsys.readouterr().out
    assert said == (
        "train: params.yaml: not looked at, as they are of another kind: profiles.sample.model.weights.package, "
        "profiles.sample.model.weights.file, profiles.sample.model.weights.sha256\n"
    )
    stage_params("split")
    assert capsys.readouterr().out == ""  # it has nothing to do with it
    assert plain_params("train")["model"]["weights"] == {"kind": "random"}
    assert len(declared_values("train")["profiles.sample.model"]["weights"]) == 4  # as the lock has it
    apply_overrides(workspace / "params.yaml", ["profiles.sample.model.weights={kind: timm}"])
    assert stage_params("train").model.weights == TimmWeights(kind="timm")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"kind": "random", "packge": "x"}, "weights.packge: is no parameter: the keys are kind"),
        ({"kind": "file", "path": "x", "sha265": "y", "package": "z"}, "weights.sha265: is no parameter: did you mean"),
        ({"kind": "file", "package": "z"}, "weights.path: is missing"),
        ({"kind": "rnd"}, "weights: kind must be 'timm', 'random', 'file' or 'package' (found 'rnd')"),
        ({"kind": ["random"]}, "weights: kind must be 'timm', 'random', 'file' or 'package' (found \"['random']\")"),
        ({"sha256": "x"}, "weights: kind is missing"),
        ({}, "weights: kind is missing"),
        ("random", "weights: must be "),
        (None, "weights: must be "),
    ],
)  # fmt: skip
def test_a_slip_is_refused(params_content, weights, said):
    params_content["profiles"]["sample"]["model"]["weights"] = weights
    with pytest.raises(UserError) as error:
        validate(params_content)
    assert f"params.yaml: profiles.sample.model.{said}" in str(error.value)


def test_what_is_set_aside_leaves_the_content_as_it_was(params_content):
    weights = params_content["profiles"]["teacher"]["model"]["weights"]
    weights |= {"path": "w", "other": 1}
    before = copy.deepcopy(params_content)
    kept, aside = set_aside(params_content)
    assert params_content == before
    assert aside == ["profiles.teacher.model.weights.path"]
    assert kept["profiles"]["teacher"]["model"]["weights"] == {"kind": "timm", "other": 1}
    assert set_aside(kept) == (kept, [])


def test_the_keys_of_a_kind_are_listed():
    assert re.fullmatch(r"the keys are kind, path, sha256", what_is_allowed(("model", "weights", "file", "x")))


def test_profiles_that_are_no_sections_are_refused_as_before(workspace):
    content = read_yaml(workspace / "params.yaml")
    for profiles in (None, [], {"sample": None}, {1: {}}, {}):
        with pytest.raises(UserError, match=r"^params\.yaml: "):
            validate(content | {"profiles": profiles})
