"""The model card: README.md of a published model, in Hugging Face's format, made of reports and tables alone.

No figure is typed in here: a card says what was measured of this very model, what was not, and whose photos it is made
of (Mitchell et al., Model cards for model reporting, 2019).
"""

import re
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from stages.publishing.card_facts import CardFacts
from stages.publishing.card_figures import figures, files, sureness
from stages.publishing.card_limits import not_measured, uses, weaknesses
from stages.publishing.card_rights import data, license_and_credits, not_for_redistribution
from stages.publishing.card_use import how_to_use
from stages.publishing.card_words import code, counted, table, whole_percent, with_interval

CARD = "README.md"
LICENSE_NAME = "not-for-redistribution"  # of a model whose license nobody has decided on
_METRICS = {"top1": "top-1 accuracy", "top5": "top-5 accuracy", "mean_per_class_accuracy": "mean per-class accuracy"}
_DATA = {
    "data/packed": "photos, cropped and sized",
    "data/splits/labels.csv": "species, in the order of labels",
    "data/splits/train.parquet": "what trained it",
    "data/splits/val.parquet": "what selected and calibrated it",
    "data/splits/test.parquet": "what tested it",
    "data/predictions": "what it says of the last two",
}
_HUB = re.compile(r"https://(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)/?")


def model_card(facts: CardFacts) -> str:
    """Give the card as the text of a README.md: YAML for machines, then Markdown for people.

    The same facts give the same text.
    """
    parts = [
        f"---\n{metadata(facts).to_yaml()}\n---",
        *([not_for_redistribution(facts)] if facts.license is None else []),
        _title(facts),
        how_to_use(facts),
        uses(facts),
        figures(facts),
        sureness(facts),
        weaknesses(facts),
        not_measured(facts),
        *filter(None, [files(facts)]),
        data(facts),
        license_and_credits(facts),
        _made_of(facts),
    ]
    return "\n\n".join(parts) + "\n"


def metadata(facts: CardFacts) -> ModelCardData:
    """Give what machines read of a card: license, library, and figures as a model index.

    A license that nobody has decided on is ``other``, by the name ``LICENSE_NAME``.
    """
    description = facts.model.saved.description
    hub = _HUB.fullmatch(facts.starting_weights.source or "")
    return ModelCardData(
        license=facts.license or "other",
        license_name=None if facts.license else LICENSE_NAME,
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", "plants", "species"],
        metrics=["accuracy"],
        base_model=hub[1] if hub else None,
        model_name=f"{description.name}, {description.classes} plant species",
        eval_results=[_result(facts, name) for name in _METRICS if facts.figure(name).images],
    )


def _result(facts: CardFacts, name: str) -> EvalResult:
    found = facts.figure(name)
    interval: dict[str, Any] = {"low": found.low, "high": found.high} if found.low is not None else {}
    return EvalResult(
        task_type="image-classification",
        dataset_type="plant-photos",
        dataset_name="Photos of plants, of the sources that the card names",
        dataset_split="test",
        metric_type="accuracy",
        metric_name=_METRICS[name],
        metric_value=found.value,
        metric_args={"images": found.images, "observations": found.groups, "species": found.classes} | interval,
    )


def _title(facts: CardFacts) -> str:
    description, images, top1 = facts.model.saved.description, facts.images, facts.figure("top1")
    parameters = sum(parameter.numel() for parameter in facts.model.saved.network.parameters())
    training, average = facts.training, " (the average of its weights)" if facts.run.get("weights") == "ema" else ""
    trained, chosen = (images.filter(split=split).height for split in ("train", "val"))
    species = counted(description.classes, "species", "species")
    return "\n\n".join(
        [
            f"# Which plant is it? {species}, from a photo",
            f"This model looks at a photo of a plant and says which of {species} it shows, each with a probability. "
            f"{_if_not_sure(facts)} It knows no other species. **It is wrong at times: never eat a plant, or take it "
            "as medicine, because of what it says.**",
            f"- It names the right species first in {with_interval(top1)} of {counted(top1.images, 'test photo')}, "
            f"which show {top1.classes:,} of the {species}. In brackets stands the 95 % interval, as everywhere below; "
            "[what that is](#how-good-it-is).\n"
            f"- The network is {code(description.name)} of timm, with {parameters / 1e6:,.1f} million parameters. It "
            f"was trained for {counted(training['epochs'], 'epoch')} on {counted(trained, 'photo')} of "
            f"[these sources](#the-photos); epoch {training['best_epoch']:,}{average} was kept, as it was the best on "
            f"{counted(chosen, 'other photo')}.",
        ]
    )


def _if_not_sure(facts: CardFacts) -> str:
    """Say what it does where it is not sure enough, at the risk by which it answers if nothing else is wished."""
    usual = facts.model.calibration.at_risk()
    if usual.species is None:
        most = "the genus" if usual.genus is not None else "nothing"
        return (
            f"If it shall be wrong in at most {whole_percent(usual.max_risk)} of its answers, as is usual, it says "
            f"{most} at the most, and never a species."
        )
    genus = "names the genus alone, or " if usual.genus is not None else ""
    return f"Where it is not sure enough, it {genus}says that it does not know."


def _made_of(facts: CardFacts) -> str:
    made, run = facts.made_of, facts.run["identity"]
    commit = (
        f"commit {code(made.commit)} of its repository"
        + (
            f", **with {counted(made.changed_files, 'file')} changed since**, so that this commit alone does not give "
            "it again"
            if made.changed_files
            else ""
        )
        if made.commit
        else "no commit: the code was in no repository"
    )
    weights = f"Its weights have the SHA-256 {code(facts.model.sha256)}."
    seed = run.get("parameters", {}).get("train", {}).get("seed")
    libraries = ", ".join(
        f"{name} {version}" for name, version in run.get("libraries", {}).items() if name in ("timm", "torch")
    )
    parts = [
        "## What made it",
        f"It was published from {commit}. {weights} The training's seed was {seed}, its libraries {libraries}. "
        f"{code('published.json')} has more digests.",
    ]
    rows = [[what, code(path), code(made.data[path])] for path, what in _DATA.items() if path in made.data]
    if rows:
        parts += ["Data, by the digests that DVC knows them by:", table(["what", "data", "digest"], rows, texts=3)]
    return "\n\n".join(parts)
