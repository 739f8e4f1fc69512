"""The house keeps its order: imports go down, dvc.yaml names what a stage imports, tests mirror the rooms."""

import ast
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest
import yaml

from stages.images import packing
from stages.learning import identity
from stages.provenance import code
from stages.provenance.libraries import PIXELS, STORAGE, TRAINING, installed_versions
from stages.runtime import cluster
from tests.support import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# From the top floor down: a room imports from those that stand behind it here, and from itself.
FLOORS = (
    "commands", "watching", "serving", "reviewing", "web", "publishing", "report", "answering", "evaluation",
    "features", "predicting", "learning", "splitting", "download", "images", "cache", "verdicts", "records", "tables",
    "config", "runtime", "provenance",
)  # fmt: skip
# How a stage runs, never what it writes.
NO_DEPENDENCY = {"cache", "config", "runtime"}
CODE = sorted((ROOT / "stages").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
SUPPORT = sorted((ROOT / "tests/support").glob("*.py"))
ABOUT_ALL = {"test_structure"}


def may_change_an_output(path: Path) -> bool:
    return room_of(path) not in NO_DEPENDENCY


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str | None:
    """The room of a file; none for what stands directly in stages/."""
    parts = path.relative_to(ROOT / "stages").parts
    return parts[0] if len(parts) > 1 else None


@cache
def imports_of(path: Path) -> frozenset[Path]:
    """The files of stages/ that a file itself imports, also inside of functions; packages' __init__.py left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        candidates = (ROOT / Path(*module.split(".")).with_suffix(".py") for module in modules)
        found |= {candidate for candidate in candidates if candidate in CODE}
    return frozenset(found)


def from_tests(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests"


def reached_from(path: Path, *, through: Callable[[Path], bool] = lambda _: True) -> set[Path]:
    """A file, and those that it imports, directly or through others, of which some may be no way on."""
    seen, left = {path}, [path]
    while left:
        at = left.pop()
        new = imports_of(at) - seen if through(at) else set()
        seen |= new
        left += new
    return seen


def test_stages_reads_as_a_table_of_contents():
    files = {path.stem for path in CODE if room_of(path) is None} - {"__init__"}
    assert files == set(STAGES)
    assert {room_of(path) for path in CODE} - {None} == set(FLOORS)
    assert all(
        (ROOT / "stages" / room / "__init__.py").read_text(encoding="utf-8").startswith('"""') for room in FLOORS
    )


def test_the_floors_are_those_that_contributors_are_shown():
    rows = re.findall(r"^\| `(\w+)/` \|", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(rows) == FLOORS


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_imports_go_down_only(path):
    own = room_of(path)
    for imported in imports_of(path):
        room = room_of(imported)
        assert room is not None, f"{name_of(path)} imports the stage {name_of(imported)}"
        if own is not None:
            assert FLOORS.index(room) >= FLOORS.index(own), f"{name_of(path)} imports {name_of(imported)}, above it"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_no_two_files_import_each_other_in_a_circle(path):
    others = imports_of(path) - {path}  # what is sent to a worker imports its own module there
    assert path not in set().union(*map(reached_from, others))


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_only_stages_and_commands_can_be_run(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    has_main = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
    is_run = any(
        isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and "__main__" in ast.dump(node.test)
        for node in tree.body
    )
    wanted = path.name != "__init__.py" and room_of(path) in (None, "commands")
    assert (has_main, is_run) == (wanted, wanted)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_code_that_it_imports(stage):
    """To the file: what is declared without need runs a stage again for nothing, and what is not is stale."""
    reached = reached_from(ROOT / f"stages/{stage}.py", through=may_change_an_output)
    imported = set(filter(may_change_an_output, reached))
    declared = set()
    for name in STAGES[stage]["deps"]:
        if name.startswith("stages/"):
            path = ROOT / name
            declared |= set(path.rglob("*.py")) - {path / "__init__.py"} if path.is_dir() else {path}
    missing, needless = (sorted(map(name_of, files)) for files in (imported - declared, declared - imported))
    assert not missing, f"add to the deps of {stage} in dvc.yaml: {' '.join(missing)}"
    assert not needless, f"take out of the deps of {stage} in dvc.yaml: {' '.join(needless)}"


@pytest.mark.parametrize("path", [path for path in CODE if not may_change_an_output(path)], ids=name_of)
def test_what_is_no_dependency_gives_no_output_its_form(path):
    """The form of a table or of JSON, a digest of code: what is written with one is a dependency."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    called = {ast.unparse(call.func) for call in calls}
    assert not called & {"json.dump", "json.dumps", "yaml.dump", "yaml.safe_dump"}
    assert not {name.rpartition(".")[2] for name in called} & {"write_csv", "write_parquet", "write_table", "savefig"}
    imported = {name_of(found) for found in imports_of(path)}
    if path.name != "cluster.py":  # compares the code of its workers with this
        assert "stages/provenance/code.py" not in imported


def test_what_makes_a_packed_image_is_all_in_its_recipe():
    """Code that the recipe misses would let images of older code be taken over."""
    others = {"packing.py", "shards.py"}  # what packs, and how that is stored
    reached = reached_from(ROOT / "stages/images/packing.py")
    makers = {path.name for path in reached if room_of(path) == "images"} - others
    assert {path.name for path in packing._CODE} - others == makers


def test_what_makes_a_training_is_all_in_its_identity_and_nothing_else():
    """A result of other code would be taken for this one's, and what only speaks or saves would cost 20 hours."""
    reached = set(filter(may_change_an_output, reached_from(ROOT / "stages/train.py", through=may_change_an_output)))
    names = ("classes", "gate", "json_files", "pack", "table", "trained_on", "weights")
    tables = [ROOT / f"stages/tables/{name}.py" for name in names]
    read = {ROOT / "stages/images/shards.py", ROOT / "stages/splitting/label_order.py", *tables}  # data have digests
    speaking = {ROOT / "stages/learning" / name for name in identity.NO_RESULT}
    written_anew = {ROOT / "stages/train.py"}
    of_identity = set((ROOT / "stages/provenance").glob("*.py"))
    assert reached - of_identity - read - speaking - written_anew == set(identity.CODE)
    learning = {path.name for path in (ROOT / "stages/learning").glob("*.py")}
    assert learning >= identity.NO_RESULT  # no file has another name by now
    assert not any("__doc__" in path.read_text(encoding="utf-8") for path in identity.CODE)


def third_party(paths: Iterable[Path]) -> set[str]:
    """The packages of others that files import."""
    modules = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").partition(".")[0])
    return modules - sys.stdlib_module_names - {"stages"}


PACKAGES = {"cv2": "opencv-contrib-python-headless", "PIL": "pillow"}  # of modules that have another name


def libraries_of(paths: Iterable[Path]) -> set[str]:
    return {PACKAGES.get(module, module) for module in third_party(paths)}


def test_the_libraries_that_bits_go_through_are_those_of_recipe_and_identity():
    makers = [ROOT / "stages/images" / path.name for path in packing._CODE]
    assert libraries_of(makers) == set(PIXELS)
    # torchvision and Pillow are timm's own, for what it does to images; polars reads tables, which have digests,
    # and pydantic says what a model.json may hold.
    assert libraries_of(identity.CODE) - {"polars", "pydantic"} | {"pillow", "torchvision"} == set(TRAINING)


def test_libraries_yaml_says_what_constraints_txt_installs():
    pinned = dict(
        line.partition(" ")[0].split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    recorded = yaml.safe_load((ROOT / "libraries.yaml").read_text(encoding="utf-8"))
    assert recorded == {name: pinned[name] for name in recorded}
    assert installed_versions(recorded) == recorded, "other libraries are installed: `pip install -r requirements.txt`"
    used = set().union(*map(declared_libraries, STAGES))
    assert used == recorded.keys()


def declared_libraries(stage: str) -> set[str]:
    entries = (entry["libraries.yaml"] for entry in STAGES[stage].get("params", []) if isinstance(entry, dict))
    return set().union(*entries)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_libraries_that_its_bits_go_through_and_says_which_are_others(stage):
    """Of a stage that decodes images, or trains: a newer library would leave it stale without a word."""
    path = ROOT / f"stages/{stage}.py"
    imported = libraries_of(filter(may_change_an_output, reached_from(path, through=may_change_an_output)))
    wanted: set[str] = set()
    # cache_filter names the measures that the inventory took, and takes none.
    if imported & {"opencv-contrib-python-headless", "pillow", "simplejpeg"} and stage != "cache_filter":
        wanted |= set(PIXELS)
    if stage in ("pack", "embed"):  # others read what they store, whatever stored it
        wanted |= set(STORAGE)
    if "torch" in imported:
        wanted |= set(TRAINING)
    if stage in ("export", "cache_filter"):  # others read the names that these wrote
        wanted.add("gnparser")
    assert declared_libraries(stage) == wanted
    assert (f'check_libraries("{stage}")' in path.read_text(encoding="utf-8")) == bool(wanted)


def test_a_cluster_compares_all_of_the_code(tmp_path, monkeypatch):
    """Of whichever room a worker has an older file, it is found out."""
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cluster.stages, "__file__", str(tmp_path / "stages/__init__.py"))
    words = code._words
    monkeypatch.setattr(code, "_words", cache(lambda text: tuple(words(text))))  # of files that stay as they are
    programs = {cluster.program()}
    for room in (None, *FLOORS):
        path = max(path for path in CODE if room_of(path) == room and path.name != "__init__.py")
        copy = tmp_path / path.relative_to(ROOT)
        copy.write_text(f"{copy.read_text(encoding='utf-8')}\nOTHER = 1\n", encoding="utf-8")
        programs.add(cluster.program())
    assert len(programs) == len(FLOORS) + 2


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_stands_in_the_room_of_its_subject_and_can_be_read_at_once(path):
    parts = path.relative_to(ROOT / "tests").parts
    assert (
        parts[0] in {*FLOORS, "benchmarks", "documents", "pipeline", "sample", "stages"}
        if len(parts) > 1
        else path.stem in ABOUT_ALL
    )
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", [*TESTS, *SUPPORT], ids=name_of)
def test_what_tests_share_stands_in_support(path):
    """No test builds on another one, which would tie together what fails apart."""
    modules = [node.module for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if from_tests(node)]
    assert all(module.split(".")[:2] == ["tests", "support"] for module in modules), modules


def paths_named_in(path: Path) -> set[str]:
    """The files and folders of data/, models/, metrics/ and plots/ that a stage names by ``Path("...")``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Path")
    named = {str(node.args[0].value) for node in calls if node.args and isinstance(node.args[0], ast.Constant)}
    return {name for name in named if name.split("/")[0] in ("data", "metrics", "models", "plots")}


# Read for a warning alone, see dvc.yaml's head; and what is of this machine, and never read again.
NOT_DECLARED = {"train": {"metrics/baseline.json", "plots/speed"}}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_files_that_it_names(stage):
    entries = [entry for kind in ("deps", "outs", "metrics", "plots") for entry in STAGES[stage].get(kind, [])]
    declared = {name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)}
    named = paths_named_in(ROOT / f"stages/{stage}.py")
    hidden = {
        name
        for name in named
        if not any(name == other or name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in declared)
    }
    assert hidden == NOT_DECLARED.get(stage, set())
