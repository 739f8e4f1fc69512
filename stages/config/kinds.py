"""Sections of params.yaml that are of one of several kinds, and what another kind left in them.

DVC merges a mapping into the one that is there: after ``-S profiles.sample.model.weights.kind=random`` the section
still has the file and digest of the former kind. So keys that only other kinds have are set aside: no stage sees them,
and they are in no identity. A key of no kind at all is a slip, and is refused as anywhere else.
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from stages.config.schema import Params, Section

KIND = "kind"


def kinds_at(annotation: Any) -> dict[str, type[Section]]:
    """Give the sections that a place of the schema may hold, by the kind that tells them apart; none elsewhere."""
    kinds = {}
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, Section) and KIND in part.model_fields:
            tag = part.model_fields[KIND].annotation
            if get_origin(tag) is Literal:
                kinds |= dict.fromkeys(get_args(tag), part)
    return kinds


def places_of_kinds(section: type[Section] = Params, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the keys to each section of several kinds."""
    for name, field in section.model_fields.items():
        place = (*prefix, name)
        if kinds_at(field.annotation):
            yield place
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from places_of_kinds(field.annotation, place)


PLACES = tuple(places_of_kinds())


def set_aside(content: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Take out of params.yaml what its sections of several kinds hold of other kinds than their own.

    Args:
        content: of params.yaml, which may be anything; it stays as it is.

    Returns:
        The content without these keys; and their names, as ``profiles.sample.model.weights.path``.
    """
    aside: list[str] = []
    profiles = content.get("profiles")
    kept = _without(content, Params, "", aside)
    if isinstance(profiles, dict):
        kept["profiles"] = {
            name: _without(sections, Params, f"profiles.{name}.", aside) if isinstance(sections, dict) else sections
            for name, sections in profiles.items()
        }
    return kept, aside


def _without(values: dict[str, Any], section: type[Section], prefix: str, aside: list[str]) -> dict[str, Any]:
    """Give a section's values without those of other kinds in the sections below it, and note what is left out."""
    kept = dict(values)
    for name, field in section.model_fields.items():
        value = kept.get(name)
        if not isinstance(value, dict):
            continue
        kinds = kinds_at(field.annotation)
        kind = value.get(KIND)
        own = kinds.get(kind) if isinstance(kind, str) else None
        if own is not None:
            of_others = {key for other in kinds.values() for key in other.model_fields} - own.model_fields.keys()
            aside += [f"{prefix}{name}.{key}" for key in value if key in of_others]
            kept[name] = {key: held for key, held in value.items() if key not in of_others}
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            kept[name] = _without(value, field.annotation, f"{prefix}{name}.", aside)
    return kept
