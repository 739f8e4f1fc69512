"""Settings of this machine: what differs between hosts, or is secret, and so stands in no file of git or DVC."""

import os
import shutil
from pathlib import Path

from dotenv import dotenv_values

from stages.runtime.errors import TRY_OF, UserError


def machine_setting(name: str) -> str | None:
    """Give an environment variable, else the line of the file .env; ``None`` where neither sets it.

    The file is looked for at DVC_ROOT, which DVC sets for every stage and which is the repo itself also where
    `dvc exp run --temp` runs the stage in a copy without git-ignored files.
    """
    try:
        return os.environ.get(name) or dotenv_values(repo_root() / ".env").get(name) or None
    except UnicodeDecodeError:
        raise UserError(f"{repo_root() / '.env'} is no UTF-8 text: write it anew") from None


def machine_count(name: str, default: int) -> int:
    """Give a setting that is a whole number of 0 or more.

    Raises:
        UserError: it is something else.
    """
    text = machine_setting(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise UserError(f"{name} must be a whole number of 0 or more (found {text!r})")
    return int(text)


def machine_flag(name: str, *, default: bool = False) -> bool:
    """Give a setting that is 1 for yes or 0 for no; ``default`` where it is not set.

    Raises:
        UserError: it is something else.
    """
    text = machine_setting(name) or str(int(default))
    if text not in ("0", "1"):
        raise UserError(f"{name} must be 1 or 0 (found {text!r})")
    return text == "1"


def machine_choice(name: str, words: tuple[str, ...]) -> str:
    """Give a setting that is one of some words; the first where it is not set.

    Raises:
        UserError: it is something else.
    """
    text = machine_setting(name) or words[0]
    if text not in words:
        raise UserError(f"{name} must be {' or '.join(words)} (found {text!r})")
    return text


def repo_root() -> Path:
    """Give the root of the repo, also inside the copies that `make try` and `dvc exp run --temp` make."""
    return Path(os.environ.get(TRY_OF) or os.environ.get("DVC_ROOT", "."))


def checkpoint_root() -> Path:
    """Give the folder in which each run has one for its checkpoints: CHECKPOINT_DIR, else one of the repo itself.

    Raises:
        UserError: CHECKPOINT_DIR is in the home of an unknown user.
    """
    setting = machine_setting("CHECKPOINT_DIR")
    return user_path(setting) if setting else repo_root() / ".dvc/tmp/checkpoints"


def free_bytes(folder: Path) -> int:
    """Give how many bytes are free where a folder is, or will be once it is made.

    Raises:
        OSError: the file system does not say.
    """
    return shutil.disk_usage(next(there for there in (folder, *folder.absolute().parents) if there.is_dir())).free


def user_path(text: str) -> Path:
    """Give the path that a user wrote; ``~`` is the home of this one, ``~name`` of another.

    Raises:
        UserError: there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{text} is in the home of a user who is not known here: write the whole path") from None
