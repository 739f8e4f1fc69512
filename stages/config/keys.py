"""Which keys a place of params.yaml may have, and which one was meant by an unknown one."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from stages.config.kinds import kinds_at
from stages.config.schema import Params, Section

LISTED_CHARACTERS = 200  # of the names of keys in a message, at the most
KEY_CHARACTERS = 100  # of one of them


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
    near = difflib.get_close_matches(str(place[-1])[:KEY_CHARACTERS], keys, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    noun = "columns" if place[-2:-1] == ("columns",) else "keys"
    return f"{meant}the {noun} are {listed(keys)}"


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
            at = kinds_at(at).get(key)
    return at if isinstance(at, type) and issubclass(at, Section) else None


def listed(keys: Sequence[str]) -> str:
    """Give the names of keys with commas between them; of many the first, and how many more there are."""
    shown = list(keys)
    while len(shown) > 1 and sum(map(len, shown)) + 2 * len(shown) - 2 > LISTED_CHARACTERS:
        shown.pop()
    more = f" and {len(keys) - len(shown)} more" if len(shown) < len(keys) else ""
    return f"{', '.join(map(shown_key, shown))}{more}"


def shown_key(key: str) -> str:
    """Give a key, the beginning of one that is no name at all."""
    return key if len(key) <= KEY_CHARACTERS else f"{key[:KEY_CHARACTERS]}..."
