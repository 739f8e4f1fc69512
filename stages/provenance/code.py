"""What code does, as a digest: what it says to people is left out, so that nobody waits 20 hours for a comma."""

import ast
import hashlib
import io
import token
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

# What these are called with is for people to read: it speaks or stops, and makes no result ...
SPOKEN = {"say", "UserError", "RuntimeError"}
# ... and so is what is handed over by these names.
SPOKEN_KEYWORDS = {"what", "unit"}

_Place = tuple[int, int]  # line from 1, column from 0, as ast and tokenize count
_LAYOUT = {token.COMMENT, token.NL, token.ENCODING, token.ENDMARKER}
_FSTRING_STARTS, _FSTRING_ENDS = (
    {getattr(token, name) for name in (f"FSTRING_{end}", f"TSTRING_{end}") if hasattr(token, name)}
    for end in ("START", "END")
)


def code_digest(paths: Iterable[Path]) -> str:
    """Give a digest of Python files: equal where they do the same.

    Comments, docstrings, blank lines, the way lines are broken inside brackets, and messages (``SPOKEN``) make no
    difference; files differ by name, not by folder.

    Raises:
        SyntaxError: one is no Python.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name}\0".encode())
        for word in _words(path.read_text(encoding="utf-8")):
            digest.update(f"{word}\0".encode())
    return digest.hexdigest()


def _words(code: str) -> Iterator[str]:
    """Yield the words of a program without those that only people read."""
    lines = [f"{line}\n" for line in code.split("\n")]  # as ast counts them; splitlines() knows more ends of lines
    unread = sorted(_unread(code, lines))
    f_string: list[_Place] = []  # where the open ones begin
    in_statement = False
    for found in tokenize.generate_tokens(io.StringIO(code).readline):
        kind, text, start, end = found[:4]
        if kind in _FSTRING_STARTS:
            f_string.append(start)
            continue
        if kind in _FSTRING_ENDS:
            start = f_string.pop()
            kind, text = token.STRING, _between(lines, start, end)  # one word, as it is for Python 3.11
        if f_string or kind in _LAYOUT or any(first <= start and end <= last for first, last in unread):
            continue
        # Where a statement stands is said by blocks and ends of lines, whatever white space makes them.
        if kind in (token.INDENT, token.DEDENT):
            yield token.tok_name[kind]
        elif kind != token.NEWLINE or in_statement:  # none is left of a docstring
            yield token.tok_name[kind] if kind == token.NEWLINE else text
            in_statement = kind != token.NEWLINE


def _unread(code: str, lines: list[str]) -> Iterator[tuple[_Place, _Place]]:
    """Yield from where to where code is for people only."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                yield _place(lines, first.lineno, first.col_offset), _end(lines, first)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in SPOKEN
            and not any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node))  # which the rest may look at
        ):
            yield _end(lines, node.func), _end(lines, node)
        elif isinstance(node, ast.keyword) and node.arg in SPOKEN_KEYWORDS:
            yield _place(lines, node.value.lineno, node.value.col_offset), _end(lines, node.value)


def _end(lines: list[str], node: ast.expr | ast.stmt) -> _Place:
    assert node.end_lineno is not None and node.end_col_offset is not None  # what was parsed has both
    return _place(lines, node.end_lineno, node.end_col_offset)


def _place(lines: list[str], line: int, column: int) -> _Place:
    """Give a place in letters: ast counts columns in bytes of UTF-8."""
    return line, len(lines[line - 1].encode()[:column].decode())


def _between(lines: list[str], start: _Place, end: _Place) -> str:
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])
