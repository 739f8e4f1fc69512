"""The stage finds a wrong setting before it touches anything."""

from tests.support.running import complaint, run_here


def test_a_wrong_setting_is_found_before_anything_else(workspace):
    said = complaint(run_here("train", workspace, CHECKPOINT_MINUTES="-1"))
    assert "CHECKPOINT_MINUTES must be a whole number of 0 or more (found '-1')" in said
    assert not (workspace / "plots").exists()
