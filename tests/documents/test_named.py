"""What documents, comments and the Makefile name is there: keys, settings, code, pages."""

import re

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

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


def test_every_setting_of_a_machine_stands_in_its_page():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "stages").rglob("*.py"))
    read = set(re.findall(r'machine_(?:setting|count|flag|choice)\(\s*"(\w+)"', code))
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)) == read


def test_crops_of_params_yaml_are_those_that_the_document_chose(params_content):
    """The row in bold is what was chosen on the front, and the weights stand in params.yaml alone."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs/crops.md").read_text(encoding="utf-8"), re.MULTILINE)
    chosen = dict(part.split() for row in rows for part in row.split(", "))
    assert len(chosen) == 4
    assert {key: float(value) for key, value in chosen.items()} == {key: params_content["crop"][key] for key in chosen}


def test_the_tables_of_stages_are_those_of_dvc_yaml():
    stages = list(YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    for name in ("README.md", "README.es.md", "docs/architecture.md"):
        rows = re.findall(r"^\| `(\w+)` \|", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert [row for row in rows if row in stages] == stages, name


def test_the_chart_of_stages_is_dvcs():
    """Each arrow is from a stage to one that reads what it has written, as DVC's own graph has it."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^\t(\w+) --> (\w+)$", text, re.MULTILINE)
    with Repo(str(ROOT)) as repo:
        edges = repo.index.graph.edges
        of_dvc = {
            (above.name, below.name) for below, above in edges if hasattr(above, "name") and hasattr(below, "name")
        }
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == of_dvc


def test_all_targets_of_make_are_told_by_help_and_in_the_documents():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert told == set(phony.split()) - {"types"}
    pages = "".join(path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
    assert {name for name in told if f"make {name}" not in pages} == set()


NAMED = [
    path
    for pattern in (
        "*.md", "Makefile", "*.yaml", "*.toml", "docs/*.md", "docs/es/*.md", "data/sources/*/LICENSE",
        ".github/workflows/*.yml",        "stages/**/*.py", "sample/*.py", "benchmarks/*.py", "tests/**/*.py",
    )
    for path in sorted(ROOT.glob(pattern))
]  # fmt: skip


@pytest.mark.parametrize("path", NAMED, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_that_is_named_is_there(path):
    """In prose, comments and strings too: a module or a page that moved must not leave its old name behind."""
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"(?<![\w/.-])docs/(?:es/)?\w+\.md\b", text):
        assert (ROOT / name).is_file() or "NAME" in name, name
    for name in re.findall(r"(?<![\w/.-])(?:stages|sample|benchmarks|tests)/[\w/]*\w\.py\b", text):
        assert (ROOT / name).is_file() or (ROOT / "tests" / name).is_file() or "NAME" in name, name
    for name in re.findall(r"(?:-m|from|import) ((?:stages|sample|benchmarks)(?:\.\w+)+)", text):
        module = ROOT / name.replace(".", "/")
        assert module.is_dir() or module.with_suffix(".py").is_file() or "NAME" in name, name
