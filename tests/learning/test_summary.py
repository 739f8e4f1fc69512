"""A training says how long it takes."""

from stages.learning.clock import Clock
from stages.learning.loop import set_rate
from stages.learning.scores import Meter
from stages.learning.summary import Pace, describe_progress, name_epoch
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


def test_its_progress_has_the_scores_of_its_steps_and_the_rate_that_it_learns_at(folder):
    """Of the top layer, where others learn more slowly."""
    state, context = make(folder, changed(layer_decay=0.5, epochs=5))
    set_rate(state.optimizer, 2.5e-5)
    state.meter = Meter(images=8, loss=12.0, top1=2, top5=6)
    said = describe_progress(state, Clock(images=20, seconds=4.0, waiting_s=1.0), context.accelerator)
    assert said.startswith(
        "loss 1.500, top-1 0.250, top-5 0.750, learning rate 2.5e-05, 5.0 images/s, 25.0% of the time for data, "
    )
    assert name_epoch(state, context.params) == "epoch 1 of 5"
    state.epoch, state.step = 3, 1200
    assert name_epoch(state, context.params) == "epoch 4 of 5 from step 1,201"
