"""Where labels and photos do not go together, no training begins; unless somebody says that it shall."""

import pytest

from stages.learning.gate import pass_gate
from stages.runtime.errors import UserError
from stages.tables.gate import VERDICTS, write_gate

STOPS = {"order_differs": "in another order than those of train", "at_chance": "no more often than with shuffled"}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_lets_through_or_stops(tmp_path, capsys, monkeypatch, verdict):
    path = tmp_path / "gate.json"
    write_gate(verdict, path)
    if verdict not in STOPS:
        pass_gate(path, stage="train")
        assert f"train: {path} says {verdict}: " in capsys.readouterr().out
        return
    with pytest.raises(UserError, match=f"says {verdict}: .*{STOPS[verdict]}.*GATE=off trains in spite of it"):
        pass_gate(path, stage="train")
    monkeypatch.setenv("GATE", "off")
    pass_gate(path, stage="train")
    said = capsys.readouterr().out
    assert f"train: WARNING: {path} says {verdict}, and GATE=off trains in spite of it: " in said
    assert STOPS[verdict] in said


@pytest.mark.parametrize("setting", ["0", "no", "OFF", "false"])
def test_another_word_for_off_is_refused(tmp_path, monkeypatch, setting):
    write_gate("sound", tmp_path / "gate.json")
    monkeypatch.setenv("GATE", setting)
    with pytest.raises(UserError, match=f"GATE must be on or off \\(found '{setting}'\\)"):
        pass_gate(tmp_path / "gate.json", stage="train")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'"sound"', b'{"verdict": "fine"}', b'{"verdict": "sound", "top1": 0.9}', b"\xff"]
)
def test_a_damaged_verdict_is_none(tmp_path, content):
    path = tmp_path / "gate.json"
    with pytest.raises(UserError, match="is missing: run `dvc repro baseline`"):
        pass_gate(path, stage="train")
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged: bring it back with `dvc checkout --force"):
        pass_gate(path, stage="train")
