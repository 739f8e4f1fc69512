"""What a model card is made of: reports, tables and scores, read and held against the model that they must be of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import polars as pl

from stages.answering.model_folder import UsedModel
from stages.config.schema import PublishLicense, Shots
from stages.evaluation.intervals import Estimate
from stages.publishing.made_of import MadeOf
from stages.publishing.scoring import Score
from stages.runtime.errors import UserError
from stages.tables.evaluate import BY_CLASS_SIZE, CONFUSED_PAIRS, NEVER_RIGHT, SPECIES
from stages.tables.json_files import parse_json
from stages.tables.table import read_table

RUN = Path("models/run.json")
TEST = Path("data/reports/test.json")
TRAINING = Path("data/reports/train.json")
SELECTED = Path("data/reports/cache_filter.json")
SUSPECTS = Path("data/reports/suspects.json")
BY_SPECIES = Path("data/evaluation/species.csv")
PAIRS = Path("data/evaluation/confused_pairs.csv")
NEVER = Path("data/evaluation/never_right.csv")
BY_SIZE = Path("plots/accuracy_by_class_size.csv")
_DIGITS = 5  # of figures in reports
_HALF = 0.5  # of an image: what is lost by rounding a share is less


@dataclass(frozen=True)
class StartingWeights:
    """What a training began from.

    Attributes:
        random: whether it began from nothing.
        source: where the weights were published; none where that is unknown.
        revision: which state of that, likewise.
        license: theirs, as the source says it, likewise.
        sha256: digest of their file, likewise.
    """

    random: bool
    source: str | None
    revision: str | None
    license: str | None
    sha256: str | None


@dataclass(frozen=True)
class CardFacts:
    """All that a model card says, and nothing of it in words.

    Attributes:
        model: with labels, preprocessing and calibration.
        images: that trained and selected it, see ``stages.publishing.credits.trained_images``.
        license: under which it may be passed on; none where nobody has decided.
        shots: where few-shot ends and many-shot begins.
        files: names of what lies beside the card.
        scores: of exported files.
        unscored: what could not be scored, and why, in words.
        made_of: commit and data.
        starting_weights: what the training began from.
        run: models/run.json.
        training: data/reports/train.json.
        test: data/reports/test.json.
        selected: data/reports/cache_filter.json.
        suspects: data/reports/suspects.json.
        by_size: test top-1 by training images a species, columns of ``BY_CLASS_SIZE``.
        by_species: columns of ``SPECIES``.
        pairs: what is taken for what, columns of ``CONFUSED_PAIRS``.
        never_right: columns of ``NEVER_RIGHT``.
    """

    model: UsedModel
    images: pl.DataFrame
    license: PublishLicense | None
    shots: Shots
    files: frozenset[str]
    scores: Sequence[Score]
    unscored: Sequence[str]
    made_of: MadeOf
    starting_weights: StartingWeights
    run: dict[str, Any]
    training: dict[str, Any]
    test: dict[str, Any]
    selected: dict[str, Any]
    suspects: dict[str, Any]
    by_size: pl.DataFrame
    by_species: pl.DataFrame
    pairs: pl.DataFrame
    never_right: pl.DataFrame

    def figure(self, *names: str) -> Estimate:
        """Give a share of the test's report by its names; of no image where the report has none such."""
        found: Any = self.test
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return estimate(found)


def estimate(entry: Mapping[str, Any] | None) -> Estimate:
    """Give a share as a report holds it; of no image where there is none."""
    if not entry:
        return Estimate(nan, None, None, 0, 0, 0)
    return Estimate(**{**entry, "value": nan if entry["value"] is None else entry["value"]})


def read_card_facts(
    root: Path,
    *,
    model: UsedModel,
    images: pl.DataFrame,
    license: PublishLicense | None,
    shots: Shots,
    files: Collection[str],
    scores: Sequence[Score],
    unscored: Sequence[str],
    made_of: MadeOf,
) -> CardFacts:
    """Read what a model card is made of.

    Args:
        root: of the repo.
        model: its models/.
        images: that trained and selected it, of ``stages.publishing.credits.trained_images``.
        license: ``publish.license`` of params.yaml.
        shots: section ``shots`` of it.
        files: names of what lies beside the card.
        scores: of exported files.
        unscored: what could not be scored, and why: parts of a sentence.
        made_of: commit and data.

    Raises:
        UserError: a report or table is missing or damaged, or not of this model.
    """
    run = _read(root / RUN, "train", "identity")
    training = _read(root / TRAINING, "train", "starting_weights")
    test = _read(root / TEST, "evaluate", "top1", "temperature", "by_source", "by_license", "backing_off")
    facts = CardFacts(
        model=model,
        images=images,
        license=license,
        shots=shots,
        files=frozenset(files),
        scores=scores,
        unscored=unscored,
        made_of=made_of,
        starting_weights=_starting_weights(run, training),
        run=run,
        training=training,
        test=test,
        selected=_read(root / SELECTED, "cache_filter", "by_verdict"),
        suspects=_read(root / SUSPECTS, "suspects", "images", "suspects"),
        by_size=read_table(root / BY_SIZE, BY_CLASS_SIZE),
        by_species=read_table(root / BY_SPECIES, SPECIES),
        pairs=read_table(root / PAIRS, CONFUSED_PAIRS),
        never_right=read_table(root / NEVER, NEVER_RIGHT),
    )
    _check_of_one_model(facts, root)
    return facts


def _check_of_one_model(facts: CardFacts, root: Path) -> None:
    """See that report and tables are of the model, as far as they tell: by temperature, species and numbers of images.

    The calibration has the model's digest, and ``evaluate`` writes it with all of these.
    """
    test, model = facts.test, facts.model
    images, hits = (int(facts.by_species[name].sum()) for name in ("test_images", "hits"))
    top1 = facts.figure("top1")
    wrong = (
        (TEST, round(test["temperature"], _DIGITS) != round(model.calibration.temperature, _DIGITS)),
        (BY_SPECIES, facts.by_species["species"].to_list() != model.species),
        (BY_SPECIES, images != top1.images or not abs(hits - top1.value * images) < _HALF),
        (PAIRS, facts.pairs["images"].sum() != images - hits),
        (BY_SIZE, facts.by_size["images"].sum() != top1.images),
    )
    for path, differs in wrong:
        if differs:
            raise UserError(f"{root / path} is not of the model in {model.folder}: run `dvc repro evaluate`")


def _starting_weights(run: dict[str, Any], training: dict[str, Any]) -> StartingWeights:
    said = training["starting_weights"]
    random = run["identity"].get("weights", {}).get("sha256") is None
    return StartingWeights(random, *(said.get(name) for name in ("source", "revision", "license", "sha256")))


def _read(path: Path, stage: str, *keys: str) -> dict[str, Any]:
    """Read a report, and see that it has what is asked for.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    try:
        found = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro {stage}` or `dvc pull`") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout {stage}`") from None
    if missing := [key for key in keys if key not in found]:
        raise UserError(f"{path} is of another version (it has no {missing[0]}): run `dvc repro {stage}`")
    return found
