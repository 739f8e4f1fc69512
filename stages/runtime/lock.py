"""What dvc.lock says of the last runs; and how it pins an export from a database.

A dump is a file that DVC tracks; a database is not, and documents change in it under a snapshot. So a new export is
held against the lock before it replaces anything.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.runtime.errors import UserError
from stages.runtime.progress import say
from stages.runtime.yaml_files import NotYAMLError, parse_yaml

LOCK = Path("dvc.lock")


def check_pin(
    stage: str, declared: dict[str, Any], out: Path, written: Path, *, accepted: str | None, inputs: Iterable[Path] = ()
) -> None:
    """Hold a table that is about to replace ``out`` against the stage's entry in dvc.lock.

    Where there is nothing to hold it against, that is said.

    Args:
        stage: its name in dvc.yaml.
        declared: its parameters as the lock notes them, see ``declared_values``.
        out: the output as dvc.yaml names it.
        written: the new file.
        accepted: the MD5 of a file that the user takes although it differs (``EXPORT_ACCEPT``).
        inputs: files that DVC tracks and that decide on the table too. Where one of them changed, another table is
            expected, as with other parameters.

    Raises:
        UserError: the lock has another digest for these very parameters, and this one is not accepted; or it is none.
    """
    entry = _locked_stage(stage)
    if differs := _not_comparable(entry, declared, inputs):
        say(f"{stage}: {out} is not held against {LOCK}: {differs}")
        return
    pinned = next((locked["md5"] for locked in (entry or {}).get("outs", ()) if locked["path"] == str(out)), None)
    if pinned is None:
        say(f"{stage}: {out} is not held against {LOCK}: it has no digest of that")
        return
    found = _md5(written)
    if found in (pinned, accepted):
        return
    raise UserError(
        f"{out} is pinned by {LOCK} to {pinned}, but the same parameters now give {found}: the database "
        f"changed under the snapshot (or the code of the export did). Set a new snapshot in params.yaml, or take these "
        f"records: EXPORT_ACCEPT={found} dvc repro -f -s export"
    )


def _not_comparable(entry: dict[str, Any] | None, declared: dict[str, Any], inputs: Iterable[Path]) -> str | None:
    """Say why another table is expected than that of the lock; ``None`` where the same one is."""
    if entry is None:
        return "it knows no run of this stage yet"
    noted = _noted_params(entry)
    if noted is None:
        return "it has no parameters of this stage"
    # As DVC itself compares them: 1 and 1.0 are one value.
    others = sorted(
        name
        for name in noted.keys() | declared.keys()
        if name not in noted or name not in declared or noted[name] != declared[name]
    )
    if others:
        return f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} not as there, so other rows are expected"
    locked_inputs = {locked["path"]: locked.get("md5") for locked in entry.get("deps", ())}
    if changed := [str(path) for path in inputs if locked_inputs.get(str(path)) != _md5(path)]:
        return f"{', '.join(changed)} changed since, so other rows are expected"
    return None


def _md5(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else None


def locked_profile(stage: str) -> str | None:
    """Say of which profile the stage's last run was, where dvc.lock knows one."""
    entry = _locked_stage(stage)
    return None if entry is None else (_noted_params(entry) or {}).get("profile")


def check_profile(stage: str, profile: str, out: Path) -> None:
    """See that what a stage wrote is of a profile; where the lock does not tell, that is said.

    Raises:
        UserError: the stage's last run was of another profile; or the lock is none.
    """
    of_profile = locked_profile(stage)
    if of_profile is None:
        say(f"{LOCK} does not say of which profile {out} is: it is taken for one of {profile}")
    elif of_profile != profile:
        raise UserError(f"{out} is of profile {of_profile}, not {profile}: run `dvc repro {stage}` first")


def locked_params() -> dict[str, Any]:
    """Give the parameters of params.yaml that all stages' last runs were made with, as the lock notes them, by name.

    Raises:
        UserError: the lock is none of DVC's.
    """
    noted: dict[str, Any] = {}
    for stage in _read_lock():
        noted |= _noted_params(_locked_stage(stage) or {}) or {}
    return noted


def _noted_params(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Give the values of params.yaml in a stage's entry; ``None`` where it has none, as of a stage without any."""
    return entry.get("params", {}).get("params.yaml")


def locked_outputs(content: bytes | None = None) -> dict[str, str]:
    """Give the outputs of all stages' last runs as dvc.lock has them: MD5 by path.

    Args:
        content: of another dvc.lock than that of this working tree.

    Raises:
        UserError: the lock is none of DVC's.
    """
    entries = _read_lock() if content is None else _parse_lock(content)
    try:
        outputs = {out["path"]: out["md5"] for entry in entries.values() for out in entry.get("outs", ())}
    except (KeyError, TypeError, AttributeError):
        raise _no_lock() from None
    if not all(isinstance(digest, str) for digest in outputs.values()):
        raise _no_lock()
    return outputs


def _locked_stage(stage: str) -> dict[str, Any] | None:
    """Give a stage's entry, with all that is read of it in its place; ``None`` where there is none yet."""
    entry = _read_lock().get(stage)
    if entry is None:
        return None
    try:
        well_formed = (
            isinstance(_noted_params(entry), dict | None)
            and all(
                isinstance(locked["path"], str) and isinstance(locked["md5"], str) for locked in entry.get("outs", ())
            )
            and all(isinstance(locked["path"], str) for locked in entry.get("deps", ()))
        )
    except (KeyError, TypeError, AttributeError):
        well_formed = False
    if not well_formed:
        raise _no_lock()
    return entry


def _read_lock() -> dict[str, Any]:
    """Give the entries of the stages; none where there is no lock yet."""
    return _parse_lock(LOCK.read_bytes()) if LOCK.exists() else {}


def _parse_lock(content: bytes) -> dict[str, Any]:
    try:
        stages = parse_yaml(content)["stages"]
    except (NotYAMLError, KeyError, TypeError):
        stages = None
    if not isinstance(stages, dict):
        raise _no_lock()
    return stages


def _no_lock() -> UserError:
    return UserError(f"{LOCK} is no lock of DVC's: bring it back with git, or take one side of a merge")
