"""The stage finds a wrong setting before it touches anything, and knows from where a run goes on."""

import pytest

from stages.learning.run import goes_on
from stages.tables.gate import write_gate
from stages.train import read_baseline
from tests.support.running import complaint, run_here


def test_a_wrong_setting_is_found_before_anything_else(workspace):
    said = complaint(run_here("train", workspace, CHECKPOINT_MINUTES="-1"))
    assert "CHECKPOINT_MINUTES must be a whole number of 0 or more (found '-1')" in said
    assert not (workspace / "plots").exists()


def test_a_run_that_is_made_anew_goes_on_where_it_was_stopped_and_not_where_it_ended(params):
    """Else a second Ctrl-C and `RETRAIN=1` would never come to the end."""
    train = params.train.model_copy(update={"epochs": 4, "crt_epochs": 2})
    assert [goes_on(done, train, anew=True) for done in (0, 4, 5, 6)] == [True, True, True, False]
    assert all(goes_on(done, train, anew=False) for done in (0, 4, 5, 6))


@pytest.mark.parametrize(
    ("content", "top1"),
    [
        ('{"baseline_val_top1": 0.9}', 0.9),
        ("{}", None),
        ("[]", None),
        ('{"baseline_val_top1": null}', None),
        ("{", None),
    ],
)
def test_the_baselines_figure_is_for_a_warning_and_never_in_the_way(tmp_path, content, top1):
    path = tmp_path / "baseline.json"
    assert read_baseline(path) is None
    path.write_text(content, encoding="utf-8")
    assert read_baseline(path) == top1


def test_it_stops_at_the_gate_before_anything_else(workspace):
    (workspace / "data").mkdir()
    write_gate("order_differs", workspace / "data/gate.json")
    assert "data/gate.json says order_differs" in complaint(run_here("train", workspace))
    assert not (workspace / "plots").exists()
