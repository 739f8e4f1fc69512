"""Which of timm's networks can be trained here: small ones of many families, each from its making to its score.

    python -m benchmarks.networks [NAME[@PX] ...] [--jobs 2]

Each is made with random weights and goes, by the pipeline's own code and in a process of its own, through an epoch of
nine images in steps of eight (so one is left for the last step), a validation, saving and loading, and a picture of
another size. A row says how far it came; what ends a process, as a SIGSEGV does, is a row, too. The table is that of
docs/networks.md and takes some minutes on two CPU cores.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import timm
import torch
from torch import nn

from benchmarks import ROOT
from stages.config.reading import validate
from stages.config.schema import FileWeights, Model, Params, RandomWeights
from stages.learning.context import make_context, new_state
from stages.learning.loop import begin_phase, train_epoch
from stages.learning.loop import validate as validate_epoch
from stages.learning.model import create_model
from stages.learning.processes import make_accelerator
from stages.learning.saved_model import WEIGHTS, load_model, save_model
from stages.learning.split import PackedSplit
from stages.learning.state import TrainState
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.progress import progress
from stages.runtime.yaml_files import read_yaml
from stages.tables.classes import SPLIT_IMAGES
from stages.tables.table import write_table
from tests.support.packed import COLORS, SPECIES, open_split, packed_image, write_images
from tests.support.pictures import jpeg
from tests.support.saved import SEEN, write_labels

# By family: a small one, and a size that it takes.
NETWORKS = {
    "vit_tiny_patch16_224": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "vit_pwee_patch16_reg1_gap_256": 64,
    "vit_small_patch14_reg4_dinov2": 56,
    "eva02_tiny_patch14_224": 56,
    "cait_xxs24_224": 64,
    "xcit_nano_12_p16_224": 64,
    "pit_ti_224": 64,
    "levit_128s": 64,
    "tiny_vit_5m_224": 64,
    "swin_tiny_patch4_window7_224": 64,
    "swinv2_tiny_window8_256": 64,
    "coatnet_nano_rw_224": 64,
    "maxvit_pico_rw_256": 64,
    "hiera_tiny_224": 64,
    "pvt_v2_b0": 64,
    "poolformer_s12": 64,
    "caformer_s18": 64,
    "mixer_s32_224": 64,
    "convnext_atto": 64,
    "edgenext_xx_small": 64,
    "mobilevit_xxs": 64,
    "efficientvit_b0": 64,
    "efficientvit_m0": 64,
    "efficientformerv2_s0": 64,
    "fastvit_t8": 64,
    "repvit_m0_9": 64,
    "shvit_s1": 64,
    "starnet_s1": 64,
    "mambaout_femto": 64,
    "mobileone_s0": 64,
    "repvgg_a0": 64,
    "ghostnet_050": 64,
    "mobilenetv3_small_050": 64,
    "mobilenetv4_conv_small_035": 64,
    "efficientnet_lite0": 64,
    "regnety_002": 64,
    "resnet18": 64,
    "resnest14d": 64,
    "skresnet18": 64,
    "lambda_resnet26t": 64,
    "halonet26t": 256,
    "nfnet_l0": 64,
    "hgnetv2_b0": 64,
    "densenet121": 64,
}
TRAIN_IMAGES, STEP_IMAGES, VAL_IMAGES = 9, 8, 5
TIMEOUT_S = 240
MESSAGE = 160  # characters of an error in the table
# What is tried, in this order, and the columns of the table.
TRIED = ("made", "first step", "last step, of one image", "validated", "saved and loaded", "other size")


class WrongError(Exception):
    """A network did not do what it should; the message says what."""


def main() -> None:
    """Try some networks, or those of the list; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NAME[@PX]", help="of timm; by default those of the list")
    parser.add_argument("--jobs", type=int, default=2, help="networks at once (2)")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    named = [name.partition("@")[::2] for name in arguments.networks]
    networks = {name: int(px or NETWORKS.get(name, 64)) for name, px in named} or NETWORKS
    if arguments.one:
        ((name, px),) = networks.items()
        with tempfile.TemporaryDirectory() as folder:
            try_network(name, px, Path(folder), lambda what, said: print(json.dumps([what, said]), flush=True))
        return
    begun = time.monotonic()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = pool.map(lambda each: try_in_process(*each, threads=max(1, 2 // arguments.jobs)), networks.items())
        rows = list(progress(rows, what="try networks", total=len(networks), unit="networks"))
    print(table(rows))
    whole = sum(all(row[what].startswith("yes") for what in TRIED[:-1]) for row in rows)
    versions = f"timm {timm.__version__}, torch {torch.__version__}"
    where = f"{processor()} ({torch.backends.cpu.get_cpu_capability()})"
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{whole} of {len(rows)} networks can be trained: {versions}, {where}, {minutes:.0f} minutes.")


def try_in_process(name: str, px: int, *, threads: int) -> dict[str, str]:
    """Try a network in a process of its own; give its row of the table."""
    command = [sys.executable, "-m", "benchmarks.networks", "--one", f"{name}@{px}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "LOADER_WORKERS": "0", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        said, end = done.stdout, ending(done)
    except subprocess.TimeoutExpired as error:
        said, end = (error.stdout or b"").decode(), f"took longer than {TIMEOUT_S} s"
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("[")]
    row = {"network": name, "px": str(px)} | dict(lines)
    if missing := [what for what in TRIED if what not in row]:
        row |= dict.fromkeys(missing, "–") | {missing[0]: f"no: {end}"}
    return row


def ending(done: subprocess.CompletedProcess[str]) -> str:
    """Say how a process ended that did not come to its end."""
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
    return cut(lines[-1].removeprefix(f"{UserError.__module__}.UserError: "))


def cut(message: str) -> str:
    """Give the beginning of a message, up to a word, with a sign where there is more."""
    return textwrap.shorten(message, MESSAGE, placeholder=" …")


def try_network(name: str, px: int, folder: Path, tell: Callable[[str, str], None]) -> None:
    """Take a network through all that is tried.

    Args:
        name: of timm's.
        px: side of the images.
        folder: empty; gets shards, tables and the model.
        tell: is told what went well, as one of ``TRIED``, and how.

    Raises:
        Exception: whatever ends the trial: the pipeline's own error, the network's, or a WrongError.
    """
    torch.manual_seed(0)
    params, packed = params_for(name, px), pack_noise(folder / "packed", px)
    accelerator = make_accelerator()
    state, description = new_state(params, SPECIES, packed["train"].size_px, accelerator)
    weights = sum(parameter.numel() for parameter in state.model.parameters())
    tell("made", f"yes, {weights / 1e6:.1f} million weights")

    context = make_context(packed, params, description, accelerator)
    before = {key: tensor.clone() for key, tensor in state.model.state_dict().items()}
    steps = []

    def after_step(state: TrainState) -> None:
        steps.append(state.step)
        if state.skipped:
            raise WrongError("its loss is no number")
        if len(steps) == 1:
            tell("first step", "yes")

    begin_phase(state, context)
    train_epoch(state, context, after_step)
    if not any(not torch.equal(before[key], tensor) for key, tensor in state.model.state_dict().items()):
        raise WrongError("nothing was learned")
    if state.meter.images != TRAIN_IMAGES:
        raise WrongError(f"{state.meter.images} images were seen, not {TRAIN_IMAGES}")
    tell("last step, of one image", "yes")

    row = validate_epoch(state, context)
    if not np.isfinite(row["val_loss"]):
        raise WrongError("its validation loss is no number")
    tell("validated", "yes")

    save_model(folder / "model", state.kept.state, description, SEEN)
    loaded = load_model(folder / "model", write_labels(folder / "labels.csv")).network.eval()
    pixels = torch.rand(2, 3, px, px)
    with torch.no_grad():
        if not torch.allclose(state.model.eval()(pixels), loaded(pixels), rtol=1e-3, atol=1e-4):
            raise WrongError("it says something else when it is loaded again")
        tell("saved and loaded", "yes")
        tell("other size", at_another_size(loaded, params.model, folder / "model" / WEIGHTS, px + px // 2))


def at_another_size(network: nn.Module, params: Model, weights: Path, px: int) -> str:
    """Say whether a network takes images of another size, as it is, or made anew for them from its own weights."""
    pixels, how = torch.rand(2, 3, px, px), f"yes, {px}"
    try:
        said = network(pixels)
    except Exception:
        file = FileWeights(kind="file", path=str(weights), sha256=sha256_of(weights))
        params, how = params.model_copy(update={"weights": file}), f"yes, {px}, made anew"
        try:
            said = create_model(params, classes=len(SPECIES), image_px=px, seed=0)(pixels)
        except UserError as error:
            said = str(error).removeprefix("params.yaml: ").removeprefix("the profile's model.weights: ")
            return f"no: {cut(said.replace(str(weights), WEIGHTS))}"
    return how if bool(torch.isfinite(said).all()) else "no: what it says are no numbers"


def pack_noise(folder: Path, px: int) -> dict[str, PackedSplit]:
    """Pack a few images of noise, each in the color of its class, to train and to validate."""
    rng = np.random.default_rng(0)
    packed, names = [], {"train": TRAIN_IMAGES, "val": VAL_IMAGES}
    for split, images in names.items():
        for number in range(images):
            pixels = np.clip(rng.normal(COLORS[number % 3], 30, (px, px, 3)), 0, 255).astype(np.uint8)
            packed.append(packed_image(f"{split}{number}.jpg", jpeg(pixels)))
        listed = packed[-images:]
        table = {"image_name": [row.image_name for row in listed], "sha256": [row.sha256 for row in listed]}
        table |= {"species": [SPECIES[number % 3] for number in range(images)], "split": [split] * images}
        write_table(pl.DataFrame(table), SPLIT_IMAGES, folder / f"{split}.parquet")
    write_images(packed, folder, size_px=px)
    return {split: open_split(folder, split) for split in names}


def params_for(name: str, px: int) -> Params:
    """Give the sample's parameters for a short training of a network, from random weights."""
    content = read_yaml(ROOT / "params.yaml") | {"profile": "sample"}
    params = validate(content)
    network = Model(name=name, weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)
    train = params.train.model_copy(
        update={"batch_images": STEP_IMAGES, "micro_batch_images": STEP_IMAGES, "learning_rate": 1e-4, "epochs": 1}
    )
    image = params.image.model_copy(update={"train_px": px})
    return params.model_copy(update={"model": network, "train": train, "image": image})


def table(rows: list[dict[str, str]]) -> str:
    """Give the rows as a table in Markdown."""
    columns = ("network", "px", *TRIED)
    lines = [" | ".join(columns), "|".join("---" for _ in columns)]
    lines += [" | ".join(row[name].replace("|", "/") for name in columns) for row in rows]
    return "\n".join(f"| {line} |" if "---|" not in line else f"|{line}|" for line in lines)


def processor() -> str:
    """Name the processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
