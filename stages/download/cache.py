"""The image cache: one flat directory, a file an image, named by the MD5 of its URL."""

from pathlib import Path

from stages.errors import UserError
from stages.machine import machine_setting, user_path

SOURCES = Path("data/sources")
IMAGE_NAME = r"^[0-9a-f]{32}\.jpg$"


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
    directory = user_path(setting)
    if not directory.is_dir():
        raise UserError(f"IMAGE_CACHE_DIR: {directory} is no directory")
    return directory
