"""A repo in which an experiment takes seconds: the real pipeline on a few images, and real processes to stop in it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import psutil
import yaml

from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY
from stages.tables.table import read_table, write_table
from tests.support.clones import git, own_environment, run_dvc
from tests.support.walk import COMMON, PROFILE, merged

SOURCES = Path("data/sources/tiny")
# Species and how many of their images are taken; option A leaves the last one out.
IMAGES = {"Lycianthes rantonnetii": 12, "Quercus ilex": 12, "Petunia × atkinsiana": 12, "Nephelium lappaceum": 3}
# Stages that draw for people: no experiment here is about them.
LEFT_OUT = {"contact_sheet": ["plots/rejected_images.png"], "compare_crops": ["metrics/crops.json"]}


def make_tiny(repo: Path) -> None:
    """Give a fresh clone a tiny profile, run its pipeline once, and commit the run."""
    (repo / "data/sources/sample").rename(repo / SOURCES)
    params = yaml.safe_load((repo / "params.yaml").read_text(encoding="utf-8"))
    of_sample = params["profiles"].pop("sample")
    params["profile"] = "tiny"
    params["profiles"]["tiny"] = merged(of_sample, PROFILE)
    write_yaml(repo / "params.yaml", merged(params, COMMON))
    pipeline = yaml.safe_load((repo / "dvc.yaml").read_text(encoding="utf-8"))
    lock = yaml.safe_load((repo / "dvc.lock").read_text(encoding="utf-8"))
    for stage, written in LEFT_OUT.items():
        del pipeline["stages"][stage], lock["stages"][stage]
        for name in written:
            (repo / name).unlink()
    write_yaml(repo / "dvc.yaml", pipeline)
    write_yaml(repo / "dvc.lock", lock)
    assert run_dvc(repo, "repro", "export").returncode == 0
    _thin_out(repo)
    ran = run_dvc(repo, "repro", LOKY_MAX_CPU_COUNT="1")  # a second worker costs more to start than it does
    assert ran.returncode == 0, ran.stdout + ran.stderr
    git(repo, "config", "user.name", "test")
    git(repo, "config", "user.email", "test@host.example")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "a tiny run")
    # What is asked for again shall not be a checkpoint that has come to its end.
    shutil.rmtree(repo / ".dvc/tmp/checkpoints")


def write_yaml(path: Path, content: dict) -> None:
    """Write nulls as DVC does at a ``-S``, so that an experiment changes its own lines alone."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(re.sub(r": null$", ":", text, flags=re.MULTILINE), encoding="utf-8")


def _thin_out(repo: Path) -> None:
    """Leave only some images in the inventory and the image cache."""
    inventory = read_table(repo / SOURCES / "inventory.parquet", INVENTORY)
    sound = inventory.filter(pl.col("gray_std") > 30).select("image_name")
    records = read_table(repo / "data/records.parquet", RECORDS).join(sound, on="image_name").sort("image_name")
    chosen = [
        name for species, count in IMAGES.items() for name in records.filter(species=species)["image_name"][:count]
    ]
    assert len(chosen) == sum(IMAGES.values())
    kept = inventory.filter(pl.col("image_name").is_in(chosen))
    write_table(kept, INVENTORY, repo / SOURCES / "inventory.parquet")
    for image in (repo / SOURCES / "images").iterdir():
        if image.name not in chosen:
            image.unlink()


def copy_of(prepared: Path, folder: Path) -> Path:
    """Give a copy of a repo with all that DVC has of it."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(prepared, folder / "repo", symlinks=True)
    return folder / "repo"


class Running:
    """A command of a terminal, in a process group of its own, whose words can be waited for."""

    def __init__(self, repo: Path, *words: str, **settings: str) -> None:
        """Start ``python -m`` with ``words``, with environment variables besides."""
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", *words],
            cwd=repo,
            env=own_environment(repo, PYTHONUNBUFFERED="1", LOKY_MAX_CPU_COUNT="1", **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until(self, words: str) -> None:
        """Read what it says up to a line with ``words``; fails if it ends without."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"never said {words!r}:\n{self.said}")

    def ends(self) -> int:
        """Read what it says up to its end; give its exit code."""
        self.said += self._process.communicate(timeout=300)[0]
        return self._process.returncode

    def press_ctrl_c(self) -> None:
        """Stop it as a terminal does: all of its processes."""
        os.killpg(self._process.pid, signal.SIGINT)

    def processes(self, *parts: str) -> list[psutil.Process]:
        """Give those of its processes whose command line has one of ``parts``."""
        own = psutil.Process(self._process.pid)
        everyone = [own, *own.children(recursive=True)]
        found = [each for each in everyone if any(part in " ".join(each.cmdline()) for part in parts)]
        assert found
        return found

    def kill(self, *parts: str) -> None:
        """``kill -9`` such processes, all at once."""
        found = self.processes(*parts)
        for each in found:
            each.kill()
        psutil.wait_procs(found)
