"""The training loop: an epoch of steps, a validation, and again. It reads top to bottom.

Devices, mixed precision and its loss scaling are accelerate's; the same loop runs on a CPU and on a GPU.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from timm.optim import create_optimizer_v2
from torch import nn
from torch.utils.data import DataLoader

from stages.errors import UserError
from stages.learning.device import Colour, Mixing
from stages.learning.schedule import learning_rate
from stages.learning.scores import Meter, Scores, label_ranks
from stages.params import Train
from stages.progress import progress


@dataclass
class Run:
    """All that a training holds, and so all that a checkpoint must bring back.

    Attributes:
        model: the network.
        optimizer: with its moments.
        epoch: epochs done.
        history: a row an epoch: train_loss, train_top1, train_top5, val_loss, val_top1, val_top5, learning_rate.
        best_state: the weights of the best epoch so far, on the CPU.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int
    history: list[dict[str, float]]
    best_state: dict[str, torch.Tensor]

    def state(self) -> dict[str, Any]:
        """Give everything as what torch.save writes."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "history": self.history,
            "best_state": self.best_state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.history, self.best_state = state["epoch"], state["history"], state["best_state"]

    def best_epoch(self) -> int:
        """Say which epoch (from 1) has the highest validation top-1; of equals the first."""
        top1 = [row["val_top1"] for row in self.history]
        return top1.index(max(top1)) + 1


def make_accelerator() -> Accelerator:
    """Take the GPU where there is one, in bfloat16 where it has that, else in float16; else the CPU in float32."""
    if not torch.cuda.is_available():
        return Accelerator(cpu=True, mixed_precision="no")
    return Accelerator(mixed_precision="bf16" if torch.cuda.is_bf16_supported() else "fp16")


def start_run(model: nn.Module, params: Train, accelerator: Accelerator) -> Run:
    """Put the model on its device, channels last (1.4 times as fast for convolutions), with an AdamW optimiser.

    Weight decay spares biases and norms, as in timm.
    """
    model = model.to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=params.learning_rate, weight_decay=params.weight_decay)
    model, optimizer = accelerator.prepare(model, optimizer)
    return Run(model, optimizer, epoch=0, history=[], best_state={})


def train(
    run: Run,
    train_loader: DataLoader,
    val_loader: DataLoader,
    colour: Colour,
    mixing: Mixing,
    params: Train,
    accelerator: Accelerator,
    *,
    after_epoch: Callable[[Run], None],
) -> None:
    """Train from ``run.epoch`` to the last epoch.

    Args:
        run: new, or restored from a checkpoint.
        train_loader: its sampler is an ``EpochOrder``.
        val_loader: likewise.
        colour: jitter and normalisation on the device.
        mixing: erasing and mixing of training images there.
        params: section ``train`` of params.yaml.
        accelerator: of ``make_accelerator``.
        after_epoch: called after each epoch: logs, saves.

    Raises:
        UserError: the loss is no longer a number.
    """
    while run.epoch < params.epochs:
        # Dropout draws from the global generator: seeded by the epoch, a resumed run draws what it would have drawn.
        torch.manual_seed(params.seed * 1_000_003 + run.epoch)
        train_loader.sampler.epoch = run.epoch
        trained = train_epoch(run, train_loader, colour, mixing, params, accelerator)
        validated = evaluate(run.model, val_loader, colour, accelerator, what="validate")
        if not math.isfinite(validated.loss):
            raise UserError(
                f"the validation loss is {validated.loss} after epoch {run.epoch + 1}: lower train.learning_rate"
            )
        row = {f"train_{name}": value for name, value in asdict(trained).items()}
        row |= {f"val_{name}": value for name, value in asdict(validated).items()}
        run.history.append(row)
        run.epoch += 1
        if run.best_epoch() == run.epoch:
            weights = accelerator.unwrap_model(run.model).state_dict()
            run.best_state = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        after_epoch(run)


def train_epoch(
    run: Run, loader: DataLoader, colour: Colour, mixing: Mixing, params: Train, accelerator: Accelerator
) -> Scores:
    """Make one pass over the training images; the scores are those of the steps, on augmented images."""
    run.model.train()
    meter = Meter()
    steps = len(loader)
    for step, loaded in enumerate(
        progress(loader, what=f"epoch {run.epoch + 1} of {params.epochs}", total=steps, unit="steps"),
        start=run.epoch * steps,
    ):
        rate = learning_rate(
            step,
            peak=params.learning_rate,
            warmup_steps=round(params.warmup_epochs * steps),
            total_steps=params.epochs * steps,
        )
        for group in run.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        batch = loaded.to(accelerator.device)
        images, targets = mixing(colour(batch), batch.labels, batch.first)
        logits = _forward(run.model, images, accelerator)
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
        loss = losses.mean()
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss is {loss.item()} at step {step + 1}: lower train.learning_rate, or look at the images"
            )
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(run.model.parameters(), params.clip_norm)
        run.optimizer.step()
        run.optimizer.zero_grad()
        meter.add(losses, logits.detach(), batch.labels)
    return meter.scores()


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader, colour: Colour, accelerator: Accelerator, *, what: str) -> Scores:
    """Score a model on a split; the loss is without label smoothing."""
    model.eval()
    meter = Meter()
    for loaded in progress(loader, what=what, unit="batches", total=len(loader)):
        batch = loaded.to(accelerator.device)
        logits = _forward(model, colour(batch), accelerator)
        losses = nn.functional.cross_entropy(logits, batch.labels, reduction="none")
        meter.add(losses, logits, batch.labels)
    return meter.scores()


@torch.no_grad()
def predict_ranks(model: nn.Module, loader: DataLoader, colour: Colour, accelerator: Accelerator) -> np.ndarray:
    """Say for each image of a split, in its order, how many classes the model puts before its own; int64 [images].

    Of several processes each ranks the images that its loader's ``EpochOrder`` gives it, or none, and gets the ranks of
    all. The model must be prepared with ``evaluation_mode=True``: else it would wait for the others in each batch.

    Raises:
        RuntimeError: an image was ranked twice, or not at all.
    """
    model.eval()
    indices = torch.tensor([index for _, index in loader.sampler], dtype=torch.int64, device=accelerator.device)
    ranks = [torch.empty(0, dtype=torch.int64, device=accelerator.device)]
    for loaded in progress(loader, what="test", unit="batches", total=len(loader)):
        batch = loaded.to(accelerator.device)
        ranks.append(label_ranks(_forward(model, colour(batch), accelerator), batch.labels))
    # Processes have one image more or less than others: what makes the parts equally long is taken off again.
    parts = torch.stack([indices, torch.cat(ranks)], dim=1)
    parts = accelerator.gather(accelerator.pad_across_processes(parts, dim=0, pad_index=-1)).cpu().numpy()
    parts = parts[parts[:, 0] >= 0]
    parts = parts[np.argsort(parts[:, 0])]
    if not np.array_equal(parts[:, 0], np.arange(len(loader.sampler.labels))):
        raise RuntimeError("the processes did not rank each image once")
    return parts[:, 1]


def _forward(model: nn.Module, images: torch.Tensor, accelerator: Accelerator) -> torch.Tensor:
    """Give float32 logits [images, classes]."""
    with accelerator.autocast():
        return model(images).float()
