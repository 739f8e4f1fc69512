"""A short training by the product's own parts, and the digest of what comes out: a process of its own.

    python -m tests.support.same_bits FOLDER

FOLDER holds shards of ``train`` and ``val`` and is made where it is missing. It prints the digest of the weights and
the figures of a network of each kind: convolutions with batch norms, as the sample has them, and a transformer.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch

from stages.config.schema import Model, RandomWeights
from stages.learning.arithmetic import THREADS
from stages.learning.loop import train
from tests.support.packed import write_splits
from tests.support.tiny_training import PARAMS, TRANSFORMER, make

# Of the weights after these trainings, on every x86 processor with AVX2: see docs/same_bits.md for which were tried.
DIGESTS = {"tf_efficientnet_lite0": "8c7e3a5743007f09", "test_vit": "ec647954a41549e3"}
_CONVOLUTIONS = Model(
    name="tf_efficientnet_lite0", weights=RandomWeights(kind="random"), drop_rate=0.2, drop_path_rate=0.1
)


def digest(folder: Path, network: Model) -> str:
    """Train a network on the shards of a folder, with as many threads as a stage has; give 16 digits of the result."""
    state, context = make(folder, PARAMS.model_copy(update={"epochs": 1, "ema_decay": 0.9}), network=network)
    torch.set_num_threads(THREADS)
    train(state, context)
    tensors = [*state.model.state_dict().values(), *state.ema.module.state_dict().values()]
    content = b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)
    return hashlib.sha256(content + json.dumps(state.history).encode()).hexdigest()[:16]


def main() -> None:
    """Train and print."""
    folder = Path(sys.argv[1])
    if not folder.exists():
        write_splits(folder)
    for network in (_CONVOLUTIONS, TRANSFORMER):
        print(network.name, digest(folder, network), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
