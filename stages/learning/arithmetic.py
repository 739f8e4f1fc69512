"""Arithmetic on a CPU that gives the same bits on every x86 processor with AVX2, whatever its maker and its cores.

Libraries choose their code by the processor, and each choice rounds otherwise. So here the choice is made for them:

- torch's and oneDNN's kernels for AVX2, not wider ones;
- MKL's code path that is the same for all makers (``COMPATIBLE``): it takes another for AMD's processors than for
  Intel's even where both are told to use AVX2;
- two threads: sums are divided between them;
- and, in ``stages.learning.state``, an Adam that takes square roots itself: torch's own go through a fast approximation
  (``rsqrtps``) that each maker's processors compute otherwise.

docs/same_bits.md has what was measured, and what it costs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stages import PORTABLE_ARITHMETIC
from stages.runtime.errors import UserError
from stages.runtime.machine import machine_flag
from stages.runtime.plain_text import first_line
from stages.runtime.progress import say

THREADS = 2


def use_portable_arithmetic() -> None:
    """Let networks compute on this CPU as they do on others; NATIVE_CPU=1 takes what is fastest here instead.

    Variables of the environment that say something else, those of a launcher among them, count for nothing.

    Raises:
        UserError: NATIVE_CPU is neither 0 nor 1.
        RuntimeError: torch has computed something before, and has made its choice.
    """
    if machine_flag("NATIVE_CPU"):
        say("NATIVE_CPU=1: networks compute with all that this processor has, and may round otherwise than dvc.lock's")
        return
    # Read when each library computes for the first time.
    os.environ.update(PORTABLE_ARITHMETIC)
    torch.set_num_threads(THREADS)
    capability = torch.backends.cpu.get_cpu_capability()
    if capability not in ("AVX2", "DEFAULT", "NO AVX"):
        raise RuntimeError(f"torch computes by {capability} already: call this before anything is computed")
    if capability != "AVX2":
        say(f"this processor has no AVX2 ({capability}): networks may round otherwise here than dvc.lock's")


def make_deterministic() -> None:
    """Let torch take deterministic algorithms alone, on a GPU too; DETERMINISTIC=0 takes others where they are faster.

    On a GPU these are cuBLAS with a workspace of its own for each stream, and attention whose gradient is summed up in
    a fixed order (https://pytorch.org/docs/stable/notes/randomness.html); docs/gpu.md has more. On a CPU it costs
    nothing.

    Raises:
        UserError: DETERMINISTIC is neither 0 nor 1.
    """
    if not machine_flag("DETERMINISTIC", default=True):
        torch.use_deterministic_algorithms(False)
        return
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # it takes whichever was faster just now
    # Memory that nobody has written to is never read here: to fill it first is work for nothing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]


@contextmanager
def deterministic_or_said() -> Iterator[None]:
    """Say it in a line where torch has no deterministic algorithm for what a network computes.

    Raises:
        UserError: it has none.
    """
    try:
        yield
    except RuntimeError as error:
        if "use_deterministic_algorithms" not in str(error):
            raise
        what = first_line(error).partition(". ")[0].partition(", but you set")[0]
        raise UserError(f"{what}: set DETERMINISTIC=0, and the same run will not end in the same bits") from None
