"""The page of `make serve`, served by this process for a tiny model whose answers are known."""

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import polars as pl

from stages.commands import serve
from stages.serving.server import PhotoServer
from stages.tables.publish import EXAMPLES
from stages.tables.table import write_table
from tests.support.local_page import LocalPage
from tests.support.pictures import jpeg
from tests.support.used import USED_SPECIES, used_model

HOSTILE = 'ann\u202e <img src=x onerror="document.title=1"> & \n"bob"'
ONE_NOBODY = "cafe" * 8 + ".jpg"  # of the second species, and the only one of it


@dataclass
class PhotoPage(LocalPage):
    """A page that is served.

    Attributes:
        server: of this process.
    """

    server: PhotoServer

    def identify(self, data: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send a photo as the page does."""
        return self.ask("photo", {}, body=data, headers={"Content-Type": "application/octet-stream"} | headers)


def write_model(folder: Path, *, examples: bool = True) -> Path:
    """Write a model, and examples of its first two species, of which the third has none."""
    used_model(folder)
    if examples:
        rows = [
            (USED_SPECIES[0], f"{'0' * 31}{number}.jpg", HOSTILE, "CC BY-SA", f"https://photos.example/{number}")
            for number in range(2)
        ]
        rows.append((USED_SPECIES[1], ONE_NOBODY, None, "CC0", "javascript:alert(1)"))
        table = pl.DataFrame(rows, schema=list(EXAMPLES)[:-1], orient="row").with_columns(
            jpeg=pl.Series(jpeg(np.full((192, 192, 3), 60 * (1 + row), np.uint8)) for row in range(len(rows)))
        )
        write_table(table, EXAMPLES, folder / "examples.parquet")
    return folder


@contextmanager
def serving_photos(model: Path, *words: str, at: Path | None = None) -> Iterator[PhotoPage]:
    """Serve in this process, from the folder ``at`` where there is one."""
    with chdir(at or Path.cwd()):
        server = serve.open_server(serve._arguments(["--no-browser", "--model", str(model), *words]))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield PhotoPage(server.url, server)
    finally:
        server.shutdown()
        thread.join()
        server.end()
