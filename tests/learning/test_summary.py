"""A training says how long it takes."""

from stages.learning.summary import Pace
from tests.support.tiny_training import make
from tests.support.trainings import changed


def test_it_tells_its_pace_once_by_whole_steps_of_the_whole_network(folder, capsys, monkeypatch):
    """Not by those of a frozen body, nor by those before which a validation ran."""
    state, context = make(folder, changed(epochs=10))
    pace = Pace(context)
    monkeypatch.setattr("stages.learning.summary.TIMED_STEPS", 4)
    monkeypatch.setattr("stages.learning.summary.WARM_UP_STEPS", 1)
    monkeypatch.setattr("stages.learning.summary.time.perf_counter", lambda: clock)
    clock = 0.0
    for state.epoch, state.phase in enumerate(["frozen", "all", "all", "all"]):
        clock += 1000  # of validation
        for state.step in range(1, 5):
            clock += 0.1 if state.phase == "frozen" else 3
            pace.after_step(state)
    (line,) = capsys.readouterr().out.splitlines()
    # In epoch 2, after its second step of 4: 7.5 epochs of 4 steps of 3 s are left.
    assert line.startswith("train: an epoch takes about 12 s without its validation, all that is left 90 s; a step")
