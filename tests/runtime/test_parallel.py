"""Work on many items comes out in their order, whoever dies on the way."""

import os
import select
import subprocess
import sys
from functools import partial
from itertools import count

import pytest

from stages.runtime.errors import UserError
from stages.runtime.parallel import ITEMS_A_WORKER, WorkerDiedError, parallel_map
from tests.support import ROOT
from tests.support.work import die_of, die_once, refuse, square


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


def test_workers_end_with_a_parent_that_is_killed():
    """They would hold their memory for ever: their pipe for results is full, and nobody reads it."""
    script = (
        "import time; from itertools import count; from stages.runtime.parallel import parallel_map; "
        "from tests.support.work import large_of_this_process as work; "
        "results = parallel_map(work, count(), workers=2); "
        "print(*{next(results)[0] for _ in range(20)}, flush=True); time.sleep(300)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        workers = [os.pidfd_open(int(word)) for word in parent.stdout.readline().split()]
        parent.kill()
    assert workers
    for worker in workers:  # is readable when the process has ended
        ended, _, _ = select.select([worker], [], [], 30)
        os.close(worker)
        assert ended
