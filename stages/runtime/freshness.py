"""Whether what lies in the working tree was made by its code and parameters, as DVC sees it."""

from collections.abc import Iterator
from typing import Any

from dvc.repo import Repo

_NAMED = 4
_GONE = ("deleted", "not in cache")  # as in a clone without data


def stale_stages(repo: Repo) -> str:
    """Say which stages' results are not of the code, parameters and inputs of the working tree; "" for none.

    What is merely not there, as in a clone without data, is not looked at. Nor are files that a person gave to DVC by
    `dvc add`: a stage that reads other ones is stale itself.
    """
    changed: dict[str, dict[str, None]] = {}
    for stage, entries in repo.status().items():
        if stage.endswith(".dvc"):
            continue
        if found := dict.fromkeys(what for entry in entries for what in _changed(entry)):
            changed[stage] = found
    if not changed:
        return ""
    causes = list(dict.fromkeys(cause for found in changed.values() for cause in found))
    more = f" and {len(causes) - _NAMED} more" if len(causes) > _NAMED else ""
    return (
        f"Results of {', '.join(changed)} are not of this working tree: they were made with another "
        f"{', '.join(causes[:_NAMED])}{more}. `dvc repro` makes them anew"
    )


def _changed(entry: Any) -> Iterator[str]:
    """Yield what is another one; DVC writes ``{"changed deps": {path: "modified", "params.yaml": {key: ...}}}``."""
    if isinstance(entry, str):  # changed command, changed checksum
        yield entry.removeprefix("changed ")
        return
    for about in entry.values():
        for name, how in about.items():
            if isinstance(how, dict):
                yield from how
            elif how not in _GONE:
                yield name
