"""What came of each photo: an answer, or the trouble with it; asked in batches, in the order of the photos."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from stages.answering.asking import Answer, Asked
from stages.answering.photo import Photo, look_at
from stages.answering.photo_files import Source
from stages.answering.preparing import PreparedPhoto

_MOST_HELD = 256  # photos and what is none of them: a batch is not waited for through a folder of other files


@dataclass(frozen=True)
class AnsweredPhoto:
    """A photo with what the model says of it, or with the trouble.

    Attributes:
        source: where it is.
        photo: as the network saw it; None where it could not be made.
        answer: None where there is trouble.
        shown: as in ``PreparedPhoto``.
        trouble: a word for what is wrong; empty where there is an answer.
        message: what is wrong, in a line.
        is_photo: not so where a file of a folder is something else, which is no trouble.
    """

    source: Source
    photo: Photo | None = None
    answer: Answer | None = None
    shown: bytes = b""
    trouble: str = ""
    message: str = ""
    is_photo: bool = True


def answer_photos(photos: Iterable[PreparedPhoto], asked: Asked, *, batch_photos: int) -> Iterator[AnsweredPhoto]:
    """Ask about photos as they come.

    Args:
        photos: in their order, of ``prepare_photos``.
        asked: the model.
        batch_photos: that the network looks at at once, at the most.

    Returns:
        One for each photo, in their order.
    """
    batch: list[PreparedPhoto] = []
    to_ask = 0
    for photo in photos:
        batch.append(photo)
        to_ask += photo.cropped is not None
        if to_ask in (0, batch_photos) or len(batch) == _MOST_HELD:
            yield from _answer(batch, asked)
            batch, to_ask = [], 0
    yield from _answer(batch, asked)


def _answer(batch: list[PreparedPhoto], asked: Asked) -> Iterator[AnsweredPhoto]:
    image_px = asked.model.saved.description.image_px
    looked_at = [look_at(one.cropped, image_px) for one in batch if one.cropped is not None]
    answers = iter(asked.ask(np.stack([photo.pixels for photo in looked_at])) if looked_at else [])
    photos = iter(looked_at)
    for one in batch:
        if one.cropped is None:
            yield AnsweredPhoto(one.source, trouble=one.trouble, message=one.message, is_photo=one.is_photo)
        elif answer := next(answers):
            yield AnsweredPhoto(one.source, next(photos), answer, one.shown)
        else:
            no_answer = "the network's answer is no number (NaN or infinite): is the photo odd, or the model?"
            yield AnsweredPhoto(one.source, next(photos), trouble="no_answer", message=no_answer)
