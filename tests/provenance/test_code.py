"""A digest of code is of what it does, and of nothing that only people read."""

import ast
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.provenance.code import code_digest
from tests.support import ROOT

CODE = sorted((ROOT / "stages").rglob("*.py"))


@pytest.fixture
def digest(tmp_path):
    def of(text: str) -> str:
        path = tmp_path / "a.py"
        path.write_text(text, encoding="utf-8")
        return code_digest([path])

    return of


PLAIN = 'def f(x):\n    if not x:\n        raise UserError("no x")\n    say(f"{x} is there")\n    return [x, 1]\n'


@pytest.mark.parametrize(
    "same",
    [
        f"# why\n\n{PLAIN}# so\n\n",
        f'"""What this is."""\n\n{PLAIN}',
        PLAIN.replace("(x):\n", '(x):\n    """Give it."""\n'),
        PLAIN.replace("(x):\n", "(x):\n    'One, ' 'and two — über.'\n"),
        PLAIN.replace("no x", "there is no x: give one"),
        PLAIN.replace('"no x"', 'f"no {x!r:>8}" "at all"'),
        PLAIN.replace("is there", "came"),
        PLAIN.replace("[x, 1]", "[\n        x,  # the one\n\n        1]"),
        PLAIN.replace("    ", "\t"),
    ],
)
def test_what_only_people_read_makes_no_difference(digest, same):
    assert digest(same) == digest(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("not x", "x"),
        PLAIN.replace("[x, 1]", "[x, 2]"),
        PLAIN.replace("    say", "        say"),
        PLAIN.replace("UserError", "ValueError"),
        PLAIN.replace("[x, 1]", '"[x, 1]"'),
        PLAIN.replace("[x, 1]", 'f"{x} "'),
    ],
)
def test_what_it_does_makes_one(digest, other):
    assert digest(other) != digest(PLAIN)


@pytest.mark.parametrize("end", ["\f", "\x0b", "\x1c", "\x85", "\u2028", "\r\n"])
def test_what_others_take_for_an_end_of_a_line_shifts_nothing(digest, end):
    """Python's parser counts lines by line feeds alone, whatever ``str.splitlines`` does."""
    code = f'A = 1  # one{end}\nB = \'é\'\n\n\ndef f(x):\n    """Give it."""\n    say(f\'{{x}} came\')\n    return x\n'
    assert digest(code.replace("Give it.", "Give what there is.")) == digest(code)
    assert digest(code.replace("came", "is there")) == digest(code)
    assert digest(code.replace("return x", "return A")) != digest(code)
    assert digest(code.replace("'é'", "'è'")) != digest(code)


def test_what_is_named_in_a_message_and_used_behind_it_counts(digest):
    assert digest("say(f'{(n := 5)}')\n") != digest("say(f'{(n := 6)}')\n")


def test_what_is_said_by_a_keyword_makes_no_difference(digest):
    assert digest("f(x, what='a', unit='b')\n") == digest("f(x, what=f'{c} d', unit=e)\n")
    assert digest("f(x, what='a')\n") != digest("f(y, what='a')\n")
    assert digest("f(x, how='a')\n") != digest("f(x, how='b')\n")


def test_text_that_a_program_works_with_counts_to_the_letter(digest):
    texts = ["'# 1'", "'# 2'", '"""a\n\nb"""', '"""a\nb"""', '"""a\n# c\nb"""', "f'{1}'", "f'{2}'", "f'{1}' 'x'"]
    assert len({digest(f"a = {text}\n") for text in texts}) == len(texts)
    # Behind the first statement it is no docstring, and in a function of another name no message.
    assert digest("def f():\n    'a'\n") == digest("def f():\n    'b'\n")
    assert digest("def f():\n    x = 'a'\n") != digest("def f():\n    x = 'b'\n")
    assert digest("log('a')\n") != digest("log('b')\n")
    assert digest("") != digest("a = 1\n")
    assert code_digest([]) != digest("")


@given(st.data())
def test_no_docstring_of_this_project_makes_a_difference_and_each_number_does(tmp_path_factory, data):
    """On real files, by Python's own parser: without docstrings, and with one number changed."""
    tree = ast.parse(data.draw(st.sampled_from(CODE)).read_text(encoding="utf-8"))
    path = tmp_path_factory.mktemp("code") / "a.py"

    def digest(changed: ast.AST) -> str:
        path.write_text(ast.unparse(changed), encoding="utf-8")
        return code_digest([path])

    before = digest(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Expr(ast.Constant(f"Another one, {random.random()}."))
    assert digest(tree) == before
    spoken = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("say", "UserError")
        for inner in ast.walk(node)
    }
    numbers = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int]
    if read := [node for node in numbers if node not in spoken]:
        data.draw(st.sampled_from(read)).value += 1
        assert digest(tree) != before
