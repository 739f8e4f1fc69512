"""The image cache: one flat directory, a file an image, named by the MD5 of its URL."""

import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.config.sources import embedded_images
from stages.runtime.errors import UserError
from stages.runtime.machine import machine_setting, user_path

IMAGE_NAME = r"^[0-9a-f]{32}\.jpg$"
FILLING_LOCK = ".downloads.lock"


class File(NamedTuple):
    """A file of the cache as the directory shows it."""

    image_name: str
    bytes: int
    mtime_ns: int


def cache_directory(profile: str) -> Path:
    """Say where the images of a profile are: embedded beside its other sources, else in IMAGE_CACHE_DIR.

    Raises:
        UserError: neither is there.
    """
    embedded = embedded_images(profile)
    return embedded if embedded.is_dir() else own_cache_directory(profile)


def own_cache_directory(profile: str) -> Path:
    """Give IMAGE_CACHE_DIR, which may be filled and evicted from; embedded images are part of the repo.

    Raises:
        UserError: the profile's images are embedded, or the setting is missing or names no directory.
    """
    embedded = embedded_images(profile)
    if embedded.is_dir():
        raise UserError(
            f"the images of profile {profile} are part of the repo ({embedded}): nothing is downloaded or evicted "
            "there; set `profile` in params.yaml to one with an image cache of its own, such as teacher"
        )
    setting = machine_setting("IMAGE_CACHE_DIR")
    if not setting:
        raise UserError(f"where are the images of profile {profile}? Set IMAGE_CACHE_DIR, or put them into {embedded}")
    directory = user_path(setting)
    if not directory.is_dir():
        raise UserError(f"IMAGE_CACHE_DIR: {directory} is no directory")
    return directory


def list_files(directory: Path) -> Iterator[File]:
    """Yield the files of the cache; what is named otherwise (a download under way, a note) is passed over."""
    named_like_an_image = re.compile(IMAGE_NAME).match
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # evicted meanwhile
                if named_like_an_image(entry.name) and entry.is_file():
                    status = entry.stat()
                    yield File(entry.name, status.st_size, status.st_mtime_ns)


def file_table(files: Collection[File]) -> pl.DataFrame:
    """Give files as a table: image_name, bytes, mtime_ns."""
    return pl.DataFrame(files, schema={"image_name": pl.String, "bytes": pl.Int64, "mtime_ns": pl.Int64}, orient="row")


@contextmanager
def reading(directory: Path) -> Iterator[None]:
    """Keep images from being evicted while the block reads them; waits for an eviction under way.

    The lock is on the directory itself, so that it works on a cache that can only be read, and is gone with the
    process however that ends. On a file system without locks nothing is evicted in any case.
    """
    with _opened(directory, os.O_RDONLY) as descriptor:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def evicting(directory: Path) -> Iterator[None]:
    """Have the cache to oneself while the block removes images.

    Raises:
        BlockingIOError: another process reads the images, or evicts.
        OSError: the file system has no locks.
    """
    with _opened(directory, os.O_RDONLY) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextmanager
def filling(directory: Path) -> Iterator[None]:
    """Be the only process that fills the cache.

    Raises:
        UserError: another one does.
        OSError: the cache cannot be written to, or the file system has no locks.
    """
    with _opened(directory / FILLING_LOCK, os.O_RDWR | os.O_CREAT) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another fetch fills {directory}: one at a time, or hosts are asked too much") from None
        yield


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor  # closing it gives its lock up
    finally:
        os.close(descriptor)
