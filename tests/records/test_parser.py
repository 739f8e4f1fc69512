"""The parser of names is gnparser, or none: it frees what it allocates, and reads what is no text in UTF-8."""

import os
import subprocess
import sys

import pytest

from stages.records.parser import parse
from tests.support import ROOT

# Has its own process, as other tests' libraries give memory back or take it when they like.
_MEMORY = """
import psutil
from stages.records.parser import parse

memory = psutil.Process().memory_info
for _ in range(2_000):
    parse("Rosa canina L.")
before = memory().rss
for _ in range(30_000):
    parse("Rosa canina L. subsp. dumetorum (Mill.) Desf. ex DC., 1805")
print(memory().rss - before)
"""


def test_it_says_what_each_word_of_a_name_is():
    found = parse("Salix × sepulcralis ssp. alba (L.) Mill.")
    assert [(word.kind, word.spelled) for word in found.words] == [
        ("GENUS", "Salix"), ("HYBRID_CHAR", "×"), ("SPECIES", "sepulcralis"), ("RANK", "subsp."),
        ("INFRASPECIES", "alba"), ("AUTHOR_WORD", "L."), ("AUTHOR_WORD", "Mill."),
    ]  # fmt: skip
    assert (found.readable, found.tail, found.hybrid, found.surrogate) == (True, "", "NAMED_HYBRID", "")
    assert parse("Rosa canina / gallica").tail == "/ gallica"
    assert parse("Rosa sp.").surrogate == "APPROXIMATION"
    assert not parse("12345").readable


@pytest.mark.parametrize("name", ["Rosa canina\0gallica", "Rosa canina\ud800gallica", "\0", "", "\udfff"])
def test_no_text_is_cut_or_ends_the_program(name):
    found = parse(name)
    assert [word.written for word in found.words] != ["Rosa", "canina"] or found.tail


@pytest.mark.slow
def test_what_an_answer_takes_is_freed():
    """As the package's own function is written, a million names would take more than a gigabyte."""
    grown = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(grown.stdout) < 20_000_000


@pytest.mark.parametrize("error", ["ImportError('no module')", "OSError('no architecture')", "RuntimeError('no path')"])
def test_where_it_does_not_run_a_line_says_so(tmp_path, error):
    (tmp_path / "gnparser.py").write_text(f"raise {error}\n")
    code = """
from stages.records.parser import parse
from stages.runtime.errors import UserError
try:
    parse("Rosa canina")
except UserError as error:
    print(error)
"""
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    reason = error.split("'")[1]
    assert said.stdout.startswith(f"gnparser, which takes species' names apart, does not run here ({reason}): `pip")
    assert said.stdout.count("\n") == 1
