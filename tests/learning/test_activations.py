"""The lean activation is torch's to the bit, and remembers no copy."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.learning.activations import LeanReLU6
from stages.learning.model import create_model


@given(
    st.lists(
        st.sampled_from([-1.0, -0.0, 0.0, 1e-30, 3.0, 6.0, 6.0001, np.inf, -np.inf, np.nan]) | st.floats(width=32)
    ),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_the_lean_activation_is_torchs_to_the_bit(values, dtype):
    results = []
    for activation in (torch.nn.ReLU6(inplace=True), LeanReLU6()):
        leaf = torch.tensor(values, dtype=dtype, requires_grad=True)
        result = activation(leaf * 1)
        result.backward(torch.linspace(-1, 1, len(values), dtype=dtype))
        results.append((result.detach(), leaf.grad))
    for theirs, ours in zip(*results, strict=True):
        assert torch.equal(theirs.nan_to_num(nan=99), ours.nan_to_num(nan=99))


def test_the_lean_activation_keeps_no_tensor_but_its_result():
    kept = {}
    for activation in (torch.nn.ReLU6(inplace=True), LeanReLU6()):
        saved: list[torch.Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda nothing: nothing):
            result = activation(torch.randn(5, requires_grad=True) + 0)
        kept[type(activation)] = [tensor.data_ptr() == result.data_ptr() for tensor in saved]
    assert kept == {torch.nn.ReLU6: [False], LeanReLU6: [True]}  # once torch's is no copy, ours is of no use


def test_every_relu6_of_the_samples_network_is_lean(params):
    model = create_model(params.model, classes=5, image_px=64, seed=1)
    kinds = {type(module) for module in model.modules() if isinstance(module, torch.nn.ReLU6)}
    assert kinds == {LeanReLU6}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_lean_activation_can_be_compiled():
    values = torch.linspace(-2, 8, 20)
    gradients = []
    for compiled in (False, True):
        leaf = values.clone().requires_grad_()
        network = torch.nn.Sequential(torch.nn.Identity(), LeanReLU6())
        called = torch.compile(network, fullgraph=True) if compiled else network
        called(leaf * 1).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)
