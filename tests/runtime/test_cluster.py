"""What goes wrong on a cluster is one line, and never a wrong result or an endless wait."""

import os
import shutil
import signal
import socket
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from distributed import Client

from stages.runtime import cluster as cluster_module
from stages.runtime.cluster import within
from stages.runtime.errors import UserError
from stages.runtime.parallel import WorkerDiedError, parallel_map
from stages.splitting.label_order import digest_labels
from tests.support import ROOT
from tests.support.dask import dask_cluster
from tests.support.work import die_of, refuse, square


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine answers late, and what answers is waited for."""
    monkeypatch.setattr("stages.runtime.cluster.ANSWER_S", 60.0)


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


@pytest.mark.slow
def test_workers_without_the_code_are_told_where_to_start(tmp_path, monkeypatch):
    with dask_cluster(tmp_path, code=None, nannies=False) as (address, _):
        monkeypatch.setenv("CLUSTER", address)
        with pytest.raises(UserError, match=r"does not find the code .*stages.*`python -m dask worker tcp://127"):
            list(parallel_map(square, range(4)))


@pytest.mark.slow
def test_workers_of_older_code_are_refused(tmp_path, monkeypatch):
    for name in ("stages", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "stages/images/crop.py").write_text(
        (tmp_path / "stages/images/crop.py").read_text() + "\nNEWER = True\n"
    )
    with dask_cluster(tmp_path, code=tmp_path, nannies=False) as (address, _):
        monkeypatch.setenv("CLUSTER", address)
        with pytest.raises(UserError, match=r"has other code, or other libraries, than this checkout"):
            list(parallel_map(square, range(4)))


def wait_for(mark: Path, item: int) -> int:
    """Say that work has begun, and never end."""
    mark.touch()
    time.sleep(600)
    return item


@pytest.mark.slow
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
    mark = tmp_path / "begun"
    with dask_cluster(tmp_path, nannies=False) as (address, groups):
        monkeypatch.setenv("CLUSTER", address)

        def kill_when_begun() -> None:
            deadline = time.monotonic() + 120
            while not mark.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            # Only now: a scheduler that lives is waited for as long as it takes, and one that stands never answers.
            if lost == "scheduler":
                monkeypatch.setattr("stages.runtime.cluster.ANSWER_S", 2.0)
            for group in groups[1:] if lost == "workers" else groups[:1]:
                os.killpg(group, by)

        killer = Thread(target=kill_when_begun)
        killer.start()
        with pytest.raises(UserError, match=f"CLUSTER=tcp://127.*{said}"):
            list(parallel_map(partial(wait_for, mark), range(4)))
        killer.join(timeout=120)
        assert mark.exists()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_worker_that_hangs_at_the_start_is_an_error(tmp_path, monkeypatch):
    # What asks all workers at once waits the longest: only that is cut short here, however slow the others are.
    monkeypatch.setattr(
        "stages.runtime.cluster.within",
        lambda seconds, call: within(1.0 if seconds > cluster_module.ANSWER_S else seconds, call),
    )
    with dask_cluster(tmp_path, nannies=False) as (address, groups):
        monkeypatch.setenv("CLUSTER", address)
        os.killpg(groups[1], signal.SIGSTOP)
        with pytest.raises(UserError, match="not all of its workers answer"):
            list(parallel_map(square, range(4)))


@pytest.mark.slow
def test_code_that_changes_under_a_worker_is_refused_when_it_is_loaded(tmp_path, monkeypatch):
    for name in ("stages", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with dask_cluster(tmp_path, code=tmp_path, nannies=False) as (address, _):
        monkeypatch.setenv("CLUSTER", address)
        list(parallel_map(abs, range(4)))
        changed = tmp_path / "stages/splitting/label_order.py"
        changed.write_text(f"{changed.read_text()}\nNEWER = True\n")
        list(parallel_map(abs, range(4)))  # what is loaded is as it was
        with pytest.raises(UserError, match="has other code"):
            list(parallel_map(digest_labels, [["A"], ["B"]]))
