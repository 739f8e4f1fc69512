"""A network as ONNX: pixels in, logits out, for whoever has onnxruntime and nothing of this repo."""

import io
import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.checker
import onnx.helper
import onnx.numpy_helper
import torch
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn
from torch.export import Dim

from stages.learning.device import Batch, ColorTransform
from stages.learning.saved_model import ModelDescription
from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.runtime.plain_text import first_line

INPUT, OUTPUT = "image", "logits"
OPSET = 23  # of 2025: what is newer runs in fewer apps, and computes nothing of these networks otherwise
MOST_BATCH = 256  # images at once
_MOST_BYTES = 2**31 - 2**24  # protobuf's limit of a file, less what is no weight
_LARGEST = float(np.finfo(np.float16).max)


class _FromPixels(nn.Module):
    """A network with what comes before it: the very normalization with which it was trained."""

    def __init__(self, network: nn.Module, description: ModelDescription) -> None:
        super().__init__()
        self.network = network
        self.color = ColorTransform(description.mean, description.std)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(self.color(Batch(image, None, image.new_empty(0), (0, 0, 0))))


def check_size(network: nn.Module) -> None:
    """See that a network fits into one file, before minutes are spent on it.

    Raises:
        UserError: it does not.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > _MOST_BYTES:
        raise UserError(
            f"params.yaml: publish.onnx: the network's weights are {size / 1e9:.1f} GB, and a file of ONNX holds 2 GB "
            "at the most: let it be []"
        )


def export_onnx(network: nn.Module, description: ModelDescription, about: Mapping[str, str]) -> onnx.ModelProto:
    """Give a network as an ONNX model of float32, for any number of images up to ``MOST_BATCH``.

    Its input ``image`` is uint8 [batch, image_px, image_px, 3], RGB; its output ``logits`` is float32 [batch, classes].
    The same network gives the same bytes, wherever this runs: nothing of the machine is left in it.

    Args:
        network: on the CPU, float32; it is not changed.
        description: of it.
        about: noted in the file's metadata, by name.

    Raises:
        UserError: torch cannot export such a network.
    """
    check_size(network)
    # Of a batch of one torch takes for granted that there is never another.
    pixels = torch.zeros(2, description.image_px, description.image_px, 3, dtype=torch.uint8)
    batch = Dim("batch", min=1, max=MOST_BATCH)
    try:
        with _in_silence(), torch.no_grad():
            program = torch.onnx.export(
                _FromPixels(network, description).eval(),
                (pixels,),
                dynamo=True,
                dynamic_shapes={INPUT: {0: batch}},
                external_data=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # whatever the tracer meets in a network's code
        raise UserError(
            f"torch cannot export {description.name} to ONNX ({first_line(error)}): let publish.onnx in params.yaml be "
            "[]"
        ) from None
    assert program is not None  # with dynamo it is none of a network that could not be exported, which raises
    model = program.model_proto
    _forget_the_machine(model)
    onnx.helper.set_model_props(model, dict(about))
    return model


def to_float16(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """Give an ONNX model with weights and arithmetic of float16, input and output as they were.

    Args:
        model: of ``export_onnx``; it is not changed.

    Returns:
        The model; and the number of tensors with weights beyond float16's range, which are cut to it.
    """
    beyond = sum(
        bool((np.abs(onnx.numpy_helper.to_array(tensor)) > _LARGEST).any())
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return convert_float_to_float16(copy, keep_io_types=True), beyond


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Check an ONNX model by the standard's own checker, and write it.

    Raises:
        onnx.checker.ValidationError: it is none.
    """
    onnx.checker.check_model(model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def metadata_of(description: ModelDescription, species: list[str], model_sha256: str) -> dict[str, str]:
    """Give what stands in a file's metadata, so that it can be used where it lies alone.

    Args:
        description: of the network.
        species: in the order of labels.
        model_sha256: digest of the weights that the file is made of.
    """
    return {
        "architecture": description.name,
        "label_names": json.dumps(species, ensure_ascii=False),
        "labels_sha256": description.labels_sha256,
        "model_sha256": model_sha256,
        "input": f"uint8 [batch, {description.image_px}, {description.image_px}, 3], RGB: the middle of the crop, "
        f"which is sized to {description.pack_px} px",
        "output": "logits; divided by the temperature of calibration.json, a softmax gives probabilities",
    }


def _forget_the_machine(model: onnx.ModelProto) -> None:
    """Take out what torch notes of where the code lay: paths of this machine, which make other bytes elsewhere."""
    del model.metadata_props[:]
    for part in _parts([model.graph, *model.functions]):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _parts(graphs: Iterable[Any]) -> Iterator[Any]:
    """Yield graphs and all in them that may have notes, those of the bodies of loops and branches too."""
    for graph in graphs:
        yield graph
        for name in ("input", "output", "value_info", "initializer"):
            yield from (value for value in getattr(graph, name, ()) if not isinstance(value, str))
        for node in graph.node:
            yield node
            for attribute in node.attribute:
                yield from _parts([*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs])


@contextmanager
def _in_silence() -> Iterator[None]:
    """Keep to itself what torch's exporter says of its own steps, warnings of its own code among it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
