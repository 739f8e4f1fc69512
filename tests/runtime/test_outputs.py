"""Nothing half-written ever bears its real name, whatever happens."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from stages.runtime.outputs import replacing, replacing_directory, write_bytes
from tests.support import ROOT


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "table"
    write_bytes(path, b"before")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_bytes(b"half of it")
        raise ZeroDivisionError
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("number", "said"), [(13, "Permission denied"), (27, "File too large")])
def test_an_error_of_the_system_in_a_librarys_words_is_one_of_the_system(tmp_path, number, said):
    """As polars says it: its PermissionError has no errno."""
    with pytest.raises(OSError, match=said) as error, replacing(tmp_path / "table"):
        raise ValueError(f"{said} (os error {number}): {tmp_path}/.table.tmp")
    assert error.value.errno == number
    assert error.value.filename == str(tmp_path / "table")


def test_a_failed_directory_leaves_the_old_one_and_no_other(tmp_path):
    path = tmp_path / "packed"
    for content in (b"1", b"2"):
        with replacing_directory(path) as folder:
            write_bytes(folder / "shard", content)
    with pytest.raises(ZeroDivisionError), replacing_directory(path) as folder:
        write_bytes(folder / "other", b"3")
        raise ZeroDivisionError
    assert [(entry.name, entry.read_bytes()) for entry in path.iterdir()] == [("shard", b"2")]
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_cannot_be_put_in_place_comes_back(tmp_path, monkeypatch):
    path = tmp_path / "packed"
    with replacing_directory(path) as folder:
        write_bytes(folder / "shard", b"1")
    rename = type(path).rename

    def fail_for_the_new(self, target):
        if self.name == ".packed.tmp":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", fail_for_the_new)
    with pytest.raises(KeyboardInterrupt), replacing_directory(path) as folder:
        write_bytes(folder / "shard", b"2")
    monkeypatch.undo()
    assert (path / "shard").read_bytes() == b"1"
    # As a kill between the two renames leaves it:
    path.rename(tmp_path / ".packed.old")
    with pytest.raises(ZeroDivisionError), replacing_directory(path):
        raise ZeroDivisionError
    assert (path / "shard").read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [path]


def test_kill_9_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table"
    write_bytes(path, b"before")
    code = (
        "import sys, os, signal; from pathlib import Path; from stages.runtime.outputs import replacing\n"
        "with replacing(Path(sys.argv[1])) as t:\n"
        "    t.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False, timeout=600)
    assert result.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"before"


def test_a_full_disk_is_one_line_and_the_old_file_stays(tmp_path):
    """/dev/full answers every write as a full disk does."""
    path = tmp_path / "table"
    write_bytes(path, b"before")
    code = (
        "import sys; from pathlib import Path; from stages.runtime.errors import run\n"
        "from stages.runtime.outputs import replacing\n"
        "def main():\n"
        "    with replacing(Path(sys.argv[1])) as t:\n"
        "        t.write_bytes(b'half'); Path('/dev/full').write_bytes(b'the other half')\n"
        "run(main)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, check=False, timeout=600, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "No space left on device: free some space, then run it again" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table"]


def test_a_full_disk_is_said_with_its_place_where_a_library_says_it_without(tmp_path):
    """As pyarrow does: with the system's number, words of its own, and no name of a file."""
    path = tmp_path / "table"
    with pytest.raises(OSError, match="No space left on device") as error, replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device")
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == str(path)
    assert error.value.strerror == os.strerror(errno.ENOSPC)
    assert not [*tmp_path.iterdir()]
