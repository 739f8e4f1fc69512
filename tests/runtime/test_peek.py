"""A small file of others is read at once, whatever stands in its place."""

import os

import pytest

from stages.runtime.peek import peek


def test_the_beginning_of_a_file_is_given_as_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("año\r\n".encode() + b"\xff")
    assert peek(path) == "año\r\n\ufffd"
    assert peek(path, most_bytes=3) == "añ"
    assert peek(path, most_bytes=2) == "a\ufffd"
    assert peek(path, most_bytes=0) == ""


def test_a_pipe_keeps_nobody_waiting(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert peek(path) == ""
    held = os.open(path, os.O_RDWR)  # by somebody who has not written yet
    assert peek(path) == ""
    os.close(held)


def test_what_is_no_file_is_an_error_of_the_system(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(OSError, match=path.name if path != tmp_path else "directory"):
            peek(path)
