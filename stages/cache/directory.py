"""The image cache: one flat directory, a file an image, named by the MD5 of its URL."""

import fcntl
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.config.sources import embedded_images
from stages.runtime.errors import UserError
from stages.runtime.machine import machine_setting, user_path

IMAGE_NAME = r"^[0-9a-f]{32}\.jpg$"
FILLING_LOCK = ".downloads.lock"
OBSTACLES_NAMED = 5  # in a line

_DOWNLOAD = re.compile(r"\.([0-9a-f]{32}\.jpg)\.tmp")  # what an image is written to before it gets its name
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_UNREADABLE = "a file that this user may not read"
_GROUPS = {os.getegid(), *os.getgroups()}


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


class Obstacle(NamedTuple):
    """What stands in the place of an image and is none that can be read."""

    image_name: str
    path: str
    what: str


class Listing(NamedTuple):
    """What a cache holds under the names of images."""

    files: list[File]
    obstacles: list[Obstacle]


def list_cache(directory: Path) -> Listing:
    """List the files of the cache, and what is in the way of one.

    What is named otherwise (a download under way, a note) is passed over. Nothing in there stops the listing: a
    directory, a link to nowhere, a socket and a file that this user may not read are obstacles, each of one image.
    """
    named_like_an_image = re.compile(IMAGE_NAME).match
    files, obstacles = [], []
    with os.scandir(directory) as entries:
        for entry in entries:
            if named_like_an_image(entry.name):
                found = _file_or_obstacle(entry)
                if isinstance(found, File):
                    files.append(found)
                elif found is not None:
                    obstacles.append(found)
            elif (of_image := _DOWNLOAD.fullmatch(entry.name)) and entry.is_dir(follow_symlinks=False):
                obstacles.append(Obstacle(of_image[1], entry.path, "a directory"))
    return Listing(files, sorted(obstacles))


def list_files(directory: Path) -> Iterator[File]:
    """Yield the files of the cache, as ``list_cache`` lists them."""
    yield from list_cache(directory).files


def _file_or_obstacle(entry: "os.DirEntry[str]") -> File | Obstacle | None:
    """Give an image's file, or what is in its place; ``None`` where it was evicted meanwhile."""
    linked = "a symbolic link to " if entry.is_symlink() else ""
    try:
        status = entry.stat()
    except FileNotFoundError:
        return Obstacle(entry.name, entry.path, f"{linked}nowhere") if linked else None
    except OSError as error:  # a link to itself, a folder behind a link that may not be entered, a disk that fails
        return Obstacle(entry.name, entry.path, f"{linked or 'something with '}an error ({error.strerror})")
    if not stat.S_ISREG(status.st_mode):
        what = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        return Obstacle(entry.name, entry.path, f"{linked}{what}")
    if not _may_be_read(entry.path, status):
        return Obstacle(entry.name, entry.path, _UNREADABLE)
    return File(entry.name, status.st_size, status.st_mtime_ns)


def _may_be_read(path: str, status: os.stat_result) -> bool:
    """Say whether this user may read a file: by its bits, which cost nothing; where these say no, by trying."""
    owner, group = status.st_uid == os.geteuid(), status.st_gid in _GROUPS
    bit = stat.S_IRUSR if owner else stat.S_IRGRP if group else stat.S_IROTH
    if status.st_mode & bit:
        return True
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True


def obstacles_in_words(obstacles: Sequence[Obstacle]) -> str:
    """Say in one line what is in the way of images, where, and what to do."""
    named = "; ".join(f"{obstacle.path} is {obstacle.what}" for obstacle in obstacles[:OBSTACLES_NAMED])
    more = f"; and {len(obstacles) - OBSTACLES_NAMED:,} more" if len(obstacles) > OBSTACLES_NAMED else ""
    unreadable = [obstacle.what == _UNREADABLE for obstacle in obstacles]
    remedies = ["give this user the right to read the file"] if any(unreadable) else []
    remedies += ["move it away"] if not all(unreadable) else []
    images, they_are = ("1 image", "it is") if len(obstacles) == 1 else (f"{len(obstacles):,} images", "these are")
    return (
        f"in the place of {images} there is no file that can be read, so {they_are} passed over ({named}{more}): "
        f"{', or '.join(remedies)}"
    )


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
