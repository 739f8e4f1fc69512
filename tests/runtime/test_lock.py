"""A lock that DVC never wrote is one line."""

import pytest
import yaml

from stages.runtime.errors import UserError
from stages.runtime.lock import check_pin, locked_profile


@pytest.mark.parametrize(
    "entry",
    ["text", [], {"params": None, "outs": []}, {"params": {"params.yaml": []}, "outs": []}, {"outs": []}]
    + [{"params": {"params.yaml": {}}, "outs": outs} for outs in (None, [{}], [{"path": "a"}], [{"md5": "b"}])]
    + [{"params": {"params.yaml": {}}, "outs": [], "deps": deps} for deps in ("text", [{}], ["a"])],
)
def test_a_lock_that_dvc_never_wrote_is_one_line(workspace, entry):
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"stages": {"export": entry}}))
    with pytest.raises(UserError, match=r"dvc\.lock is no lock of DVC's"):
        locked_profile("export")
    with pytest.raises(UserError, match=r"dvc\.lock is no lock of DVC's"):
        check_pin("export", {}, workspace / "a", workspace / "a", accepted=None)
