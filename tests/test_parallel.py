"""Work spread over processes: in order, bounded in memory, and a worker that dies is replaced or named."""

import os
import signal
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from stages.errors import UserError
from stages.images.originals import map_originals
from stages.parallel import ITEMS_A_WORKER, WorkerDiedError, parallel_map
from tests.conftest import jpeg, picture


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
    import hashlib

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


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "tcp://"])
def test_a_cluster_that_does_not_answer_is_one_error(monkeypatch, address):
    monkeypatch.setenv("CLUSTER", address)
    with pytest.raises(UserError, match=r"^CLUSTER=.* does not answer"):
        list(parallel_map(square, range(4)))
