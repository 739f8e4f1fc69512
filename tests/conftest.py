"""Fixtures that several rooms' tests build on, and how all tests run."""

import datetime
import faulthandler
import ipaddress
import os
import sys
from pathlib import Path

# Of several workers each has a core to itself; with a thread a core in every one of them, they would wait for each
# other. Set here, before anything imports torch or numpy, which read it when they are imported.
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from stages import PORTABLE_ARITHMETIC

# What a network on a CPU asks for, before any test lets torch compute something.
os.environ.update(PORTABLE_ARITHMETIC)

from stages.config.reading import validate
from stages.config.schema import Params
from stages.runtime.yaml_files import read_yaml
from tests.support import ROOT
from tests.support.bench import TRIES, Bench, allow
from tests.support.dask import dask_cluster
from tests.support.features import Sample, make_sample
from tests.support.image_cache import fill
from tests.support.image_server import image_server

# How long an example takes says how busy the machine is, so no deadline. `check` is for the quick look before a commit:
# few examples, the same every time.
for profile, examples in (("default", 100), ("check", 10)):
    settings.register_profile(
        profile,
        max_examples=examples,
        derandomize=profile == "check",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# With `--dist loadfile` a worker takes a file whole, so the longest one bounds the run, and a long one that comes last
# prolongs it: these come first, the longest before all.
LONGEST_FIRST = (
    "pipeline/test_repro.py",
    "pipeline/test_what_runs.py",
    "pipeline/test_experiments.py",
    "pipeline/test_moving_in.py",
    "learning/test_interrupted.py",
    "learning/test_processes.py",
    "stages/test_pack.py",
    "commands/test_fetch.py",
    "pipeline/test_sources.py",
    "records/test_mongodb.py",
    "runtime/test_cluster.py",
    "learning/test_data.py",
    "learning/test_loop.py",
    "learning/test_resume.py",
    "sample/test_sample.py",
    "images/test_prepare.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let workers take files in the order of the collection, where xdist would bring those of most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


# What these give is made by servers, workers or DVC, in seconds: a test that asks for one of them is slow.
SLOW_FIXTURES = {"clone", "cluster", "guarded", "made", "mongodb", "packing_repo", "sample"}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the longest files to the front; all others, and the tests of each file, keep their order."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """See to it that the process ends when the tests have: what waits without end at exit is a failure, with its stack.

    A worker that has no tests left still lives until the others have none: it gets as long as one of their files takes.

    A loader process that nobody had told to end has once held up a finished run so for an hour. A slow machine gets two
    minutes to shut down what is to be shut down.
    """
    wait_s = 1200 if "PYTEST_XDIST_WORKER" in os.environ else 120
    faulthandler.dump_traceback_later(wait_s, exit=True, file=sys.__stderr__)


@pytest.fixture
def params_content() -> dict:
    """The committed params.yaml, free to be changed."""
    return read_yaml(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def params() -> Params:
    """The committed parameters of the sample; frozen, so one object serves all tests."""
    content = read_yaml(ROOT / "params.yaml")
    return validate(content | {"profile": "sample"})


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repo root with the committed files of parameters and stages, as the current directory."""
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
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
        .not_valid_before(now - datetime.timedelta(days=3650))
        .not_valid_after(now + datetime.timedelta(days=3650))
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


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Sample:
    """The embedded sample with its features; a file of tests that asks for it takes 20 seconds more."""
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def server():
    with image_server() as server:
        yield server


@pytest.fixture
def bench(workspace, server, params_content) -> Bench:
    directory = workspace / "cache"
    directory.mkdir()
    params_content["download"] |= {"contact": "test@host.example", "hosts": allow(server.host), "timeout_s": 120.0}
    params_content["download"]["tries"] = TRIES
    return Bench(directory, server, params_content)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An image cache of ten files, the first the oldest."""
    return fill(tmp_path / "images")
