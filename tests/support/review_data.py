"""Images, splits and suspects of a made-up repo, and the command `review_data` that serves their page."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import polars as pl

from stages.commands import review_data
from stages.reviewing.pairs import PairReview
from stages.reviewing.review import ImageReview
from stages.tables.classes import LABELS
from stages.tables.split import SPLIT
from stages.tables.suspects import LOOK_ALIKES, SUSPECTS
from stages.tables.table import write_table
from stages.verdicts.random_order import random_order
from tests.support import ROOT
from tests.support.local_page import LocalPage, address_of
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg, picture

# As species' names no stage lets control characters through; photographers' are as sources write them.
HOSTILE = '=Rosa <img src=x onerror="document.title=1">&lt; "canina", \'x\' {a}'
OBSERVER = "ann\u202e <b>bold</b>\n{}"
SPECIES = ["Abies alba", "Betula pendula", "Carex nigra", "Petunia × atkinsiana", "Rosa canina", HOSTILE]
VERDICTS_IN = Path("data/sources/sample/verdicts")
PAIRS_IN = Path("data/sources/sample/pair_verdicts")


def name_of(number: int) -> str:
    return hashlib.md5(str(number).encode()).hexdigest() + ".jpg"


def write_data(
    folder: Path,
    *,
    groups: int = 40,
    species: list[str] = SPECIES,
    size_px: int = 64,
    pictures: int = 12,
    listed: int = 1000,
) -> pl.DataFrame:
    """Write all that the command reads: groups of three, two and one photos; every other image is suspected.

    Args:
        folder: a repo's root.
        groups: of images.
        species: a group each in turn.
        size_px: side of the packed images.
        pictures: that differ; the images have these in turn.
        listed: images with neighbors.

    Returns:
        The rows of train, val and test, columns of ``SPLIT``.
    """
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, folder / name)
    originals = [jpeg(picture(160, 120, seed)) for seed in range(pictures)]
    crops = [jpeg(picture(size_px, size_px, seed)) for seed in range(pictures)]
    cache = folder / "data/sources/sample/images"
    cache.mkdir(parents=True)
    rows, packed = [], []
    for group in range(groups):
        members = [name_of(3 * group + each) for each in range(3 - group % 3)]
        for name in members:
            number = len(rows)
            # Some bytes behind the end make a file of its own of each.
            original = originals[number % pictures] + name.encode()
            if groups <= 1000:
                (cache / name).write_bytes(original)
            digest = hashlib.sha256(original).hexdigest()
            packed.append(packed_image(name, crops[number % pictures], digest))
            rows.append(
                dict.fromkeys(SPLIT)
                | {"image_url": f"https://host.example/{name}", "image_name": name, "sha256": digest}
                | {"species": species[group % len(species)], "source": "garden", "license": "cc-by"}
                | {"observer": OBSERVER.format(group), "document_id": str(group), "bytes": len(original)}
                | {"width": 160, "height": 120, "group": min(members), "observation_id": f"garden:{group}"}
                | {"split": ["train", "train", "train", "val", "test"][group % 5]}
            )
    table = pl.DataFrame(rows, schema=dict(SPLIT))
    for split, of_split in table.group_by("split"):
        write_table(of_split, SPLIT, folder / f"data/splits/{split[0]}.parquet")
    order = sorted(species)
    labels = pl.DataFrame({"label": range(len(order)), "species": order})
    write_table(labels, LABELS, folder / "data/splits/labels.csv")
    write_images(packed, folder / "data/packed", size_px=size_px)
    write_suspects(folder, table, order, listed)
    return table


def write_suspects(folder: Path, table: pl.DataFrame, species: list[str], listed: int) -> None:
    """Write tables of suspects, ranked by a draw: the first half is contradicted."""
    rng = np.random.default_rng(1)
    size = table.height
    names, groups, own = (table[column].to_list() for column in ("image_name", "group", "species"))
    ranks, isolation = (rng.permutation(size) + 1 for _ in range(2))
    sampled = set(random_order(names)[:listed])
    rows: dict[str, list] = {name: [] for name in SUSPECTS}
    for place, name in enumerate(names):
        others = [species[(place + step) % len(species)] for step in range(1, min(7, len(species)))]
        near = [(place + 7 * step + 3) % size for step in range(1, 12)]
        is_listed = min(ranks[place], isolation[place]) <= listed or name in sampled
        score = 0.5 - ranks[place] / size
        said = {
            "rank": ranks[place],
            "score": score,
            "no_evidence": False,
            "candidates": [each for each in others if each != own[place]][:5],
            "candidate_scores": [score] * 5,
            "own_score": 0.0,
            "isolation": 1 / isolation[place],
            "novelty": 1 / isolation[place],
            "isolation_rank": isolation[place],
            "neighbors": [names[each] for each in near if groups[each] != groups[place]][:8] if is_listed else None,
        }
        for column, values in rows.items():
            values.append(said[column] if column in said else table[column][place])
    suspects = pl.DataFrame(rows, schema=dict(SUSPECTS), strict=False)
    write_table(suspects.sort("rank"), SUSPECTS, folder / "data/suspects/images.parquet")
    alike = [sorted((place, place + size // 2), key=lambda each: names[each]) for place in range(min(10, size // 2))]
    pairs = {
        name: [table[column][pair[which]] for pair in alike]
        for name, column, which in (
            ("image_name", "image_name", 0), ("sha256", "sha256", 0), ("species", "species", 0),
            ("other_name", "image_name", 1), ("other_sha256", "sha256", 1), ("other_species", "species", 1),
        )
    }  # fmt: skip
    look_alikes = pl.DataFrame(pairs | {"similarity": [0.99] * len(alike)}, schema=dict(LOOK_ALIKES))
    write_table(look_alikes, LOOK_ALIKES, folder / "data/suspects/look_alikes.parquet")


@dataclass
class Served(LocalPage):
    """A page that is served.

    Attributes:
        process: of the command; none where the server is of this process.
    """

    process: subprocess.Popen | None

    def now(self) -> dict[str, Any]:
        """What the page shows."""
        return self.ask("now")[1]

    def judge(self, verdict: str, **more: Any) -> tuple[int, Any]:
        """Give a verdict on the question at hand."""
        said = {"species": None, "reason": None, "alone": False, "note": ""}
        return self.ask("verdict", {"turn": self.now()["turn"], "verdict": verdict} | said | more)

    def undo(self) -> tuple[int, Any]:
        """Take the last one back."""
        return self.ask("undo", {"turn": self.now()["turn"]})

    def stop(self) -> tuple[int, str]:
        """End it as Ctrl-C does; give the exit code and what it said."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err


@contextmanager
def serving(folder: Path, *words: str, reviewer: str = "ann") -> Iterator[tuple[Served, ImageReview | PairReview]]:
    """Serve in this process, which must stay in the folder; give the review as well."""
    with chdir(folder):
        arguments = review_data._arguments(["--no-browser", "--reviewer", reviewer, *words])
        server, review = review_data.open_server(arguments)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Served(server.url, None), review
        finally:
            server.shutdown()
            thread.join()
            server.end()
            review.file.close()


@contextmanager
def served(folder: Path, *words: str, reviewer: str = "ann", **environment: str) -> Iterator[Served]:
    """Run the command in a folder until the block ends."""
    command = [sys.executable, "-m", "stages.commands.review_data", "--no-browser", "--reviewer", reviewer, *words]
    env = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder), "PYTHONUNBUFFERED": "1"} | environment
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        yield Served(address_of(process)[0], process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)
