"""Do labels and photos go together? One word on it, and the reason as a line.

Validation is held against what train says of it. A probe that is no better there than with shuffled labels tells of
labels in another order, or of labels that have nothing to do with photos; or there are too few images to see what a
modest probe knows. So before the last is taken for a fault, train is asked whether it knows anything of itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from stages.features.chance import Chance, against_chance
from stages.features.probes import Labeled, Told
from stages.features.renaming import Renamed, rename
from stages.tables.gate import Verdict

_RARELY = 0.01  # of sets as good as train would be so bad by chance: then it is not by chance
_MODEST = 0.1  # top-1 of a probe that is worth something, where train does not say what to expect
_FAR = 0.5  # of what train is right of by itself: a set that reaches less is far below it
_NAMED = 3  # pairs in a line


@dataclass(frozen=True)
class Judged:
    """What was found of the labels of a set.

    Attributes:
        verdict: on them.
        words: the reason, a line without a full stop.
        chance: how the probe does against shuffled labels; None of no images.
        renamed: what a renaming explains; None of no images.
        train: how well train tells itself, where that was asked; of a sound set, where it is far below that.
    """

    verdict: Verdict
    words: str
    chance: Chance | None
    renamed: Renamed | None
    train: Chance | None


def judge(
    split: str,
    found: Told,
    images: Labeled,
    species: list[str],
    *,
    of_train: Callable[[], Chance],
    shuffles: int,
    seed: int,
    min_groups: int,
) -> Judged:
    """Say whether the labels of a set are those that train has for such photos.

    Args:
        split: name of the set.
        found: what the probe said of it.
        images: the set.
        species: names of the classes, in the order of labels.
        of_train: gives how well train tells itself (``train_against_itself``); asked where the rest does not decide.
        shuffles: how often labels are shuffled.
        seed: of the draws.
        min_groups: fewer observations say nothing.
    """
    if not len(images):
        return Judged(
            "none",
            f"{split} has no image of a species that train has, so it says nothing of the labels",
            None,
            None,
            None,
        )
    chance = against_chance(found.said, images.labels, images.groups, shuffles=shuffles, seed=seed)
    reached = (
        f"{split} top-1 {chance.hits / chance.images:.3f} ({chance.hits:,} of {chance.images:,} images; shuffled "
        f"labels reach {chance.level / chance.images:.3f})"
    )
    # What shuffled labels reach once they are renamed takes as long as all the rest: not asked where nothing is wrong.
    renamed = rename(found.said, images.labels, images.groups, shuffles=0 if chance.above else shuffles, seed=seed)
    if renamed.another_order:
        # Of train with shuffled labels, too, a probe takes the photos of a species for one other: these are no names.
        train = of_train()
        if train.above or _tells_nothing(train, min_groups):
            words = f"{reached}: its labels are in another order than those of train, {_in_words(renamed, species)}"
            return Judged("order_differs", words, chance, renamed, train)
    if chance.above:
        few = f"; but some species seem to be others, {_in_words(renamed, species)}" if renamed.better else ""
        train = of_train() if chance.hits < _FAR * chance.images else None
        if train is None or not _far_below(chance, train):
            return Judged("sound", reached + few, chance, renamed, None)
        far = f"; but of train, each image told by the others, {train.hits / train.images:.3f} are right: far more"
        return Judged("sound", reached + few + far, chance, renamed, train)
    if _tells_nothing(chance, min_groups):
        words = f"{reached}: too few observations of different species ({chance.groups:,}) to say how its labels are"
        return Judged("none", words, chance, renamed, None)
    train = of_train()
    train_says_nothing = _tells_nothing(train, min_groups)
    itself = f"{train.hits / train.images:.3f} of train, each image told by the others" if train.images else ""
    if train_says_nothing and not train.above and _as_good_as(chance, _MODEST):
        words = f"{reached}: too few images to tell that from a modest probe, and train says nothing of itself"
        return Judged("none", words, chance, renamed, train)
    if train.above and _as_good_as(chance, train.hits / train.images):
        words = f"{reached}: too few images to tell that from what the probe is right of elsewhere ({itself})"
        return Judged("none", words, chance, renamed, train)
    fault = (
        f"in train labels and photos go together ({itself}), so it is the labels or photos of {split}"
        if train.above
        else "train has too few species of several observations to say whose fault it is"
        if train_says_nothing
        else f"nor does train know itself ({itself}): labels and photos of all, or features that tell nothing here"
    )
    return Judged("at_chance", f"{reached}: no better than chance; {fault}", chance, renamed, train)


def train_against_itself(found: Told, images: Labeled, *, shuffles: int, seed: int) -> Chance:
    """Say how well train tells itself: images whose species has another observation, each told by the others.

    Args:
        found: what ``ask_left_out`` said of train.
        images: train.
        shuffles: how often labels are shuffled.
        seed: of the draws.
    """
    pairs = np.unique(np.stack([images.labels, images.groups]), axis=1)
    several = np.bincount(pairs[0], minlength=int(images.labels.max(initial=0)) + 1)[images.labels] > 1
    return against_chance(
        found.said[several], images.labels[several], images.groups[several], shuffles=shuffles, seed=seed
    )


def _tells_nothing(chance: Chance, min_groups: int) -> bool:
    """Whether a set is too small for a probe to be no better than chance on it to say something."""
    return chance.groups < min_groups or not chance.tells


def _as_good_as(chance: Chance, share: float) -> bool:
    """Whether a probe that is right of such a share would be this bad by chance; an observation is right as a whole."""
    right = round(chance.hits / chance.images * chance.groups)
    return float(binom.cdf(right, chance.groups, share)) > _RARELY


def _far_below(chance: Chance, train: Chance) -> bool:
    """Whether a set is told by less than half as often as train tells itself, and not by chance."""
    if not train.images or not train.above:
        return False
    share = train.hits / train.images
    return chance.hits < _FAR * share * chance.images and not _as_good_as(chance, share)


def _in_words(renamed: Renamed, species: list[str]) -> str:
    """Say what a renaming explains, and give its first pairs."""
    pairs = renamed.pairs
    named = ", ".join(f"{species[pair.given]!r} seems {species[pair.seems]!r}" for pair in pairs[:_NAMED])
    more = f", and {len(pairs) - _NAMED:,} more" if len(pairs) > _NAMED else ""
    shuffled = f", of shuffled labels {renamed.level:,}" if renamed.level is not None else ""
    return (
        f"as by other names {renamed.hits:,} of {renamed.images:,} are right, by those given {renamed.given_hits:,}"
        f"{shuffled}: {named}{more}"
    )
