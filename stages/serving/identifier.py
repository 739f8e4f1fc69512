"""What the page is told of a photo: where it was cropped, and what the model says of it.

Photos come as they come, from several windows at once. One at a time is decoded, as a PNG of 200 megapixels takes
almost 4 GB, and one at a time is asked about meanwhile, by one thread: torch keeps how it computes for each thread.
"""

import base64
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Lock
from typing import Any

import simplejpeg

from stages.answering.asking import Answer, Asked
from stages.answering.cropped import PhotoError
from stages.answering.photo import Photo, prepare_photo
from stages.images.crop import Square
from stages.serving.examples import Examples

_QUALITY = 88


class Identifier:
    """A model that is asked about photos, one after another."""

    def __init__(self, asked: Asked, examples: Examples) -> None:
        """Take a model that is ready to be asked, and examples of its species."""
        self._asked = asked
        self.examples = examples
        self._decoding = Lock()
        self._network = ThreadPoolExecutor(1, "network")

    def about(self) -> dict[str, Any]:
        """Say what the model is, and when it says something."""
        model, thresholds = self._asked.model, self._asked.thresholds
        return {
            "network": model.saved.description.name,
            "model": model.sha256[:8],
            "species": len(model.species),
            "genera": len(model.genera),
            "max_risk": thresholds.max_risk,
            "says_species": thresholds.species is not None,
            "says_genus": thresholds.genus is not None,
            "example_photos": self.examples.photos,
            "example_species": self.examples.species,
        }

    def answer(self, data: bytes, *, is_wanted: Callable[[], bool] = lambda: True) -> dict[str, Any]:
        """Say what a photo shows.

        Args:
            data: the file's bytes.
            is_wanted: whether somebody still waits for it; is looked at before each longer work.

        Raises:
            PhotoError: it is no photo that the model can be asked about.
            ConnectionAbortedError: nobody waits for it any more, or the server has ended.
            UserError: this machine cannot look at it.
        """
        model = self._asked.model
        with self._decoding:
            _see_that(is_wanted)
            try:
                photo = prepare_photo(data, model.preprocessing, model.saved.description.image_px)
            except MemoryError:
                raise PhotoError("too_many_pixels", "there is not enough memory for it: shrink it") from None
        answer = self._ask(photo, is_wanted)
        if answer is None:
            raise PhotoError("no_answer", "the network's numbers are none: train it anew, or take another model")
        return {
            "width": photo.width,
            "height": photo.height,
            "crop": _corner_and_side(photo.square),
            "seen": _corner_and_side(photo.seen),
            "sees": base64.b64encode(simplejpeg.encode_jpeg(photo.pixels, quality=_QUALITY)).decode(),
            "level": answer.level,
            "genus": answer.genus,
            "genus_probability": answer.genus_probability,
            "species": [
                {"name": name, "probability": probability, "examples": self.examples.of(name)}
                for name, probability in answer.species
            ],
        }

    def end(self) -> None:
        """Answer what is being asked, and take no more."""
        self._network.shutdown(cancel_futures=True)

    def _ask(self, photo: Photo, is_wanted: Callable[[], bool]) -> Answer | None:
        def ask() -> Answer | None:
            _see_that(is_wanted)
            return self._asked.ask(photo.pixels[None])[0]

        try:
            waiting = self._network.submit(ask)
        except RuntimeError:  # it takes no more, see ``end``
            raise ConnectionAbortedError("the server has ended") from None
        try:
            return waiting.result()
        except CancelledError:
            raise ConnectionAbortedError("the server has ended") from None


def _see_that(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise ConnectionAbortedError("nobody waits for the answer any more")


def _corner_and_side(square: Square) -> list[int]:
    return [square.x, square.y, square.side]
