"""What a file that is no image says: a page of errors tells in words why a host gave no photo."""

import codecs
from contextlib import suppress
from html.parser import HTMLParser

_READ = 65_536  # bytes: scripts may stand before the first words of a page
_UNPRINTABLE, _UNPRINTABLE_SHARE, _OF_NO_TEXT = "·", 0.2, 24
_UNSEEN = {"script", "style", "template"}
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def first_words(data: bytes, letters: int) -> str:
    """Give the first letters of what a file says, in one line: of HTML and XML the text, of anything else as it is.

    Bytes that are no text stand as dots; of a file that has many of them only the first show.
    """
    encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
    # More than will be shown: blanks and tags go.
    written = data[:_READ].decode(encoding, "replace")
    said = _text_of(written) if written.lstrip().startswith("<") else written
    line = " ".join((said.strip() or written).split())[:letters]
    shown = "".join(letter if letter.isprintable() and letter != "\ufffd" else _UNPRINTABLE for letter in line)
    # Of what is no text its first bytes tell what it is, and no more follows.
    return shown if shown.count(_UNPRINTABLE) <= _UNPRINTABLE_SHARE * len(shown) else shown[:_OF_NO_TEXT]


class _Reader(HTMLParser):
    """Collects the text of markup."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.said.append(data)


def _text_of(markup: str) -> str:
    reader = _Reader()
    # What is no markup that anybody writes trips an assertion of the parser: it is shown up to there.
    with suppress(AssertionError):
        reader.feed(markup)
    return " ".join(reader.said)
