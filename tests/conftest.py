"""Fixtures that several rooms' tests build on, and how all tests run."""

import datetime
import faulthandler
import ipaddress
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

from stages.config.reading import validate
from stages.config.schema import Params
from tests.support import ROOT
from tests.support.bench import TRIES, Bench, allow
from tests.support.dask import dask_cluster
from tests.support.image_cache import fill
from tests.support.image_server import image_server

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
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def params() -> Params:
    """The committed parameters of the sample; frozen, so one object serves all tests."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return validate(content | {"profile": "sample"})


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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The address of a Dask cluster whose workers run this code; the scheduler does not know it."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as (address, _):
        yield address


@pytest.fixture
def server():
    with image_server() as server:
        yield server


@pytest.fixture
def bench(workspace, server, params_content) -> Bench:
    directory = workspace / "cache"
    directory.mkdir()
    params_content["download"] |= {"contact": "test@host.example", "hosts": [allow(server.host)], "timeout_s": 20.0}
    params_content["download"]["tries"] = TRIES
    return Bench(directory, server, params_content)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An image cache of ten files, the first the oldest."""
    return fill(tmp_path / "images")
