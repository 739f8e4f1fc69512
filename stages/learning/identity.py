"""What makes a training's result, and nothing else: by it a checkpoint, or a finished result, is known to be its own.

In it are the parameters, each label and JPEG of train and val in their order, the order of labels, the code without
what only people read, and the versions of libraries. Out of it is what only speaks, stops or saves.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.images import portable
from stages.learning.split import PackedSplit
from stages.provenance.code import code_digest
from stages.provenance.libraries import TRAINING, installed_versions
from stages.splitting.label_order import digest_labels

# Files of this room that only speak, stop, save or find again what was saved.
NO_RESULT = {"__init__.py", "checkpoint.py", "finished.py", "health.py", "identity.py", "summary.py"}
# What reads the data is not in it, either: they come in by their digests.
CODE = [
    *(path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name not in NO_RESULT),
    Path(portable.__file__),
]
# Keys of section ``train`` that only warn or stop.
_NO_RESULT_KEYS = {"expect_epoch", "expect_top1", "max_skipped_steps"}


def run_identity(parameters: dict[str, Any], species: Sequence[str], packed: dict[str, PackedSplit]) -> dict[str, Any]:
    """Give the identity of a run: plain values, which can be written as JSON.

    Args:
        parameters: those of the stage ``train`` as params.yaml has them, by section.
        species: in the order of labels.
        packed: train and val.
    """
    train = {name: value for name, value in parameters["train"].items() if name not in _NO_RESULT_KEYS}
    return {
        "parameters": parameters | {"train": train},
        "code": code_digest(CODE),
        "libraries": installed_versions(TRAINING),
        "labels": digest_labels(species),
        "images": {name: split.fingerprint for name, split in packed.items()},
    }
