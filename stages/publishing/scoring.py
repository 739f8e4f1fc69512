"""What an exported file says of test images, against the model that it was made of: paired, image by image.

The model's own answers are those of ``predict``, of which all reported figures are made: a file is held against these.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import simplejpeg
import torch
from torch import nn

from stages.answering.cropped import pack_params
from stages.answering.model_folder import UsedModel
from stages.cache.directory import reading
from stages.config.schema import Publish
from stages.evaluation.answers import Answers, answers_of
from stages.evaluation.differences import Difference, image_difference
from stages.evaluation.evaluated import Evaluated
from stages.evaluation.intervals import Estimate, share
from stages.images.originals import map_originals
from stages.images.packing import pack_image
from stages.learning.augment import cut_center
from stages.learning.data import PackedImages
from stages.learning.split import PackedSplit
from stages.predicting.answers import kept_of, table_of
from stages.publishing.onnx_files import INPUT
from stages.runtime.errors import UserError
from stages.runtime.progress import progress
from stages.tables.preprocessing import Preprocessing

LARGE = 30_000_000  # parameters from which on not all test images are scored
_BATCH_IMAGES = 32
_ERRORS_ALONE = 3  # of onnxruntime's levels of what it writes to stderr
CENTER = "center crop"  # in the name of a score


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
        largest_difference: of a logit between the two, among those that predictions keep of each image, its largest;
            infinite where the file's logits are no numbers.
    """

    what: str
    images: int
    of_images: int
    original: Estimate
    top1: Estimate
    difference: Difference
    changed: int
    largest_difference: float


def scored_rows(network: nn.Module, model_sha256: str, images: int, at_most: int) -> np.ndarray:
    """Choose the test images that files are scored on: all, or of a large network some, drawn.

    Args:
        network: of ``LARGE`` parameters or fewer.
        model_sha256: digest of its weights: the same model is scored on the same images.
        images: of the test.
        at_most: images of a large network.

    Returns:
        int64 [images], their rows in the test, in its order.
    """
    if sum(parameter.numel() for parameter in network.parameters()) < LARGE or images <= at_most:
        return np.arange(images)
    drawn = np.random.default_rng(int(model_sha256, 16)).permutation(images)[:at_most]
    return np.sort(drawn)


def score(
    path: Path, what: str, pixels: Iterable[np.ndarray], test: Evaluated, model: UsedModel, *, of_images: int,
    min_groups: int,
) -> Score:  # fmt: skip
    """Let a file look at test images, and hold what it says against what the model itself said of them.

    Args:
        path: of the ONNX file.
        what: it is called.
        pixels: uint8 [images, image_px, image_px, 3] each, together the images of ``test`` in their order.
        test: what the model itself said of these images.
        model: the one that the file was made of.
        of_images: in the whole test.
        min_groups: with fewer observations there is no interval.

    Raises:
        UserError: onnxruntime cannot load or run the file.
    """
    genera = torch.from_numpy(model.genus_of_class)
    rows, differences, done = [], [0.0], 0
    for logits in _logits(path, progress(pixels, what=f"score {what}", unit="batches", total=_batches(len(test)))):
        part = slice(done, done + len(logits))
        rows.append(kept_of(torch.from_numpy(logits), torch.from_numpy(test.labels[part]), genera).numpy())
        found = np.take_along_axis(logits, test.answers.top_classes[part], axis=1)
        away = np.abs(found.astype(np.float64) - test.answers.top_logits[part])
        differences.append(float(away.max()) if np.isfinite(logits).all() else np.inf)
        done = part.stop
    if done != len(test):
        raise RuntimeError(f"{path} was asked about {done} images, and there are {len(test)}")
    answers = _answers(np.concatenate(rows), test, model.genus_of_class)
    changed = (answers.said != test.answers.said) | ~answers.finite
    hits = test.answers.hits, answers.hits
    original, top1 = (share(each, test.groups, test.labels, min_groups=min_groups) for each in hits)
    difference = image_difference(original, top1, *hits, test.groups, min_groups=min_groups)
    return Score(what, len(test), of_images, original, top1, difference, int(changed.sum()), max(differences))


def check_score(found: Score, limits: Publish) -> None:
    """Refuse a file that does worse than the model by more than it may.

    Raises:
        UserError: it loses too much top-1, says another species of too many images, or gives what is no number.
    """
    said = (
        f"{found.what} is not published: its top-1 is {found.top1.value:.4f}, the model's own "
        f"{found.original.value:.4f} on the same {found.images:,} test images, and it says another species of "
        f"{found.changed:,}"
    )
    remedy = "mend the export, or leave the file out by publish.onnx in params.yaml"
    if not np.isfinite(found.largest_difference):
        raise UserError(f"{said}; of some its logits are no numbers (NaN or infinite): {remedy}")
    lost, changed = found.original.value - found.top1.value, found.changed / found.images
    over = [
        f"{name} is {limit:g}"
        for name, limit, value in (
            ("publish.max_top1_loss", limits.max_top1_loss, lost),
            ("publish.max_changed", limits.max_changed, changed),
        )
        if value > limit + 1e-12  # two shares of whole numbers, rounded
    ]
    if over:
        raise UserError(f"{said} ({', '.join(over)}): {remedy}")


def packed_pixels(split: PackedSplit, rows: np.ndarray, image_px: int) -> Iterator[np.ndarray]:
    """Yield batches of packed images as the network sees them: uint8 [images, image_px, image_px, 3].

    Args:
        split: the test.
        rows: int64 [images], which of its images.
        image_px: side of what the network sees.
    """
    images = PackedImages(split, image_px, chosen=rows)
    for start in range(0, len(rows), _BATCH_IMAGES):
        keys = [(0, place, 0) for place in range(start, min(start + _BATCH_IMAGES, len(rows)))]
        yield images.__getitems__(keys).pixels.numpy()


def center_pixels(
    cache: Path, images: Sequence[tuple[str, str]], preprocessing: Preprocessing, image_px: int
) -> Iterator[np.ndarray]:
    """Yield batches of originals as an app without our crop would cut them: the largest square in the middle.

    Args:
        cache: the image cache's directory.
        images: image_name and sha256 of each.
        preprocessing: of the model, whose size and quality are kept.
        image_px: side of what the network sees.

    Yields:
        uint8 [images, image_px, image_px, 3].

    Raises:
        UserError: an image is missing, is another one, or does not decode.
    """
    center = preprocessing.crop.model_copy(update={"mode": "center"})
    params = pack_params(preprocessing).model_copy(update={"crop": center})
    seen: list[np.ndarray] = []
    with reading(cache):
        for packed in map_originals(partial(pack_image, params=params), list(images), cache):
            seen.append(cut_center(simplejpeg.decode_jpeg(packed.jpeg), image_px))
            if len(seen) == _BATCH_IMAGES:
                yield np.stack(seen)
                seen = []
    if seen:
        yield np.stack(seen)


def center_name(what: str) -> str:
    """Name the score of a file with the center crop."""
    return f"{what}, {CENTER}"


def score_figures(found: Score) -> dict[str, Any]:
    """Give a score as it stands in published.json: shares of 5 digits, a difference of logits of 2 that count."""
    difference = found.difference
    return {
        "what": found.what,
        "images": found.images,
        "of_images": found.of_images,
        "original_top1": _interval(found.original),
        "top1": _interval(found.top1),
        "difference": _interval(difference) | {"verdict": difference.verdict, "words": difference.words},
        "changed": found.changed,
        "largest_difference": float(f"{found.largest_difference:.1e}"),
    }


def _interval(of: Estimate | Difference) -> dict[str, Any]:
    value = of.difference if isinstance(of, Difference) else of.value
    low, high = (None if end is None else round(end, 5) for end in (of.low, of.high))
    return {"value": round(value, 5), "low": low, "high": high}


def _batches(images: int) -> int:
    return -(-images // _BATCH_IMAGES)


def _logits(path: Path, pixels: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield a file's logits of each batch, float32 [images, classes]."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    try:
        # On a CPU, as most who use the file will: what a GPU rounds otherwise is no matter of the file.
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each, and none for all
        raise UserError(f"onnxruntime cannot load {path.name} ({str(error).splitlines()[0]})") from None
    for batch in pixels:
        yield np.asarray(session.run(None, {INPUT: batch})[0])


def _answers(rows: np.ndarray, test: Evaluated, genus_of_class: np.ndarray) -> Answers:
    table = table_of(rows, test.labels, genus_of_class)
    named = table.with_columns(image_name=test.answers.image_name, sha256=test.answers.sha256)
    return answers_of(named, where="the file's answers")
