"""How busy this machine is: processor, memory, disk and GPUs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pynvml

_OVER_S = 0.2  # that the processor's use is measured


class Machine(NamedTuple):
    """How busy it is.

    Attributes:
        cpu_share: of all cores, 0 to 1.
        cores: their number.
        used_bytes: of memory.
        total_bytes: likewise.
        free_disk_bytes: where the repo is.
    """

    cpu_share: float
    cores: int
    used_bytes: int
    total_bytes: int
    free_disk_bytes: int


class Gpu(NamedTuple):
    """How busy a GPU is; ``None`` for what it does not tell, as one that is divided.

    Attributes:
        number: of it.
        name: its maker's.
        busy_share: of the last second or so, 0 to 1.
        used_bytes: of its memory.
        total_bytes: likewise.
        celsius: its temperature.
    """

    number: int
    name: str
    busy_share: float | None
    used_bytes: int | None
    total_bytes: int | None
    celsius: int | None


def see_machine(root: Path) -> Machine:
    """Measure this machine, for a fifth of a second."""
    memory = psutil.virtual_memory()
    return Machine(
        psutil.cpu_percent(interval=_OVER_S) / 100,
        os.cpu_count() or 1,
        memory.total - memory.available,
        memory.total,
        shutil.disk_usage(root).free,
    )


def see_gpus() -> list[Gpu]:
    """Ask the NVIDIA driver for its GPUs; none where there is no driver.

    Raises:
        pynvml.NVMLError: there is one, and it does not answer.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if getattr(error, "value", None) in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
            return []
        raise
    try:
        return [_see_gpu(number) for number in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _see_gpu(number: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(number)

    def ask(question: Callable[..., Any], *words: Any) -> Any:
        try:
            return question(handle, *words)
        except pynvml.NVMLError:
            return None

    name = ask(pynvml.nvmlDeviceGetName) or "GPU"
    rates, memory = ask(pynvml.nvmlDeviceGetUtilizationRates), ask(pynvml.nvmlDeviceGetMemoryInfo)
    return Gpu(
        number,
        name if isinstance(name, str) else name.decode(errors="replace"),
        rates.gpu / 100 if rates else None,
        int(memory.used) if memory else None,
        int(memory.total) if memory else None,
        ask(pynvml.nvmlDeviceGetTemperature, pynvml.NVML_TEMPERATURE_GPU),
    )
