"""Bring what the documents show of the sample up to date: copies of figures and pictures, and the figures in the text.

    python -m sample.in_docs

docs/sample/ holds copies of the sample's metrics and pictures, so that the documents stay true when a commit's own run
is of other data. A figure in a page is a link to its file, with the key as the link's title:
``[0.92](sample/test.json "test_top1")``. Its text is written anew, as rounded as it was.
"""

import argparse
import json
import os.path
import re
from pathlib import Path
from typing import Any

from stages.config.reading import all_params
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import write_bytes
from stages.runtime.progress import say
from stages.runtime.yaml_files import read_yaml

COPIES = Path("docs/sample")
PICTURES = ("confused_pairs", "crop_comparison", "evaluation", "mistakes", "rejected_images", "suspects")
_FIGURE = re.compile(r'(?<!!)\[([^]\n]*)\]\(([^\s)]+\.(?:json|yaml)) "([^"\n]+)"\)')
_NUMBER = re.compile(r"\d{1,3}(?:([,\u00a0\u202f])\d{3})+(?!\d)|\d+(?:\.(\d+))?")


def main() -> None:
    """Copy what docs/ shows of the sample, and write its figures into the pages."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    originals = [*sorted(Path("metrics").glob("*.json")), *(Path(f"plots/{name}.png") for name in PICTURES)]
    if (profile := all_params().profile) == "sample":
        copied = sum(_write_if_other(COPIES / path.name, path.read_bytes()) for path in originals)
        say(f"{copied} of {len(originals)} copies in {COPIES} were not up to date")
    else:
        say(f"this commit's profile is {profile}: the copies in {COPIES} stay, as the documents speak of the sample")
    pages = [*Path().glob("README*.md"), *sorted(Path("docs").rglob("*.md"))]
    changed = sum(
        _write_if_other(page, with_figures(page.read_text(encoding="utf-8"), page.parent).encode()) for page in pages
    )
    say(f"{changed} of {len(pages)} pages had a figure that was not up to date")


def with_figures(text: str, folder: Path) -> str:
    """Give a page with each linked figure as its file has it.

    Args:
        text: of the page.
        folder: from which its links lead.

    Raises:
        UserError: a file or a key is not there, or has not as many numbers as the text.
    """
    return _FIGURE.sub(lambda match: _linked(match, folder), text)


def _linked(match: re.Match[str], folder: Path) -> str:
    shown, target, key = match.groups()
    path = Path(os.path.normpath(folder / target))
    try:
        value = _under(read_yaml(path) if path.suffix == ".yaml" else json.loads(path.read_text(encoding="utf-8")), key)
    except (FileNotFoundError, KeyError):
        raise UserError(f"{match[0]}: {path} has no {key}") from None
    values = value if isinstance(value, list) else [value]
    if len(_NUMBER.findall(shown)) != len(values):
        raise UserError(f"{match[0]}: the text shall have as many numbers as {path} has under {key}, {len(values)}")
    left = iter(values)
    scale = 100 if "%" in shown else 1
    return f'[{_NUMBER.sub(lambda number: _like(number, next(left) * scale), shown)}]({target} "{key}")'


def _like(number: re.Match[str], value: float) -> str:
    """Write a value with the digits and the sign between thousands that a number had."""
    thousands, digits = number.groups()
    text = f"{value:,.{len(digits or '')}f}"
    return text.replace(",", thousands or ("," if value >= 10_000 else ""))


def _under(content: Any, key: str) -> Any:
    """Give what stands under a key whose parts are joined by dots; a part may have dots itself, as a host's name.

    Raises:
        KeyError: nothing does.
    """
    if not key:
        return content
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        name, rest = ".".join(parts[:end]), ".".join(parts[end:])
        if isinstance(content, dict) and name in content:
            return _under(content[name], rest)
        if isinstance(content, list) and name.isdecimal() and int(name) < len(content):
            return _under(content[int(name)], rest)
    raise KeyError(key)


def _write_if_other(path: Path, content: bytes) -> bool:
    if path.is_file() and path.read_bytes() == content:
        return False
    write_bytes(path, content)
    return True


if __name__ == "__main__":
    run(main)
