"""Images a second and processor time an image of `fetch` and of img2dataset, from the same server on 127.0.0.1.

    python -m benchmarks.download [IMAGES]

The server is a process of its own and serves photos of 1024 px, each with other bytes. Both keep 16 requests under way
and neither resizes; the alternatives take turns for three rounds. img2dataset is run as one process and as two (16
threads in all), re-encoding as it does by default and keeping the bytes (`skip_reencode`). `fetch` has no limits here;
it judges every image, flushes it to the disk and keeps its books, as always. img2dataset brings another OpenCV, so it
gets an environment of its own: named by the variable IMG2DATASET_PYTHON, else made in a temporary folder.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks import ROOT

IMG2DATASET = "img2dataset==1.47.0"
IMAGES, CONCURRENT, ROUNDS = 2_000, 16, 3
LASTS_S = 1_800  # the server ends by itself
MEASURE = """
import json, resource, sys, time
def cpu_s():
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
def measure(work):
    start, before = time.perf_counter(), cpu_s()
    stored = work()
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu_s": cpu_s() - before, "stored": stored}))
"""
SERVER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from tests.support.pictures import jpeg, picture
PHOTOS = [jpeg(picture(1024, 768, seed), quality=88) for seed in range(32)]
class Photos(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.asked = transport, b""
    def data_received(self, data):
        self.asked += data
        while b"\\r\\n\\r\\n" in self.asked:
            head, _, self.asked = self.asked.partition(b"\\r\\n\\r\\n")
            number = head.split()[1].strip(b"/").split(b".")[0]
            photo = PHOTOS[int(number) % len(PHOTOS)]
            comment = b"photo " + number  # a comment segment makes the bytes its own
            body = photo[:2] + b"\\xff\\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]
            head_of_answer = b"HTTP/1.1 200 OK\\r\\nContent-Type: image/jpeg\\r\\nContent-Length: %d\\r\\n\\r\\n"
            self.transport.write(head_of_answer % len(body) + body)
            if b"connection: close" in head.lower():
                self.transport.close()
async def main():
    server = await asyncio.get_running_loop().create_server(Photos, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], sum(map(len, PHOTOS)) // len(PHOTOS), flush=True)
    await asyncio.sleep(float(sys.argv[2]))
asyncio.run(main())
"""
OURS = """
import contextlib, io, logging, os
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import polars as pl
from stages.download.run import fetch
from stages.config.reading import validate
from stages.records.shapes import image_name
from stages.tables.export import RECORDS
from stages.runtime.yaml_files import read_yaml
port, images, concurrent, folder = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])
os.chdir(folder)
content = read_yaml(Path(sys.argv[1]) / "params.yaml")
limits = {"concurrent": concurrent, "private": True}
limits |= dict.fromkeys(("requests_per_s", "gb_an_hour", "gb_a_day"))
content["download"] |= {"contact": "benchmark@host.example", "hosts": {f"127.0.0.1:{port}": limits}}
urls = [f"http://127.0.0.1:{port}/{n}.jpg" for n in range(images)]
named = [{"image_url": url, "image_name": image_name(url), "species": "A", "source": "s"} for url in urls]
records = pl.DataFrame([dict.fromkeys(RECORDS) | row for row in named], schema=RECORDS)
def work():
    with contextlib.redirect_stdout(io.StringIO()):
        return fetch(records, folder, validate(content)).counts["stored"]
measure(work)
"""
THEIRS = """
from pathlib import Path
from img2dataset import download
port, images, concurrent, folder = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])
processes, keep = int(sys.argv[6]), sys.argv[7] == "keep"
if __name__ == "__main__":
    (folder / "urls.txt").write_text("".join(f"http://127.0.0.1:{port}/{n}.jpg\\n" for n in range(images)))
    def work():
        download(
            url_list=str(folder / "urls.txt"), output_folder=str(folder / "out"), input_format="txt",
            output_format="files", resize_mode="no", skip_reencode=keep,
            processes_count=processes, thread_count=concurrent // processes,
            number_sample_per_shard=images // 4, enable_wandb=False,
        )
        return len(list((folder / "out").rglob("*.jpg")))
    measure(work)
"""


def run_script(python: str, script: str, *words: object) -> dict[str, float]:
    """Run one alternative in a process of its own and give what it measured."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "alternative.py"
        path.write_text(MEASURE + script)
        folder = Path(name) / "images"
        folder.mkdir()
        words = [str(folder) if word is Path else str(word) for word in words]
        environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
        result = subprocess.run(
            [python, str(path), str(ROOT), *words],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env=environment,
        )
    if result.returncode:
        sys.exit(result.stdout + result.stderr)
    return json.loads([line for line in result.stdout.splitlines() if line.startswith('{"seconds"')][-1])


def their_python(folder: Path) -> str:
    """Give the Python of an environment with img2dataset."""
    if named := os.environ.get("IMG2DATASET_PYTHON"):
        return named
    venv.create(folder, with_pip=True)
    python = str(folder / "bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", IMG2DATASET], check=True)
    return python


def main() -> None:
    """Measure and print the table."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(ROOT), str(LASTS_S)], stdout=subprocess.PIPE, text=True
    )
    try:
        port, photo_bytes = server.stdout.readline().split()
        with tempfile.TemporaryDirectory() as folder:
            theirs = their_python(Path(folder))
            common = (port, images, CONCURRENT, Path)
            alternatives = {
                "fetch": (sys.executable, OURS, *common),
                "img2dataset, 1 process": (theirs, THEIRS, *common, 1, "encode"),
                "img2dataset, 2 processes": (theirs, THEIRS, *common, 2, "encode"),
                "img2dataset, 1 process, bytes kept": (theirs, THEIRS, *common, 1, "keep"),
                "img2dataset, 2 processes, bytes kept": (theirs, THEIRS, *common, 2, "keep"),
            }
            figures = {name: [] for name in alternatives}
            for _ in range(ROUNDS):
                for name, words in alternatives.items():
                    figures[name].append(run_script(*words))
    finally:
        server.kill()
        server.wait()
    print(f"{images:,} photos of {int(photo_bytes) / 1e3:.0f} kB, {CONCURRENT} at once, {os.cpu_count()} cores\n")
    print("| | images stored | images/s | CPU ms an image | images/s, ratio | rounds |\n|---|---|---|---|---|---|")
    rates = {name: [run["stored"] / run["seconds"] for run in runs] for name, runs in figures.items()}
    base = statistics.median(rates["fetch"])
    for name, runs in figures.items():
        cpu_ms = statistics.median(run["cpu_s"] / run["stored"] * 1e3 for run in runs)
        rate = statistics.median(rates[name])
        rounds = " ".join(f"{value:.0f}" for value in rates[name])
        print(f"| {name} | {runs[0]['stored']:,} | {rate:.0f} | {cpu_ms:.2f} | {rate / base:.2f} | {rounds} |")


if __name__ == "__main__":
    main()
