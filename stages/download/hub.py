"""Files that a hub of models publishes, by Hugging Face's own client: it knows the addresses, tokens and its cache."""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars, logging

from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.machine import free_bytes
from stages.runtime.wording import size_in_words

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Published:
    """A repository of a hub in one of its states.

    Attributes:
        repo: its name there.
        commit: of the state.
        license: as its card says it; none where that says nothing.
        files: of each file's name its size in bytes, and its SHA-256 where the hub tells it.
    """

    repo: str
    commit: str
    license: str | None
    files: dict[str, tuple[int | None, str | None]]

    @property
    def address(self) -> str:
        """Give the address at which people read about it."""
        return f"{_hub()}/{self.repo}"


def find_published(repo: str, revision: str | None) -> Published:
    """Ask the hub for a repository.

    Args:
        repo: ``organization/name``.
        revision: a commit, a branch or a tag; none for the newest state.

    Raises:
        UserError: the hub is out of reach, or there is no such repository or none that this user may read.
    """
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
    except Exception as error:  # of several libraries below, each with its own
        _refuse(error, repo, revision)
    files = {
        file.rfilename: (file.size, file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or []
        if isinstance(file.rfilename, str)
    }
    if not info.sha:
        raise UserError(f"{_hub()} does not say which state of {repo} it has: try again later")
    return Published(repo, info.sha, _license(info.card_data), files)


def first_of(published: Published, names: Sequence[str]) -> str:
    """Give the first of some files that a repository has.

    Raises:
        UserError: it has none of them.
    """
    name = next((name for name in names if name in published.files), None)
    if name is None:
        raise UserError(f"{published.address} has none of {', '.join(names)}: it holds no model of timm's")
    return name


def fetch_file(published: Published, name: str) -> Path:
    """Get a file into the cache of Hugging Face's client, where it may be already, and give its path there.

    Raises:
        UserError: it could not be had, or came as another one than the hub says.
        OSError: the disk is full or may not be written to.
    """
    size, sha256 = published.files[name]
    cache = Path(constants.HF_HUB_CACHE)
    free = free_bytes(cache)
    if size is not None and free < size:
        raise UserError(
            f"{name} of {published.repo} has {size_in_words(size)}, and {cache} {size_in_words(free)} free: free some "
            "space, or name another folder by HF_HOME"
        )
    for again in (False, True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                path = hf_hub_download(published.repo, name, revision=published.commit, force_download=again)
        except Exception as error:
            _refuse(error, published.repo, published.commit)
        if sha256 is None or sha256_of(Path(path)) == sha256:
            return Path(path)
    raise UserError(
        f"{name} of {published.repo} came damaged twice: its SHA-256 is not the one that {_hub()} says; try again later"
    )


def _license(card: Any) -> str | None:
    if card is None:
        return None
    name = card.get("license")
    named = card.get("license_name") if name == "other" else None
    return str(named or name) if named or name else None


def _hub() -> str:
    """Name the hub, without what may be a password in its address."""
    parts = urlsplit(constants.ENDPOINT)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _refuse(error: Exception, repo: str, revision: str | None) -> NoReturn:
    """Say what the client's error means. Of its own words none is shown: they may hold an address with a password."""
    cause = error.__cause__ if error.__cause__ is not None else error
    met = next((one for one in (error, cause) if isinstance(one, HfHubHTTPError | OfflineModeIsEnabled)), error)
    full = next((one for one in (error, cause) if isinstance(one, OSError) and one.errno is not None), None)
    if isinstance(met, GatedRepoError):
        why = "asks for an agreement: agree on its page, then set HF_TOKEN to a token of yours"
    elif isinstance(met, RevisionNotFoundError):
        why = f"has no state {revision} any more"
    elif isinstance(met, RepositoryNotFoundError):
        why = "is not there, or private: look at its name, and set HF_TOKEN where it is yours"
    elif isinstance(met, EntryNotFoundError) and isinstance(met, HfHubHTTPError):
        why = "does not have that file"
    elif isinstance(error, HFValidationError):
        why = "is no name of a repository: write ORG/NAME"
    elif isinstance(met, HfHubHTTPError):
        why = f"is answered with status {met.response.status_code}: try again later"
    elif full is not None and not isinstance(full, ConnectionError):
        raise OSError(full.errno, full.strerror or "", str(constants.HF_HUB_CACHE)) from None
    elif "Consistency check" in str(error) or "RemoteProtocol" in type(cause).__name__:
        why = "was cut off: run the same again, which goes on"
    else:
        why = "cannot be reached from here (no network, or HF_HUB_OFFLINE is set): try again where there is one"
    raise UserError(f"{_hub()}/{repo} {why}") from None
