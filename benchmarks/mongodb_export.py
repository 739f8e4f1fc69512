"""Peak memory and speed of an export of a full collection, from a MongoDB server and from a dump of the same documents.

    python -m benchmarks.mongodb_export [DOCUMENTS]

Starts the test suite's MongoDB server on 127.0.0.1, fills it with 741,533 documents (minutes; 900 MB of disk) and runs
the stage by its own command, from the server and from the dump. Says whether both gave the same bytes.
"""

import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bson
import yaml

from benchmarks import ROOT
from stages.runtime.yaml_files import read_yaml
from tests.support.mongodb import running_server

DOCUMENTS = 741_533
CLASSES = 8_587
INATURALIST_SHARE = 365_025 / 741_501
INSERT = 5_000
LETTERS = str.maketrans("0123456789", "abcdefghij")


def make_document(number: int, rng: random.Random) -> dict:
    """Give a document in one of the production collection's two main shapes, about 450 bytes of BSON."""
    rank = int(CLASSES * rng.random() ** 2.5)
    species = f"Genus{rank % 977} species{rank}".translate(LETTERS)  # names of plants have no digits
    identity = bson.ObjectId(bytes.fromhex("69000000a1b2c3d4") + number.to_bytes(4, "big"))
    if rng.random() < INATURALIST_SHARE:
        photo = 100_000_000 + number * 7
        return {
            "_id": identity,
            "image_url": f"https://inaturalist-open-data.s3.amazonaws.com/photos/{photo}/original.jpeg",
            "photo": {"id": photo, "license_code": "cc-by-nc", "attribution": f"(c) observer {number % 9973}"},
            "observation": {"id": 90_000_000 + number // 3, "user": {"login": f"observer{number % 9973}"}},
            "taxon": {"name": species, "rank": "species"},
            "place": {"text": "somewhere in the hills " * 3},
        }
    return {
        "_id": identity,
        "url": f"https://herbarium.example/collections/plants/images/{number:09d}/full/max/0/default.jpg",
        "scientific_name": species,
        "rights": "cc-by",
        "sighting": number // 2,
        "author": f"collector {number % 7919}",
        "notes": "pressed, mounted, scanned " * 4,
    }


def export(folder: Path, **environment: str) -> tuple[float, float, str]:
    """Run the stage in ``folder``; give seconds, peak MB and the digest of the records."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.export"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (said, before)
    print(said.strip())
    records = (folder / "data/records.parquet").read_bytes()
    return time.perf_counter() - start, usage.ru_maxrss / 1e3, hashlib.md5(records).hexdigest()


def main() -> None:
    """Fill the server, export twice, print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dump = folder / "data/sources/teacher/dump/plants.bson"
        dump.parent.mkdir(parents=True)
        with dump.open("wb") as file:
            for index in range(number):
                file.write(bson.encode(make_document(index, rng)))
        content = read_yaml(ROOT / "params.yaml") | {"profile": "teacher"}
        (folder / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
        rows = []
        with running_server(folder / "server") as server:
            client = server.client()
            with dump.open("rb") as file:
                batch = []
                for document in bson.decode_file_iter(file):
                    batch.append(document)
                    if len(batch) == INSERT:
                        client.RehabDatos.plants.insert_many(batch, ordered=False)
                        batch = []
                if batch:
                    client.RehabDatos.plants.insert_many(batch, ordered=False)
            client.close()
            sources = {"server": content["profiles"]["teacher"]["source"], "dump": {"kind": "dump", "file": dump.name}}
            for what, source in sources.items():
                content["profiles"]["teacher"]["source"] = source
                (folder / "params.yaml").write_text(yaml.safe_dump(content))
                rows.append((what, *export(folder, MONGODB_URI=server.uri())))
    print("| from | documents | seconds | peak MB | records |\n|---|---|---|---|---|")
    for what, seconds, peak_mb, digest in rows:
        print(f"| {what} | {number:,} | {seconds:.1f} | {peak_mb:.0f} | {digest[:8]} |")


if __name__ == "__main__":
    main()
