"""Photos with true boxes that crops are measured on: composed ones by families, and frames of real photographs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from sample.compose import ALL_FRAMES, draw_scene, take_photo
from sample.families import PHOTOGRAPHS, load_photographs, load_places, load_subjects
from stages.evaluation.crops import Box

LARGEST = 0.95  # of the frame's short side
MOST_ALIKE = 0.6  # of the way from the subject's color to its background's
FRAMES_A_PHOTOGRAPH = 40


@dataclass(frozen=True)
class Photo:
    """One photo: the JPEG that a web site would serve, the true box of its subject, and what it is made of."""

    data: bytes
    box: Box
    family: str  # of the subject
    place: str  # the family of the background
    subject: str  # the file
    background: str


def compose(root: Path, photos_a_cell: int, *, seed: int = 11) -> Iterator[Photo]:
    """Yield so many composed photos of each family of subjects before each of backgrounds; each of its own seed."""
    places = load_places(root)
    for row, (family, subjects) in enumerate(load_subjects(root).items()):
        for column, (place, backgrounds) in enumerate(places.items()):
            for index in range(photos_a_cell):
                rng = np.random.default_rng([seed, row, column, index])
                subject, background = (list(names)[rng.integers(len(names))] for names in (subjects, backgrounds))
                scene = draw_scene(subjects[subject], backgrounds[background], rng, least_blur_px=0.0)
                photo = take_photo(
                    scene, rng, largest=LARGEST, frames=ALL_FRAMES, small_as_often=True, most_alike=MOST_ALIKE
                )
                yield Photo(_jpeg(photo.pixels), photo.box, family, place, subject, background)


def cut_frames(root: Path) -> Iterator[Photo]:
    """Yield frames of all shapes cut out of real photographs, each with the whole plant in it, where they fit."""
    for number, (name, pixels) in enumerate(load_photographs(root).items()):
        height, width = pixels.shape[:2]
        sides = (width, height, width, height)
        left, top, right, bottom = (share * side for share, side in zip(PHOTOGRAPHS[name], sides, strict=True))
        for index in range(FRAMES_A_PHOTOGRAPH):
            rng = np.random.default_rng([number, index])
            across, down, _ = list(ALL_FRAMES.values())[index % len(ALL_FRAMES)]
            narrowest = 1.02 * max(right - left, (bottom - top) * across / down)
            widest = min(width, height * across / down)
            if narrowest > widest:
                continue
            frame_w = np.exp(rng.uniform(np.log(narrowest), np.log(widest)))
            frame_h = frame_w * down / across
            x = int(rng.uniform(max(0, right - frame_w), min(left, width - frame_w)))
            y = int(rng.uniform(max(0, bottom - frame_h), min(top, height - frame_h)))
            frame = pixels[y : y + int(frame_h), x : x + int(frame_w)]
            box = (round(left) - x, round(top) - y, round(right - left), round(bottom - top))
            yield Photo(_jpeg(frame), box, "photographs", "photographs", name, name)


def _jpeg(pixels: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=72, colorsubsampling="420")
