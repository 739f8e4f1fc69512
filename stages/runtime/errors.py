"""Errors for people: one line that says what is wrong, where, and what to do next."""

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

from stages.runtime.plain_text import LONGEST_MESSAGE, plain, shortened, without_secrets

AFTER_A_STOP = "docs/experiments.md, section 'After a failure, a kill or Ctrl-C',"
TRY_OF = "TRY_OF"  # the variable by which `make try` names the repo to what it runs in a clone


class UserError(Exception):
    """Something that the person at the keyboard can cause and mend. Its message is one line."""

    def __init__(self, message: str) -> None:
        """Take the message; torch makes an error of a loader process anew, with that process's traceback before it."""
        super().__init__(message.rsplit(f"{__name__}.UserError: ", 1)[-1].strip())


def run(main: Callable[[], None]) -> None:
    """Run a stage or a command; end with exit code 1 and one line on what a user can cause.

    A traceback is left for what only a programmer can mend.
    """
    name = Path(sys.argv[0]).stem
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal of an old locale lacks signs that species and files have
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:  # it was closed, so nobody wants to read it
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    try:
        main()
    except UserError as error:
        _leave(name, str(error))
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _leave(name, f"{where}{error.strerror}: {_ADVICE.get(error.errno, 'mend that, then run it again')}")
    except MemoryError:
        _leave(name, "there is not enough memory: free some, then run it again")
    except KeyboardInterrupt as stop:
        _leave(name, str(stop) or "stopped (Ctrl-C or kill); the same command goes on or starts again", code=130)


_ADVICE = {
    errno.ENOSPC: "free some space, then run it again",
    errno.EDQUOT: "free some of the quota, then run it again",
    errno.EACCES: "give this user the right to it, then run it again",
    errno.EPERM: "give this user the right to it, then run it again",
    errno.EFBIG: "a file may not grow so large here (see `ulimit -f`)",
    errno.EROFS: "the file system is read-only; mount it writable, then run it again",
    errno.ENOENT: "the file is missing; bring it back, then run it again",
    errno.EIO: "the disk failed to read or write; check it, then run it again",
}


def _leave(name: str, message: str, code: int = 1) -> None:
    missed = _what_is_missed()
    one_line = f"{name}: {' '.join(without_secrets(plain(message)).split())}"
    print(f"{shortened(one_line, LONGEST_MESSAGE - len(missed))}{missed}", file=sys.stderr)  # noqa: T201
    raise SystemExit(code)


def _what_is_missed() -> str:
    """Say what a stage that did not come to its end leaves: DVC deletes its outputs before it runs it.

    DVC_ROOT names the repo also where `--temp`, a queue or `make try` runs the stage in a copy.
    """
    if "DVC_ROOT" not in os.environ:
        return ""
    if Path.cwd() != Path(os.environ.get(TRY_OF) or os.environ["DVC_ROOT"]).resolve():
        return " (this ran in a copy: your working tree is as it was)"
    return f" (DVC deleted the stage's outputs before it: {AFTER_A_STOP} says what brings them back)"
