"""What a published model was made of: a commit, data by the digests of dvc.lock, code and libraries by run.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.runtime.errors import UserError
from stages.runtime.yaml_files import NotYAMLError, parse_yaml
from stages.tables.json_files import parse_json


@dataclass(frozen=True)
class MadeOf:
    """What a published model was made of.

    Attributes:
        commit: of the repo; none where there is none.
        changed_files: that differ from it.
        data: digests of what the model was made of, by path.
    """

    commit: str | None
    changed_files: int
    data: Mapping[str, str]


def read_run(path: Path) -> dict[str, Any]:
    """Read what made the weights: code and libraries of run.json's identity.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        identity = parse_json(path.read_bytes())["identity"]
        return {name: identity[name] for name in ("code", "libraries")}
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro train` or `dvc pull`") from None
    except KeyError as error:
        raise UserError(f"{path} is of another version (it has no {error}): run `dvc repro train`") from None
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout train`") from None


def data_digests(lock: bytes, made: str = "models/") -> dict[str, str]:
    """Give the data that results are made of, sources and what stages made of them: MD5 by path, as DVC has them.

    Args:
        lock: content of a dvc.lock.
        made: how the paths of the results begin.

    Raises:
        UserError: it is no lock of DVC's.
    """
    try:
        stages = parse_yaml(lock)["stages"]
        outs, deps = (
            {name: {entry["path"]: entry["md5"] for entry in stage.get(kind, ())} for name, stage in stages.items()}
            for kind in ("outs", "deps")
        )
    except (NotYAMLError, KeyError, TypeError, AttributeError):
        raise UserError("dvc.lock is no lock of DVC's: bring it back with git, or take one side of a merge") from None
    found: dict[str, str] = {}
    left = [name for name, paths in outs.items() if any(path.startswith(made) for path in paths)]
    seen = set(left)
    while left:
        for path, digest in deps[left.pop()].items():
            if path.startswith("data/"):
                found[path] = digest
            for name, paths in outs.items():
                if name not in seen and any(_within(path, out) or _within(out, path) for out in paths):
                    seen.add(name)
                    left.append(name)
    return found


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
