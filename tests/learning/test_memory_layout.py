"""Filters and images lie in memory as is safe: gradients are right, and no network is refused for its shape."""

import pytest
import timm
import torch
from torch import nn

from stages.learning.memory_layout import set_layout

CPU = torch.device("cpu")


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 8, 12, 24])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (1, 4), (3, 2), (1, 1)])
def test_gradients_are_right_whatever_the_stem(channels, kernel, stride):
    """oneDNN's for AVX2 write beside their memory where a filter of one pixel jumps over few channels."""
    torch.manual_seed(channels)
    network = nn.Sequential(nn.Conv2d(channels, 24, kernel, stride, kernel // 2, bias=False), nn.Conv2d(24, 8, 3))
    set_layout(network, CPU)
    images = torch.rand(4, channels, 33, 33).contiguous(memory_format=torch.channels_last)
    exact = nn.Sequential(
        *(nn.Conv2d(*s) for s in ((channels, 24, kernel, stride, kernel // 2, 1, 1, False), (24, 8, 3)))
    )
    exact.load_state_dict(network.state_dict())
    exact.double()
    for _ in range(5):
        for one, pixels in ((network, images), (exact, images.double())):
            one.zero_grad()
            one(pixels).square().mean().backward()
        for ours, theirs in zip(network.parameters(), exact.parameters(), strict=True):
            assert torch.allclose(ours.grad.double(), theirs.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("test_efficientnet", torch.channels_last),
        ("tf_efficientnet_lite0", torch.channels_last),
        ("test_vit", torch.contiguous_format),  # nothing to gain
        ("mobileone_s0", torch.contiguous_format),  # not safe
        ("lambda_resnet26t", torch.channels_last),  # has parameters of five dimensions
    ],
)
def test_each_network_gets_the_layout_that_is_safe_and_gains(name, layout):
    network = timm.create_model(name, num_classes=3)
    assert set_layout(network, CPU) == layout
    seen = []
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(torch.rand(2, 3, 160, 160).contiguous(memory_format=torch.channels_last))
    assert seen[0].is_contiguous(memory_format=layout)
