"""A repo of DVC whose last run left some outputs in its cache."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import yaml


def init_dvc(repo: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=repo, check=True)


def store(repo: Path, content: bytes, suffix: str = "") -> str:
    """Put an object into DVC's cache; give its name."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = object_of(repo, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def object_of(repo: Path, digest: str) -> Path:
    return repo / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def store_run(repo: Path, outputs: dict[str, bytes | dict[str, bytes]]) -> dict[str, str]:
    """Let the last run have had these outputs, files and folders; give the names of their objects."""
    stored = {}
    for path, content in outputs.items():
        if isinstance(content, dict):
            entries = [{"md5": store(repo, of_file), "relpath": name} for name, of_file in sorted(content.items())]
            stored[path] = store(repo, json.dumps(entries).encode(), ".dir")
        else:
            stored[path] = store(repo, content)
    outs = [{"path": path, "hash": "md5", "md5": digest} for path, digest in stored.items()]
    lock = {"schema": "2.0", "stages": {"stage": {"cmd": "make", "outs": outs}}}
    (repo / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    return stored
