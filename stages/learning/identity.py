"""What makes a training's result, and nothing else: by it a checkpoint, or a finished result, is known to be its own.

In it are the parameters, the digest of the starting weights, each label and JPEG of train and val in their order, the
order of labels, the code without what only people read, and the versions of libraries. Out of it is what only speaks,
stops or saves; and this machine, whose processor, device and settings round otherwise and make no other run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.images import portable
from stages.learning.origin import Origin
from stages.learning.split import PackedSplit
from stages.provenance.code import code_digest
from stages.provenance.libraries import TRAINING, installed_versions
from stages.splitting.label_order import digest_labels

# Files of this room that only speak, stop, save or find again what was saved.
NO_RESULT = {
    "__init__.py", "checkpoint.py", "clock.py", "finished.py", "gate.py", "health.py", "identity.py", "summary.py",
    "trained_on.py",
}  # fmt: skip
# What reads tables and shards, in other rooms, is not in it: data come in by their digests.
CODE = [
    *(path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name not in NO_RESULT),
    Path(portable.__file__),
]
# Keys that only warn or stop, and where weights are found that have a digest.
_NO_RESULT_KEYS = {
    "": {"profile"},
    "train": {"expect_epoch", "expect_top1", "max_skipped_steps"},
    "weights": {"path", "package", "file"},
}


def run_identity(
    parameters: dict[str, Any], species: Sequence[str], packed: dict[str, PackedSplit], origin: Origin
) -> dict[str, Any]:
    """Give the identity of a run: plain values, which can be written as JSON.

    Args:
        parameters: those of the stage ``train`` as params.yaml has them, by section.
        species: in the order of labels.
        packed: train and val.
        origin: the network and its starting weights.
    """
    counting = _that_count(parameters)
    # What a hub or a folder calls a network makes no result: what it is stands in its origin.
    counting["model"]["name"] = origin.name
    return {
        "parameters": counting,
        "weights": origin.identity(),
        "code": code_digest(CODE),
        "libraries": installed_versions(TRAINING),
        "labels": digest_labels(species),
        "images": {name: split.fingerprint for name, split in packed.items()},
    }


def _that_count(section: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Leave out, in a section and those in it, what makes no result."""
    return {
        key: _that_count(value, key) if isinstance(value, dict) else value
        for key, value in section.items()
        if key not in _NO_RESULT_KEYS.get(name, ())
    }
