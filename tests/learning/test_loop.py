"""A training learns, in the way that its parameters say, and a loss that is not finite changes nothing."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from stages.learning.checkpoint import Checkpointer, load_checkpoint
from stages.learning.data import choose_train_eval
from stages.learning.device import Batch
from stages.learning.loop import train
from stages.learning.state import TrainState
from stages.runtime.errors import UserError
from stages.runtime.signals import StopRequest
from tests.support.tiny_training import NETWORK, PARAMS, PLAIN, RICH, TRANSFORMER, make, poisoned
from tests.support.trainings import assert_alike, assert_same, assert_same_state, changed, trained


@pytest.mark.parametrize("augment", [PLAIN, RICH.model_copy(update={"randaugment": None, "mixup": 0.1, "cutmix": 0.0})])
def test_it_learns(folder, augment):
    state = trained(folder, changed(epochs=10), augment)
    assert (state.epoch, state.step, len(state.history)) == (10, 0, 10)
    assert min(row["train_loss"] for row in state.history) < state.history[0]["train_loss"]
    assert state.best.score == max(row["val_top1"] for row in state.history) > 0.6
    for split in ("train", "val"):
        assert {f"{split}_{name}" for name in ("loss", "top1", "top5")} <= state.history[0].keys()
    assert {"val_mean_per_class_accuracy", "learning_rate", "skipped_steps"} <= state.history[0].keys()
    assert not any("shot" in name for name in state.history[0])  # which classes are rare is no matter of training


def test_micro_batches_change_nothing_but_rounding(folder):
    whole, divided = (trained(folder, changed(micro_batch_images=micro), network=TRANSFORMER) for micro in (8, 3))
    for row, other in zip(whole.history, divided.history, strict=True):
        assert row == pytest.approx(other, rel=1e-4)
    assert_alike(whole.model, divided.model)


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


@pytest.mark.parametrize(
    "name", ["test_vit", "test_efficientnet", "tf_efficientnet_lite0", "test_resnet", "test_nfnet"]
)
def test_gradient_checkpointing_changes_nothing(folder, name):
    """Norms take their statistics once, though all is computed twice; and what is dropped is dropped again."""
    network = NETWORK.model_copy(update={"name": name, "drop_path_rate": 0.0 if name == "test_vit" else 0.1})
    states = []
    for recomputes in (False, True):
        state, context = make(folder, changed(epochs=1, micro_batch_images=4), network=network)
        state.model.set_grad_checkpointing(recomputes)
        train(state, replace(context, recomputes=recomputes))
        states.append(state)
    assert_same(*states)


def test_one_image_at_once_is_one_line_where_a_network_cannot_learn_from_it(folder):
    network = NETWORK.model_copy(update={"name": "mobilenetv4_conv_small_035"})
    for one in ({"batch_images": 1}, {"micro_batch_images": 1}, {"batch_images": 5, "micro_batch_images": 2}):
        state, context = make(folder, changed(epochs=1, **one), network=network)
        before = {name: value.clone() for name, value in state.model.state_dict().items()}
        with pytest.raises(UserError, match=r"cannot learn from one image at once, .* to 3 or more"):
            train(state, context)
        assert (state.step, state.history) == (0, [])  # said before the first step, not at the end of an epoch
        assert_same_state(before, dict(state.model.state_dict()))
    # 30 = 4 * 7 + 2 = 29 + 1: none is left alone, nor where 8 images are divided by 7, nor after a halving.
    for sizes in ({"batch_images": 7}, {"batch_images": 29}, {"micro_batch_images": 7}, {"micro_batch_images": 2}):
        state, context = make(folder, changed(epochs=1, **sizes), network=network)
        train(state, context)
        assert np.isfinite(state.history[0]["train_loss"])


class OneUnknown(nn.Module):
    """The colors, but not a number for some of the images that nobody augments: those of validation."""

    def __init__(self, color: nn.Module, images: set[int]) -> None:
        super().__init__()
        self.color = color
        self.images = images

    def forward(self, batch: Batch) -> torch.Tensor:
        pixels = self.color(batch)
        first = batch.first[1]
        if batch.jitter is None:
            for image in self.images & set(range(first, first + len(pixels))):
                pixels[image - first] = float("nan")
        return pixels


def test_a_validation_image_without_numbers_is_wrong_and_named_and_the_run_goes_on(folder, capsys):
    plain = trained(folder, changed(epochs=2, train_eval_images=4))
    state, context = make(folder, changed(epochs=2, train_eval_images=4))
    train(state, replace(context, color=OneUnknown(context.color, {6})))
    for row, other in zip(plain.history, state.history, strict=True):
        assert row["val_top1"] - other["val_top1"] in (0, pytest.approx(1 / 12))
        assert np.isfinite(other["val_loss"])
        assert (row["val_not_finite_images"], other["val_not_finite_images"]) == (0, 1)
    assert_same_state(plain.model.state_dict(), state.model.state_dict())
    said = capsys.readouterr().out
    assert "after epoch 1 the network says no numbers of 1 validation images (val6.jpg): they count as wrong" in said


def test_a_run_whose_network_says_no_numbers_of_many_stops(folder):
    state, context = make(folder, changed(epochs=2, train_eval_images=4))
    with pytest.raises(UserError, match=r"no numbers of 2 of 12 validation images \(val6\.jpg, val7\.jpg\): lower"):
        train(state, replace(context, color=OneUnknown(context.color, {6, 7})))


def test_train_eval_images_are_the_same_every_time_and_seen_as_validation_is(folder):
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
    names = [f"train{index}.jpg" for index in context.train_loader.batch_sampler.indices(2)]
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


def test_a_validation_loss_that_is_no_number_stops_with_advice(folder):
    state, context = make(folder, changed(max_skipped_steps=100))
    with torch.no_grad():
        next(state.model.parameters()).fill_(float("nan"))
    with pytest.raises(
        UserError, match=r"after epoch 1 the network says no numbers of 12 of 12 .*: lower the profile's train"
    ):
        train(state, context)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_learns_the_same_but_for_rounding(folder):
    plain = trained(folder, changed(epochs=1), network=TRANSFORMER)
    state, context = make(folder, changed(epochs=1), network=TRANSFORMER)
    train(state, replace(context, compiled=True))
    assert plain.history[0] == pytest.approx(state.history[0], rel=1e-3)
