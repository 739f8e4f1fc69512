"""What several test files build on: pictures, tables, the committed parameters."""

import copy
import datetime
import io
import ipaddress
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import simplejpeg
import yaml
from hypothesis import HealthCheck, settings
from PIL import Image

from stages.params import Params, validate
from stages.tables import AVAILABLE

ROOT = Path(__file__).parent.parent

settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


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


def picture(width: int = 160, height: int = 120, seed: int = 0) -> np.ndarray:
    """A picture with structure at every scale, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height), 3)
    noise = rng.normal(0, 6, (height, width, 3))
    fine = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((width, height), 3)
    return np.clip(0.7 * np.asarray(coarse) + 0.3 * np.asarray(fine) + noise, 0, 255).astype(np.uint8)


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
