"""JSON files as git wants them: keys sorted, a newline at the end; figures rounded, and all else exact."""

import json
from pathlib import Path
from typing import Any

from stages.runtime.outputs import write_bytes

_DIGITS = 5


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """Write figures for people, floats rounded to 5 digits: the rest is of a processor, and shall make no difference.

    Raises:
        ValueError: a float is NaN or infinite, which JSON cannot say.
    """
    write_json(path, _rounded(figures))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write what a program reads again: floats come back as they were, to the bit.

    Raises:
        ValueError: a float is NaN or infinite, which JSON cannot say.
    """
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def parse_json(content: bytes) -> dict[str, Any]:
    """Give the JSON object that some bytes are, by the letter of RFC 8259.

    Raises:
        ValueError: they are none: not UTF-8, cut, a key stands twice, or a number is none (NaN); the message says it.
    """
    try:
        found = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} stands twice")
    return found


def _refuse(number: str) -> None:
    raise ValueError(f"{number} is no number")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {str(key): _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return value
