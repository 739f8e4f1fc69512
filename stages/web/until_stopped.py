"""A server that answers until somebody stops it."""

import os
from threading import Thread

from stages.runtime.signals import stop_requests
from stages.web.local_server import LocalServer


def has_screen() -> bool:
    """Say whether a browser can open a window here; one in the terminal is no use."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    return os.name == "nt" or os.uname().sysname == "Darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def serve_until_stopped(server: LocalServer) -> None:
    """Answer until Ctrl-C or a kill; what the server is in the middle of then is done by its ``end``."""
    told, tell = os.pipe()

    def stop() -> None:
        os.write(tell, b".")

    with stop_requests(stop):
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        os.read(told, 1)
        server.shutdown()
        thread.join()
        server.end()
