"""Text from elsewhere, made fit for a terminal: what would move its cursor or turn its words around is only shown.

And fit for others' eyes: what a URL holds of passwords and keys is not.
"""

import re

# Of control characters all but the line break and the tab; what turns the direction of writing; halves of pairs, which
# no output can encode.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Give ``text`` with control characters as visible escapes (``\x1b``); line breaks and tabs stay."""
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)


# In a URL: who asks, with a password or a key, before the host (which no slash can be in); and what is asked, where
# signatures and tokens stand.
_WHO = re.compile(r"(?<=://)[^\s/?#]+@")
_WHAT = re.compile(r"(://[^\s?#]*\?)[^\s,;)\]}\"']+")


def without_secrets(text: str) -> str:
    """Give ``text`` with stars for user, password and query in the URLs in it."""
    return _WHAT.sub(r"\1***", _WHO.sub("***@", text)) if "://" in text else text
