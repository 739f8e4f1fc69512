"""Which photos somebody means: files, folders and addresses as they were typed, and the bytes of each.

Of a folder all files count, those in folders within it too, in the order of their names; hidden ones are left out. A
file in a folder that is no photo by its name and by its first bytes is left out as well; one that was named is not.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.answering.cropped import is_avif, is_heic
from stages.download.typed_url import UrlError, fetch_typed, is_url, shown_url
from stages.runtime.wording import in_words, size_in_words

MOST_BYTES = 400_000_000  # of a file: as many as 130 megapixels have that nobody compressed
_HEAD_BYTES = 128
_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")
)
# Of cameras; most begin like a TIFF, and a small preview would be taken for the photo.
_RAW = frozenset((".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"))


class ReadingError(Exception):
    """A photo whose bytes cannot be had. Its message is one line.

    Attributes:
        trouble: which of the troubles it is, in a word.
    """

    def __init__(self, trouble: str, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class NoPhotoError(Exception):
    """A file that lies in a folder of photos and is none."""


@dataclass(frozen=True)
class Source:
    """Where a photo is.

    Attributes:
        name: as it is shown: without password or key.
        path: of the file, absolute, as processes that read it may stand in another folder; None of an address.
        url: of an address.
        in_folder: it was found in a folder that was named, and not named itself.
    """

    name: str
    path: Path | None = None
    url: str = ""
    in_folder: bool = False


@dataclass
class Found:
    """What was found of that which somebody named.

    Attributes:
        sources: in the order in which they were named.
        hidden: files and folders that were left out for their names.
        linked: folders that only a link leads to, which are left out, as they may lead round in circles.
        drawn: files in the folder of answers' pictures, which are left out of a folder around it.
        unread: what is wrong with folders, each with its name: a line each.
    """

    sources: list[Source] = field(default_factory=list)
    hidden: int = 0
    linked: int = 0
    drawn: int = 0
    unread: list[str] = field(default_factory=list)


def find_photos(words: Iterable[str], *, pictures: Path | None = None) -> Found:
    """Find what somebody named; whether it is there and a photo shows when it is read.

    Args:
        words: paths of files and folders, and addresses.
        pictures: the folder into which answers are drawn: none of a folder around it.
    """
    drawn_in = pictures.resolve() if pictures else None
    found = Found()
    for word in words:
        if is_url(word):
            found.sources.append(Source(shown_url(word), url=word))
        elif (path := Path(word)).is_dir():
            hidden, unread = found.hidden, len(found.unread)
            files = [Source(str(file), file.absolute(), in_folder=True) for file in _files_in(path, found, drawn_in)]
            found.sources += files
            if not files and len(found.unread) == unread:
                found.unread.append(f"{word}: there is no file in it{in_words({'hidden': found.hidden - hidden})}")
        else:
            found.sources.append(Source(word, path.absolute()))
    return found


def _files_in(folder: Path, found: Found, drawn_in: Path | None) -> Iterator[Path]:
    def note(error: OSError) -> None:
        found.unread.append(f"{error.filename}: {error.strerror}")

    for here, folders, files in os.walk(folder, onerror=note):
        shown = sorted(name for name in folders if not name.startswith("."))
        real = [name for name in shown if not Path(here, name).is_symlink()]
        found.linked += len(shown) - len(real)
        found.hidden += len(folders) - len(shown)
        drawn = [name for name in real if Path(here, name).resolve() == drawn_in]
        found.drawn += sum(len(names) for name in drawn for _, _, names in os.walk(Path(here, name)))
        folders[:] = [name for name in real if name not in drawn]
        for name in sorted(files):
            if name.startswith("."):
                found.hidden += 1
            else:
                yield Path(here, name)


def read_photo(source: Source) -> bytes:
    """Read the bytes of a photo.

    Raises:
        ReadingError: they cannot be had.
        NoPhotoError: it lies in a folder and is no photo.
    """
    if source.path is None:
        try:
            return fetch_typed(source.url)
        except UrlError as error:
            raise ReadingError("address", str(error)) from None
    try:
        return _read_file(source, source.path)
    except FileNotFoundError:
        raise ReadingError("missing", "there is no such file or folder") from None
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise ReadingError("unreadable", f"it cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _read_file(source: Source, path: Path) -> bytes:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # a pipe could make whoever opens it wait for ever
        raise ReadingError("not_a_file", "it is no regular file")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if suffix in _RAW:
            raise ReadingError("raw", f"raw photos ({suffix}) are not read: make a JPEG of it")
        if source.in_folder and suffix not in _SUFFIXES and not _is_photo(head):
            raise NoPhotoError
        if about.st_size > MOST_BYTES:
            raise ReadingError("too_large", f"it is larger than {size_in_words(MOST_BYTES)}: shrink it")
        return head + file.read(MOST_BYTES)


def _is_photo(head: bytes) -> bool:
    """Say whether a file begins as photos of the formats do that are read, or HEIC; BMP tells too little by that."""
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or is_heic(head)
        or is_avif(head)
    )
