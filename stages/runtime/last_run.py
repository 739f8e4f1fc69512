"""What DVC's cache still holds of the last run of a stage, so that nothing is made twice.

DVC deletes a stage's outputs before it runs the stage, but keeps those of the last run in its cache, and dvc.lock
names them. Whoever finds there what would come out again takes it over, on another host too.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_objects.fs.generic import transfer
from dvc_objects.fs.local import localfs

from stages.runtime.errors import UserError
from stages.runtime.lock import locked_outputs
from stages.runtime.outputs import replacing

_NAMED = 4  # of what differs


class GoneError(Exception):
    """Something of the last run is not in DVC's cache, or not as it was; the message says what."""


class LastRun:
    """The outputs of the last runs, by their paths in dvc.yaml."""

    def __init__(self, cache: Any, outputs: dict[str, str]) -> None:
        """Look into DVC's local cache for outputs, MD5 by path."""
        self._cache = cache
        self._outputs = outputs

    def file(self, out: str | Path) -> Path:
        """Say where DVC's cache has an output that is a file.

        Raises:
            GoneError: it is not there, or its bytes are not those that were stored.
        """
        digest = self._digest(out)
        stored = self._object(digest)
        try:
            with stored.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except FileNotFoundError:
            raise GoneError(f"DVC's cache holds no {out} of an earlier run") from None
        except OSError as error:
            raise GoneError(f"the last run's {out} cannot be read in DVC's cache ({error.strerror})") from None
        if found != digest.removesuffix(".dir"):
            self.discard(stored)
            raise GoneError(f"the last run's {out} was damaged in DVC's cache, and is deleted there")
        return stored

    def read(self, out: str | Path) -> bytes:
        """Give the content of an output that is a file.

        Raises:
            GoneError: it is not there, or its bytes are not those that were stored.
        """
        return self.file(out).read_bytes()

    def read_json(self, out: str | Path) -> dict:
        """Give the content of an output that is a file with a JSON object.

        Raises:
            GoneError: it is not there, damaged, or something else.
        """
        try:
            content = json.loads(self.read(out))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise GoneError(f"the last run's {out} is of another version")
        return content

    def files(self, out: str | Path) -> dict[str, Path]:
        """Give the files of an output that is a folder: where DVC's cache has each, by its path in the folder.

        Raises:
            GoneError: it is not known which they are.
        """
        try:
            return {entry["relpath"]: self._object(entry["md5"]) for entry in json.loads(self.read(out))}
        except (ValueError, KeyError, TypeError):
            raise GoneError(f"the last run's {out} is no folder in DVC's cache") from None

    def place(self, stored: Path, path: Path) -> None:
        """Put a file of DVC's cache at ``path``, as a link or a copy, whichever DVC itself is set to make.

        Raises:
            OSError: it is not there, or cannot be written.
        """
        with replacing(path) as temporary:
            try:
                transfer(localfs, str(stored.resolve()), localfs, str(temporary), links=list(self._cache.cache_types))
            except OSError as error:
                if error.errno != errno.ENOTSUP:  # no link of a kind that DVC may make can be made here
                    raise
                shutil.copyfile(stored, temporary)

    def discard(self, stored: Path) -> None:
        """Delete a damaged file of DVC's cache.

        DVC itself would keep it where the right bytes are stored again, and give the damaged ones out.
        """
        with suppress(OSError):  # of others, or gone already
            stored.resolve().unlink()

    def _digest(self, out: str | Path) -> str:
        try:
            return self._outputs[str(out)]
        except KeyError:
            raise GoneError(f"dvc.lock knows no {out} of an earlier run") from None

    def _object(self, digest: str) -> Path:
        return Path(self._cache.oid_to_path(digest))


def differing(wanted: dict[str, Any], found: Any) -> str:
    """Say in words what differs between what a run is made of and what the last one was; "" if nothing.

    Args:
        wanted: nested, with plain values.
        found: likewise, or whatever else was saved.
    """
    names = list(_differing(wanted, found if isinstance(found, dict) else {}))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"other {', '.join(names[:_NAMED])}{more}" if names else ""


def _differing(one: dict[str, Any], other: dict[str, Any], place: str = "") -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        ours, theirs = one.get(name), other.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            yield from _differing(ours, theirs, f"{place}{name}.")
        elif ours != theirs:
            yield f"{place}{name}"


@contextmanager
def last_run() -> Iterator[LastRun]:
    """Open DVC's cache and dvc.lock.

    Raises:
        GoneError: this is no repo of DVC's, or dvc.lock is none of its locks.
    """
    try:
        outputs = locked_outputs()
        repo = Repo()
    except (DvcException, UserError) as error:
        raise GoneError(str(error)) from None
    with repo:
        yield LastRun(repo.cache.local, outputs)
