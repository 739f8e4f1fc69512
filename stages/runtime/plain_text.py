"""Text from elsewhere, made fit for a terminal: what would move its cursor or turn its words around is only shown."""

import re

# Of control characters all but the line break and the tab; what turns the direction of writing; halves of pairs, which
# no output can encode.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Give ``text`` with control characters as visible escapes (``\x1b``); line breaks and tabs stay."""
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)
