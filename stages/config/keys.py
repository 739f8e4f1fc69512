"""Which keys a place of params.yaml may have, and which one was meant by an unknown one."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from stages.config.schema import Params, Section

LISTED_CHARACTERS = 200  # of the names of keys in a message, at the most


def what_is_allowed(place: Sequence[Any]) -> str:
    """Say which keys there are instead of an unknown one, and which of them is nearest to it, in one line.

    Args:
        place: the keys to the unknown one, itself the last, as a ``ValidationError`` gives them (``loc``): the kind of
            what a discriminated union holds is among them.

    Returns:
        ``did you mean epochs? the keys are batch_images, ...``; nothing where the place has no fixed keys.
    """
    section = _section_at(place[:-1])
    if section is None:
        return ""
    keys = list(section.model_fields)
    near = difflib.get_close_matches(str(place[-1]), keys, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    noun = "columns" if place[-2:-1] == ("columns",) else "keys"
    return f"{meant}the {noun} are {_listed(keys)}"


def _section_at(place: Sequence[Any]) -> type[Section] | None:
    """Follow the keys through the schema; none where they lead to no section."""
    at: Any = Params
    for key in place:
        if isinstance(at, type) and issubclass(at, Section):
            field = at.model_fields.get(key)
            at = field and field.annotation
        elif get_origin(at) is dict:
            at = get_args(at)[1]
        else:
            sections = [part for part in get_args(at) if isinstance(part, type) and issubclass(part, Section)]
            at = next((part for part in sections if get_args(part.model_fields["kind"].annotation) == (key,)), None)
    return at if isinstance(at, type) and issubclass(at, Section) else None


def _listed(keys: list[str]) -> str:
    listed = ", ".join(keys)
    if len(listed) <= LISTED_CHARACTERS:
        return listed
    shown = listed[: listed.rindex(",", 0, LISTED_CHARACTERS)]
    return f"{shown} and {len(keys) - shown.count(',') - 1} more"
