"""This machine is measured, and a GPU as far as its driver tells: its answers are made, as few machines have one."""

from types import SimpleNamespace

import pynvml
import pytest

from stages.watching.machine import Gpu, see_gpus, see_machine

NO_ANSWER = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_this_machine(tmp_path):
    machine = see_machine(tmp_path)
    assert 0 <= machine.cpu_share <= 1
    assert 0 < machine.used_bytes < machine.total_bytes
    assert machine.cores >= 1


@pytest.fixture
def driver(monkeypatch):
    """Sets what the driver's functions give, or raise."""

    def set_up(**answers: object) -> None:
        for name, answer in answers.items():

            def ask(*_: object, answer: object = answer) -> object:
                if isinstance(answer, Exception):
                    raise answer
                return answer

            monkeypatch.setattr(pynvml, f"nvml{name}", ask)

    set_up(
        Init=None,
        Shutdown=None,
        DeviceGetCount=1,
        DeviceGetHandleByIndex="handle",
        DeviceGetName="NVIDIA H200",
        DeviceGetUtilizationRates=SimpleNamespace(gpu=98),
        DeviceGetMemoryInfo=SimpleNamespace(used=45, total=140),
        DeviceGetTemperature=61,
    )
    return set_up


def test_a_gpu_is_told_as_its_driver_tells_it(driver):
    assert see_gpus() == [Gpu(0, "NVIDIA H200", 0.98, 45, 140, 61)]


def test_what_a_gpu_does_not_tell_is_left_out(driver):
    """As one that is divided says nothing of its use."""
    driver(DeviceGetUtilizationRates=NO_ANSWER, DeviceGetTemperature=NO_ANSWER, DeviceGetName=b"Tesla")
    assert see_gpus() == [Gpu(0, "Tesla", None, 45, 140, None)]


@pytest.mark.parametrize("number", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_without_a_driver_there_is_no_gpu(driver, number):
    driver(Init=pynvml.NVMLError(number))
    assert see_gpus() == []


def test_a_driver_that_fails_is_told(driver):
    driver(Init=pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST))
    with pytest.raises(pynvml.NVMLError, match="GPU is lost"):
        see_gpus()
