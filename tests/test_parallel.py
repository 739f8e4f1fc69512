"""Work spread over processes: in order, bounded in memory, and a worker that dies is replaced or named."""

import hashlib
import os
import shutil
import signal
import socket
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import pytest
from distributed import Client

from stages.cache.directory import File, list_files
from stages.cache.index import ImageIndex
from stages.commands.inventory import _measure_files, take_inventory
from stages.images.originals import map_originals
from stages.runtime.errors import UserError
from stages.runtime.parallel import ITEMS_A_WORKER, WorkerDiedError, parallel_map
from stages.splitting.label_order import digest_classes
from tests.conftest import ROOT, dask_cluster, jpeg, picture


def square(number: int) -> int:
    return number * number


def die(_item: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marks: Path, item: int) -> int:
    """Kill the own process for every third item, the first time."""
    mark = marks / str(item)
    if item % 3 == 0 and not mark.exists():
        mark.touch()
        die(item)
    return item


def die_of(poison: int, item: int) -> int:
    if item == poison:
        die(item)
    return item


def refuse(item: int) -> int:
    if item == 5:
        raise UserError("five is right out")
    return item


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(parallel_map(square, range(40), workers=workers)) == [number * number for number in range(40)]


def test_no_more_is_taken_than_the_workers_can_be_busy_with():
    taken = []

    def items():
        for number in count():
            taken.append(number)
            yield number

    results = parallel_map(square, items(), workers=2)
    for number in range(10):
        assert next(results) == number**2
        assert len(taken) <= number + 1 + 2 * ITEMS_A_WORKER
    results.close()


def test_an_error_comes_through_as_it_is():
    with pytest.raises(UserError, match="five is right out"):
        list(parallel_map(refuse, range(10), workers=2))


def test_a_worker_that_dies_is_replaced_and_its_items_done_again(tmp_path):
    assert list(parallel_map(partial(die_once, tmp_path), range(20), workers=2)) == list(range(20))
    assert len(list(tmp_path.iterdir())) == 7


def test_an_item_that_kills_again_is_named():
    results = parallel_map(partial(die_of, 7), range(20), workers=2)
    done = []
    with pytest.raises(WorkerDiedError, match="a worker process was killed") as death:
        done.extend(results)
    assert death.value.item == 7


def kill_by_name(data: bytes, image_name: str, _sha256: str, poison: str) -> str:
    if image_name == poison:
        die(data)
    return image_name


def test_an_image_that_kills_its_process_is_named(tmp_path):
    content = jpeg(picture(64, 64))
    rows = [(f"{number}.jpg", hashlib.sha256(content).hexdigest()) for number in range(20)]
    for name, _ in rows:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"/9\.jpg kills the process that works on it"):
        list(map_originals(partial(kill_by_name, poison="9.jpg"), rows, tmp_path, workers=2))


def test_a_cluster_gives_the_same_results(cluster, monkeypatch):
    monkeypatch.setenv("CLUSTER", cluster)
    assert list(parallel_map(square, range(40))) == [number * number for number in range(40)]
    with pytest.raises(UserError, match="five is right out"):
        list(parallel_map(refuse, range(10)))


def test_an_item_that_kills_workers_of_a_cluster_is_named(cluster, monkeypatch):
    monkeypatch.setenv("CLUSTER", cluster)
    with pytest.raises(WorkerDiedError) as death:
        list(parallel_map(partial(die_of, 7), range(20)))
    assert death.value.item == 7


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "tcp://", "silent", "web"])
def test_a_cluster_that_does_not_answer_is_one_error(monkeypatch, address):
    """Nothing there, no address at all, a port that says nothing, and a web server: Dask's dashboard is one."""
    monkeypatch.setattr("stages.runtime.cluster.ANSWER_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, HTTPServer(("127.0.0.1", 0), Page) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        ports = {"silent": silent.getsockname()[1], "web": web.server_port}
        monkeypatch.setenv("CLUSTER", f"tcp://127.0.0.1:{ports[address]}" if address in ports else address)
        with pytest.raises(UserError, match=r"^CLUSTER=.* does not answer"):
            list(parallel_map(square, range(4)))
        web.shutdown()


class Page(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_address_of_a_worker_is_no_cluster(cluster, monkeypatch):
    with Client(cluster, set_as_default=False) as client:
        worker = next(iter(client.nthreads()))
    monkeypatch.setenv("CLUSTER", worker)
    with pytest.raises(UserError, match=r"is no Dask scheduler \(Worker\)"):
        list(parallel_map(square, range(4)))


def test_what_an_error_says_names_the_worker(cluster, monkeypatch):
    monkeypatch.setenv("CLUSTER", cluster)
    with pytest.raises(UserError, match=r"five is right out \(so says the worker on .+\)"):
        list(parallel_map(refuse, range(10)))


def test_workers_without_the_code_are_told_where_to_start(tmp_path, monkeypatch):
    with dask_cluster(tmp_path, code=None) as (address, _):
        monkeypatch.setenv("CLUSTER", address)
        with pytest.raises(UserError, match=r"does not find the code .*stages.*`python -m dask worker tcp://127"):
            list(parallel_map(square, range(4)))


def test_workers_of_older_code_are_refused(tmp_path, monkeypatch):
    for name in ("stages", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "stages/images/crop.py").write_text(
        (tmp_path / "stages/images/crop.py").read_text() + "\nNEWER = True\n"
    )
    with dask_cluster(tmp_path, code=tmp_path) as (address, _):
        monkeypatch.setenv("CLUSTER", address)
        with pytest.raises(UserError, match=r"has other code, or other libraries, than this checkout"):
            list(parallel_map(square, range(4)))


def wait_for(mark: Path, item: int) -> int:
    """Say that work has begun, and never end."""
    mark.touch()
    time.sleep(600)
    return item


@pytest.mark.parametrize(
    ("lost", "by", "said"),
    [
        ("workers", signal.SIGKILL, "has no workers any more"),
        ("scheduler", signal.SIGKILL, "stopped answering"),
        ("scheduler", signal.SIGSTOP, "stopped answering"),
    ],
)
def test_a_cluster_that_goes_away_is_an_error_and_no_endless_wait(tmp_path, monkeypatch, capfd, lost, by, said):
    monkeypatch.setattr("stages.runtime.cluster.PATIENCE_S", 2.0)
    monkeypatch.setattr("stages.runtime.cluster.ANSWER_S", 2.0)
    mark = tmp_path / "begun"
    with dask_cluster(tmp_path) as (address, groups):
        monkeypatch.setenv("CLUSTER", address)

        def kill_when_begun() -> None:
            deadline = time.monotonic() + 60
            while not mark.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            for group in groups[1:] if lost == "workers" else groups[:1]:
                os.killpg(group, by)

        killer = Thread(target=kill_when_begun)
        killer.start()
        with pytest.raises(UserError, match=f"CLUSTER=tcp://127.*{said}"):
            list(parallel_map(partial(wait_for, mark), range(4)))
        killer.join(timeout=60)
        assert mark.exists()
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_hangs_at_the_start_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.runtime.cluster.ANSWER_S", 1.0)
    with dask_cluster(tmp_path) as (address, groups):
        monkeypatch.setenv("CLUSTER", address)
        os.killpg(groups[1], signal.SIGSTOP)
        with pytest.raises(UserError, match="not all of its workers answer"):
            list(parallel_map(square, range(4)))


def test_code_that_changes_under_a_worker_is_refused_when_it_is_loaded(tmp_path, monkeypatch):
    for name in ("stages", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with dask_cluster(tmp_path, code=tmp_path) as (address, _):
        monkeypatch.setenv("CLUSTER", address)
        list(parallel_map(abs, range(4)))
        changed = tmp_path / "stages/splitting/label_order.py"
        changed.write_text(f"{changed.read_text()}\nNEWER = True\n")
        list(parallel_map(abs, range(4)))  # what is loaded is as it was
        with pytest.raises(UserError, match="has other code"):
            list(parallel_map(digest_classes, [["A"], ["B"]]))


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


def measure_nothing(directory: Path, max_megapixels: float, files: list[File]) -> list[tuple]:
    """What a worker without the mount makes of files."""
    return _measure_files(directory / "not mounted here", max_megapixels, files)


def test_relative_folders_are_found_by_workers_elsewhere(cluster, monkeypatch, tmp_path):
    content = jpeg(picture(64, 64))
    (tmp_path / "a.jpg").write_bytes(content)
    monkeypatch.setenv("CLUSTER", cluster)
    monkeypatch.chdir(tmp_path)
    rows = [("a.jpg", hashlib.sha256(content).hexdigest())]
    assert list(map_originals(partial(kill_by_name, poison="none"), rows, Path())) == ["a.jpg"]
