"""A clone of this repo to be spoilt: edits of code, parameters, files; and the real pipeline in it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from benchmarks import ROOT
from stages.runtime.errors import UserError
from stages.runtime.yaml_files import read_yaml
from stages.tables.json_files import parse_json

LIST = "spoilt.txt"  # of images, in a clone, where a spoilt stage reads it


@dataclass(frozen=True)
class Edit:
    """A line of code that is replaced in a clone, as a slip would."""

    file: str
    old: str
    new: str


class Clone:
    """A clone of this repo with a DVC cache of its own, which begins with what another's has."""

    def __init__(self, folder: Path, like: Path) -> None:
        """Make it, in the place of an earlier one.

        Args:
            folder: for it.
            like: a repo whose DVC cache has what need not be made again.
        """
        self.root = folder / "repo"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.call("git", "clone", "--quiet", str(ROOT), str(self.root), at=folder)
        if (like / ".dvc/cache").is_dir():
            shutil.copytree(like / ".dvc/cache", self.root / ".dvc/cache", copy_function=_link)

    def call(self, *command: str, at: Path | None = None, gate: str = "on") -> tuple[int, str]:
        """Run a command in the clone, by its own code, on the CPU; give its exit code and what it says.

        Of this machine's settings none reaches it.
        """
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = dict.fromkeys(("IMAGE_CACHE_DIR", "CLUSTER", "CHECKPOINT_DIR", "CUDA_VISIBLE_DEVICES"), "")
        settings |= {"GATE": gate}
        here = {"PATH": path, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.root.with_name("site"))}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings | here
        done = subprocess.run(
            command,
            cwd=at or self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def must(self, *command: str, gate: str = "on") -> str:
        """Run a command that may not fail."""
        code, output = self.call(*command, gate=gate)
        if code:
            last = output.strip().splitlines()[-1:] or [f"exit code {code}"]
            raise UserError(f"`{' '.join(command)}` failed in {self.root}: {last[0]}")
        return output

    def edit(self, edit: Edit) -> None:
        """Replace a piece of code that stands there once."""
        path = self.root / edit.file
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise UserError(f"{edit.file} has {text.count(edit.old)} times {edit.old!r}: this benchmark is out of date")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")

    def set(self, params: tuple[tuple[str, Any], ...]) -> None:
        """Set parameters."""
        path = self.root / "params.yaml"
        content = read_yaml(path)
        for key, value in params:
            *sections, name = key.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[name] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def json(self, path: str) -> dict[str, Any]:
        """Read a JSON file of the clone; nothing where it is missing."""
        file = self.root / path
        return parse_json(file.read_bytes()) if file.exists() else {}

    def split(self, name: str) -> pl.DataFrame:
        """Read a split's table."""
        return pl.read_parquet(self.root / f"data/splits/{name}.parquet").sort("image_name")

    def spoil(self, names: list[str]) -> None:
        """List images that a spoilt stage shall meet."""
        (self.root / LIST).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
