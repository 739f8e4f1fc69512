"""The state of a training: all that a checkpoint must bring back for a run to end as if nobody had disturbed it.

Random numbers are no part of it. What is drawn is drawn anew for each step from (seed, epoch, step), so a position is
enough to draw the same again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from timm.optim import create_optimizer_v2  # pyright: ignore[reportPrivateImportUsage]
from timm.utils import ModelEmaV3  # pyright: ignore[reportPrivateImportUsage]
from torch import nn

from stages.config.schema import Train
from stages.learning.memory_layout import set_layout
from stages.learning.schedule import Phase
from stages.learning.scores import Meter

_EMA_WARMUP_POWER = 0.75  # for runs of some ten thousand steps, as timm advises


@dataclass
class Best:
    """The weights to keep, so far.

    Attributes:
        epoch: from 1.
        weights: ``val`` for those of the model, ``ema`` for their average: the group of their figures.
        score: what they are best by.
        state: the weights, on the CPU.
    """

    epoch: int
    weights: str
    score: float
    state: dict[str, torch.Tensor]


@dataclass
class TrainState:
    """A training between two steps.

    Attributes:
        model: the network itself.
        network: the network as it is called: shared between processes, compiled, or just the model; each phase sets it.
        optimizer: with its moments.
        ema: the moving average of the weights, where that is asked for.
        scaler: of the loss in float16, else ``None``.
        phase: which part of the network the optimizer is set to.
        epoch: epochs done.
        step: steps done of the next one.
        updates: steps of the optimizer, in all.
        micro_images: images at once, where those of params.yaml turned out to be too many.
        called_in: the phase that ``network`` was made for.
        meter: the scores of these steps.
        skipped: epoch, step and image names of the steps whose loss was not finite.
        history: a row of figures an epoch.
        best: the weights to keep.
    """

    model: nn.Module
    network: Callable[[torch.Tensor], torch.Tensor]
    optimizer: AcceleratedOptimizer
    ema: ModelEmaV3 | None
    scaler: torch.amp.GradScaler | None
    phase: Phase = "all"
    epoch: int = 0
    step: int = 0
    updates: int = 0
    micro_images: int | None = None
    called_in: Phase | None = None
    meter: Meter = field(default_factory=Meter)
    skipped: list[tuple[int, int, list[str]]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None

    @property
    def kept(self) -> Best:
        """The weights to keep.

        Raises:
            RuntimeError: no epoch has ended yet.
        """
        if self.best is None:
            raise RuntimeError("no epoch has ended yet: there are no weights to keep")
        return self.best

    def state_dict(self, meter: Meter) -> dict[str, Any]:
        """Give everything as what torch.save writes, with the meter of all processes."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema and self.ema.module.state_dict(),
            "scaler": self.scaler and self.scaler.state_dict(),
            "meter": vars(meter),
            "best": self.best and vars(self.best),
        } | {name: getattr(self, name) for name in _PLAIN}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.ema:
            self.ema.module.load_state_dict(saved["ema"])
        if self.scaler and saved["scaler"]:  # a run may go on where precision is another
            self.scaler.load_state_dict(saved["scaler"])
        self.meter = Meter(**saved["meter"])
        self.best = Best(**saved["best"]) if saved["best"] else None
        for name in _PLAIN:
            setattr(self, name, saved[name])


_PLAIN = ("phase", "epoch", "step", "updates", "micro_images", "skipped", "history")


def init_state(model: nn.Module, params: Train, accelerator: Accelerator) -> TrainState:
    """Put the model on its device, laid out in memory as is best there, with an AdamW optimizer.

    Weight decay spares biases and norms, and each layer learns ``train.layer_decay`` times as fast as the one after it
    (Clark et al., ICLR 2020; Bao et al., ICLR 2022), both as timm does it. On a CPU the optimizer is torch's fused one:
    others take square roots by an approximation that each maker's processors compute otherwise.
    """
    model = model.to(accelerator.device)
    set_layout(model, accelerator.device)
    optimizer = create_optimizer_v2(
        model,
        opt="adamw",
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        layer_decay=None if params.layer_decay == 1 else params.layer_decay,
        **({"fused": True} if accelerator.device.type == "cpu" else {}),
    )
    ema = None
    if params.ema_decay is not None:
        ema = ModelEmaV3(model, decay=params.ema_decay, use_warmup=True, warmup_power=_EMA_WARMUP_POWER)
    prepared = cast(AcceleratedOptimizer, accelerator.prepare_optimizer(optimizer))
    return TrainState(model, model, prepared, ema, accelerator.scaler)
