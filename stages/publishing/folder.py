"""models/published, file by file: the model's own files as they are, and what others need besides."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from stages.answering.model_folder import CALIBRATION, LABELS, UsedModel, load_used_model
from stages.cache.directory import cache_directory
from stages.config.schema import Params
from stages.evaluation.evaluated import Evaluated, check_finite, read_evaluated
from stages.learning.origin import DESCRIPTION
from stages.learning.saved_model import WEIGHTS
from stages.learning.split import PackedSplit, open_splits
from stages.learning.trained_on import TRAINED_ON_FILE
from stages.publishing.card import CARD, model_card
from stages.publishing.card_facts import CardFacts
from stages.publishing.examples import make_examples
from stages.publishing.made_of import MadeOf, read_run
from stages.publishing.onnx_files import export_onnx, metadata_of, save_onnx, to_float16
from stages.publishing.scoring import (
    Score,
    center_name,
    center_pixels,
    check_score,
    packed_pixels,
    score,
    score_figures,
    scored_rows,
)
from stages.publishing.timm_folder import CONFIG, check_timm_folder, write_config
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_bytes
from stages.runtime.progress import say
from stages.tables.json_files import write_json
from stages.tables.predictions import read_model_sha256
from stages.tables.preprocessing import PREPROCESSING
from stages.tables.publish import EXAMPLES, EXAMPLES_FILE, ONNX, ONNX_FP16, PUBLISHED_FILE
from stages.tables.table import write_table

COPIED = (WEIGHTS, DESCRIPTION, TRAINED_ON_FILE, LABELS, PREPROCESSING, CALIBRATION)
_FORMAT = 1
_LOOKED_AT = 8  # images that timm's network and ours are held against each other on


@dataclass(frozen=True)
class Sources:
    """Where what is published comes from, and the test on which it is scored.

    Attributes:
        models: the folder of the model.
        packed: of the shards.
        splits: of the splits' tables.
        predictions: of what the model itself said of them.
        suspects: the table of images whose label is suspect, where there is one.
    """

    models: Path
    packed: Path
    splits: Path
    predictions: Path
    suspects: Path


@dataclass
class Scored:
    """What is known of exported files.

    Attributes:
        scores: of each, and of the first of them with the center crop.
        unscored: what could not be scored, and why: sentences without a full stop, which name nothing of this machine.
    """

    scores: list[Score] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tested:
    """The test images that exported files are scored on.

    Attributes:
        split: all images of the test, packed.
        rows: int64 [images], which of them are scored.
        evaluated: what the model itself said of these, in their order.
    """

    split: PackedSplit
    rows: np.ndarray
    evaluated: Evaluated


def read_model(sources: Sources) -> UsedModel:
    """Load the model that is to be published, and see that predictions are its own.

    Raises:
        UserError: something is missing or damaged, or not of one model.
    """
    model = load_used_model(sources.models)
    made_by = sources.predictions.with_suffix(".json")
    if read_model_sha256(made_by) != model.sha256:
        raise UserError(f"{sources.predictions} is of other weights than {sources.models / WEIGHTS}: run `dvc repro`")
    return model


def read_tested(sources: Sources, model: UsedModel, params: Params) -> Tested:
    """Choose the test images that files are scored on, and read what the model itself said of them.

    Raises:
        UserError: something is missing or damaged, or not of one run.
    """
    split = open_splits(sources.packed, sources.splits, ["test"], model.species)["test"]
    evaluated = read_evaluated(sources.predictions, sources.splits, "test", model.species)
    check_finite(evaluated)
    if not len(split) or [split.name(row) for row in range(len(split))] != evaluated.answers.image_name.to_list():
        raise UserError(f"{sources.predictions} is not of the test in {sources.splits}: run `dvc repro predict`")
    rows = scored_rows(model.saved.network, model.sha256, len(split), params.publish.scored_images)
    return Tested(split, rows, evaluated.take(rows))


def write_timm_folder(folder: Path, sources: Sources, model: UsedModel, tested: Tested, params: Params) -> None:
    """Copy the model's files, write timm's config.json, and see that timm makes the very same network of them.

    Args:
        folder: that is to be published.
        sources: of the model.
        model: loaded, its network as it was loaded.
        tested: images that both networks look at.
        params: section ``publish``.

    Raises:
        UserError: timm makes another network, or none.
    """
    for name in COPIED:
        shutil.copyfile(sources.models / name, folder / name)
    write_config(folder / CONFIG, model, params.publish.license)
    some = next(packed_pixels(tested.split, tested.rows[:_LOOKED_AT], model.saved.description.image_px))
    check_timm_folder(folder, model, some)
    say(f"publish: timm makes the same network of {CONFIG}: logits of {len(some)} test images are equal to the bit")


def write_onnx_files(folder: Path, model: UsedModel, tested: Tested, params: Params) -> Scored:
    """Export the model as params.yaml says, and score each file; the first one with a center crop, too.

    Args:
        folder: that is to be published.
        model: loaded, its network as it was loaded.
        tested: images to score on.
        params: sections ``publish`` and ``evaluate``, and the profile.

    Raises:
        UserError: the network cannot be exported, or a file does worse than it may.
    """
    wanted = [(ONNX, "fp32"), (ONNX_FP16, "fp16")]
    names = [name for name, precision in wanted if precision in params.publish.onnx]
    scored = Scored()
    if not names:
        return scored
    description = model.saved.description
    say(f"publish: {description.name} is exported to ONNX")
    exported = export_onnx(model.saved.network, description, metadata_of(description, model.species, model.sha256))
    for name in names:
        if name == ONNX_FP16:
            exported, cut = to_float16(exported)
            if cut:
                say(f"publish: warning: {cut:,} tensors have weights beyond the range of float16, and are cut to it")
        save_onnx(exported, folder / name)
        pixels = packed_pixels(tested.split, tested.rows, description.image_px)
        found = _score(folder / name, name, pixels, model, tested, tested.evaluated, params)
        check_score(found, params.publish)
        scored.scores.append(found)
    score_center(folder / names[0], scored, model, tested, params)
    return scored


def score_center(path: Path, scored: Scored, model: UsedModel, tested: Tested, params: Params) -> None:
    """Score a file with the crop that an app without ours makes; where that cannot be, say why, and go on.

    Of the originals that are gone from the image cache, the score tells by how many images it is of. What is published
    does not name this machine's folders; what is said here does.

    Args:
        path: of the ONNX file.
        scored: gets the score, or why there is none.
        model: that the file was made of.
        tested: images to score on.
        params: section ``evaluate``, and the profile.
    """
    if model.preprocessing.crop.mode == "center":  # then it was scored so
        return
    why = "are not at hand"
    try:
        cache = cache_directory(params.profile)
        there = np.array([(cache / image).is_file() for image in tested.evaluated.answers.image_name], np.bool_)
        if not there.any():
            _leave_unscored(scored, path, why, f"in {cache} there is none of the test")
            return
        why = "could not all be read"
        of = tested.evaluated.take(there)
        images = list(zip(of.answers.image_name, of.answers.sha256, strict=True))
        pixels = center_pixels(cache, images, model.preprocessing, model.saved.description.image_px)
        found = _score(path, center_name(path.name), pixels, model, tested, of, params)
        if np.isfinite(found.largest_difference):
            scored.scores.append(found)
        else:  # JSON has no word for it
            scored.unscored.append(f"how {path.name} does with a center crop, as of some its logits are no numbers")
    except (UserError, OSError) as error:
        _leave_unscored(scored, path, why, error)


def _leave_unscored(scored: Scored, path: Path, why: str, error: object) -> None:
    what = f"how {path.name} does with a center crop, as the original photos {why}"
    scored.unscored.append(what)
    say(f"publish: not scored: {what} ({error})")


def write_examples(folder: Path, sources: Sources, model: UsedModel, params: Params) -> None:
    """Write examples.parquet, photos that the page shows; none where params.yaml wants none.

    Args:
        folder: that is to be published.
        sources: of the photos.
        model: whose species are shown.
        params: sections ``publish`` and ``pictures``.

    Raises:
        UserError: splits or packed images are missing or damaged.
    """
    if not params.publish.examples:
        return
    table = make_examples(
        sources.splits,
        sources.packed,
        model.species,
        licenses=params.pictures.licenses,
        a_species=params.publish.examples,
        suspects=sources.suspects,
    )
    write_table(table, EXAMPLES, folder / EXAMPLES_FILE)
    without = len(model.species) - table["species"].n_unique()
    say(
        f"publish: {table.height:,} photos as examples"
        + (f"; of {without:,} of {len(model.species):,} species none is openly licensed" if without else "")
    )


def write_card(folder: Path, facts: CardFacts, scored: Scored) -> None:
    """Write the model card, of all that lies in the folder and is to come.

    Args:
        folder: with all but the card and published.json.
        facts: read before there were scores.
        scored: the exported files.
    """
    names = {*(path.name for path in folder.iterdir()), CARD, PUBLISHED_FILE}
    card = model_card(replace(facts, files=frozenset(names), scores=scored.scores, unscored=scored.unscored))
    write_bytes(folder / CARD, card.encode())


def write_published(
    folder: Path, model: UsedModel, scored: Scored, params: Params, *, sources: Sources, made_of: MadeOf
) -> None:
    """Write published.json: what the folder is of, and the digest of each file in it. There is no time of day in it.

    Args:
        folder: with all other files.
        model: that was published.
        scored: its exported files.
        params: section ``publish``.
        sources: of the model.
        made_of: commit, and data of ``data_digests``.

    Raises:
        UserError: the model's files changed meanwhile, or run.json is missing or damaged.
    """
    description, training = model.saved.description, read_run(sources.models / "run.json")
    files = {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.name != PUBLISHED_FILE
    }
    for name in COPIED:
        if files[name]["sha256"] != sha256_of(sources.models / name):
            raise UserError(f"{sources.models / name} changed while it was published: publish again")
    content = {
        "format": _FORMAT,
        "commit": made_of.commit,
        "changed_files": made_of.changed_files,
        "architecture": description.name,
        "classes": description.classes,
        "image_px": description.image_px,
        "license": params.publish.license,
        "model_sha256": model.sha256,
        "labels_sha256": description.labels_sha256,
        "data": dict(sorted(made_of.data.items())),
        "code": {"training": training["code"], "images": model.preprocessing.code},
        "libraries": training["libraries"],
        "files": files,
        "scores": [score_figures(found) for found in scored.scores],
        "unscored": scored.unscored,
    }
    write_json(folder / PUBLISHED_FILE, content)


def _score(
    path: Path, what: str, pixels: Iterator[np.ndarray], model: UsedModel, tested: Tested, of: Evaluated, params: Params
) -> Score:
    images, min_groups = len(tested.split), params.evaluate.min_groups
    found = score(path, what, pixels, of, model, of_images=images, min_groups=min_groups)
    say(
        f"publish: {what}: top-1 {found.top1.value:.4f}, the model itself {found.original.value:.4f}, on "
        f"{found.images:,} of {images:,} test images; it says another species of {found.changed:,}, and logits differ "
        f"by {found.largest_difference:.1e} at the most; {found.difference.words}"
    )
    return found
