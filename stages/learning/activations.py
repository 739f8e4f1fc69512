"""ReLU6 in place, as it was meant: without the copy of its input that torch keeps for the backward pass.

torch makes that copy since 1.10 (https://github.com/pytorch/pytorch/issues/95432). In the sample's network, which is of
the MobileNet family, it is a fifth of all that a step holds.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable


class _Clamp06(torch.autograd.Function):
    """min(max(x, 0), 6) in place. What comes out says where the gradient passes: strictly between the bounds."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        nn.functional.hardtanh_(values, 0.0, 6.0)
        ctx.mark_dirty(values)
        ctx.save_for_backward(values)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (result,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, result, 0.0, 6.0)


class LeanReLU6(nn.ReLU6):
    """``nn.ReLU6(inplace=True)`` to the bit, forward and backward, that remembers its result alone."""

    def __init__(self) -> None:
        super().__init__(inplace=True)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Clamp ``input``, of any shape and floating dtype, to 0 to 6 in place, and give it."""
        if torch.compiler.is_compiling():  # the compiler decides itself what to remember
            return super().forward(input)
        return _Clamp06.apply(input)


def use_lean_relu6(model: nn.Module) -> None:
    """Put the lean activation in the place of each ``nn.ReLU6(inplace=True)`` within a network."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.ReLU6 and child.inplace:  # where it is not in place, its input is needed again
                setattr(module, name, LeanReLU6())
