"""A training learns, ends the same however it is disturbed, divided or resumed, and survives what goes wrong."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from stages.commands.preflight import steps_to_overfit_a_batch
from stages.images.shards import PackedSplit
from stages.learning.checkpoint import FILE, Checkpointer, Stopped, load_checkpoint
from stages.learning.context import TrainContext
from stages.learning.data import choose_train_eval
from stages.learning.health import EXPERIMENTS, epoch_warnings, label_warnings
from stages.learning.loop import begin_phase, train
from stages.learning.losses import Loss
from stages.learning.model import create_model, head_modules
from stages.learning.state import TrainState
from stages.learning.summary import Pace
from stages.report.train_batch import caption
from stages.runtime.errors import UserError
from stages.runtime.signals import StopRequest, stop_requests
from tests.conftest import ROOT, complaint, run_stage
from tests.support.tiny_training import NETWORK, PARAMS, PLAIN, RICH, TRANSFORMER, make, poisoned
from tests.test_learning import write_split

SCRIPT = ROOT / "tests/support/tiny_training.py"


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_splits(tmp_path / "packed")


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> dict:
    """How a process that nobody disturbs ends, on the same shards."""
    folder = write_splits(tmp_path_factory.mktemp("straight") / "packed")
    code, said = finish(process(folder, folder.with_name("final")))
    assert code == 0, said
    return final(folder.with_name("final"))


def write_splits(folder: Path) -> Path:
    """Shards of 30 training and 12 validation images: steps of 8, 8, 8 and 6."""
    write_split(folder, "train", 30)
    write_split(folder, "val", 12, seed=1)
    return folder


def changed(**values: object):
    return PARAMS.model_copy(update=values)


def trained(folder: Path, *args: object, **options: object) -> TrainState:
    state, context = make(folder, *args, **options)
    train(state, context)
    return state


def assert_same(one: TrainState, other: TrainState) -> None:
    """To the bit: weights, average, moments, history, what is kept."""
    assert_same_state(one.state_dict(one.meter), other.state_dict(other.meter))


def assert_same_state(one: object, other: object, where: str = "state") -> None:
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_same_state(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same_state(a, b, f"{where}[{number}]")
    else:
        assert one == other, where


# ---- it learns


@pytest.mark.parametrize("augment", [PLAIN, RICH.model_copy(update={"randaugment": None, "mixup": 0.1, "cutmix": 0.0})])
def test_it_learns(folder, augment):
    state = trained(folder, changed(epochs=10), augment)
    assert (state.epoch, state.step, len(state.history)) == (10, 0, 10)
    assert min(row["train_loss"] for row in state.history) < state.history[0]["train_loss"]
    assert state.best.score == max(row["val_top1"] for row in state.history) > 0.6
    for split in ("train", "val"):
        assert {f"{split}_{name}" for name in ("loss", "top1", "top5")} <= state.history[0].keys()
    assert {"val_mean_per_class_accuracy", "val_few_shot", "learning_rate", "skipped_steps"} <= state.history[0].keys()


def test_micro_batches_change_nothing_but_rounding(folder):
    whole, divided = (trained(folder, changed(micro_batch_images=micro), network=TRANSFORMER) for micro in (8, 3))
    for row, other in zip(whole.history, divided.history, strict=True):
        assert row == pytest.approx(other, rel=1e-4)
    assert_alike(whole.model, divided.model)


def assert_alike(one: nn.Module, other: nn.Module) -> None:
    """By what they say: a bias without a gradient, as keys have it, is moved by Adam for rounding alone."""
    images = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(one.eval()(images), other.eval()(images), atol=1e-3)


def test_the_average_of_weights_is_what_it_says(folder):
    """Recomputed from the weights after each step."""
    state, context = make(folder, changed(epochs=2, ema_decay=0.9))
    average = {name: value.clone().double() for name, value in state.model.named_parameters()}
    updates = 0

    def after_step(state: TrainState) -> None:
        nonlocal updates
        updates += 1
        decay = min(0.9, 1 - (1 + updates - 1) ** -0.75) if updates > 1 else 0.0
        for name, value in state.model.named_parameters():
            average[name] += (value.detach().double() - average[name]) * (1 - decay)

    train(state, context, after_step=after_step)
    for name, value in state.ema.module.named_parameters():
        assert torch.allclose(value.double(), average[name], atol=1e-5), name
    assert {"ema_loss", "ema_top1", "ema_mean_per_class_accuracy"} <= state.history[0].keys()


def test_the_weights_that_are_kept_are_the_best_of_both(folder):
    state = trained(folder, changed(epochs=6, ema_decay=0.99))
    scores = [(row[f"{which}_top1"], -epoch) for epoch, row in enumerate(state.history, 1) for which in ("val", "ema")]
    assert (state.best.score, -state.best.epoch) == max(scores)
    assert state.history[state.best.epoch - 1][f"{state.best.weights}_top1"] == state.best.score


def test_a_frozen_body_stays_and_a_new_head_learns_on_it_at_last(folder):
    params = changed(epochs=2, frozen_epochs=1, crt_epochs=1)
    state, context = make(folder, params)
    states = [{name: value.clone() for name, value in state.model.state_dict().items()}]
    samplings = []

    def after_epoch(state: TrainState, _clock: object) -> None:
        states.append({name: value.clone() for name, value in state.model.state_dict().items()})
        samplings.append(context.train_loader.batch_sampler.sampling)

    train(state, context, after_epoch=after_epoch)
    prefixes = tuple(f"{state.model.pretrained_cfg['classifier']}." for _ in range(1))
    body, head = ([name for name in states[0] if name.startswith(prefixes) == is_head] for is_head in (False, True))
    assert body
    assert head
    at_start, frozen, whole, balanced = states
    assert all(torch.equal(at_start[name], frozen[name]) for name in body)
    assert not any(torch.equal(at_start[name], frozen[name]) for name in head)
    assert not all(torch.equal(frozen[name], whole[name]) for name in body)
    best_before = max((row["val_top1"], -number) for number, row in enumerate(state.history[:2]))
    assert all(torch.equal(states[1 - best_before[1]][name], balanced[name]) for name in body)
    assert not any(torch.equal(whole[name], balanced[name]) for name in head)
    assert samplings == ["natural", "natural", "balanced"]


def test_layers_learn_slower_the_deeper_they_are(folder):
    state, context = make(folder, changed(layer_decay=0.5, epochs=1), network=TRANSFORMER)
    scales = sorted({group["lr_scale"] for group in state.optimizer.param_groups})
    assert scales[-1] == 1.0
    assert scales[-2] == 0.5
    assert len(scales) > 2
    train(state, context)
    rates = {group["lr_scale"]: group["lr"] for group in state.optimizer.param_groups}
    assert rates[0.5] == pytest.approx(rates[1.0] / 2)


def test_a_rare_class_must_win_by_a_margin():
    """Against the formula of Menon et al.; with classes of equal size it is cross-entropy."""
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    targets = nn.functional.one_hot(labels, 3).float()
    sizes = torch.tensor([900, 90, 10])
    found = Loss(changed(loss="logit_adjusted", logit_tau=1.5), sizes)(logits, targets)
    expected = nn.functional.cross_entropy(logits + 1.5 * (sizes / 1000).log(), labels, reduction="none")
    assert torch.allclose(found, expected)
    plain = Loss(changed(), sizes)(logits, targets)
    assert torch.allclose(plain, nn.functional.cross_entropy(logits, labels, reduction="none"))
    assert torch.allclose(Loss(changed(loss="logit_adjusted"), torch.tensor([5, 5, 5]))(logits, targets), plain)
    assert torch.isfinite(Loss(changed(loss="logit_adjusted"), torch.tensor([5, 0, 5]))(logits, targets)).all()


def test_gradient_checkpointing_changes_nothing_but_rounding(folder):
    plain = trained(folder, changed(epochs=1), network=TRANSFORMER)
    state, context = make(folder, changed(epochs=1), network=TRANSFORMER)
    state.model.set_grad_checkpointing(True)
    train(state, context)
    assert_alike(plain.model, state.model)


# ---- it goes on


class Killed(BaseException):
    """Stands for the end of the process."""


EVERYTHING = changed(ema_decay=0.9, frozen_epochs=1, crt_epochs=1, sampling="square_root", micro_batch_images=4)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> TrainState:
    """A run of all phases, on the same shards."""
    return trained(write_splits(tmp_path_factory.mktemp("undisturbed") / "packed"), EVERYTHING, RICH)


@pytest.mark.parametrize("steps", [1, 3, 4, 6, 11, 12, 13, 15])
def test_a_resumed_run_ends_as_an_undisturbed_one(folder, tmp_path, undisturbed, steps):
    """Killed after so many of 16 steps: in the middle and at the end of epochs, before and in the last phase."""
    killed, context = make(folder, EVERYTHING, RICH)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)
    done = 0

    def save_then_die(state: TrainState) -> None:
        nonlocal done
        done += 1
        checkpointer.after_step(state)
        if done == steps:
            raise Killed

    with pytest.raises(Killed):
        train(killed, context, after_step=save_then_die)
    random.seed(0)
    torch.manual_seed(0)  # whatever the generators hold
    resumed, context = make(folder, EVERYTHING, RICH)
    resumed.load_state_dict(load_checkpoint(tmp_path / "run"))
    train(resumed, context)
    assert_same(undisturbed, resumed)


def test_the_number_of_loader_processes_changes_nothing(folder, tmp_path):
    """Also not for a run that goes on with another one."""
    params = changed(epochs=2)
    straight = trained(folder, params, RICH)
    state, context = make(folder, params, RICH, workers=2)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)

    def stop_in_the_middle(state: TrainState) -> None:
        checkpointer.after_step(state)
        if (state.epoch, state.step) == (0, 2):
            raise Killed

    with pytest.raises(Killed):
        train(state, context, after_step=stop_in_the_middle)
    resumed, context = make(folder, params, RICH, workers=1)
    resumed.load_state_dict(load_checkpoint(tmp_path / "run"))
    train(resumed, context)
    assert_same(straight, resumed)


def test_loader_processes_end_with_the_training(folder, tmp_path):
    """Killed, it cannot tell them; they hold its output open as long as they live."""
    running = process(folder, tmp_path / "never", "--workers", "2", "--kill-at", "2")
    assert finish(running)[0] == -signal.SIGKILL


def test_a_process_that_ends_by_an_error_does_not_wait_for_its_loaders(folder, tmp_path):
    code, said = finish(process(folder, tmp_path / "never", "--workers", "2", "--fail-at", "2"))
    assert code == 1
    assert said.strip().splitlines()[-1] == "tiny_training: that is enough"


def process(folder: Path, out: Path, *options: str, launch: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [*launch, str(SCRIPT), str(folder), str(out), *options]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(running: subprocess.Popen) -> tuple[int, str]:
    said, errors = running.communicate(timeout=240)
    return running.returncode, said + errors


def final(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_a_process_that_is_killed_again_and_again_ends_as_an_undisturbed_one(folder, tmp_path, straight):
    """SIGKILL at drawn steps and in the middle of checkpoints, and a last checkpoint that is cut."""
    draw = random.Random(7)
    for options in (
        ["--kill-at", str(draw.randint(1, 5))],
        ["--kill-in-save", str(draw.randint(2, 4))],
        ["--kill-at", str(draw.randint(1, 4)), "--workers", "1"],
    ):
        code, said = finish(process(folder, tmp_path / "never", *options))
        assert code == -signal.SIGKILL, said
    last = folder / "checkpoints" / FILE
    os.truncate(last, last.stat().st_size - 1000)
    code, said = finish(process(folder, tmp_path / "resumed"))
    assert code == 0, said
    assert "last.pt is damaged" in said
    assert not (tmp_path / "never").exists()
    assert_same_state(straight, final(tmp_path / "resumed"))


@pytest.mark.parametrize(("number", "whom", "workers"), [(signal.SIGTERM, os.kill, 0), (signal.SIGINT, os.killpg, 1)])
def test_a_signal_saves_and_leaves_with_a_word(folder, tmp_path, straight, number, whom, workers):
    """Also Ctrl-C of a terminal, which goes to the loader processes as well."""
    running = process(folder, tmp_path / "never", "--step-seconds", "0.2", "--workers", str(workers))
    for line in running.stdout:
        if line == "step 5\n":
            whom(running.pid, number)
            break
    code, said = finish(running)
    assert code == 130, said
    last = said.strip().splitlines()[-1]
    assert f"stopped by {number.name} after epoch 1, step" in last
    assert "the same command goes on from there" in last
    assert "Traceback" not in said
    assert finish(process(folder, tmp_path / "resumed"))[0] == 0
    assert_same_state(straight, final(tmp_path / "resumed"))


def test_a_wrong_setting_is_found_before_anything_else(workspace):
    said = complaint(run_stage("train", workspace, CHECKPOINT_MINUTES="-1"))
    assert "CHECKPOINT_MINUTES must be a whole number of 0 or more (found '-1')" in said
    assert not (workspace / "plots").exists()


def test_a_second_signal_does_what_it_always_did():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with stop_requests() as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert request.name() == "SIGINT"
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_full_disk_keeps_the_last_good_checkpoint_and_the_run_goes_on(folder, tmp_path, monkeypatch, capsys):
    straight = trained(folder)
    state, context = make(folder)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)
    save, saves = torch.save, 0

    def fill_up(state: dict, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves > 3:
            Path(path).write_bytes(b"as much as fits")
            raise OSError(28, "No space left on device")
        save(state, path)

    monkeypatch.setattr("stages.learning.checkpoint.torch.save", fill_up)
    train(state, context, after_step=checkpointer.after_step)
    assert_same(straight, state)
    assert "No space left on device): the one before stays" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["before.pt", "last.pt"]
    assert load_checkpoint(tmp_path / "run")["step"] == 3


# ---- several processes


def test_two_processes_train_as_one_does(folder, tmp_path):
    """The same effective batch, and the last step's only image counts as one; so do 11 of validation.

    A step whose loss is not finite in one of them is skipped by both, who name all of its images.
    """
    write_split(folder, "train", 33)  # the last step has one image: one process has none
    write_split(folder, "val", 11, seed=1)
    code, said = finish(process(folder, tmp_path / "one", "--transformer", "--poison"))
    assert code == 0, said
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    code, said = finish(process(folder, tmp_path / "two", "--transformer", "--poison", launch=torchrun))
    assert code == 0, said
    assert "deprecated" not in said
    one, two = final(tmp_path / "one"), final(tmp_path / "two")
    ((*where, names),), ((*there, others),) = one["skipped"], two["skipped"]
    assert where == there == [0, 1]
    assert sorted(names) == sorted(others)
    assert len(names) == 8
    assert len(one["history"]) == 4
    for row, other in zip(one["history"], two["history"], strict=True):
        assert row == pytest.approx(other, rel=1e-3, abs=1e-6)
    models = [create_model(TRANSFORMER, classes=3, image_px=48, seed=1) for _ in range(2)]
    for model, state in zip(models, (one, two), strict=True):
        model.load_state_dict(state["model"])
    assert_alike(*models)


# ---- what it says


def test_it_tells_its_pace_once_by_whole_steps_of_the_whole_network(folder, capsys, monkeypatch):
    """Not by those of a frozen body, nor by those before which a validation ran."""
    state, context = make(folder, changed(epochs=10))
    pace = Pace(context)
    monkeypatch.setattr("stages.learning.summary.TIMED_STEPS", 4)
    monkeypatch.setattr("stages.learning.summary.WARM_UP_STEPS", 1)
    monkeypatch.setattr("stages.learning.summary.time.perf_counter", lambda: clock)
    clock = 0.0
    for state.epoch, state.phase in enumerate(["frozen", "all", "all", "all"]):
        clock += 1000  # of validation
        for state.step in range(1, 5):
            clock += 0.1 if state.phase == "frozen" else 3
            pace.after_step(state)
    (line,) = capsys.readouterr().out.splitlines()
    # In epoch 2, after its second step of 4: 7.5 epochs of 4 steps of 3 s are left.
    assert line.startswith("train: an epoch takes about 12 s without its validation, all that is left 90 s; a step")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="another malloc, or an old one")
def test_memory_that_is_freed_is_kept_for_the_next_step():
    """Malloc's own books say so: the usual tensors stay with the process when they are freed, the largest do not."""
    code = """
import ctypes, sys, torch
FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
class Books(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]
books = ctypes.CDLL(None).mallinfo2
books.restype = Books
if sys.argv[1] == "keep":
    from stages.learning.processes import keep_freed_memory
    keep_freed_memory()
def held_mb(number, each):
    before = books()
    tensors = [torch.ones(each * 250_000) for _ in range(number)]
    del tensors
    after = books()
    return (after.arena + after.hblkhd - before.arena - before.hblkhd) // 1_000_000
print(held_mb(6, 15), held_mb(1, 400))
"""
    held_mb = {}
    for way in ("plain", "keep"):
        result = subprocess.run([sys.executable, "-c", code, way], cwd=ROOT, capture_output=True, check=True)
        held_mb[way] = [int(number) for number in result.stdout.split()]
    assert held_mb["plain"][0] < 10 < 80 < held_mb["keep"][0]  # of 90 MB in tensors of 15
    assert held_mb["keep"][1] < 10  # of 400 MB in one


def row(**values: float) -> dict[str, float]:
    return {"train_top1": 0.9, "train_eval_top1": 0.95, "val_top1": 0.6} | values


def test_a_validation_at_chance_while_training_images_are_known_is_no_overfitting():
    """The user's: 98.6 % of train, 0.03 % of validation, of 5,914 classes."""
    old = row(train_top1=0.986, train_eval_top1=0.99, val_top1=0.0003)
    (warning,) = epoch_warnings([row(), old, old, old], PARAMS, classes=5914)
    assert "validation is at chance (0.0003): that is no overfitting; look at the order of labels" in warning
    assert epoch_warnings([row()] * 4, PARAMS, classes=5914) == []
    overfitted = row(train_eval_top1=1.0, val_top1=0.1)
    assert epoch_warnings([overfitted] * 4, PARAMS, classes=5914) == []


def test_training_images_that_are_unknown_as_validation_sees_them_are_not_prepared_alike():
    (warning,) = epoch_warnings([row(train_eval_top1=0.0002, val_top1=0.0002)] * 4, PARAMS, classes=5914)
    assert "the two are not prepared alike" in warning


def test_less_than_expected_names_the_experiments_once():
    params = changed(expect_epoch=6, expect_top1=0.05)
    short = row(train_eval_top1=0.2, val_top1=0.04)
    (warning,) = epoch_warnings([short] * 6, params, classes=5914)
    assert "validation top-1 is 0.040 after 6 epochs, where the profile's train.expect_top1 is 0.05" in warning
    assert all(line in warning for line in EXPERIMENTS)
    assert epoch_warnings([short] * 5, params, classes=5914) == []
    assert epoch_warnings([short] * 7, params, classes=5914) == []
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(line.split(": ")[1] in readme for line in EXPERIMENTS)


def test_a_class_that_training_never_sees_is_named_before():
    (warning,) = label_warnings(np.array([0, 1, 1]), np.array([0, 2, 2, 5]))
    assert warning.startswith("2 classes of validation have no training image, the first is class 2")
    assert label_warnings(np.array([0, 1, 1]), np.array([1])) == []


def test_watched_images_are_the_same_every_time_and_seen_as_validation_is(folder):
    state, context = make(folder)
    dataset = context.train_eval_loader.dataset
    assert len(dataset) == 7
    assert np.array_equal(dataset.chosen, choose_train_eval(30, 7, PARAMS.seed))
    assert not np.array_equal(dataset.chosen, choose_train_eval(30, 7, PARAMS.seed + 1))
    assert len(choose_train_eval(5, 7, 1)) == 5
    batch = next(iter(context.train_eval_loader))
    assert batch.jitter is None
    assert batch.labels.tolist() == [index % 3 for index in dataset.chosen[: len(batch.labels)]]
    train(state, context)
    assert {"train_eval_loss", "train_eval_top1"} <= state.history[0].keys()


def test_a_mixture_is_named_by_its_two_species():
    species = ["Abies alba", "Betula pendula", "Carex nigra", "Daucus carota"]
    smooth = 0.1 / 4
    single = np.full(4, smooth)
    single[2] += 0.9
    assert caption(single, species) == "Carex nigra"
    mixture = np.full(4, smooth)
    mixture[[1, 3]] += (0.6, 0.3)
    assert caption(mixture, species).replace("\n", " ") == "62% Betula pendula, 32% Daucus carota"
    assert caption(np.array([0.1, 0.9]), species[:2]) == "Betula pendula"


@pytest.mark.parametrize("damage", ["none", "labels at random"])
def test_a_batch_is_overfitted_or_that_is_said(folder, damage, monkeypatch):
    """What cannot be: the same picture under other labels."""
    state, context = make(folder, network=TRANSFORMER)
    if damage != "none":
        monkeypatch.setattr("stages.commands.preflight.OVERFIT_STEPS", 20)
        context.color.register_forward_hook(lambda _module, _inputs, images: torch.zeros_like(images))
        with pytest.raises(UserError, match="one batch of 8 images cannot be overfitted: the loss is"):
            steps_to_overfit_a_batch(state, context)
    else:
        assert 1 < steps_to_overfit_a_batch(state, context) < 200


# ---- what goes wrong


def test_a_loss_that_is_no_number_changes_nothing_and_is_noted(folder, capsys):
    state, context = make(folder, changed(epochs=1))
    first = int(context.train_loader.batch_sampler.indices(2)[0])
    before = {}

    def after_step(state: TrainState) -> None:
        weights = {name: value.clone() for name, value in state.model.state_dict().items()}
        if state.step == 3:
            assert all(torch.equal(before[name], weights[name]) for name in weights)
        before.update(weights)

    train(state, poisoned(context, {(0, first)}), after_step=after_step)
    names = [PackedSplit(folder, "train").names[index] for index in context.train_loader.batch_sampler.indices(2)]
    assert state.skipped == [(0, 2, names)]
    assert state.history[0]["skipped_steps"] == 1
    assert np.isfinite(state.history[0]["train_loss"])
    assert f"the loss is not finite in epoch 1, step 3 ({names[0]}" in capsys.readouterr().out


def test_too_many_of_them_stop_the_run_with_advice(folder, tmp_path):
    state, context = make(folder)
    context = poisoned(context, {(0, index) for index in range(30)})
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=1e9)
    why = r"not finite in 4 steps, at last in epoch 1, step 4 \(.*lower the profile's train\.learning_rate"
    with pytest.raises(UserError, match=why):
        train(state, context, after_step=checkpointer.after_step)
    assert all(bool(torch.isfinite(value).all()) for value in state.model.state_dict().values())
    again, _ = make(folder)
    again.load_state_dict(load_checkpoint(tmp_path / "run"))
    assert_same_state(again.state_dict(again.meter), state.state_dict(state.meter))
    with pytest.raises(UserError, match=why):
        train(again, context, after_step=checkpointer.after_step)
    assert len(again.skipped) == 4


class Small(nn.Module):
    """A device with memory for so many images."""

    def __init__(self, network: nn.Module, images: int) -> None:
        super().__init__()
        self.network = network
        self.images = images

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits = self.network(pixels)
        if self.training and len(pixels) > self.images:
            raise torch.OutOfMemoryError("no memory left")
        return logits


def test_micro_batches_that_are_too_large_are_halved(folder, monkeypatch, capsys):
    plain = trained(folder, network=TRANSFORMER)

    def on_a_device_for(images: int) -> Callable[[TrainState, TrainContext], None]:
        def begin(state: TrainState, context: TrainContext) -> None:
            begin_phase(state, context)
            state.network = Small(state.network, images)

        return begin

    monkeypatch.setattr("stages.learning.loop.begin_phase", on_a_device_for(3))
    state, context = make(folder, network=TRANSFORMER)
    train(state, context)
    assert context.train_loader.batch_sampler.micro_images == 2
    assert "going on with 4 images at once" in capsys.readouterr().out
    for row, other in zip(plain.history, state.history, strict=True):
        assert row == pytest.approx(other, rel=1e-4)

    monkeypatch.setattr(
        "stages.learning.loop.begin_phase", lambda state, context: setattr(state, "network", Small(state.model, 0))
    )
    state, context = make(folder, network=TRANSFORMER)
    state.model.train()
    with pytest.raises(UserError, match="1 images at once are too much"):
        train(state, context)


def test_mixed_micro_batches_stay_even(folder, monkeypatch):
    def begin(state: TrainState, context: TrainContext) -> None:
        begin_phase(state, context)
        state.network = Small(state.network, 4)

    monkeypatch.setattr("stages.learning.loop.begin_phase", begin)
    state, context = make(folder, changed(micro_batch_images=6, batch_images=12), RICH, network=TRANSFORMER)
    train(state, context)
    assert context.train_loader.batch_sampler.micro_images == state.micro_images == 4


def test_memory_that_ends_in_the_update_is_not_taken_for_a_step_that_can_be_made_again(folder, monkeypatch):
    state, context = make(folder, changed(ema_decay=0.9), network=TRANSFORMER)

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(state.ema, "update", full)
    with pytest.raises(torch.OutOfMemoryError):
        train(state, context)
    assert context.train_loader.batch_sampler.micro_images == PARAMS.micro_batch_images


@pytest.fixture
def in_precision(monkeypatch) -> Iterator[Callable[..., None]]:
    """Gives what lets runs use another precision. Float16 is for GPUs in accelerate, but a CPU can do it, if slowly."""

    def use(precision: str, **scaler: float) -> None:
        def make_accelerator() -> Accelerator:
            AcceleratorState._reset_state(reset_partial_state=True)
            if precision != "fp16":
                return Accelerator(cpu=True, mixed_precision=precision)
            accelerator = Accelerator(cpu=True)
            accelerator.state._mixed_precision, accelerator.native_amp = "fp16", True
            accelerator.scaler = torch.amp.GradScaler("cpu", **scaler)
            return accelerator

        monkeypatch.setattr("tests.support.tiny_training.make_accelerator", make_accelerator)

    yield use
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_the_same_but_for_rounding(folder, in_precision, precision):
    params = changed(ema_decay=0.9, micro_batch_images=3)
    exact = trained(folder, params, network=TRANSFORMER)
    in_precision(precision, init_scale=1024.0)
    state, context = make(folder, params, network=TRANSFORMER)
    dtypes = set()
    state.model.register_forward_hook(lambda _module, _images, logits: dtypes.add(logits.dtype))
    train(state, context)
    assert dtypes == {torch.bfloat16 if precision == "bf16" else torch.float16}
    for row, other in zip(exact.history, state.history, strict=True):
        for name in ("train_loss", "val_loss", "ema_loss"):
            assert row[name] == pytest.approx(other[name], rel=0.02)


def test_a_loss_scale_that_is_too_large_costs_updates_until_it_is_small_enough(folder, tmp_path, in_precision):
    """Also the average of weights waits; and a run that goes on has the scale that it had."""
    in_precision("fp16", init_scale=2.0**20, growth_interval=4)
    params = changed(ema_decay=0.9)
    state, context = make(folder, params, network=TRANSFORMER)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)
    begins = {name: value.clone() for name, value in state.model.named_parameters()}
    scales = []

    def after_step(state: TrainState) -> None:
        scales.append(state.scaler.get_scale())
        if len(scales) == 1:
            weights = dict(state.model.named_parameters())
            assert all(torch.equal(value, weights[name]) for name, value in begins.items())
        if len(scales) == 7:
            checkpointer.save(state)

    train(state, context, after_step=after_step)
    halved = int(np.log2(2**20 / min(scales)))
    assert halved > 1
    assert scales[0] == 2.0**19
    assert (state.updates, state.skipped) == (12 - halved, [])
    assert state.history[-1]["train_loss"] < state.history[0]["train_loss"]
    resumed, context = make(folder, params, network=TRANSFORMER)
    resumed.load_state_dict(load_checkpoint(tmp_path / "run"))
    train(resumed, context)
    assert_same(state, resumed)


def test_a_run_goes_on_where_precision_is_another(folder):
    state, _ = make(folder)
    saved = state.state_dict(state.meter)
    state.scaler = torch.amp.GradScaler("cpu")
    state.load_state_dict(saved)
    scale = state.scaler.get_scale()
    assert scale > 1


def test_few_classes_are_no_false_alarm():
    assert epoch_warnings([row(val_top1=0.93)] * 4, PARAMS, classes=3) == []
    assert "at chance" in epoch_warnings([row(val_top1=0.5)] * 4, PARAMS, classes=2)[0]


def test_a_validation_loss_that_is_no_number_stops_with_advice(folder):
    state, context = make(folder, changed(max_skipped_steps=100))
    with torch.no_grad():
        next(state.model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match=r"the validation loss is nan after epoch 1: lower the profile's train"):
        train(state, context)


def test_a_network_that_drops_no_paths_is_one_line():
    with pytest.raises(UserError, match="vgg11 does not take that"):
        create_model(NETWORK.model_copy(update={"name": "vgg11"}), classes=3, image_px=48, seed=1)


def test_heads_are_found(folder):
    state, _ = make(folder)
    (head,) = head_modules(state.model)
    assert head.out_features == 3


def test_somebody_who_stops_is_told_where_it_is_saved(folder, tmp_path):
    state, context = make(folder)
    request = StopRequest()
    request.signal_number = signal.SIGTERM
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, request, every_s=1e9)
    with pytest.raises(Stopped, match=f"stopped by SIGTERM after epoch 0, step 1 of the next one; saved in {tmp_path}"):
        train(state, context, after_step=checkpointer.after_step)
    assert load_checkpoint(tmp_path / "run")["step"] == 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_learns_the_same_but_for_rounding(folder):
    plain = trained(folder, changed(epochs=1), network=TRANSFORMER)
    state, context = make(folder, changed(epochs=1), network=TRANSFORMER)
    train(state, replace(context, compiled=True))
    assert plain.history[0] == pytest.approx(state.history[0], rel=1e-3)
