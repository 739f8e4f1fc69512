"""Text from elsewhere, made fit for a terminal: what would move its cursor or turn its words around is only shown.

And fit for others' eyes: what a URL holds of passwords and keys is not.
"""

import re

LONGEST_MESSAGE = 2_000  # characters: a screen

# Of control characters all but the line break and the tab; other ends of lines; what turns the direction of writing;
# halves of pairs, which no output can encode.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Give ``text`` with control characters as visible escapes (``\x1b``); line breaks and tabs stay."""
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)


def shortened(text: str, longest: int) -> str:
    """Give ``text`` in at most so many characters: of a longer one the beginning, how much is cut, and the end.

    Messages say at the beginning what is wrong, and at the end what to do.
    """
    if len(text) <= longest:
        return text
    sign = f" [... {len(text):,} characters, cut ...] "
    at_the_end = (longest - len(sign)) // 4
    return f"{text[: longest - len(sign) - at_the_end]}{sign}{text[len(text) - at_the_end :]}"


def first_line(error: Exception) -> str:
    """Give the first line of what a library says went wrong, at most 200 characters; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


# In a URL: who asks, with a password or a key, before the host (which no slash can be in); and what is asked, where
# signatures and tokens stand. A URL that was taken for a path has one slash.
_WHO = re.compile(r"(:/{1,2})[^\s/?#]+@")
_WHAT = re.compile(r"(://[^\s?#]*\?)[^\s,;)\]}\"']+")


def without_secrets(text: str) -> str:
    """Give ``text`` with stars for user, password and query in the URLs in it."""
    return _WHAT.sub(r"\1***", _WHO.sub(r"\1***@", text)) if ":/" in text else text
