"""What dvc.lock says of the last runs; and how it pins an export from a database.

A dump is a file that DVC tracks; a database is not, and documents change in it under a snapshot. So a new export is
held against the lock before it replaces anything.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from stages.runtime.errors import UserError

LOCK = Path("dvc.lock")


def check_pin(
    stage: str, declared: dict[str, Any], out: Path, written: Path, *, accepted: str | None, inputs: Iterable[Path] = ()
) -> None:
    """Hold a table that is about to replace ``out`` against the stage's entry in dvc.lock.

    Args:
        stage: its name in dvc.yaml.
        declared: its parameters as the lock notes them, see ``declared_values``.
        out: the output as dvc.yaml names it.
        written: the new file.
        accepted: the MD5 of a file that the user takes although it differs (``EXPORT_ACCEPT``).
        inputs: files that DVC tracks and that decide on the table too. Where one of them changed, another table is
            expected, as with other parameters.

    Raises:
        UserError: the lock has another digest for these very parameters, and this one is not accepted.
    """
    entry = _locked_stage(stage)
    if entry is None or entry["params"]["params.yaml"] != declared:
        return  # nothing to compare with: other parameters are expected to give another table
    locked_inputs = {locked["path"]: locked.get("md5") for locked in entry.get("deps", ())}
    if any(locked_inputs.get(str(path)) != _md5(path) for path in inputs):
        return
    pinned = next((locked["md5"] for locked in entry["outs"] if locked["path"] == str(out)), None)
    found = _md5(written)
    if pinned in (None, found) or accepted == found:
        return
    raise UserError(
        f"{out} is pinned by {LOCK} to {pinned}, but the same parameters now give {found}: the database "
        f"changed under the snapshot (or the code of the export did). Set a new snapshot in params.yaml, or take these "
        f"records: EXPORT_ACCEPT={found} dvc repro -f -s export"
    )


def _md5(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else None


def locked_profile(stage: str) -> str | None:
    """Say of which profile the stage's last run was, where dvc.lock knows one."""
    entry = _locked_stage(stage)
    return None if entry is None else entry["params"]["params.yaml"].get("profile")


def locked_outputs() -> dict[str, str]:
    """Give the outputs of all stages' last runs as dvc.lock has them: MD5 by path.

    Raises:
        UserError: the lock is none of DVC's.
    """
    try:
        outputs = {out["path"]: out["md5"] for entry in _read_lock().values() for out in entry.get("outs", ())}
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
            isinstance(entry["params"]["params.yaml"], dict)
            and all(isinstance(locked["path"], str) and isinstance(locked["md5"], str) for locked in entry["outs"])
            and all(isinstance(locked["path"], str) for locked in entry.get("deps", ()))
        )
    except (KeyError, TypeError, AttributeError):
        well_formed = False
    if not well_formed:
        raise _no_lock()
    return entry


def _read_lock() -> dict[str, Any]:
    """Give the entries of the stages; none where there is no lock yet."""
    try:
        stages = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
        stages = None
    if not isinstance(stages, dict):
        raise _no_lock()
    return stages


def _no_lock() -> UserError:
    return UserError(f"{LOCK} is no lock of DVC's: bring it back with git, or take one side of a merge")
