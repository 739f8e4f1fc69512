"""A model card's figures: how good, of whom, how sure, and what exported files lose."""

from collections.abc import Iterator

from stages.evaluation.intervals import Estimate
from stages.publishing.card_facts import CardFacts, estimate
from stages.publishing.card_words import between, code, counted, percent, table, whole_percent, with_interval
from stages.publishing.scoring import Score
from stages.tables.publish import ONNX, ONNX_FP16

_OF = ["value", "95 % interval", "photos", "observations", "species"]
EXPORTED = (ONNX, ONNX_FP16)
_SMALL = 0.1  # width of top-1's interval from which on a test is called small


def figures(facts: CardFacts) -> str:
    """Give the section on how often the model is right."""
    shots = facts.shots
    rows = {
        "the species named first is right (top-1)": "top1",
        "the right species is among the first five (top-5)": "top5",
        "top-1 with every species counting alike, however many photos it has": "mean_per_class_accuracy",
        f"the same, of species with under {shots.few_below:,} training photos": "few_shot",
        f"the same, of species with {shots.few_below:,} to {shots.many_above:,} training photos": "medium_shot",
        f"the same, of species with over {shots.many_above:,} training photos": "many_shot",
        "the genus of the species named first is right": "genus_top1",
        "the genus with the largest summed probability is right": "genus_top1_by_sum",
    }
    found = [(words, facts.figure(name)) for words, name in rows.items() if facts.figure(name).images]
    sizes = [
        [_size(row["train_images"]), *_of(estimate(_as_entry(row)))] for row in facts.by_size.iter_rows(named=True)
    ]
    return "\n\n".join(
        [
            "## How good it is",
            "All figures are of the test: photos that took no part in the training, and nor did any other photo of the "
            "same observation. An *observation* is one plant at one moment, perhaps in several photos; they are right "
            "or wrong together, so intervals are counted over observations. A *95 % interval* says between which "
            "values the true figure lies in 19 of 20 such tests; with too few observations there is none, and the "
            "value alone "
            f"says little.{_smallness(facts.figure('top1'))}",
            table(["of the test", *_OF], [[words, *_of(value)] for words, value in found]),
            "Top-1 by how many photos of a species the model was trained on:",
            table(["species with", *_OF], sizes),
        ]
    )


def _smallness(top1: Estimate) -> str:
    if top1.low is None or top1.high is None:
        return " **This test is too small to say how good the model is.**"
    if top1.high - top1.low < _SMALL:
        return ""
    return (
        f" **This test is small**: by its {counted(top1.images, 'photo')} top-1 may be anything from {between(top1)}."
    )


def _as_entry(row: dict) -> dict:
    return {"value": row["top1"]} | {name: row[name] for name in ("low", "high", "images", "groups", "classes")}


def _size(name: str) -> str:
    """Give a range of counts without the zeros that sort it: ``003-005`` is ``3 to 5 training photos``."""
    ends = [str(int(end)) for end in name.removesuffix(" or more").split("-")]
    if name.endswith(" or more"):
        return f"{ends[0]} training photos or more"
    return f"{' to '.join(ends)} training photo{'s' if ends != ['1'] else ''}"


def _of(found: Estimate) -> list[str]:
    """Give a share as cells of a table: ``_OF``."""
    counts = (found.images, found.groups, found.classes)
    return [percent(found.value), between(found), *(f"{count:,}" for count in counts)]


def sureness(facts: CardFacts) -> str:
    """Give the section on probabilities, and on when the model says nothing."""
    return "\n\n".join(["## How sure it is, and when it says nothing", _calibration(facts), *_abstaining(facts)])


def _calibration(facts: CardFacts) -> str:
    calibration, after = facts.model.calibration, facts.test["calibration"]["all"]["after"]
    fitted = (
        f"fitted on {counted(calibration.val_images, 'validation photo')} of "
        f"{counted(calibration.val_groups, 'observation')}"
        if calibration.val_images
        else "which could not be fitted, as validation has too few observations"
    )
    edge = " The best one lies beyond the range that is searched." if calibration.temperature_at_end else ""
    return (
        "A probability of 0.8 should mean: right in 80 of 100 such photos. For that the network's outputs are divided "
        f"by a temperature of {calibration.temperature:.3f} (in `calibration.json`), {fitted}.{edge} In the test, the "
        f"species named first then has a probability of {percent(after['mean_confidence'])} on average, and is right "
        f"in {percent(after['top1'])}. Between what it says and how often it is right lie "
        f"{_points(after['ece'])} on average (expected calibration error). {_by_chance(after)}"
    )


def is_off(after: dict) -> bool:
    """Whether a calibration error is larger than chance makes it in 19 of 20 tests of a perfectly calibrated model."""
    return after["ece"] > after["ece_if_calibrated_high"]


def _by_chance(after: dict) -> str:
    high = _points(after["ece_if_calibrated_high"])
    if not is_off(after):
        return (
            f"In a test of this size even a model whose probabilities are all true shows up to {high} by chance, so "
            "this one shows no fault."
        )
    way = "too sure" if after["mean_confidence"] > after["top1"] else "not sure enough, or sure of the wrong photos"
    return f"That is more than the {high} that chance alone would show: the model is {way}."


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _abstaining(facts: CardFacts) -> Iterator[str]:
    """Say what each threshold does in the test."""
    entries = facts.test["backing_off"]
    usual = usual_risk(facts)
    yield (
        "A model need not answer. Thresholds in `calibration.json` are set on validation so that no more than a wished "
        "share of the answers is wrong. From the species' threshold on it names the species; where only the summed "
        "probability of a genus is high enough, the genus; else it says that it does not know. `make predict` and "
        f"the page of `make serve` ask for at most {whole_percent(usual)} wrong answers, if nothing else is wished. In "
        "the test:"
    )
    rows = []
    for entry in entries:
        cells = [whole_percent(entry["max_risk"])]
        for level in ("species", "genus"):
            threshold = entry["thresholds"][level]
            said, right = (estimate(entry[level][name]) for name in ("coverage", "precision"))
            cells += [
                "never" if threshold is None else f"{threshold:.3f}",
                percent(said.value),
                with_interval(right) if right.images else "–",
            ]
        rows.append([*cells, percent(estimate(entry["nothing"]).value)])
    header = ["wrong answers wished for, at most"]
    for level in ("species", "genus alone"):
        header += [f"{level} from", f"photos with {level}", "right in"]
    yield table([*header, "photos without an answer"], rows)


def usual_risk(facts: CardFacts) -> float:
    """Give the risk by which the model answers where nothing else is wished."""
    return facts.model.calibration.at_risk().max_risk


def files(facts: CardFacts) -> str:
    """Give the section on exported files, and on other crops: what they lose against the model itself."""
    exported = [name for name in EXPORTED if name in facts.files]
    unscored = [name for name in exported if name not in {score.what for score in facts.scores}]
    lines = ["## The same model in other files"]
    if facts.scores:
        rows = [
            [
                code(score.what),
                score.difference.words,
                percent(score.top1.value),
                percent(score.original.value),
                f"{score.changed:,}",
                f"{score.largest_difference:.1g}",
                f"{score.images:,} of {score.of_images:,}",
            ]
            for score in facts.scores
        ]
        header = ["file", "verdict", "top-1", "of the model itself", "photos that get another species"]
        lines += [
            "Each was asked about test photos and compared with the model itself, photo by photo. Where the name says "
            "*center crop* it was asked about the middle of each photo, as programs do that look for no plant first.",
            table([*header, "largest difference of an output", "test photos"], rows, texts=2),
        ]
    lines += [f"{code(name)} was not scored." for name in unscored]
    return "\n\n".join(lines) if len(lines) > 1 else ""


def some_of(score: Score, whose: str) -> str:
    """Say of how many of the test's photos a score is, ``2,000 of the 60,000``; nothing where it is of all."""
    return "" if score.images == score.of_images else f"{score.images:,} of {whose} {score.of_images:,}"


def is_scored(facts: CardFacts, what: str) -> bool:
    """Whether a score speaks of something, such as ``CENTER``."""
    return any(what in score.what for score in facts.scores)
