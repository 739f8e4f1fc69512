"""What a model card warns of: weaknesses by the tables, what was not measured, and what the model is not for."""

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from stages.evaluation.intervals import Estimate
from stages.publishing.card_facts import CardFacts, estimate
from stages.publishing.card_figures import is_off, is_scored, some_of
from stages.publishing.card_words import NAMED, code, counted, named, percent, table, whole_percent, with_interval
from stages.publishing.licenses import IN_WORDS
from stages.publishing.scoring import CENTER
from stages.report.review_comment import escaped
from stages.runtime.wording import in_words
from stages.verdicts.outcome import DROPPED, MERGED

_PAIRS = 10  # that are shown
_HALF = 0.5
# Verdicts on photos that say nothing of how the photo looks.
_OTHERS = {"sound", "not_in_cache", "license_not_allowed", DROPPED, MERGED}


def uses(facts: CardFacts) -> str:
    """Give the section on what the model is for, and what it is not for."""
    species = counted(len(facts.model.species), "species", "species")
    good = (
        "To propose names for the plant in a photo to a person who then looks whether it is that plant: in an app, in "
        "a garden, in teaching.",
        "To sort photos before people look at them.",
    )
    bad = (
        "**Whether something can be eaten, touched or used as medicine**, by people or animals. Poisonous plants look "
        "like harmless ones, and a wrong name can kill. No probability is high enough for that.",
        "**As the only ground of a decision** that does harm if it is wrong: what is cut down, sprayed, fined, seized, "
        "insured, bought or sold.",
        "**Protected, invasive or poisonous plants**: to report that one is there, or to rule that out, takes somebody "
        "who knows plants.",
        f"Plants other than its {species} (`labels.csv`), and photos of no plant at all: it may name one of its "
        "species all the same.",
        "To count how often species grow somewhere. It is wrong more often with some species than with others, and "
        "counts carry that along.",
        "To find out anything about people in photos, or where somebody was.",
    )
    return "\n\n".join(["## What it is for", _list(good), "## What it must not be used for", _list(bad)])


def _list(entries: Iterable[str]) -> str:
    return "\n".join(f"- {entry}" for entry in entries)


def weaknesses(facts: CardFacts) -> str:
    """Give the section on known weaknesses: all that tables and scores show."""
    return "\n\n".join(["## Known weaknesses", *_weaknesses(facts)])


def _weaknesses(facts: CardFacts) -> Iterator[str]:
    yield from _species(facts)
    yield from _rare(facts)
    yield from _pairs(facts)
    for column, what in (("source", "photos from"), ("license", "photos")):
        yield from _worse(facts, column, what)
    yield from _too_sure(facts)
    yield from _risk(facts)
    yield from _unknown(facts)
    yield from _labels(facts)
    yield from _lost(facts)


def _lost(facts: CardFacts) -> Iterator[str]:
    """Say which files do worse than the model itself, or seem to; with the center crop, too."""
    for score in facts.scores:
        verdict, lost = score.difference.verdict, score.top1.value < score.original.value
        if verdict == "worse" or lost:
            chance = "" if verdict == "worse" else ", which may be chance"
            some = some_of(score, "the")
            yield (
                f"**{code(score.what)} does worse than the model itself**{chance}: {percent(score.top1.value)} right, "
                f"and not {percent(score.original.value)}{f', of {some} test photos' if some else ''} "
                f"({score.difference.words})."
            )


def _species(facts: CardFacts) -> Iterator[str]:
    species, never = facts.by_species, facts.never_right
    untested = species.filter(pl.col("test_images") == 0)
    tested = species.height - untested.height
    if untested.height:
        yield (
            f"**Untested species.** Of {untested.height:,} of {species.height:,} species the test has no photo, so "
            f"nothing is known of how well they are named: {named(untested['species'].to_list())}."
        )
    if never.height:
        rows = never.sort("test_images", "species", descending=[True, False]).head(NAMED)
        yield (
            f"**Species that were never right.** {never.height:,} of {tested:,} tested species were not right in a "
            f"single test photo{_the_first(never.height)}:"
        )
        yield table(
            ["species", "most often taken for", "in so many", "of test photos", "training photos"],
            [
                [
                    escaped(row["species"]),
                    escaped(row["most_taken_for"]),
                    *(f"{row[name]:,}" for name in ("taken_for_images", "test_images", "train_images")),
                ]
                for row in rows.iter_rows(named=True)
            ],
            texts=2,
        )
    seldom = species.filter((pl.col("hits") > 0) & (pl.col("accuracy") < _HALF))
    if seldom.height:
        yield f"A further {seldom.height:,} of {tested:,} tested species were right in less than half of their photos."


def _the_first(height: int) -> str:
    return f"; those with the most test photos are the first {NAMED:,} here" if height > NAMED else ""


def _rare(facts: CardFacts) -> Iterator[str]:
    few = facts.figure("few_shot")
    others = [(name, facts.figure(f"{name}_shot")) for name in ("medium", "many")]
    better = [(name, found) for name, found in others if found.images and found.value > few.value]
    if few.images and better:
        shots = facts.shots
        known = {
            "medium": f"those with {shots.few_below:,} to {shots.many_above:,}",
            "many": f"those with over {shots.many_above:,}",
        }
        said = " and ".join(f"{with_interval(found)} of {known[name]}" for name, found in better)
        overlap = all(_overlap(few, found) for _, found in better)
        yield (
            f"**Rare species.** Of species with under {shots.few_below:,} training photos {with_interval(few)} are "
            f"right, each species counting alike, against {said}."
            f"{' The intervals overlap: this test alone does not prove the difference.' if overlap else ''}"
        )
    single = facts.images.filter(split="train").group_by("species").len().filter(pl.col("len") == 1)
    if single.height:
        yield (
            f"{counted(single.height, 'species was', 'species were')} learned from one single photo: "
            f"{named(sorted(single['species'].drop_nulls()))}."
        )


def _overlap(one: Estimate, other: Estimate) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high


def _pairs(facts: CardFacts) -> Iterator[str]:
    pairs = facts.pairs
    if not pairs.height:
        return
    wrong = facts.figure("errors_within_genus")
    first = f"; the {_PAIRS} most frequent of {pairs.height:,} such pairs" if pairs.height > _PAIRS else ""
    yield (
        f"**What is taken for what.** {counted(wrong.images, 'test photo was', 'test photos were')} given a wrong "
        f"species; the genus was right in {percent(wrong.value)} of these{first}:"
    )
    shown = pairs.sort("images", "species", "said", descending=[True, False, False]).head(_PAIRS)
    yield table(
        ["it is", "it was called", "same genus", "photos", "of test photos"],
        [
            [
                escaped(row["species"]),
                escaped(row["said"]),
                "yes" if row["same_genus"] else "no",
                f"{row['images']:,}",
                f"{row['of_images']:,}",
            ]
            for row in shown.iter_rows(named=True)
        ],
        texts=3,
    )


def _worse(facts: CardFacts, column: str, what: str) -> Iterator[str]:
    """Say which sources or licenses do worse than the whole test, for sure or perhaps."""
    whole = facts.figure("top1")
    found = {name: estimate(entry) for name, entry in facts.test[f"by_{column}"].items()}
    if len(found) < 2:
        return
    below = {name: one for name, one in found.items() if one.value < whole.value}
    # Both intervals count, and of many parts one in twenty is off by chance alone: so they must not even touch.
    least = whole.value if whole.low is None else whole.low
    sure = {name: one for name, one in below.items() if one.high is not None and one.high < least}
    for title, some in (
        (f"**Worse by {column}.** Top-1 is below that of the whole test, {with_interval(whole)}, for", sure),
        (
            f"Lower by {column}, though that may be chance: top-1 for",
            {name: one for name, one in below.items() if name not in sure},
        ),
    ):
        if some:
            said = "; ".join(
                f"{what} {_name(column, name)} {with_interval(one)}, {counted(one.images, 'photo')}"
                for name, one in sorted(some.items(), key=lambda entry: entry[1].value)
            )
            yield f"{title} {said}."


def _name(column: str, name: str) -> str:
    return IN_WORDS.get(name, f"under {name}") if column == "license" else escaped(name)


def _too_sure(facts: CardFacts) -> Iterator[str]:
    of_whom = {
        "few_shot": " of rare species",
        "medium_shot": " of less rare species",
        "many_shot": " of common species",
    }
    for name, entry in facts.test["calibration"].items():
        after = entry["after"]
        if is_off(after) and after["mean_confidence"] > after["top1"]:
            yield (
                f"**Too sure{of_whom.get(name, '')}.** The species named first has a probability of "
                f"{percent(after['mean_confidence'])} on average, and is right in {percent(after['top1'])}."
            )


def _risk(facts: CardFacts) -> Iterator[str]:
    for entry in facts.test["backing_off"]:
        wished = whole_percent(entry["max_risk"])
        for level in ("species", "genus"):
            right = estimate(entry[level]["precision"])
            if right.images and 1 - right.value > entry["max_risk"]:
                high = right.high
                chance = ", which may be chance" if high is None or 1 - high <= entry["max_risk"] else ""
                yield (
                    f"**More wrong answers than wished for.** Where at most {wished} were wished for, "
                    f"{percent(1 - right.value)} of the test's answers of a {level} were wrong{chance}."
                )
        if entry["thresholds"]["species"] is None:
            yield f"No threshold keeps wrong answers to {wished} in validation: asked for that, it names no species."


def _unknown(facts: CardFacts) -> Iterator[str]:
    unknown = facts.test.get("unknown")
    if unknown:
        passed = estimate(unknown["largest_probability"]["false_at_95"])
        yield (
            f"**Species that it does not know.** It was shown {counted(unknown['images'], 'photo')} of "
            f"{counted(unknown['species'], 'other species', 'other species')}. If it answered from the probability on "
            f"that 95 % of the photos of known species reach, {with_interval(passed)} of these would get an answer, "
            "too, and each such answer is wrong."
        )


def _labels(facts: CardFacts) -> Iterator[str]:
    suspects = facts.suspects
    errors: dict[str, Any] = facts.selected.get("label_errors") or {}
    review = facts.selected.get("review")
    looked = (
        f" People have relabeled {counted(review['relabeled']['images'], 'photo')} and taken out "
        f"{review['dropped']['images']:,}."
        if review
        else " No person's verdict on any of them is known."
    )
    if errors.get("images"):
        rate = estimate({name: errors[name] for name in ("value", "low", "high", "images", "groups", "classes")})
        looked += (
            f" Of photos drawn by chance {with_interval(rate)} had a wrong label, or showed nothing to learn from."
        )
    yield (
        "**Labels are not certain.** They are those of the sources, and some may be wrong, in training and in the "
        f"test. A program finds the label or the content of {suspects['suspects']:,} of "
        f"{counted(suspects['images'], 'photo')} suspicious.{looked}"
    )


def not_measured(facts: CardFacts) -> str:
    """Give the section on what nobody knows of the model."""
    return "\n".join(["## What was not measured", "", *(f"- {what}" for what in _not_measured(facts))])


def _not_measured(facts: CardFacts) -> Iterator[str]:
    if not facts.test.get("unknown"):
        yield (
            "How it takes plants of species that it does not know: the test has none. It will often name one of its "
            "own species."
        )
    said = is_scored(facts, CENTER) or any(CENTER in what for what in facts.unscored)
    if facts.model.preprocessing.crop.mode != "center" and not said:
        yield "What it loses where the middle of a photo is taken, and not the square around the plant."
    yield from (f"{what[:1].upper()}{what[1:].rstrip('.')}." for what in facts.unscored)
    sources = named(sorted(facts.images["source"].drop_nulls().unique()))
    yield (
        "Photos of other people, places, seasons and cameras: the test is of the same sources as the training "
        f"({sources})."
    )
    left = {
        name.replace("_", " "): count for name, count in facts.selected["by_verdict"].items() if name not in _OTHERS
    }
    if left:
        yield (
            f"Bad photos: {counted(sum(left.values()), 'photo')} that a program found damaged or unfit"
            f"{in_words(left)} took no part in the test, either. Real photos may be worse than those of the test."
        )
    yield "What another training would give: there was one, and intervals do not show what another seed would change."
    yield "Photos of several species at once: each photo has one label."
    yield "Speed, and answers on phones: all figures are of a computer."
