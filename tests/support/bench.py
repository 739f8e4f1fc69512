"""A download that tests drive: a real server, a clock that takes no time, and what is asked of them."""

from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import numpy as np
import polars as pl

from stages.config.reading import validate
from stages.config.schema import Params
from stages.download.ledger import Ledger
from stages.download.run import fetch
from stages.records.shapes import image_name
from stages.tables.export import RECORDS
from tests.support.image_server import ImageServer, image
from tests.support.pictures import jpeg, picture

START_S = 1_800_000_000.0
PHOTO = jpeg(picture())
TRIES = 4


@dataclass
class FastClock:
    """A clock that stands still while a request is under way, and jumps to when the next one may start."""

    time_s: float = START_S
    waited_s: list[float] = field(default_factory=list)

    def now_s(self) -> float:
        return self.time_s

    def wait(self, answers, seconds, *, busy):
        if busy:
            try:
                return answers.get(timeout=0.05)
            except Empty:
                return None
        self.time_s += max(seconds, 0.001)
        self.waited_s.append(seconds)
        return None


@dataclass
class Bench:
    """A cache, a server, and a download from the one into the other."""

    directory: Path
    server: ImageServer
    content: dict
    clock: FastClock = field(default_factory=FastClock)

    @property
    def host(self) -> dict:
        return self.content["download"]["hosts"][self.server.host]

    def params(self) -> Params:
        return validate(self.content)

    def fetch(self, *urls: str, records: pl.DataFrame | None = None, **options):
        records = records_of(*urls) if records is None else records
        return fetch(records, self.directory, self.params(), clock=self.clock, **options)

    def stored(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.glob("*.jpg")}

    def ledger(self) -> Ledger:
        return Ledger(self.directory)

    def reasons(self) -> dict[str, str]:
        with self.ledger() as ledger:
            return dict(ledger.history().filter(pl.col("refused") == 1).select("image_name", "reason").iter_rows())


def allow(host: str, **limits) -> dict[str, dict]:
    """Give a host's entry in download.hosts, without limits but those named."""
    unlimited = {"requests_per_s": None, "concurrent": 4, "gb_an_hour": None, "gb_a_day": None, "private": True}
    return {host: unlimited | limits}


def records_of(*urls: str, **columns: list) -> pl.DataFrame:
    rows = [
        dict.fromkeys(RECORDS)
        | {"image_url": url, "image_name": image_name(url), "species": "A", "source": "s"}
        | {name: values[number] for name, values in columns.items()}
        for number, url in enumerate(urls)
    ]
    return pl.DataFrame(rows, schema=RECORDS)


def numbered(server: ImageServer, number: int) -> dict[str, bytes]:
    """Photos on the server: their bytes by URL."""
    photos = {}
    for index in range(number):
        content = jpeg(picture(seed=index))
        photos[server.script(f"/photos/{index}.jpg", image(content))] = content
    return photos


def black(number: int = 0) -> bytes:
    return jpeg(np.full((120, 160, 3), number, np.uint8))
