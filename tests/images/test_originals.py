"""An original that kills its process, or that a worker does not see, is named."""

import hashlib
from functools import partial
from pathlib import Path

import pytest

from stages.cache.directory import list_files
from stages.cache.index import ImageIndex
from stages.commands.inventory import take_inventory
from stages.images.originals import map_originals
from stages.runtime.errors import UserError
from tests.support.pictures import jpeg, picture
from tests.support.work import kill_by_name, measure_nothing


def test_an_image_that_kills_its_process_is_named(tmp_path):
    content = jpeg(picture(64, 64))
    rows = [(f"{number}.jpg", hashlib.sha256(content).hexdigest()) for number in range(20)]
    for name, _ in rows:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"/9\.jpg kills the process that works on it"):
        list(map_originals(partial(kill_by_name, poison="9.jpg"), rows, tmp_path, workers=2))


def test_a_worker_that_does_not_see_an_image_is_an_error(cluster, monkeypatch, tmp_path):
    """A folder that looks empty to the workers: they stand for hosts without the mount."""
    monkeypatch.setenv("CLUSTER", cluster)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{'a' * 32}.jpg").write_bytes(jpeg(picture(64, 64)))
    files = list(list_files(cache))
    monkeypatch.setattr("stages.commands.inventory._measure_files", measure_nothing)
    with (
        ImageIndex(cache) as index,
        pytest.raises(UserError, match=r"a worker of CLUSTER does not see .*aaa\.jpg"),
    ):
        take_inventory(cache, files, index, max_megapixels=100)


def test_relative_folders_are_found_by_workers_elsewhere(cluster, monkeypatch, tmp_path):
    content = jpeg(picture(64, 64))
    (tmp_path / "a.jpg").write_bytes(content)
    monkeypatch.setenv("CLUSTER", cluster)
    monkeypatch.chdir(tmp_path)
    rows = [("a.jpg", hashlib.sha256(content).hexdigest())]
    assert list(map_originals(partial(kill_by_name, poison="none"), rows, Path())) == ["a.jpg"]
