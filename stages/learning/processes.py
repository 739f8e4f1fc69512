"""The processes that train or evaluate together, and their devices; mostly there is one.

`accelerate launch` and torchrun start several; their number is a setting of the machine and changes no result but for
rounding.
"""

import torch
from accelerate import Accelerator
from torch import nn


def make_accelerator() -> Accelerator:
    """Take the GPU where there is one, in bfloat16 where it has that, else in float16; else the CPU in float32."""
    if not torch.cuda.is_available():
        return Accelerator(cpu=True, mixed_precision="no")
    return Accelerator(mixed_precision="bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16")


def any_process(flag: bool, accelerator: Accelerator) -> bool:
    """Say whether any process says yes; each of them must ask."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(int(flag), device=accelerator.device)))


def same_buffers(model: nn.Module, accelerator: Accelerator) -> None:
    """Give all processes the first one's buffers: statistics of norms, which each takes of its own images."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)
