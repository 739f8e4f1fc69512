"""A page of errors tells in words why a host gave no photo."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.report.file_text import first_words


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>Photo unavailable</title></head>", "Photo unavailable"),
        (b'<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>Too many', "SlowDown Too many"),
        (b"<html><script>var a = '<p>';</script><style>p {}</style><p>Gone &amp; lost</p>", "Gone & lost"),
        ("\ufeff<p>Fläche</p>".encode(), "Fläche"),
        ("<p>nicht da</p>".encode("utf-16"), "nicht da"),
        (b'{"error": "not found"}', '{"error": "not found"}'),
        (b"<html><script>only();</script></html>", "<html><script>only();</script></html>"),
        (b"<", "<"),
        (b"\x00\x01MZ\xff\xfe", "··MZ··"),
        (b"GIF89a", "GIF89a"),
        (b"%PDF-1.4\n" + bytes(range(128, 255)), "%PDF-1.4 ···············"),
    ],
)
def test_of_markup_the_text_is_shown_and_of_anything_else_the_beginning(content, said):
    assert first_words(content, 60) == said


@given(st.binary(max_size=300), st.sampled_from([b"", b"<html>", b"<![", b"<!--", b"\xff\xfe", b"\xfe\xff"]))
def test_any_bytes_are_a_line_of_what_can_be_printed(content, begins):
    said = first_words(begins + content, 50)
    assert len(said) <= 50
    assert said.isprintable()
