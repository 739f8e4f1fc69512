"""A cache is listed whatever stands in it, and what is in an image's place is named."""

import os
import socket

import pytest

from stages.cache.directory import OBSTACLES_NAMED, list_cache, list_files, obstacles_in_words
from tests.support.image_cache import name, names


def in_the_way(cache) -> dict[str, str]:
    return {obstacle.image_name: obstacle.what for obstacle in list_cache(cache).obstacles}


def test_what_is_no_file_is_named_with_what_it_is(cache, tmp_path, monkeypatch):
    (cache / name(20)).mkdir()
    (cache / name(21)).symlink_to(tmp_path / "nowhere")
    (cache / name(22)).symlink_to(tmp_path)
    (cache / name(23)).symlink_to(name(23))
    os.mkfifo(cache / name(24))
    (cache / f".{name(25)}.tmp").mkdir()
    (cache / name(26)).symlink_to(cache / name(1))  # an image that stands elsewhere
    (cache / "lost+found").mkdir()
    monkeypatch.chdir(cache)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(name(27))
        assert in_the_way(cache) == {
            name(20): "a directory",
            name(21): "a symbolic link to nowhere",
            name(22): "a symbolic link to a directory",
            name(23): "a symbolic link to an error (Too many levels of symbolic links)",
            name(24): "a pipe",
            name(25): "a directory",
            name(27): "a socket",
        }
    assert names(cache) == [*map(name, range(10)), name(26)]


def test_a_file_that_may_not_be_read_is_named_and_is_no_image(cache, monkeypatch):
    """Root may read everything, so the system's answer is given here."""
    (cache / name(3)).chmod(0)
    (cache / name(4)).chmod(0o004)
    system_open = os.open

    def refused(path, *flags):
        if name(3) in str(path):
            raise PermissionError(13, "Permission denied", path)
        return system_open(path, *flags)

    monkeypatch.setattr(os, "open", refused)
    assert in_the_way(cache) == {name(3): "a file that this user may not read"}
    assert len(list(list_files(cache))) == 9
    said = obstacles_in_words(list_cache(cache).obstacles)
    assert said == (
        "in the place of 1 image there is no file that can be read, so it is passed over "
        f"({cache / name(3)} is a file that this user may not read): give this user the right to read the file"
    )


@pytest.mark.parametrize("number", [1, OBSTACLES_NAMED, OBSTACLES_NAMED + 3])
def test_the_line_stays_one(cache, number):
    for each in range(20, 20 + number):
        (cache / name(each)).mkdir()
    said = obstacles_in_words(list_cache(cache).obstacles)
    assert "\n" not in said
    assert said.count(str(cache)) == min(number, OBSTACLES_NAMED)
    assert ("; and 3 more)" in said) == (number > OBSTACLES_NAMED)
    assert said.endswith(": move it away")
