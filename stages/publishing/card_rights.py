"""What a model card says of photos, their licenses and credits."""

import polars as pl

from stages.publishing.card_facts import CardFacts, estimate
from stages.publishing.card_words import between, code, counted, percent, table
from stages.publishing.credits import CREDITS_FILE
from stages.publishing.licenses import IN_WORDS, allowed_licenses, by_license
from stages.records.credits import credit, what_is_not_said
from stages.records.licenses import license_codes
from stages.report.review_comment import escaped
from stages.tables.publish import EXAMPLES_FILE

_NO_SOURCE = "(no longer in the tables)"


def not_for_redistribution(facts: CardFacts) -> str:
    """Give the line that stands before all else where nobody has decided on a license."""
    return (
        "> **Not for redistribution.** Nobody has decided under which license this model may be passed on: do not "
        "give it to others. The licenses of the photos that it was made of are listed "
        "[below](#license-and-credits)."
    )


def data(facts: CardFacts) -> str:
    """Give the section on the photos, by source and by license."""
    images = facts.images
    trained, chosen = (images.filter(split=split).height for split in ("train", "val"))
    return "\n\n".join(
        [
            "## The photos",
            f"{counted(trained, 'photo')} trained the model; {counted(chosen, 'other', 'others')} (validation) chose "
            f"its best epoch, temperature and thresholds; {counted(facts.figure('top1').images, 'more', 'more')} "
            "tested it. By where they are from, as this project calls its sources:",
            _parts(facts, images["source"].fill_null(_NO_SOURCE), "source"),
            "By license, as far as sources say it:",
            _parts(facts, license_codes(images["license"]).alias("license"), "license"),
        ]
    )


def _parts(facts: CardFacts, column: pl.Series, name: str) -> str:
    counts = (
        pl.DataFrame({name: column, "split": facts.images["split"]})
        .group_by(name)
        .agg(train=(pl.col("split") == "train").sum(), val=(pl.col("split") == "val").sum())
    )
    of_part = {part: (train, val) for part, train, val in counts.iter_rows()}
    rows = []
    for part in sorted({*of_part, *facts.test[f"by_{name}"]}, key=lambda part: (-sum(of_part.get(part, (0, 0))), part)):
        tested = estimate(facts.test[f"by_{name}"].get(part))
        train, val = of_part.get(part, (0, 0))
        cells = [escaped(_license(part) if name == "license" else part), f"{train:,}", f"{val:,}", f"{tested.images:,}"]
        rows.append([*cells, percent(tested.value), between(tested)])
    return table([name, "training", "validation", "test", "top-1 in the test", "95 % interval"], rows)


def _license(part: str) -> str:
    return IN_WORDS.get(part, part)


def license_and_credits(facts: CardFacts) -> str:
    """Give the section on the license, what the photos' licenses allow, and whom to name."""
    return "\n\n".join(["## License and credits", _license_in_words(facts), _starting_weights(facts), _credits(facts)])


def _license_in_words(facts: CardFacts) -> str:
    images, weights = facts.images, facts.starting_weights.license
    counts = "; ".join(f"{counted(number, 'photo')} {IN_WORDS.get(name, f'under {name}')}" for name, number in
                       by_license(images).items())  # fmt: skip
    rule = (
        "The rule is a cautious one of this project, and no legal advice: the model is treated as if it were derived "
        "from the photos that trained and selected it."
    )
    allowed = allowed_licenses(images, weights)
    if facts.license is None:
        could = (
            f"Going by these licenses, it could be passed on under {' or '.join(allowed)}; nobody has decided to."
            if allowed
            else "Going by these licenses there is none under which it could be passed on."
        )
        return f"**No license: not for redistribution.** It was made of {counts}. {could} {rule}"
    return (
        f"**{facts.license}**, as those who publish it have decided. It was made of {counts}, whose licenses do not "
        f"forbid that. {rule}"
    )


def _starting_weights(facts: CardFacts) -> str:
    weights = facts.starting_weights
    if weights.random:
        return "The training began from random weights, so from nobody's work."
    where = code(weights.source) if weights.source else "an unknown place"
    state = f", state {code(weights.revision)}" if weights.revision else ""
    digest = f" (SHA-256 {code(weights.sha256)})" if weights.sha256 else ""
    under = (
        f"under the license {escaped(weights.license)}, as is said there"
        if weights.license
        else "**under which license is not known**: look there before the model is passed on"
    )
    return (
        f"The training began from weights of {where}{state}{digest}, {under}. The photos that these were trained on "
        "are not counted here."
    )


def _credits(facts: CardFacts) -> str:
    unsaid = what_is_not_said(credit(facts.images))
    said = " and ".join(f"of {counted(number, 'photo')} no source {what}" for what, number in unsaid.items() if number)
    gone = facts.images["species"].null_count()
    lost = f" Of {counted(gone, 'photo')} the tables know nothing any more." if gone else ""
    examples = (
        f" The small photos in {code(EXAMPLES_FILE)} are others' work, each under its own license, which stands there."
        if EXAMPLES_FILE in facts.files
        else ""
    )
    return (
        f"Whose photos these are stands in {code(CREDITS_FILE)}: a line a photo, with photographer, license and "
        f"address. Keep it with the model{f'. In it, {said}' if said else ''}.{lost}{examples}"
    )
