"""YAML files, read as DVC reads them: what a stage sees is what dvc.lock and ``dvc params diff`` say.

DVC reads YAML 1.2 by ruamel.yaml's safe loader, and it writes for that: ``1e-05`` is a number, ``010`` is ten, and
``yes``, ``on`` and ``1:20`` are text. By YAML 1.1 each of these is something else.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

# What the loader raises besides its own errors, for scalars that look like a date or a number and are none, for tags on
# the wrong value, and for what is nested too deep.
_RAISED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_SHOWN_CHARACTERS = 60  # of a scalar in a message


class NotYAMLError(Exception):
    """A file that is no YAML; its message is one line and says where."""


def read_yaml(path: Path) -> Any:
    """Read a file as DVC does.

    Returns:
        Plain values: dicts, lists, text, numbers, booleans, ``None``, and dates where one stands without quotes.

    Raises:
        NotYAMLError: it is no YAML, holds a key twice, or a date or number that there cannot be.
        FileNotFoundError: it is missing.
    """
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> Any:
    """Read the content of a file, as ``read_yaml`` does."""
    text = ""
    try:
        text = content.decode()
        return YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        said = error.problem or error.context or "cannot be read"
        if twice := re.match('found duplicate key "(.*?)" with value ', said, re.DOTALL):
            said = f"the key {twice[1]} stands twice"
        mark = error.problem_mark or error.context_mark
        raise NotYAMLError(said if mark is None else f"line {mark.line + 1}: {said}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYAMLError(
            f"line {line}: the character {chr(error.character)!a} may not stand in a file of YAML"
        ) from None
    except UnicodeDecodeError as error:
        raise NotYAMLError(f"byte {error.start + 1:,} is no UTF-8: save the file as UTF-8") from None
    except RecursionError:
        raise NotYAMLError("it is nested too deep") from None
    except _RAISED as error:
        raise NotYAMLError(_scalar_in_words(text) or str(error)) from None


def _scalar_in_words(text: str) -> str | None:
    """Find the scalar that cannot be what it looks like, and say where it stands."""
    yaml = YAML(typ="safe")
    for scalar in _scalars(yaml.compose(text), set()):
        try:
            yaml.constructor.construct_object(scalar)
        except _RAISED as error:
            value = scalar.value
            shown = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}..."
            # Of a number too long, Python says how many digits may be, and how that is changed, at length.
            return (
                f"line {scalar.start_mark.line + 1}: {shown} is no value that there is "
                f"({str(error).partition(';')[0]}); what is meant as text stands in quotes"
            )
    return None


def _scalars(node: Node | None, seen: set[int]) -> Iterator[ScalarNode]:
    """Yield all scalars of a document, keys too, each once: an alias leads to what stood before."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for entry in node.value:
            yield from _scalars(entry, seen)
    elif isinstance(node, MappingNode):
        for pair in node.value:
            for entry in pair:
                yield from _scalars(entry, seen)
