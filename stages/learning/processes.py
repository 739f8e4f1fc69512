"""The processes that train or evaluate together, and their devices; mostly there is one.

`accelerate launch` and torchrun start several; their number is a setting of the machine and changes no result but for
rounding.
"""

import atexit
import ctypes
import os
import resource
import sys
from typing import TypeVar

import torch
from accelerate import Accelerator
from torch import nn

from stages.learning.arithmetic import make_deterministic, use_portable_arithmetic
from stages.runtime.progress import say

_Value = TypeVar("_Value")

# What accelerate reads of the environment, but for which process this is of how many. Some of it divides gradients, or
# computes in another precision, whatever it is told here.
_OF_A_LAUNCHER = ("ACCELERATE_", "FSDP_", "FP8_", "PARALLELISM_CONFIG_", "MEGATRON_LM_")
# `accelerate launch` says always that it wants none of this, and on what device: that needs no word.
_NOTHING_WANTED = {"", "0", "no", "false", "default"}
_SAYS_THE_DEVICE = {"ACCELERATE_USE_CPU"}


def make_accelerator() -> Accelerator:
    """Take the GPU where there is one, in bfloat16 where it has that, else in float16; else the CPU in float32.

    A network computes on it the same again, see ``stages.learning.arithmetic``. How it is trained stands in params.yaml
    alone: what the environment says of that is said, and not done.

    Raises:
        UserError: NATIVE_CPU or DETERMINISTIC is neither 0 nor 1.
    """
    _forget_the_launcher()
    if torch.cuda.is_available():
        precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        accelerator = Accelerator(mixed_precision=precision)
    else:
        use_portable_arithmetic()
        keep_freed_memory()
        accelerator = Accelerator(cpu=True, mixed_precision="no")
    make_deterministic()
    return accelerator


def _forget_the_launcher() -> None:
    """Take out of the environment what would let accelerate train in another way than params.yaml says."""
    names = sorted(name for name in os.environ if name.startswith(_OF_A_LAUNCHER))
    values = {name: os.environ.pop(name) for name in names}
    said = [name for name in names if name not in _SAYS_THE_DEVICE and values[name].lower() not in _NOTHING_WANTED]
    if said and os.environ.get("RANK", "0") == "0":  # one of several says it
        say(f"{', '.join(said)} in the environment changes nothing: params.yaml says how a model is trained")


@atexit.register
def _leave_the_others() -> None:
    """End this process's part in what several do together.

    Threads of it that are left when the interpreter goes abort the process at random, after all is done ("terminate
    called without an active exception").
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


# Numbers of malloc.h, of GNU's C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BELOW = 16 * 2**20  # bytes


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for what it allocates next, but for the largest tensors.

    A step on a CPU allocates and frees the same tensors each time. GNU's malloc gives memory back to the system and
    gets it again in pages that the system has to clear first: a fifth to a third of the step, measured on the sample's
    network. What is kept gets holes, in turn, that fit nothing else: with the few largest tensors given back, most of
    the time is won, and a twelfth of the memory. Other C libraries have no such setting and stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BELOW)
        mallopt(_M_TRIM_THRESHOLD, -1)


def all_reduce_max(number: int, accelerator: Accelerator) -> int:
    """Give the greatest of all processes' numbers; each of them must ask."""
    if accelerator.num_processes == 1:
        return number
    of_all = torch.tensor(number, device=accelerator.device)
    torch.distributed.all_reduce(of_all, torch.distributed.ReduceOp.MAX)
    return int(of_all)


def broadcast_from_first(value: _Value, accelerator: Accelerator) -> _Value:
    """Give all processes what the first one has; each of them must ask."""
    if accelerator.num_processes == 1:
        return value
    held = [value]
    torch.distributed.broadcast_object_list(held, src=0)
    return held[0]


def broadcast_buffers(model: nn.Module, accelerator: Accelerator) -> None:
    """Give all processes the first one's buffers: statistics of norms, which each takes of its own images."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)


def peak_memory(accelerator: Accelerator) -> int:
    """Give the most bytes that this process has held so far: of the GPU's memory, or of the machine's."""
    if accelerator.device.type == "cuda":
        return torch.cuda.max_memory_allocated(accelerator.device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # kilobytes, but on a Mac
