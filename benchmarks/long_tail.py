"""What the recipes for a long tail are worth: queued DVC experiments on a data set of 175 classes that is hard to tell.

    python -m benchmarks.long_tail FOLDER [--seeds 3] [--jobs 2] [--only NAME ...]

FOLDER gets a clone of this repo with a profile ``long_tail``: photos composed of all photographic cut-outs of living
things in a Debian package, many of them small, half hidden, out of focus and of shifted hue; two in five are kept for
the test. There each recipe is queued with each seed, DVC runs them, and a table is printed. After a Ctrl-C DVC's
workers go on until `dvc queue stop --kill` in FOLDER/repo; another call runs what has not run yet. Of several workers
DVC may lose one (treeverse/dvc issue 10398: it reads a message before it is written); the others go on, and
`dvc queue start --jobs 2` there starts it anew. Needs apt-get and dpkg-deb, fetches 330 MB, and takes an hour on two
CPU cores.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import bson
import dvc.api
import numpy as np
import yaml

from benchmarks import ROOT
from benchmarks.population import write_nothing_known
from sample.compose import Photo, defocus, draw_scene, hide, shift_hue, take_photo
from sample.ingredients import MORE_PACKAGES, load_backgrounds, load_living, load_more_backgrounds
from sample.make import FIRST_OBSERVATION_ID, OPEN_DATA, encode, plan_observations, write_sources
from sample.packages import unpack_packages
from stages.records.shapes import image_name
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import write_bytes
from stages.runtime.progress import progress
from stages.runtime.yaml_files import read_yaml
from stages.tables.json_files import parse_json

SEED = 20261128
PROFILE = "long_tail"
COMMONEST, STEEPNESS = 280, 0.75  # images of the k-th class: COMMONEST / k ** STEEPNESS
RARE = 9  # images: such a class has as many observations, so that each split gets some
COMMIT = "The long tail"
# What is changed of the sample's profile, and of the sections that all profiles share.
CHANGES = {
    "image": {"pack_px": 112, "train_px": 96},
    "train": {"epochs": 8, "batch_images": 32, "micro_batch_images": 32, "warmup_epochs": 1.0, "expect_top1": 0.0},
}
COMMON = {"split": {"val_share": 0.15, "test_share": 0.4}, "shots": {"few_below": 8, "many_above": 30}}

# The recipes, each by what it changes.
RECIPES: dict[str, list[str]] = {
    "natural": [],
    "square-root": ["train.sampling=square_root"],
    "balanced": ["train.sampling=balanced"],
    "logit-adjusted": ["train.loss=logit_adjusted"],
    # By top-1 the epochs of the new head would never be kept.
    "balanced-head": [
        "train.crt_epochs=2",
        "train.crt_learning_rate=0.01",
        "train.selection_metric=mean_per_class_accuracy",
    ],
    "option-a": ["split.min_images_per_class=8"],  # 5, as with the teacher, would leave none out here
    "option-b": ["model.drop_rate=0.3", "train.weight_decay=0.05", "train.label_smoothing=0.2"],
}
FIGURES = {
    "top-1": "test_top1",
    "mean per class": "test_mean_per_class_accuracy",
    "many-shot": "test_many_shot",
    "medium-shot": "test_medium_shot",
    "few-shot": "test_few_shot",
}


def main() -> None:
    """Prepare the clone, run what has not run yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, 100), metavar="NUMBER")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="experiments at once, a core each")
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("benchmarks/long_tail.py: name a folder to work in: skipped")
        return
    repo = arguments.folder.absolute() / "repo"
    if not repo.exists() or call(repo, "git", "log", "-1", "--format=%s").strip() != COMMIT:
        prepare(repo)
    names = {(name, seed): f"{name}-{seed}" for seed in range(1, arguments.seeds + 1) for name in arguments.only}
    done = figures_of(repo)
    tasks = call(repo, "dvc", "queue", "status").splitlines()
    waiting = {word for task in tasks if {"Queued", "Running"} & set(task.split()) for word in task.split()}
    for (name, seed), experiment in names.items():
        if experiment not in done and experiment not in waiting:
            changes = [word for change in [*RECIPES[name], f"train.seed={seed}"] for word in ("-S", change)]
            call(repo, "dvc", "exp", "run", "--queue", "--name", experiment, *changes, "evaluate")
    call(repo, "dvc", "exp", "run", "--run-all", "--jobs", str(arguments.jobs), shown=True)
    done = figures_of(repo)
    lost = [experiment for experiment in names.values() if experiment not in done]
    if lost:
        raise UserError(f"no figures of {', '.join(lost)}: see `dvc queue logs {lost[0]}` in {repo}")
    print_table({name: [done[names[name, seed]] for seed in range(1, arguments.seeds + 1)] for name in arguments.only})


def prepare(repo: Path) -> None:
    """Clone this repo, compose the photos, and commit there what the experiments start from."""
    if not repo.exists():
        repo.parent.mkdir(parents=True, exist_ok=True)
        call(repo.parent, "git", "clone", "--quiet", str(ROOT), str(repo))
    source = repo / "data/sources" / PROFILE
    compose(repo.with_name("images"), source)
    write_nothing_known(source)
    params = read_yaml(ROOT / "params.yaml")
    sample = params["profiles"]["sample"]
    params["profiles"][PROFILE] = sample | {name: sample[name] | change for name, change in CHANGES.items()}
    params |= {"profile": PROFILE} | {name: params[name] | change for name, change in COMMON.items()}
    write_bytes(repo / "params.yaml", yaml.safe_dump(params, sort_keys=False).encode())
    call(repo, sys.executable, "-m", "stages.commands.inventory", shown=True)
    call(repo, "dvc", "repro", "pack", shown=True)
    if refused := parse_json((repo / "data/reports/export.json").read_bytes())["refused"]:
        raise UserError(f"the name rules refuse some of the classes ({refused}): see sample.ingredients.living_name")
    call(repo, "git", "add", "--all")
    author = ["-c", "user.name=benchmark", "-c", "user.email=", "-c", "commit.gpgsign=false"]
    call(repo, "git", *author, "commit", "--quiet", "--no-verify", "-m", COMMIT)


def compose(images: Path, source: Path) -> None:
    """Write the photos into an image cache, and their documents and boxes into a profile's sources."""
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_packages(MORE_PACKAGES, Path(folder))
        cutouts, backgrounds = load_living(root), load_backgrounds(root) + load_more_backgrounds(root)
    rng = np.random.default_rng(SEED)
    by_rank = [list(cutouts)[index] for index in rng.permutation(len(cutouts))]
    sizes = [round(COMMONEST / rank**STEEPNESS) for rank in range(1, len(by_rank) + 1)]
    plan = plan_observations(by_rank, sizes, rng, rare=RARE)
    documents, boxes = [], {}
    numbers = count(1)
    for observation, (species, photos) in enumerate(progress(plan, what="compose", unit="observations")):
        background = backgrounds[rng.integers(len(backgrounds))]
        for photo in hard_photos(cutouts[species], background, photos, rng):
            url = f"{OPEN_DATA}/{PROFILE}-{next(numbers)}/original.jpg"
            write_bytes(images / image_name(url), encode(photo.pixels))
            boxes[image_name(url)] = photo.box
            sighting = FIRST_OBSERVATION_ID + observation
            documents.append({"url": url, "scientific_name": species, "rights": "cc0", "sighting": sighting})
    ids = (bson.ObjectId(number.to_bytes(12, "big")) for number in count())
    write_sources(source, [{"_id": id_, **document} for id_, document in zip(ids, documents, strict=False)], boxes)


def hard_photos(cutout: np.ndarray, background: np.ndarray, number: int, rng: np.random.Generator) -> Iterator[Photo]:
    """Yield photos of an observation: the subject of another hue, in half of them partly hidden, and blurred."""
    scene = draw_scene(shift_hue(cutout, rng.normal(0, 12)), background, rng)
    for _ in range(number):
        own = replace(scene, cutout=shift_hue(scene.cutout, rng.normal(0, 8)))
        photo = take_photo(own, rng, largest=0.7)
        if rng.random() < 0.5:
            photo = hide(photo, scene.backdrop, rng.uniform(0.2, 0.5), rng)
        yield defocus(photo, rng.uniform(0.5, 2.5))


def figures_of(repo: Path) -> dict[str, dict]:
    """Give the test's figures of each experiment that has run, by its name."""
    found = {}
    for row in dvc.api.exp_show(str(repo)):
        if row.get("Experiment") and row.get("State") not in ("Queued", "Running", "Failed") and row.get("test_top1"):
            found[row["Experiment"]] = row
    return found


def print_table(figures: dict[str, list[dict]]) -> None:
    """Print mean and standard deviation over the seeds."""
    print(f"| recipe | {' | '.join(FIGURES)} |\n|---|{'---|' * len(FIGURES)}")
    for name, rows in figures.items():
        cells = []
        for figure in FIGURES.values():
            values = [float(row[figure]) for row in rows]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        print(f"| {name} | {' | '.join(cells)} |")


def call(repo: Path, *command: str, shown: bool = False) -> str:
    """Run a command in the clone, a thread an experiment; give what it says, or let it say it.

    Of this machine's settings none reaches it: its own cache, cluster and checkpoints stay out of this.
    """
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
    settings = {"IMAGE_CACHE_DIR": str(repo.with_name("images")), "CLUSTER": "", "CHECKPOINT_DIR": ""}
    environment = os.environ | here | settings | {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    output = None if shown else subprocess.PIPE
    done = subprocess.run(command, cwd=repo, env=environment, stdout=output, text=True, check=False)
    if done.returncode:
        raise UserError(f"`{' '.join(command)}` failed in {repo}: its last lines say why")
    return done.stdout or ""


if __name__ == "__main__":
    run(main)
