"""Whatever stands in params.yaml, a stage starts with it or says in one line of at most a screen what is wrong."""

import copy
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from datetime import date, datetime
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.problems import found_in_words
from stages.config.reading import stage_params, validate
from stages.runtime.errors import UserError, run
from stages.runtime.plain_text import LONGEST_MESSAGE
from stages.runtime.yaml_files import read_yaml
from tests.support import ROOT

CONTENT = read_yaml(ROOT / "params.yaml")
TURNING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
EVIL = "a\x1b[31m\u202eb\u200f\u061c\u2028\r\nc\x00"


def itself() -> dict:
    loop: dict = {"when": ["a"]}
    loop["columns"] = loop
    return loop


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


STRANGE = [
    None, True, -1, 0.5, "", "x", [], {}, date(2026, 11, 23), datetime(2026, 11, 23), b"\xff", {1, 2}, float("inf"),
    float("nan"), 16**6000 - 1, -(16**6000), 2**64, 10**400, "x" * 100_000, EVIL, [EVIL] * 1000, {EVIL: EVIL},
    [[16**6000]], {"k" * 100_000: 1},
    {1: 2, None: 3, False: 4, 0.5: 5, date(2026, 1, 1): 6, ("a", "b"): 7},
    {f"key{n}": n for n in range(2000)}, itself(),
    deep(500), {"kind": {}}, {"kind": EVIL}, {"kind": 1}, {"kind": None, "x": 1},
]  # fmt: skip
KEYS = ["x", "", "k" * 100_000, EVIL, 1, None, True, date(2026, 1, 1), ("a", "b"), 16**6000, "licences", "a.b", "-"]


def places(value: object, place: tuple = ()) -> list[tuple]:
    """All places of the content: the keys to them."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, held in below for found in places(held, (*place, key)))]


PLACES = places(CONTENT)[1:]


def said_by(main: Callable[[], object]) -> str:
    """Run it as a stage runs; give the one line with which it ends, or nothing where it works."""
    err = StringIO()
    with redirect_stderr(err), suppress(SystemExit):
        run(lambda: main() and None)
    said = err.getvalue()
    if said:
        assert said.endswith("\n")
    line = said.removesuffix("\n")
    assert len(line) <= LONGEST_MESSAGE
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in line), line
    assert not TURNING.intersection(line)
    return line


@given(data=st.data())
def test_a_strange_value_or_key_is_one_line(data):
    content = copy.deepcopy(CONTENT)
    *parents, last = data.draw(st.sampled_from(PLACES))
    holder = content
    for key in parents:
        holder = holder[key]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        last = data.draw(st.sampled_from(KEYS))
    holder[last] = data.draw(st.sampled_from(STRANGE))
    said_by(lambda: validate(content))


@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
def test_a_value_is_shown_in_few_characters(value):
    assert len(found_in_words(value)) <= 100


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed: " + "9" * 5000, "is no valid YAML: line {}: " + "9" * 60 + "... is no value that there is ("),
        ("seed: 0x" + "f" * 5000, "split.seed: must be a smaller number (found a number of some 6,021 digits)"),
        ("seed: " + "[" * 5000 + "]" * 5000, "is no valid YAML: it is nested too deep"),
        ("seed: " + "[" * 50 + "]" * 50, "split.seed: must be a whole number (found [[[[...]]]]"),
        ("seed: [1", "is no valid YAML: line "),
        ('seed: "\\e[31m\\u202e"', "split.seed: must be a whole number (found '\\x1b[31m\\u202e')"),
        ("seed: \x1b", "is no valid YAML: line {}: the character '\\x1b' may not stand in a file of YAML"),
        ("seed: 1\n  seed: 2", "is no valid YAML: line {}: the key seed stands twice"),
        ("seed: 1\n  " + "k" * 1000 + ": 2", "split." + "k" * 100 + "...: is no parameter: "),
        ('seed: 1\n  "s\\u202eee\\u200fd\\e": 2', "split.s\\u202eee\\u200fd\\x1b: is no parameter: did you mean seed?"),
        ("seed: 1\n  7: 2", "split.7: a key must be text: what looks like a number, a date or true"),
        ("seed: !secret 1", "is no valid YAML: line {}: could not determine a constructor for the tag '!secret'"),
        ("seed: &a [*a]", "split.seed: must be a whole number (found [[[[...]]]])"),
        ("seed: 1\n  \xff: 2", "split.\xff: is no parameter"),
    ],
    ids=range(14),
)  # fmt: skip
def test_a_strange_file_is_one_line(workspace, line, said):
    path = workspace / "params.yaml"
    text = path.read_text(encoding="utf-8")
    before = text[: text.index("\nsplit:\n")]
    text = text.replace("\nsplit:\n  seed: 1", f"\nsplit:\n  {line}", 1)
    path.write_text(text, encoding="utf-8")
    number = before.count("\n") + 3 + line.count("\n")
    assert f"params.yaml: {said.format(number)}".replace(": is no valid", " is no valid") in said_by(
        lambda: stage_params("split")
    )


def test_a_file_that_is_no_utf_8_is_one_line(workspace):
    (workspace / "params.yaml").write_bytes("profile: sample # españa".encode("latin-1"))
    said = said_by(lambda: stage_params("split"))
    assert "params.yaml is no valid YAML: byte 23 is no UTF-8: save the file as UTF-8" in said


def test_a_long_message_keeps_its_beginning_and_its_end():
    def fail():
        raise UserError(f"begin {EVIL * 10_000} end")

    said = said_by(fail)
    assert ": begin a" in said
    assert " end" in said
    assert " characters, cut ...] " in said
