"""A real MongoDB server for tests: secantusdb as a process of its own on 127.0.0.1, over its real protocol."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

STARTS_WITHIN_MS = 180_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A server that can be killed and started again on the same port and data."""

    folder: Path
    words: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    def uri(self, user: str = "", options: str = "") -> str:
        """Give a URI; ``user`` is ``name:password``."""
        at = f"{user}@" if user else ""
        return f"mongodb://{at}127.0.0.1:{self.port}/?directConnection=true{options and '&' + options}"

    def client(self, user: str = "", **options: Any) -> MongoClient:
        return MongoClient(self.uri(user), serverSelectionTimeoutMS=STARTS_WITHIN_MS, **options)

    def start(self) -> None:
        """Start the process and return when it answers."""
        command = [Path(sys.executable).parent / "secantusd-py", "--host", "127.0.0.1", "--port", str(self.port)]
        log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        self.process = subprocess.Popen(
            [*command, "--storage-path", self.folder, *self.words], stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        if "--tls-cert-file" not in self.words:
            with self.client() as client:
                client.admin.command("ping")

    def kill(self) -> None:
        """End it without a warning: kill -9."""
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, by default with all that it holds written to disk."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


@contextmanager
def running_server(folder: Path, *words: str) -> Iterator[Server]:
    """Give a running server with its data in ``folder``, killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, words)
    try:
        server.start()
        yield server
    finally:
        server.kill()
