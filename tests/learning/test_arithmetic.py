"""A network computes the same bits on every x86 processor with AVX2, whatever a launcher or a user has set."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from stages import PORTABLE_ARITHMETIC
from stages.learning.arithmetic import THREADS, use_portable_arithmetic
from stages.learning.loop import begin_phase, train_step
from stages.learning.predict import predict
from stages.learning.processes import make_accelerator
from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.same_bits import DIGESTS
from tests.support.tiny_training import TRANSFORMER, make
from tests.support.trainings import assert_same, changed, trained

PROCESSOR = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
# As launchers, other libraries' advice and habit set them; each gives other bits to who heeds it.
HOSTILE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "AUTO",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "3",
}


@pytest.mark.slow
@pytest.mark.skipif("avx2" not in PROCESSOR, reason="on another processor it is said, and no promise")
def test_the_bits_are_those_of_every_processor(tmp_path):
    """The digests were made on another processor than this one, most likely. One core, and variables that mislead."""
    one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    command = [*one_core, sys.executable, "-m", "tests.support.same_bits", str(tmp_path / "packed")]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | HOSTILE, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith(tuple(DIGESTS))]
    assert dict(lines) == DIGESTS
    assert "ACCELERATE_GRADIENT_ACCUMULATION_STEPS in the environment changes nothing" in result.stdout


def test_a_host_may_take_all_that_its_processor_has(monkeypatch, capsys):
    monkeypatch.setenv("NATIVE_CPU", "1")
    for name in PORTABLE_ARITHMETIC:
        monkeypatch.delenv(name)
    threads = torch.get_num_threads()
    use_portable_arithmetic()
    assert torch.get_num_threads() == threads
    assert not PORTABLE_ARITHMETIC.keys() & os.environ.keys()
    assert "NATIVE_CPU=1: networks compute with all that this processor has" in capsys.readouterr().out


def test_two_threads_are_two_whatever_was_set(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        make_accelerator()
        assert torch.get_num_threads() == THREADS
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif("avx512f" not in PROCESSOR, reason="torch would not choose AVX-512 here")
def test_a_choice_that_comes_too_late_is_no_silent_one():
    """Who computes something before gets an error, and not other bits."""
    code = (
        "import torch; torch.ones(9).exp()\n"
        "from stages.learning.arithmetic import use_portable_arithmetic\n"
        "use_portable_arithmetic()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in PORTABLE_ARITHMETIC}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "RuntimeError: torch computes by AVX512 already" in result.stderr


def test_adam_takes_square_roots_that_are_rounded_right(folder):
    """torch's own, of tensors on a CPU, are an approximation that AMD's and Intel's processors begin otherwise."""
    state, _ = make(folder)
    assert state.optimizer.param_groups[0]["fused"]
    parameter = next(iter(state.optimizer.param_groups[0]["params"]))
    generator = torch.Generator().manual_seed(1)
    parameter.grad = torch.randn(parameter.shape, generator=generator)
    before, group = parameter.detach().clone(), state.optimizer.param_groups[0]
    state.optimizer.step()
    # AdamW's first step in float64 (Loshchilov and Hutter, ICLR 2019): both moments are the gradient's own.
    gradient = parameter.grad.double()
    decayed = before.double() * (1 - group["lr"] * group["weight_decay"])
    expected = decayed - group["lr"] * gradient / (gradient.abs() + group["eps"])
    assert torch.allclose(parameter.detach().double(), expected, rtol=1e-6, atol=1e-9)


def test_what_has_no_deterministic_algorithm_is_one_line(folder):
    """torch itself refuses it; so does a training, and a validation."""

    class Chance(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = self.network(images)
            return logits + torch.zeros(3).put_(torch.tensor([0, 1]), torch.ones(2))

    state, context = make(folder, changed(epochs=1))
    begin_phase(state, context)
    state.network = state.model = Chance(state.model)
    why = r"put_ does not have a deterministic implementation[^\n]*: set DETERMINISTIC=0, and the same run"
    with pytest.raises(UserError, match=why):
        train_step(state, context, iter(context.train_loader))
    with pytest.raises(UserError, match=why):
        predict(state.model, context.val_loader, context.color, context.accelerator, what="validate")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4"),
        ("ACCELERATE_MIXED_PRECISION", "bf16"),
        ("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR"),
        ("ACCELERATE_USE_FSDP", "true"),
        ("ACCELERATE_USE_DEEPSPEED", "true"),
        ("ACCELERATE_TORCH_DEVICE", "meta"),
        ("ACCELERATE_USE_MEGATRON_LM", "true"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "true"),
    ],
)
def test_no_variable_of_a_launcher_changes_how_a_model_is_trained(monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = make_accelerator()
    assert accelerator.gradient_accumulation_steps == 1
    assert accelerator.mixed_precision == "no"
    assert accelerator.state.dynamo_plugin.backend == "NO"
    assert accelerator.device.type == "cpu"
    assert str(accelerator.distributed_type) == "DistributedType.NO"
    assert f"{name} in the environment changes nothing" in capsys.readouterr().out


def test_what_accelerate_launch_always_says_needs_no_word(monkeypatch, capsys):
    for name, value in {
        "ACCELERATE_USE_CPU": "True", "ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_DYNAMO_BACKEND": "NO",
        "ACCELERATE_DYNAMO_MODE": "default", "ACCELERATE_DYNAMO_USE_FULLGRAPH": "False",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    make_accelerator()
    assert "in the environment" not in capsys.readouterr().out


def test_gradients_are_not_divided_by_the_environment(folder, monkeypatch):
    plain = trained(folder, changed(epochs=1), network=TRANSFORMER)
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    AcceleratorState._reset_state(reset_partial_state=True)
    assert_same(plain, trained(folder, changed(epochs=1), network=TRANSFORMER))
