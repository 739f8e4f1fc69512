"""How images and filters lie in memory: channels last where that is safe and gains, as convolutions then take less time.

On a CPU with AVX2 alone, or one that is told to use no more, oneDNN's gradient of a 1x1 convolution with a stride, in
channels last and of fewer than 8 channels, writes beside its memory: the process dies, or the gradient is wrong.
The stems of fastvit, repvgg and mobileone have such a convolution on the image itself.
"""

from typing import Any

import torch
from torch import nn

_SAFE_CHANNELS = 8  # measured: 3 and 4 fail, 8 to 24 do not


def set_layout(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Lay a network's filters out as is best on ``device``, and let it lay its images out likewise.

    Only filters of two-dimensional convolutions are touched: some networks have parameters of five dimensions, which
    torch refuses to lay out so. A transformer's one convolution gains nothing, and it stays as it is.

    Returns:
        Which layout it is.
    """
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    # Patch embeddings are as good as matrix products, and all that a transformer convolves.
    sliding = [module for module in convolutions if module.kernel_size != module.stride]
    if not sliding or (device.type == "cpu" and any(map(_unsafe, convolutions))):
        layout = torch.contiguous_format
    else:
        layout = torch.channels_last
    for module in convolutions:
        module.weight.data = module.weight.data.contiguous(memory_format=layout)

    def lay_out(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].contiguous(memory_format=layout), *inputs[1:])

    model.register_forward_pre_hook(lay_out)
    return layout


def _unsafe(convolution: nn.Conv2d) -> bool:
    strided = max(int(step) for step in convolution.stride) > 1
    return strided and tuple(convolution.kernel_size) == (1, 1) and convolution.in_channels < _SAFE_CHANNELS
