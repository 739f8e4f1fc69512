"""Reading params.yaml: a stage gets what dvc.yaml declares for it, and a bad value is named where it stands.

What a stage gets is what DVC reads, notes in dvc.lock and compares: see ``stages/runtime/yaml_files.py``.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError, create_model

from stages.config.keys import listed, shown_key, what_is_allowed
from stages.config.kinds import PLACES, set_aside
from stages.config.problems import found_in_words, message_in_words
from stages.config.schema import Params, Section
from stages.runtime.errors import UserError
from stages.runtime.progress import say
from stages.runtime.yaml_files import NotYAMLError, read_yaml

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LIBRARIES = Path("libraries.yaml")

# Keys under their former names, without the profile before them: who still writes one is told the new one. A * stands
# for any name.
RENAMED = {
    "licences": "licenses",
    "documents.*.columns.licence": "documents.*.columns.license",
    "labels": "names",
    "train.keep_by": "train.selection_metric",
    "train.head_epochs": "train.crt_epochs",
    "train.head_learning_rate": "train.crt_learning_rate",
    "train.watched_images": "train.train_eval_images",
    "augment.recipe": "augment.crop",
    "evaluate.batch_images": "predict.batch_images",
}
# Keys that are gone, and what to know instead.
_ALWAYS_DONE, _OTHER_CUES = "always done", "crop.cues weighs what the map of the plant is made of"
GONE = {
    **dict.fromkeys(("names.unicode", "names.hybrids", "names.case", "names.authorship"), _ALWAYS_DONE),
    **dict.fromkeys(("crop.color_power", "crop.residual_floor", "crop.map_floor"), _OTHER_CUES),
    "inventory.min_entropy_bits": "inventory.max_drawn says what is no photo, by other measures",
}

MOST_BITS = 4_000  # of a whole number: Python writes none of more than 4,300 digits

# Of these problems the message says it all, and the value that was found is none or is long.
_NO_VALUE_HELPS = ("missing", "extra_forbidden", "former_form", "same_when", "recursion_loop")


def stage_params(stage: str) -> Params:
    """Give a stage the parameters that dvc.yaml declares for it, and no others.

    The whole of params.yaml is checked first, every profile of it, so that a bad value stops every stage. A section,
    or a key of it, that dvc.yaml does not declare for the stage is no attribute of what comes back. Nor is what a
    former kind left in a section, see ``stages/config/kinds.py``; this is said.

    Raises:
        UserError: params.yaml or dvc.yaml is missing or is no YAML, or a value is not allowed.
    """
    content, aside = set_aside(_read_yaml(PARAMS))
    validate(content)
    common, of_profile = _sections(stage, content)
    declared = tuple(f"{name}." for name in _declared(stage, content))
    unseen = [name for name in aside if name.startswith(declared)]
    if unseen and os.environ.get("RANK", "0") == "0":  # of several processes that train together, the first speaks
        say(f"{stage}: {PARAMS}: not looked at, as they are of another kind: {listed(unseen)}")
    merged = _merge(common, of_profile, content["profile"])
    return _parse(merged, _origins(common, of_profile, content["profile"]))


def plain_params(stage: str) -> dict[str, Any]:
    """Give what ``stage_params`` gives as plain values, as they stand in params.yaml, those of the profile merged in.

    Raises:
        UserError: as ``stage_params``.
    """
    content, _ = set_aside(_read_yaml(PARAMS))
    validate(content)
    return _merge(*_sections(stage, content), content["profile"])


def declared_values(stage: str) -> dict[str, Any]:
    """Give the parameters that dvc.yaml declares for a stage, by name and as plain values, as dvc.lock notes them.

    With what a former kind left in a section, as that is in the lock too.

    Raises:
        UserError: as ``stage_params``.
    """
    content = _read_yaml(PARAMS)
    validate(content)
    return _declared(stage, content)


def declared_libraries(stage: str) -> dict[str, str]:
    """Give the libraries that dvc.yaml declares for a stage, with the versions that libraries.yaml records.

    Raises:
        UserError: one of the files is missing or is no YAML, or libraries.yaml lacks a library.
    """
    files = [entry for entry in _entries(stage) if isinstance(entry, dict) and str(LIBRARIES) in entry]
    if not files:
        return {}
    recorded = _read_yaml(LIBRARIES)
    # To DVC, a file without names is all that stands in it.
    names = [name for entry in files for name in entry[str(LIBRARIES)] or recorded]
    for name in names:
        if not isinstance(recorded.get(name), str) or not recorded[name].strip():
            raise UserError(
                f"{LIBRARIES}: {name}: must be a version in quotes, from constraints.txt (found {recorded.get(name)!r})"
            )
    return {name: recorded[name] for name in names}


def _entries(stage: str) -> list[Any]:
    """Give what dvc.yaml lists under a stage's ``params``: names of params.yaml, and mappings for other files."""
    try:
        return _read_yaml(PIPELINE)["stages"][stage].get("params") or []
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{PIPELINE} has no stage {stage}: bring it back with git") from None


def _declared(stage: str, content: dict[str, Any]) -> dict[str, Any]:
    names = [entry.replace("${profile}", content["profile"]) for entry in _entries(stage) if isinstance(entry, str)]
    return {name: _value(content, name) for name in names}


def _value(content: dict[str, Any], name: str) -> Any:
    """Give a value by its dotted name."""
    value: Any = content
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise UserError(f"{PARAMS}: {key} is not where {PIPELINE} looks for it: at the top or in a profile")
        value = value[key]
    return value


def _sections(stage: str, content: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the sections that a stage declares, or the parts of them: those of all profiles, and those of its own."""
    prefix = f"profiles.{content['profile']}."
    common: dict[str, Any] = {}
    of_profile: dict[str, Any] = {}
    declared, of_active = _declared(stage, content), content["profiles"][content["profile"]]
    for name, value in declared.items():
        sections = of_profile if name.startswith(prefix) else common
        section, _, key = name.removeprefix(prefix).partition(".")
        if key:
            sections.setdefault(section, {})[key] = value
        else:
            sections[section] = value
            if sections is common and f"{prefix}{section}" not in declared and section in of_active:
                raise UserError(
                    f"{PARAMS}: {prefix}{section}: the stage {stage} looks for it at the top: move it there"
                )
    return common, of_profile


def all_params() -> Params:
    """Give a command, which is no stage, all parameters of the active profile."""
    return validate(_read_yaml(PARAMS))


def validate(content: dict[str, Any]) -> Params:
    """Check the whole content of params.yaml, every profile of it, and give the active profile's parameters.

    Raises:
        UserError: a key is unknown, missing or set twice, or a value is not allowed.
    """
    check_plain(content)
    content, _ = set_aside(content)
    profiles = content.get("profiles")
    if not isinstance(profiles, dict) or not all(isinstance(profile, dict) for profile in profiles.values()):
        raise UserError(f"{PARAMS}: `profiles` must hold the profiles, each with its sections")
    active = content.get("profile")
    if not isinstance(active, str) or active not in profiles:
        names = listed([str(name) for name in profiles])
        raise UserError(f"{PARAMS}: profile: must be one of {names} (found {found_in_words(active)})")
    common = {name: value for name, value in content.items() if name != "profiles"}
    checked = {}
    for name, of_profile in profiles.items():
        merged = _merge(common | {"profile": name}, of_profile, name)
        checked[name] = _parse(merged, _origins(common, of_profile, name), complete=True)
    return checked[active]


def check_plain(content: dict[str, Any]) -> None:
    """See that all keys are text, as DVC passes over any other without a word, and that each number can be written.

    Raises:
        UserError: a key is a number, a date or the like, or a number has thousands of digits; its place is named.
    """
    waiting: list[tuple[list[str], Any]] = [([], content)]
    seen: set[int] = set()
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise UserError(f"{PARAMS}: {_joined(place)}: must be a smaller number (found {found_in_words(value)})")
        if not isinstance(value, dict | list) or id(value) in seen:  # an alias leads to what was there before
            continue
        seen.add(id(value))
        for key, held in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not isinstance(key, str):
                where = _joined([*place, found_in_words(key)])
                raise UserError(
                    f"{PARAMS}: {where}: a key must be text: what looks like a number, a date or true stands in quotes"
                )
            waiting.append(([*place, str(key)], held))


def _joined(place: Sequence[str]) -> str:
    return ".".join(map(shown_key, place))


def _merge(common: dict[str, Any], of_profile: dict[str, Any], profile: str) -> dict[str, Any]:
    merged = dict(common)
    for section, values in of_profile.items():
        if section not in merged:
            merged[section] = values
            continue
        if not isinstance(values, dict) or not isinstance(merged[section], dict):
            raise UserError(f"{PARAMS}: {section} is set both at the top and in profiles.{profile}: keep one")
        if twice := sorted(values.keys() & merged[section].keys(), key=str):
            key = shown_key(f"{section}.{twice[0]}")
            raise UserError(f"{PARAMS}: {key} is set both at the top and in profiles.{profile}: keep one")
        merged[section] = merged[section] | values
    return merged


def _origins(common: dict[str, Any], of_profile: dict[str, Any], profile: str) -> dict[str, str]:
    """Say for each section.key where in params.yaml it stands."""
    origins = {}
    for prefix, sections in (("", common), (f"profiles.{profile}.", of_profile)):
        for section, values in sections.items():
            origins[section] = f"{prefix}{section}"
            if isinstance(values, dict):
                origins |= {f"{section}.{key}": f"{prefix}{section}.{key}" for key in values}
    return origins


def _parse(merged: dict[str, Any], origins: dict[str, str], *, complete: bool = False) -> Params:
    """Validate sections; unless ``complete``, only those that are there."""
    try:
        if complete:
            return Params.model_validate(merged)
        fields: dict[str, Any] = {name: (_type_of(name, values), ...) for name, values in merged.items()}
        # No Params, but all of it that the stage may look at.
        return cast(Params, create_model("DeclaredParams", __base__=Section, **fields).model_validate(merged))
    except ValidationError as error:
        raise UserError(f"{PARAMS}: {_in_words(error, origins)}") from None


def _type_of(section: str, values: Any) -> Any:
    """Give the type of a section, or of the keys of it that are there."""
    whole = Params.model_fields[section].rebuild_annotation()
    if not isinstance(whole, type) or not issubclass(whole, Section) or values.keys() == whole.model_fields.keys():
        return whole
    keys: dict[str, Any] = {key: (whole.model_fields[key].rebuild_annotation(), ...) for key in values}
    return create_model(whole.__name__, __base__=Section, **keys)


def _in_words(error: ValidationError, origins: dict[str, str]) -> str:
    # An unknown key first: a slip in a name also makes the right name missing.
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    places = [_place(problem) for problem in problems]
    if renamed := [f"{_key(place, origins)}: is called {name} now" for place in places if (name := _new_name(place))]:
        return f"{'; '.join(renamed)}: rename {'it' if len(renamed) == 1 else 'them'}"
    if gone := [place for place in places if ".".join(place) in GONE]:
        keys = ", ".join(_key(place, origins) for place in gone)
        why = "; ".join(dict.fromkeys(GONE[".".join(place)] for place in gone))
        return f"{keys}: is no parameter any more: {why} (take {'it' if len(gone) == 1 else 'them'} out)"
    first = problems[0]
    message = message_in_words(first)
    if first["type"] == "extra_forbidden":
        allowed = what_is_allowed(first["loc"])
        message = f"is no parameter: {allowed}" if allowed else "is no parameter"
    # What several sections say together has no place of its own, and all of them are no help.
    tells = places[0] and first["type"] not in _NO_VALUE_HELPS
    value = first.get("ctx", {}).get("tag", first["input"])  # of a section of no known kind, the kind
    found = f" (found {found_in_words(value)})" if tells else ""
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    where = f"{_key(places[0], origins)}: " if places[0] else ""
    return f"{where}{message}{found}{more}"


def _place(problem: Any) -> list[str]:
    """Give the keys to a problem, without what pydantic puts between them, as kinds, or a mark that it is a key."""
    place = [str(part) for part in problem["loc"] if part != "[key]"]
    for keys in PLACES:
        if tuple(place[: len(keys)]) == keys:
            del place[len(keys) : len(keys) + 1]
    if place[:1] == ["documents"] and place[2:3] == ["columns"]:
        del place[4:5]  # whether a path or a list of them
    return place


def _new_name(place: list[str]) -> str | None:
    """Give the present name of a key that had another one; none for other keys."""
    for old, new in RENAMED.items():
        keys = old.split(".")
        if len(keys) == len(place) and all(key in ("*", part) for key, part in zip(keys, place, strict=True)):
            names = iter(part for key, part in zip(keys, place, strict=True) if key == "*")
            return ".".join(next(names) if key == "*" else key for key in new.split("."))
    return None


def _key(place: list[str], origins: dict[str, str]) -> str:
    """Give a key by where it stands in params.yaml."""
    for length in range(len(place), 0, -1):
        if origin := origins.get(".".join(place[:length])):
            return _joined([*origin.split("."), *place[length:]])
    return _joined(place)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this from the root of the repo") from None
    except NotYAMLError as error:
        raise UserError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is no valid YAML mapping")
    return content
