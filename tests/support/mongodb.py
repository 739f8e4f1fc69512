"""A real MongoDB server for tests: secantusdb as a process of its own on 127.0.0.1, over its real protocol."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def altering(port: int, changes: dict[bytes, bytes]) -> Iterator[int]:
    """Give a port behind which the server at ``port`` answers, with bytes of its answers changed for others as long.

    So documents come over the wire as no server lets them in. A proxy of threads, on 127.0.0.1.
    """
    assert all(len(old) == len(new) for old, new in changes.items())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    threading.Thread(target=_forward, args=(client, server, {}), daemon=True).start()
                    threading.Thread(target=_forward, args=(server, client, changes), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _forward(giver: socket.socket, taker: socket.socket, changes: dict[bytes, bytes]) -> None:
    """Pass on message by message, each of which begins with its length, until one side closes."""
    with giver, taker, suppress(OSError):
        read = giver.makefile("rb")
        while head := read.read(4):
            message = head + read.read(int.from_bytes(head, "little") - 4)
            for old, new in changes.items():
                message = message.replace(old, new)
            taker.sendall(message)
        taker.shutdown(socket.SHUT_RDWR)


@contextmanager
def silent_host(*, accepts: bool) -> Iterator[int]:
    """Give a port where nobody says anything: behind it connections are accepted, or their first packets dropped."""
    with socket.create_server(("127.0.0.1", 0), backlog=100 if accepts else 0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(0 if accepts else 4)]
        for one in waiting:  # a full queue lets the kernel drop the packets of others
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for one in waiting:
                one.close()
