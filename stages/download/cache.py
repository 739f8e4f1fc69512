"""The image cache: one flat directory, a file an image, named by the MD5 of its URL."""

import hashlib
import os
from pathlib import Path

from dotenv import dotenv_values

from stages.errors import UserError

SOURCES = Path("data/sources")
IMAGE_NAME = r"^[0-9a-f]{32}\.jpg$"


def machine_setting(name: str) -> str | None:
    """Give a setting of this machine: an environment variable, else a line of the file .env.

    The file is looked for at DVC_ROOT, which DVC sets for every stage and which is the repo itself also where
    `dvc exp run --temp` runs the stage in a copy without git-ignored files.
    """
    root = Path(os.environ.get("DVC_ROOT", "."))
    return os.environ.get(name) or dotenv_values(root / ".env").get(name) or None


def cache_directory(profile: str) -> Path:
    """Say where the images of a profile are: embedded beside its other sources, else in IMAGE_CACHE_DIR.

    Raises:
        UserError: neither is there.
    """
    embedded = SOURCES / profile / "images"
    if embedded.is_dir():
        return embedded
    setting = machine_setting("IMAGE_CACHE_DIR")
    if not setting:
        raise UserError(f"where are the images of profile {profile}? Set IMAGE_CACHE_DIR, or put them into {embedded}")
    directory = Path(setting).expanduser()
    if not directory.is_dir():
        raise UserError(f"IMAGE_CACHE_DIR: {directory} is no directory")
    return directory


def read_image(directory: Path, image_name: str, sha256: str) -> bytes:
    """Read an image of the cache and hold its bytes against the digest of the inventory.

    Raises:
        UserError: the file is missing, or its bytes are others than those that the inventory judged.
    """
    path = directory / image_name
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing though the inventory lists it: run `make inventory`") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(f"{path}: its bytes changed since the inventory was taken: run `make inventory`")
    return data
