"""What an exported file says of test images, against the model that it was made of: paired, image by image."""

from dataclasses import dataclass

from stages.evaluation.differences import Difference
from stages.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Score:
    """How well a file does on test images that the model itself was asked about, too.

    Attributes:
        what: the file, such as "model.onnx", and what else differs: "model.onnx, center crop".
        images: that were scored.
        of_images: of so many in the test.
        original: top-1 of the model itself on these images.
        top1: of the file.
        difference: of the file less the original, paired.
        changed: images of which the file says another species.
        largest_difference: of a logit between the two.
    """

    what: str
    images: int
    of_images: int
    original: Estimate
    top1: Estimate
    difference: Difference
    changed: int
    largest_difference: float
