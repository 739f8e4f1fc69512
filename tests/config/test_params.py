"""params.yaml is strict, and what it says in an error helps."""

import copy
import re

import pytest
import yaml

from stages.config.reading import GONE, RENAMED, declared_libraries, stage_params, validate
from stages.config.schema import Train
from stages.runtime.errors import UserError
from tests.support import ROOT

TEACHER = {
    ("model", "name"): "vit_base_patch16_384.augreg_in21k_ft_in1k",
    ("image", "pack_px"): 448,
    ("image", "train_px"): 384,
    ("train", "batch_images"): 8,
    ("train", "epochs"): 15,
    ("model", "drop_rate"): 0.2,
    ("train", "weight_decay"): 0.01,
    ("train", "label_smoothing"): 0.1,
    ("crop", "mode"): "smart",
    ("download", "cache_budget_gb"): 220,
    ("source", "database"): "RehabDatos",
    ("source", "collection"): "plants",
}


def test_the_teacher_profile_has_the_owners_values(params_content):
    params = validate(params_content | {"profile": "teacher"})
    for (section, key), value in TEACHER.items():
        assert getattr(getattr(params, section), key) == value, (section, key)


def set_at(content: dict, path: str, value: object) -> dict:
    *parents, last = path.split(".")
    place = content
    for key in parents:
        place = place[key]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("profile", "nope", "profile: must be one of sample, teacher (found 'nope')"),
        ("profiles.sample.train.epochs", 0, "profiles.sample.train.epochs: must be greater than or equal to 1"),
        ("profiles.teacher.train.epochs", "15", "profiles.teacher.train.epochs: must be a whole number"),
        ("train.epochs", 3, "train.epochs is set both at the top and in profiles."),
        ("train.epochz", 3, "train.epochz: is no parameter: did you mean epochs? the keys are seed, epochs, "),
        ("train.weight_decay", float("nan"), "train.weight_decay: must be a finite number"),
        ("augment.flip", 1, "augment.flip: must be true or false"),
        ("train.sampling", "fair", "train.sampling: must be 'natural', 'square_root' or 'balanced'"),
        ("crop.mode", "clever", "crop.mode: must be 'smart' or 'center' (found 'clever')"),
        ("crop.scales", [], "crop.scales: must have at least 1 item"),
        ("split.val_share", 0.5, "split.val_share: must be less than 0.5"),
        ("profiles.sample.image.train_px", 257, "train_px (257) must not be larger than pack_px (256)"),
        ("profiles.sample.source.file", "../up.bson", "profiles.sample.source.file: must be a file's name"),
        (
            "profiles.sample.model.weights.sha256",
            "abc",
            "weights.sha256: must be a SHA-256: 64 characters",
        ),
        (
            "profiles.teacher.source.kind",
            "mysql",
            "profiles.teacher.source: kind must be 'dump' or 'mongodb' (found 'mysql')",
        ),
        ("documents", {}, "documents: must have at least 1 item"),
        ("documents", [], "documents: is a map by name now"),
        ("documents.", {}, "documents.: must be a name of letters"),
        ("documents.dump", {}, "documents.dump.when: is missing"),
        ("documents.file", {"columns": {}, "when": ["a"]}, "documents.file.columns.image_url: is missing"),
        ("documents.garden.when", [], "documents.garden.when: must have at least 1 item"),
        ("documents.garden.columns.image_url", 5, "documents.garden.columns.image_url: must be text"),
        ("documents.garden.columns.species", ["a", 5], "documents.garden.columns.species: must be text"),
        ("documents.garden.ids_of", "gardens", "documents.garden.ids_of must name another shape, or inaturalist"),
        ("documents.garden.ids_of", "", "documents.garden.ids_of: must be a name of letters"),
        ("crop", None, "crop: must be a section with keys of its own (found null)"),
        ("surprise", 1, "surprise: is no parameter"),
        ("profile", ["sample"], "profile: must be one of sample, teacher"),
        ("download.hosts", {}, "download.hosts: must have at least 1 item"),
        ("download.contact", "J\u00fcrgen", "download.contact: must be plain ASCII and not empty"),
        ("download.contact", "a\nb: c", "download.contact: must be plain ASCII and not empty"),
        ("download.mirror", "ftp://bucket.example", "download.mirror: must be the URL of a folder"),
        ("download.hosts.H", {}, "download.hosts.H: must be a name in small letters"),
        ("download.hosts.no", {}, "download.hosts.no.requests_per_s: is missing"),
        ("profiles.teacher.source.snapshot", "2026-13-01", "source.snapshot: must be a day, written YYYY-MM-DD"),
        ("train.weight_decay", 1e300, "train.weight_decay: must be less than or equal to 10"),
        ("probe.ridge", 10.5, "probe.ridge: must be less than or equal to 10"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(params_content, path, value, said):
    with pytest.raises(UserError) as error:
        validate(set_at(params_content, path, value))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named(params_content):
    del params_content["profiles"]["sample"]["train"]["epochs"]
    with pytest.raises(UserError, match=r"train\.epochs: is missing"):
        validate(params_content)


def test_a_host_must_be_allowed_one_image_an_hour_and_stand_there_without_its_schemes_port(params_content):
    hosts = params_content["download"]["hosts"]
    static = hosts["static.inaturalist.org"]
    static["gb_an_hour"] = 0.001
    with pytest.raises(UserError, match=r"gb_an_hour of static\.inaturalist\.org must hold one image"):
        validate(params_content)
    static["gb_an_hour"] = 5.0
    hosts["h.example:443"] = static
    with pytest.raises(UserError, match=r"download\.hosts\.h\.example:443: must stand without the port"):
        validate(params_content)


def test_a_value_under_a_name_with_dots_is_named_with_its_key(params_content):
    params_content["download"]["hosts"]["static.inaturalist.org"]["concurrent"] = 0
    with pytest.raises(UserError, match=r"^params\.yaml: download\.hosts\.static\.inaturalist\.org\.concurrent: must"):
        validate(params_content)


@pytest.mark.parametrize(
    ("section", "former", "said"),
    [
        (
            "documents",
            [{"source": "herbarium", "when": ["sheets"], "columns": {"image_url": "a", "species": "b"}}],
            'documents: is a map by name now: write "herbarium: {when: ..., columns: ...}" instead of '
            '"- source: herbarium"',
        ),
        (
            "documents",
            [7],
            'documents: is a map by name now: write "NAME: {when: ..., columns: ...}" instead of "- source: NAME"',
        ),
        (
            "download.hosts",
            [{"host": "h.example", "concurrent": 1}],
            'download.hosts: is a map by name now: write "h.example: {requests_per_s: ..., concurrent: ..., ...}" '
            'instead of "- host: h.example"',
        ),
    ],
)
def test_the_lists_of_before_are_refused_with_what_is_written_now(params_content, section, former, said):
    with pytest.raises(UserError) as error:
        validate(set_at(params_content, section, former))
    assert str(error.value) == f"params.yaml: {said}"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "documents.garden.columns.usuario",
            "the columns are image_url, species, photo_id, observation_id, license, observer",
        ),
        ("documents.garden.where", "did you mean when? the keys are when, ids_of, columns"),
        (
            "download.hosts.static.inaturalist.org.concurent",
            "did you mean concurrent? the keys are requests_per_s, concurrent, gb_an_hour, gb_a_day, private",
        ),
        ("profiles.sample.source.flie", "did you mean file? the keys are kind, file"),
        ("profiles.sample.model.weights.url", "the keys are kind, package, file, sha256"),
        ("evaluate.x", "the keys are seed, min_groups, resamples, max_risks, confident"),
    ],
)
def test_an_unknown_key_is_refused_with_the_keys_that_there_are(params_content, path, said):
    *parents, last = re.split(r"\.(?!inaturalist|org)", path)
    section = params_content
    for name in parents:
        section = section[name]
    section[last] = "x"
    with pytest.raises(UserError) as error:
        validate(params_content)
    assert str(error.value) == f"params.yaml: {path}: is no parameter: {said}"


def test_many_keys_are_listed_in_part(params_content):
    params_content["train"]["zzz"] = 1
    with pytest.raises(UserError) as error:
        validate(params_content)
    listed = re.fullmatch(
        r"params\.yaml: train\.zzz: is no parameter: the keys are (.+) and (\d+) more", str(error.value)
    )
    assert len(listed[1]) <= 200
    assert listed[1].split(", ")[:3] == ["seed", "epochs", "batch_images"]
    assert len(listed[1].split(", ")) + int(listed[2]) == len(Train.model_fields)


def test_two_shapes_that_ask_for_the_same_fields_are_refused(params_content):
    columns = {"image_url": "a", "species": "b"}
    params_content["documents"]["again"] = {"when": ["photo.id", "image_url", "photo.id"], "columns": columns}
    said = (
        "params.yaml: documents: inaturalist and again have the same fields in `when`: no document could tell which "
        "one it is; add a field to one, or make one of them"
    )
    with pytest.raises(UserError) as error:
        validate(params_content)
    assert str(error.value) == said
    params_content["documents"]["again"]["when"].append("place")
    assert validate(params_content).documents["again"].when[-1] == "place"


def test_shapes_in_a_profile_are_no_part_that_a_stage_leaves_out_in_silence(workspace):
    path = workspace / "params.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    shape = {"when": ["sheets"], "columns": {"image_url": "sheets[].href", "species": "taxon"}}
    content["profiles"]["sample"]["documents"] = {"herbarium": shape}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"profiles\.sample\.documents: the stage export looks for it at the top"):
        stage_params("export")


def test_two_arrays_in_one_shape_are_refused(params_content):
    columns = {"image_url": "images[].href", "species": "names[].latin"}
    params_content["documents"]["x"] = {"when": ["images"], "columns": columns}
    with pytest.raises(UserError, match="through one array only"):
        validate(params_content)


def test_a_stage_gets_only_what_dvc_yaml_declares(workspace):
    params = stage_params("split")
    assert params.split.seed == 1
    assert set(type(params).model_fields) == {"profile", "split", "shots"}
    with pytest.raises(AttributeError):
        _ = params.train


def test_a_stage_gets_only_the_keys_of_a_section_that_dvc_yaml_declares(workspace):
    """Else a change of the other keys would not run it again."""
    pack, train = stage_params("pack"), stage_params("train")
    assert pack.image.model_dump() == {"pack_px": 256}
    assert train.image.model_dump() == {"train_px": 224}
    assert pack.pack.model_dump() == {"jpeg_quality": 90, "shards": 16}
    with pytest.raises(AttributeError):
        _ = pack.image.train_px
    with pytest.raises(AttributeError):
        _ = train.image.pack_px


def test_a_library_without_a_recorded_version_is_named(workspace):
    (workspace / "libraries.yaml").write_text("numpy: 2.4\n")
    with pytest.raises(
        UserError, match=r"libraries\.yaml: numpy: must be a version in quotes, from constraints\.txt \(found 2\.4\)"
    ):
        declared_libraries("pack")
    assert declared_libraries("split") == {}


def test_a_section_comes_together_from_the_top_and_the_profile(workspace):
    train = stage_params("train").train
    assert (train.weight_decay, train.epochs) == (0.01, 6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile: a\nprofile: b", "the key profile stands twice"),
        ("profile: [", "no valid YAML"),
        ("", "no valid YAML mapping"),
        ("- 1", "no valid YAML mapping"),
    ],
)
def test_a_broken_file_is_one_line(workspace, text, said):
    (workspace / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        stage_params("split")


def test_a_missing_file_says_where_to_run(workspace):
    (workspace / "params.yaml").unlink()
    with pytest.raises(UserError, match="run this from the root of the repo"):
        stage_params("split")


def test_an_unknown_key_is_named_before_the_one_that_it_was_meant_to_be(params_content):
    split = params_content["split"]
    split["sead"] = split.pop("seed")
    with pytest.raises(UserError, match=r"split\.sead: is no parameter"):
        validate(params_content)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_old_name_of_a_key_is_refused_with_the_new_one(params_content, old, new):
    """In params.yaml as it was before, and in a `-S` of then, which adds the old key beside the new one."""
    old, new = old.replace("*", "garden"), new.replace("*", "garden")
    *parents, last = old.split(".")
    section = params_content
    for name in parents:
        section = section[name]
    said = rf"{last}: is called {re.escape(new)} now"
    section[last] = section.get(new.split(".")[-1], 1)
    with pytest.raises(UserError, match=said):
        validate(params_content)
    *parents, last = new.split(".")
    section = params_content
    for name in parents:
        section = section[name]
    section.pop(last, None)
    with pytest.raises(UserError, match=said):
        validate(params_content)


def test_all_old_names_of_keys_are_told_at_once_and_before_anything_else(params_content):
    params_content["licences"] = params_content.pop("licenses")
    params_content["train"]["keep_by"] = params_content["train"].pop("selection_metric")
    params_content["crop"]["centre_sigma"] = params_content["crop"].pop("center_sigma")
    said = r"train\.keep_by: is called train\.selection_metric now; licences: is called licenses now: rename them$"
    with pytest.raises(UserError, match=said):
        validate(params_content)


@pytest.mark.parametrize("gone", sorted(GONE))
def test_a_key_that_is_gone_says_what_to_know_instead(params_content, gone):
    """In params.yaml as it was before, and in a `-S` of then."""
    section, key = gone.split(".")
    params_content[section][key] = False
    said = rf"{gone}: is no parameter any more: {re.escape(GONE[gone])} \(take it out\)$"
    with pytest.raises(UserError, match=said):
        validate(params_content)
    del params_content["names"]["not_scientific"]
    params_content["names"] |= {"unicode": True, "authorship": True}
    with pytest.raises(UserError, match=r"is no parameter any more: .*always done.* \(take them out\)$"):
        validate(params_content)


def test_what_sections_say_together_has_no_empty_key_and_no_dump_of_all_parameters(params_content):
    params_content["augment"]["mixup"] = 0.8
    params_content["profiles"]["sample"]["train"]["micro_batch_images"] = 3
    with pytest.raises(UserError, match=r"^params\.yaml: train\.micro_batch_images must be even [^{]+$"):
        validate(params_content)


def test_an_experiment_changes_one_line_of_params_yaml(tmp_path):
    """DVC writes the file anew for every -S: it must stand in the form in which DVC writes it."""
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(before, encoding="utf-8")
    apply_overrides(path, ["crop.mode=center"])
    pairs = zip(before.splitlines(), path.read_text(encoding="utf-8").splitlines(), strict=True)
    changed = [(old.split("#")[0].strip(), new.split("#")[0].strip()) for old, new in pairs if old != new]
    assert changed == [("mode: smart", "mode: center")]


def test_a_change_of_a_shape_or_a_host_is_a_short_line_of_the_comparison(params_content):
    from dvc.utils.diff import diff

    before = copy.deepcopy(params_content)
    params_content["documents"]["garden"]["columns"]["observer"] = "grower"
    params_content["download"]["hosts"]["static.inaturalist.org"]["concurrent"] = 2
    assert diff({"params.yaml": {"data": before}}, {"params.yaml": {"data": params_content}}) == {
        "params.yaml": {
            "documents.garden.columns.observer": {"old": "gardener", "new": "grower"},
            "download.hosts.static.inaturalist.org.concurrent": {"old": 1, "new": 2, "diff": 1},
        }
    }
