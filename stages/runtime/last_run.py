"""What DVC's cache still holds of the last run of a stage, so that nothing is made twice.

DVC deletes a stage's outputs before it runs the stage, but keeps those of the last run in its cache, and dvc.lock
names them. Whoever finds there what would come out again takes it over, on another host too.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_objects.fs.generic import transfer
from dvc_objects.fs.local import localfs

from stages.runtime.errors import UserError
from stages.runtime.lock import locked_outputs
from stages.runtime.outputs import replacing


class GoneError(Exception):
    """Something of the last run is not in DVC's cache, or not as it was; the message says what."""


class LastRun:
    """The outputs of the last runs, by their paths in dvc.yaml."""

    def __init__(self, cache: Any, outputs: dict[str, str]) -> None:
        """Look into DVC's local cache for outputs, MD5 by path."""
        self._cache = cache
        self._outputs = outputs

    def read(self, out: str | Path) -> bytes:
        """Give the content of an output that is a file.

        Raises:
            GoneError: it is not there, or its bytes are not those that were stored.
        """
        digest = self._digest(out)
        try:
            content = self._object(digest).read_bytes()
        except OSError as error:
            raise _not_there(out, error) from None
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != digest.removesuffix(".dir"):
            raise GoneError(f"the last run's {out} is damaged in DVC's cache")
        return content

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
            transfer(localfs, str(stored.resolve()), localfs, str(temporary), links=list(self._cache.cache_types))

    def restore(self, out: str | Path, path: Path) -> None:
        """Put an output that is a file at ``path``.

        Raises:
            GoneError: it is not there, or its bytes are not those that were stored.
        """
        digest = self._digest(out)
        stored = self._object(digest)
        try:
            with stored.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            raise _not_there(out, error) from None
        if found != digest:
            raise GoneError(f"the last run's {out} is damaged in DVC's cache")
        self.place(stored, path)

    def _digest(self, out: str | Path) -> str:
        try:
            return self._outputs[str(out)]
        except KeyError:
            raise GoneError(f"dvc.lock knows no {out} of an earlier run") from None

    def _object(self, digest: str) -> Path:
        return Path(self._cache.oid_to_path(digest))


def _not_there(out: str | Path, error: OSError) -> GoneError:
    why = "" if isinstance(error, FileNotFoundError) else f" ({error.strerror})"
    return GoneError(f"the last run's {out} is not in DVC's cache{why}")


@contextmanager
def last_run() -> Iterator[LastRun]:
    """Open DVC's cache and dvc.lock; where there is none, nothing is found in it."""
    try:
        outputs = locked_outputs()
        repo = Repo()
    except (DvcException, UserError):
        yield LastRun(None, {})
        return
    with repo:
        yield LastRun(repo.cache.local, outputs)
