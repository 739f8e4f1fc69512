"""A command on a terminal of its own, and what that shows."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 120.0  # for what comes at once, but on a busy machine
_HOME = "\x1b[H"  # with which each screen begins


class Terminal:
    """A terminal that a command runs on, as the leader of a session of its own."""

    def __init__(self, command: list[str], folder: Path, *, columns: int, lines: int, **environment: str) -> None:
        self._own, other = pty.openpty()
        self.resize(columns, lines)

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal

        self.process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"TERM": "xterm"} | environment,
            stdin=other, stdout=other, stderr=other, start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509
        )  # fmt: skip
        os.close(other)
        self.written = ""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._own, keys.encode())

    def wait_for(self, wanted: Callable[[list[str]], object]) -> list[str]:
        """Read on until a whole screen is as wanted; give its lines, without colors."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            whole = self.written.split(_HOME)[1:-1]
            lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole[-1]).split("\r\n") if whole else []
            if (lines and wanted(lines)) or time.monotonic() > deadline or not self._read():
                return lines

    def read_to_the_end(self) -> int:
        """Read what is still written, and give the exit code."""
        while self._read():
            pass
        os.close(self._own)
        return self.process.wait(PATIENCE_S)

    def _read(self) -> bool:
        if not select.select([self._own], [], [], PATIENCE_S)[0]:
            return False
        try:
            new = os.read(self._own, 65_536)
        except OSError:  # so a terminal ends when nobody has it open
            return False
        self.written += new.decode(errors="replace")
        return bool(new)
