"""Logits are told apart on a device that computes in half precision, too."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from stages.config.schema import Model, RandomWeights
from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.model import create_model
from stages.learning.precision import head_in_float32
from stages.learning.predict import predict
from stages.predicting.answers import predict_answers
from tests.support.packed import write_split

CLASSES = 4_000


@pytest.fixture
def in_bfloat16():
    """As on a GPU, on this processor; the state of accelerate is one of the process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(cpu=True, mixed_precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def network():
    of = Model(name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)
    return create_model(of, classes=CLASSES, image_px=48, seed=1).eval()


def test_logits_do_not_tie_where_the_device_computes_in_half_precision(network, tmp_path, in_bfloat16):
    packed = write_split(tmp_path, "train", 4)
    batches = EpochBatches(packed.labels, step_images=4, micro_images=4, process=0, processes=1)
    loader, color = PackedLoader(PackedImages(packed, 48), batches, workers=0), ColorTransform((0.5,) * 3, (0.25,) * 3)
    kept = predict_answers(network, loader, color, in_bfloat16, np.arange(CLASSES) // 4, what="test")
    logits = kept["top_logits"].to_list()
    assert all(len(set(row)) == len(row) for row in logits)
    # Nor in validation, which chooses the epoch: the ranks are those of a whole float32 but where it is a close thing.
    ranks = predict(network, loader, color, in_bfloat16, what="test").ranks
    assert ranks.tolist() == kept["rank"].to_list()
    assert all("forward" not in vars(module) for module in network.modules())


def test_without_it_they_do(network):
    pixels = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain = network(pixels)
        with head_in_float32(network):
            exact = network(pixels)
    with torch.no_grad():
        wanted = network(pixels)
        with head_in_float32(network):
            assert torch.equal(network(pixels), wanted)  # in float32 nothing is another
    assert plain.dtype == torch.bfloat16
    assert exact.dtype == torch.float32
    assert len(plain[0].unique()) < 0.5 * CLASSES < 0.99 * CLASSES < len(exact[0].unique())
    assert exact.numpy() == pytest.approx(wanted.numpy(), abs=0.02 * float(wanted.std()) + 0.05)
