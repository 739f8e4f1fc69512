"""What several test files build on: pictures, tables, the committed parameters."""

import copy
import datetime
import faulthandler
import io
import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import simplejpeg
import yaml
from hypothesis import HealthCheck, settings
from PIL import Image

from stages.config.reading import validate
from stages.config.schema import Params
from stages.tables.cache_filter import AVAILABLE

ROOT = Path(__file__).parent.parent

settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """See to it that the process ends when the tests have: what waits without end at exit is a failure, with its stack.

    A loader process that nobody had told to end has once held up a finished run so for an hour.
    """
    faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__)


@pytest.fixture
def params_content() -> dict:
    """The committed params.yaml, free to be changed."""
    return copy.deepcopy(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))


@pytest.fixture
def params(params_content: dict) -> Params:
    return validate(params_content | {"profile": "sample"})


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repo root with the committed params.yaml and dvc.yaml, as the current directory."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def dask_cluster(folder: Path, *, code: Path | None = ROOT, cwd: Path | None = None) -> Iterator[tuple[str, list[int]]]:
    """A Dask scheduler on 127.0.0.1 with two worker processes, all started by command.

    Args:
        folder: of its file.
        code: where workers find this project's code; ``None`` for nowhere.
        cwd: where workers stand.

    Yields:
        Its address, and the process groups of scheduler and workers.
    """
    file = folder / "scheduler.json"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "1"
    quiet = {"cwd": cwd or folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    quiet["start_new_session"] = True  # a worker has a nanny, and both shall end
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    scheduler = subprocess.Popen([*dask, "scheduler", *local, "--port", "0"], env=environment, **quiet)
    if code:
        environment["PYTHONPATH"] = f"{code}:{code / 'tests'}"  # what tests let workers do, too
    worker = [*dask, "worker", *local, "--nthreads", "1"]
    processes = [scheduler, *(subprocess.Popen(worker, env=environment, **quiet) for _ in range(2))]
    try:
        from distributed import Client

        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with Client(scheduler_file=str(file), timeout="60s", set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, [process.pid for process in processes]
    finally:
        for process in reversed(processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The address of a Dask cluster whose workers run this code; the scheduler does not know it."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as (address, _):
        yield address


def picture(width: int = 160, height: int = 120, seed: int = 0) -> np.ndarray:
    """A picture with structure at every scale, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height), 3)
    noise = rng.normal(0, 6, (height, width, 3))
    fine = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((width, height), 3)
    return np.clip(0.7 * np.asarray(coarse) + 0.3 * np.asarray(fine) + noise, 0, 255).astype(np.uint8)


def exif_jpeg(pixels: np.ndarray, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, "JPEG", exif=exif, quality=95)


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality)


def encoded(pixels: np.ndarray, file_format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def available_rows(rows: list[dict]) -> pl.DataFrame:
    """A table of available images; what a row does not say is filled in."""
    full = [
        dict.fromkeys(AVAILABLE)
        | {"image_url": f"https://host.example/{n}.jpg", "image_name": f"{n:032x}.jpg", "species": "A", "source": "s"}
        | {"document_id": str(n), "bytes": 1000, "sha256": f"{n:064x}", "width": 100, "height": 100}
        | row
        for n, row in enumerate(rows)
    ]
    return pl.DataFrame(full, schema=AVAILABLE)


def run_stage(stage: str, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a stage or command by its own command line in ``folder``, with this repo's code."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)} | environment
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def complaint(result: subprocess.CompletedProcess) -> str:
    """The one line with which a stage refused to go on; fails if it did not, or showed a traceback."""
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]
