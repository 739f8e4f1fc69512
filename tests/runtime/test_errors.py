"""What a person can mend is one line, and never a traceback."""

import pytest

from stages.runtime.errors import run


def test_want_of_memory_is_a_line(capsys):
    def fail():
        raise MemoryError

    with pytest.raises(SystemExit) as left:
        run(fail)
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert "not enough memory: free some" in said
    assert said.count("\n") == 1
