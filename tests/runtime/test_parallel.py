"""Work on many items comes out in their order, whoever dies on the way."""

from functools import partial
from itertools import count

import pytest

from stages.runtime.errors import UserError
from stages.runtime.parallel import ITEMS_A_WORKER, WorkerDiedError, parallel_map
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
