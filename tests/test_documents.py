"""What the documents, the comments and the Makefile say is true of the code."""

import copy
import json
import re

import pytest
from ruamel.yaml import YAML

from stages.config.reading import validate
from stages.learning.health import experiments
from tests.support import ROOT


def test_every_key_has_its_unit_or_meaning_in_a_comment():
    """Every scalar of the common sections is explained where it is set, or explains itself."""
    plain = {
        "seed",
        "test_share",
        "mode",
        "weight_decay",
        "label_smoothing",
        "drop_rate",
        "batch_images",
        "jpeg_quality",
    }
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    hosts = YAML(typ="safe").load(text)["download"]["hosts"]
    explained_above_them = {"hosts", *hosts, *(key for limits in hosts.values() for key in limits)}
    common = text.split("inventory:", 1)[1]
    for line in common.splitlines():
        if line.startswith("  ") and "#" not in line and not line.strip().startswith("- "):
            key = line.strip().split(":")[0]
            assert key in plain | {"cache_budget_gb"} | explained_above_them, key


def test_the_readmes_accuracy_is_that_of_the_committed_run():
    val, test = (json.loads((ROOT / f"metrics/{name}.json").read_text())[f"{key}_top1"]
                 for name, key in (("train", "val"), ("test", "test")))  # fmt: skip
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"top-1 of {val:.2f} in validation and {test:.2f} in test" in readme


def test_every_setting_of_a_machine_stands_in_the_readme():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "stages").rglob("*.py"))
    read = set(re.findall(r'machine_(?:setting|count|flag|choice)\(\s*"(\w+)"', code))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^### This machine's settings$(.*?)(?=^##)", readme, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == read


def test_no_document_has_a_place_that_waits_for_words():
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(
            r"^(TODO|TABLE\d*|FIGURES|FRONT|REAL|XXX)$", path.read_text(encoding="utf-8"), re.MULTILINE
        )


def test_crops_of_params_yaml_are_those_that_the_document_chose(params_content):
    """The row in bold is what was chosen on the front, and the weights stand in params.yaml alone."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs/crops.md").read_text(encoding="utf-8"), re.MULTILINE)
    chosen = dict(part.split() for row in rows for part in row.split(", "))
    assert len(chosen) == 4
    assert {key: float(value) for key, value in chosen.items()} == {key: params_content["crop"][key] for key in chosen}


def test_the_experiments_of_the_documents_are_possible(params_content):
    """Each `-S` of README.md, docs/ and the warnings names a parameter and a value that it takes."""
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]]
    texts += experiments("teacher", validate(params_content | {"profile": "teacher"}).model)
    texts += experiments("sample", validate(params_content | {"profile": "sample"}).model)
    lines = re.findall(r'(?:dvc exp run|make try ARGS=")[^`#\n]*', "\n".join(texts).replace("\\\n", " "))
    assert len(lines) > 20
    for line in lines:
        for name, values in re.findall(r"""-S '?([\w.]+)=(\[[^]]*\]|[^\s'"]+)""", line):
            if name == "KEY":
                continue
            for value in [values] if values.startswith("[") else values.split(","):
                content = copy.deepcopy(params_content)
                *path, last = name.split(".")
                section = content
                for part in path:
                    section = section[part]
                assert last in section, name
                section[last] = YAML(typ="safe").load(value)
                validate(content)


def test_the_documents_experiments_start_from_the_commit():
    """`dvc exp run` takes over what the working tree holds; docs/experiments.md alone says what it is good for."""
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for path in documents:
        if path.name != "experiments.md":
            assert not re.search(r"dvc exp run\b[^`\n]* -S", path.read_text(encoding="utf-8")), path


NAMED = [
    path
    for pattern in (
        "*.md", "Makefile", "*.yaml", "*.toml", "docs/*.md", "data/sources/*/LICENSE", ".github/workflows/*.yml",
        "stages/**/*.py", "sample/*.py", "benchmarks/*.py", "tests/**/*.py",
    )
    for path in sorted(ROOT.glob(pattern))
]  # fmt: skip


@pytest.mark.parametrize("path", NAMED, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_that_is_named_is_there(path):
    """In prose, comments and strings too: a module or a page that moved must not leave its old name behind."""
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"(?<![\w/.-])docs/\w+\.md\b", text):
        assert (ROOT / name).is_file(), name
    for name in re.findall(r"(?<![\w/.-])(?:stages|sample|benchmarks|tests)/[\w/]*\w\.py\b", text):
        assert (ROOT / name).is_file() or (ROOT / "tests" / name).is_file() or "NAME" in name, name
    for name in re.findall(r"(?:-m|from|import) ((?:stages|sample|benchmarks)(?:\.\w+)+)", text):
        module = ROOT / name.replace(".", "/")
        assert module.is_dir() or module.with_suffix(".py").is_file() or "NAME" in name, name
