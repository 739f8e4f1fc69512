"""The messages that docs/recover.md quotes are what one sees: each is provoked, and held against the page."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
import yaml

from stages.cache.index import ImageIndex
from stages.commands import preflight
from stages.download.ledger import Ledger
from stages.images.originals import read_image
from stages.learning import checkpoint
from stages.runtime.errors import UserError, run
from stages.runtime.lock import check_pin
from stages.tables.cache_filter import AVAILABLE
from stages.tables.table import read_table, write_table
from tests.support import ROOT
from tests.support.clones import git
from tests.support.mongodb import free_port
from tests.support.pages import read_page
from tests.support.running import run_here
from tests.support.tables import available_rows

QUOTED = [line for language, block in read_page(ROOT / "docs/recover.md").blocks if language == "text"
          for line in block.splitlines()]  # fmt: skip
# Of another machine: its numbers, digests and folders.
DIFFERS = re.compile(r"\b[0-9a-f]{16,}\b|\d+(?:\.\d+)?|(?:/[\w.-]+)+/(?=[\w.]+)|/data/\w+")
AFTER = re.compile(r" \(DVC deleted the stage's outputs before it: .*")


def plainly(message: str) -> str:
    return DIFFERS.sub("…", AFTER.sub("", message)).strip()


def last_line(result) -> str:
    return (result.stderr or result.stdout).strip().splitlines()[-1]


def said_by(function: Callable[[], object]) -> str:
    """The last line that a function prints, be it on its way out."""
    text = StringIO()
    with redirect_stdout(text), redirect_stderr(text), suppress(SystemExit):
        function()
    return text.getvalue().strip().splitlines()[-1]


def complaint_of(function: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refused:
        function()
    return str(refused.value)


def with_params(folder: Path, old: str, new: str) -> None:
    path = folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def a_key_that_is_none(folder: Path, _monkeypatch) -> str:
    with_params(folder, "max_aspect: 4.0", "max_aspekt: 4.0")
    return last_line(run_here("cache_filter", folder))


def a_value_that_is_none(folder: Path, _monkeypatch) -> str:
    with_params(folder, "max_aspect: 4.0", "max_aspect: four")
    return last_line(run_here("cache_filter", folder))


def a_full_disk(_folder: Path, monkeypatch) -> str:
    monkeypatch.setattr("sys.argv", ["stages/export.py"])

    def write() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data/.records.parquet.1.tmp")

    return said_by(lambda: run(write))


def a_checkpoint_that_finds_no_room(folder: Path, monkeypatch) -> str:
    def refuse(_folder: Path, _state: dict) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "0123456789abcdef/last.pt"))

    class Nothing:
        is_main_process, meter = True, type("Meter", (), {"of_all": lambda *_: None})
        state_dict = staticmethod(lambda *_: {})

    monkeypatch.setattr(checkpoint, "save_checkpoint", refuse)
    saver = object.__new__(checkpoint.Checkpointer)
    saver._folder, saver._accelerator = folder / "0123456789abcdef", Nothing
    return said_by(lambda: saver.save(Nothing))


def no_room_for_checkpoints(_folder: Path, monkeypatch) -> str:
    monkeypatch.setenv("CHECKPOINT_DIR", "/data/checkpoints")
    monkeypatch.setattr(preflight, "free_bytes", lambda _folder: 3_100_000)
    train = type("Train", (), {"ema_decay": None})
    return f"preflight: {complaint_of(lambda: preflight.check_space(18_800_000, train))}"


def an_image_that_is_missing(folder: Path, _monkeypatch) -> str:
    return f"pack: {complaint_of(lambda: read_image(folder, f'{0:032x}.jpg', '0' * 64))}"


def an_image_that_changed(folder: Path, _monkeypatch) -> str:
    (folder / f"{0:032x}.jpg").write_bytes(b"other")
    return f"pack: {complaint_of(lambda: read_image(folder, f'{0:032x}.jpg', '0' * 64))}"


def a_cache_that_is_not_there(folder: Path, _monkeypatch) -> str:
    with_params(folder, "profile: sample", "profile: teacher")
    return last_line(run_here("commands.inventory", folder, IMAGE_CACHE_DIR="/data/images"))


def a_cache_that_is_empty(folder: Path, _monkeypatch) -> str:
    with_params(folder, "profile: sample", "profile: teacher")
    (folder / "images").mkdir()
    return last_line(run_here("commands.inventory", folder, IMAGE_CACHE_DIR=str(folder / "images")))


def a_damaged_ledger(folder: Path, _monkeypatch) -> str:
    (folder / ".downloads.sqlite").write_bytes(b"garbage" * 10)
    return f"fetch: {complaint_of(lambda: Ledger(folder))}"


def a_damaged_index(folder: Path, _monkeypatch) -> str:
    (folder / ".index.sqlite").write_bytes(b"garbage" * 10)
    return said_by(lambda: ImageIndex(folder).close())


def other_records_under_the_snapshot(folder: Path, _monkeypatch) -> str:
    out, written = Path("data/records.parquet"), folder / "written"
    written.write_bytes(b"of today")
    entry = {"outs": [{"path": str(out), "md5": "0" * 32}], "params": {"params.yaml": {"profile": "teacher"}}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"export": entry}}), encoding="utf-8")
    return f"export: {complaint_of(lambda: check_pin('export', {'profile': 'teacher'}, out, written, accepted=None))}"


def a_database_that_does_not_answer(folder: Path, _monkeypatch) -> str:
    with_params(folder, "profile: sample", "profile: teacher")
    synonyms = folder / "data/sources/teacher/synonyms.csv"
    synonyms.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / synonyms.relative_to(folder), synonyms)
    uri = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true&serverSelectionTimeoutMS=100"
    return last_line(run_here("export", folder, MONGODB_URI=uri))


def two_locks(folder: Path, _monkeypatch) -> str:
    repo = folder / "repo"
    repo.mkdir()
    shutil.copyfile(ROOT / ".gitattributes", repo / ".gitattributes")

    def commit(text: str) -> None:
        (repo / "dvc.lock").write_text(text, encoding="utf-8")
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", "A run")

    git(repo, "init", "-q", "-b", "main")
    commit("of both\n")
    git(repo, "checkout", "-q", "-b", "other")
    commit("of the other\n")
    git(repo, "checkout", "-q", "main")
    commit("of mine\n")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        git(repo, "merge", "other")
    return next(line for line in failed.value.stdout.splitlines() if line.startswith("CONFLICT"))


def a_table_with_other_columns(folder: Path, _monkeypatch) -> str:
    path = folder / "data/available.parquet"
    write_table(available_rows([{}]), AVAILABLE, path)
    pl.read_parquet(path).drop("license").with_columns(licence=pl.lit("cc0")).write_parquet(path)
    return f"split: {complaint_of(lambda: read_table(Path('data/available.parquet'), AVAILABLE))}"


def a_table_that_was_cut(folder: Path, _monkeypatch) -> str:
    path = folder / "data/available.parquet"
    write_table(available_rows([{}]), AVAILABLE, path)
    path.write_bytes(path.read_bytes()[:200])
    return f"split: {complaint_of(lambda: read_table(Path('data/available.parquet'), AVAILABLE))}"


def another_library(folder: Path, _monkeypatch) -> str:
    path = folder / "libraries.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(content | {"numpy": "2.0.0"}), encoding="utf-8")
    return last_line(run_here("pack", folder))


PROVOKED = [
    a_key_that_is_none, a_value_that_is_none, a_full_disk, a_checkpoint_that_finds_no_room, no_room_for_checkpoints,
    an_image_that_is_missing, an_image_that_changed, a_cache_that_is_not_there, a_cache_that_is_empty,
    a_damaged_ledger, a_damaged_index, other_records_under_the_snapshot, a_database_that_does_not_answer, two_locks,
    a_table_with_other_columns, a_table_that_was_cut, another_library,
]  # fmt: skip


@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda provoke: provoke.__name__)
def test_the_page_has_the_message(provoke, workspace, monkeypatch):
    assert plainly(provoke(workspace, monkeypatch)) in {plainly(line) for line in QUOTED}


def test_other_messages_of_ours_are_of_the_code():
    """Those of a training and a download cost more to provoke; their tests do that, and the page has their words."""
    code = " ".join(
        "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8")))
        for path in (ROOT / "stages").rglob("*.py")
    )
    for line in QUOTED:
        if line.startswith(("train: ", "  ended by")):
            words = AFTER.sub("", line).removeprefix("train: ")
            for part in re.split(r"[\w./]*/[\w./]+|\d+(?:\.\d+)?|SIGINT|weights|\(.*\)|a full disk", words):
                if len(part.split()) > 1:
                    assert part.strip(" :;,.") in code, part
