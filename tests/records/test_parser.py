"""The parser of names is gnparser, or none: it frees what it allocates, and reads what is no text in UTF-8."""

import builtins
import sys

import psutil
import pytest

from stages.records import parser
from stages.records.parser import parse
from stages.runtime.errors import UserError


def test_it_says_what_each_word_of_a_name_is():
    found = parse("Salix × sepulcralis ssp. alba (L.) Mill.")
    assert found.full == "Salix × sepulcralis subsp. alba"
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
    assert found.full != "Rosa canina" or found.tail


def test_what_an_answer_takes_is_freed():
    """As the package's own function is written, a million names would take more than a gigabyte."""
    memory = psutil.Process().memory_info
    for _ in range(2_000):
        parse("Rosa canina L.")
    before = memory().rss
    for _ in range(30_000):
        parse("Rosa canina L. subsp. dumetorum (Mill.) Desf. ex DC., 1805")
    assert memory().rss - before < 20_000_000


@pytest.mark.parametrize("error", [ImportError("no module"), OSError("no such architecture"), RuntimeError("no path")])
def test_where_it_does_not_run_a_line_says_so(monkeypatch, error):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "gnparser":
            raise error
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "gnparser", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    parser._library.cache_clear()
    with pytest.raises(UserError, match=rf"gnparser.* does not run here \({error}\): `pip install"):
        parse("Rosa canina")
