"""What is asked, and in which order: suspects by rank, and mixed in the images of the random sample.

The sample is the beginning of one order of all images (``stages/verdicts/random_order.py``), whether suspected or not.
Of an image that was judged before, as a suspect or as one of an observation, the verdict is taken into the sample when
its turn comes, and it is not asked again. Nor is one that is out of the splits by what another reviewer said: it is in
the sample with that verdict. So the sample's rows are a draw of all images, and the error rate of the whole set can be
told from them, however many suspects were judged beside, and by whom.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from stages.reviewing.catalog import Catalog
from stages.tables.verdicts import AskedAs
from stages.verdicts.random_order import random_order

EVERY_OTHER = 4  # suspects by label for one that is like no other image, and so perhaps no plant
ISOLATED = 0.02  # of all images: those that may be asked as the least like any other


@dataclass(frozen=True)
class Question:
    """An image that is asked.

    Attributes:
        image_name: of it.
        asked_as: why, which the page does not show.
    """

    image_name: str
    asked_as: AskedAs


@dataclass(frozen=True)
class Upcoming:
    """The next questions.

    Attributes:
        questions: the one at hand, and those that follow if whole observations are judged.
        taken: images whose verdict belongs to the sample by now, as their turn came before the question at hand.
    """

    questions: list[Question]
    taken: list[str]


@dataclass(frozen=True)
class Judged:
    """What there are verdicts of.

    Attributes:
        by_me: images, whatever was said, and why each was asked.
        by_others: images of which another reviewer said something else than skip.
        sampled_by_others: images that are in the sample by a row of another reviewer.
        gone: images with a row of another reviewer that are not in the splits any more.
    """

    by_me: Mapping[str, AskedAs]
    by_others: Collection[str]
    sampled_by_others: Collection[str]
    gone: Collection[str] = ()

    def is_sampled(self, image_name: str) -> bool:
        """Say whether an image is in the sample."""
        return image_name in self.sampled_by_others or self.by_me.get(image_name) == "random"


class Order:
    """The order of questions."""

    def __init__(self, first: Sequence[Question], sample: Sequence[str], share: float) -> None:
        """Take what is to be mixed.

        Args:
            first: suspects, or the images of a split, in their order.
            sample: all images in the order of the sample.
            share: of the questions, those of the sample, 0 to 1.
        """
        self._first = first
        self._sample = sample
        self._share = share

    def upcoming(self, judged: Judged, together: Callable[[str], list[str]], count: int) -> Upcoming:
        """Give the next questions, at most so many: none at all when all is judged.

        They depend on the verdicts alone, so a new start goes on where the last one ended.

        Args:
            judged: what there are verdicts of.
            together: gives the images that are judged with one.
            count: questions.
        """
        assumed: set[str] = set()
        taken: list[str] = []
        sample = self._of_sample(judged, assumed, taken)
        first = (
            each
            for each in self._first
            if not (
                each.image_name in judged.by_me or each.image_name in judged.by_others or each.image_name in assumed
            )
        )
        found: list[Question] = []
        taken_at_hand: list[str] = []
        one, (other, before) = next(first, None), next(sample, (None, []))
        # A sample that is only mixed in comes to its end with what it is mixed into.
        while len(found) < count and (one is not None or (other is not None and self._share == 1)):
            if other is not None and (one is None or _draw(one.image_name, other) < self._share):
                question = Question(other, "random")
            else:
                assert one is not None
                # Where it is its turn by both orders, it is of the sample.
                is_both = one.image_name == other and self._share
                question = Question(one.image_name, "random") if is_both else one
            if question.asked_as == "random" and not found:
                taken_at_hand = before
            found.append(question)
            assumed.update(together(question.image_name))
            if one is not None and one.image_name in assumed:
                one = next(first, None)
            if other is not None and other in assumed:
                other, before = next(sample, (None, []))
        return Upcoming(found, taken_at_hand)

    def left(self, judged: Judged, group: Callable[[str], str]) -> int:
        """Say how many questions there may be yet, those of the sample included by their share.

        Args:
            judged: what there are verdicts of.
            group: gives what images are judged with, as one question is of all of a group.
        """
        if self._share < 1:
            names = [each.image_name for each in self._first]
            first = {group(name) for name in names if name not in judged.by_me and name not in judged.by_others}
            return round(len(first) / (1 - self._share))
        asked_before = (judged.sampled_by_others, judged.by_me, judged.gone)
        return len({group(name) for name in self._sample if not any(name in names for names in asked_before)})

    def _of_sample(self, judged: Judged, assumed: Collection[str], taken: list[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield the images of the sample that are to be asked, each with those before it whose verdicts are taken."""
        for name in self._sample:
            if judged.is_sampled(name):
                continue
            if name in judged.by_me or name in judged.gone:
                taken.append(name)
            elif name not in assumed:
                yield name, list(taken)


def suspects(catalog: Catalog, split: str) -> list[Question]:
    """Give the suspects of a split in the order in which they are asked.

    Those that the rest of the data contradicts, by rank, and after each four of them one that is like no other image.
    Only images with neighbors are among them, as others could be told from those of the sample.
    """
    listed = catalog.images.filter((pl.col("split") == split) & (pl.col("neighbors").list.len() > 0))
    by_label = listed.filter(pl.col("score") > 0).sort("rank")["image_name"].to_list()
    most = max(1, round(ISOLATED * catalog.images.height))
    isolated = listed.filter(pl.col("isolation_rank") <= most).sort("isolation_rank")["image_name"].to_list()
    places = [(place / EVERY_OTHER, 0, name) for place, name in enumerate(by_label)]
    places += [(place + 1 - 1 / (2 * EVERY_OTHER), 1, name) for place, name in enumerate(isolated)]
    return [Question(name, "suspect") for name in dict.fromkeys(name for _, _, name in sorted(places))]


def whole_split(catalog: Catalog, split: str) -> list[Question]:
    """Give all images of a split, in the order of the sample, so that a part of them is a draw of it too.

    What is no suspect is asked as a neighbor: it is judged along with the split.
    """
    suspected = {question.image_name for question in suspects(catalog, split)}
    names = random_order(catalog.images.filter(pl.col("split") == split)["image_name"])
    return [Question(name, "suspect" if name in suspected else "neighbor") for name in names]


def sample_order(catalog: Catalog, judged: Collection[str]) -> list[str]:
    """Give the order of the sample: of all images, and of those that a verdict has taken out of the splits since."""
    return random_order({*catalog.images["image_name"], *judged})


def _draw(one: str, other: str) -> float:
    """Give a number from 0 to 1 for two images that could come next: drawn anew whenever one of them is another."""
    digest = hashlib.blake2b(f"{one} {other}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
