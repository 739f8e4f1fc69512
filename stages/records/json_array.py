"""Taking a JSON array apart into its elements, block by block, with memory for one element at a time."""

import re
from collections.abc import Iterator

# A string, with its closing quote or what there is of it, or a sign of structure.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[{}\[\],]', re.DOTALL)
_QUOTE, _COMMA = b'",'
_OPENING, _CLOSING = b"{[", b"}]"


class BrokenArrayError(Exception):
    """The array ends early, or does not end where it should; the message says what is wrong."""


def array_elements(blocks: Iterator[bytes], *, largest_bytes: int) -> Iterator[bytes]:
    """Yield the elements of the JSON array that a file holds, as they are written there.

    Where an element begins and ends is told by its strings, braces, brackets and commas alone, so one that is no JSON
    need not keep those behind it from being found.

    Args:
        blocks: the file, in parts of any length, from the array's bracket or white space before it.
        largest_bytes: that an element may be long.

    Raises:
        BrokenArrayError: the array does not end, an element is longer, or something stands behind the array.
    """
    buffer, start, at, depth = b"", 0, 0, 0
    for block in blocks:
        buffer, at, start = buffer[start:] + block, at - start, 0
        for token in _TOKEN.finditer(buffer, at):
            sign = token[0][0]
            if sign == _QUOTE:
                if not token[1]:
                    at = token.start()  # goes on in the next block
                    break
            elif sign in _OPENING:
                depth += 1
                if depth == 1:
                    start = token.end()
            elif (sign == _COMMA and depth == 1) or (sign in _CLOSING and depth == 1):
                if element := buffer[start : token.start()].strip():
                    yield element
                start = token.end()
                if sign != _COMMA:
                    _hold_nothing_more(buffer[start:], blocks)
                    return
            elif sign in _CLOSING:
                depth -= 1
        else:
            at = len(buffer)
        if len(buffer) - start > largest_bytes:
            raise BrokenArrayError(f"an element is longer than {largest_bytes // 1_000_000} MB")
    raise BrokenArrayError("the array does not end")


def _hold_nothing_more(rest: bytes, blocks: Iterator[bytes]) -> None:
    while not rest.strip():
        rest = next(blocks, b"]")
        if rest == b"]":
            return
    raise BrokenArrayError("something stands behind the array's end")
