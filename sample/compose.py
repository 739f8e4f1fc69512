"""One synthetic photo: a plant cut-out with transparency laid over a piece of a background photo.

The picture comes with what no web photo has: the true box of its subject. Crops are measured against it. A photo can be
made hard to tell: its subject of another hue, half hidden, or out of focus.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

# Width : height of the frames of the sample's photos, and how often each is drawn.
FRAMES = {"landscape": (4, 3, 0.35), "classic": (3, 2, 0.15), "portrait": (3, 4, 0.3), "wide": (2, 1, 0.2)}
# All that cameras and phones give, each as often.
ALL_FRAMES = {
    f"{width}:{height}": (width, height, 1.0)
    for width, height in ((4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16), (2, 1), (1, 1))
}
MAX_ENLARGEMENT = 2.6  # a cut-out blown up further than this no longer looks like a photo


@dataclass(frozen=True)
class Photo:
    """One composed photo.

    Attributes:
        pixels: uint8 [height, width, 3], RGB.
        box: x, y, width, height of the subject in pixels of this image.
    """

    pixels: np.ndarray
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """What all photos of one observation share: the plant and the place it stands in.

    Attributes:
        cutout: uint8 [h, w, 4], RGBA, the plant.
        backdrop: uint8 [h, w, 3], RGB, a piece of a background photo, larger than any frame cut from it.
        blur_px: standard deviation of the backdrop's blur, in pixels: the lens focuses on the plant.
    """

    cutout: np.ndarray
    backdrop: np.ndarray
    blur_px: float


def draw_scene(
    cutout: np.ndarray, background: np.ndarray, rng: np.random.Generator, *, least_blur_px: float = 0.6
) -> Scene:
    """Draw the place of one observation: a random piece, 45 to 75 % of the side, of ``background`` (uint8 RGB)."""
    height, width = background.shape[:2]
    share = rng.uniform(0.45, 0.75)
    piece_w, piece_h = int(width * share), int(height * share)
    left, top = int(rng.integers(0, width - piece_w + 1)), int(rng.integers(0, height - piece_h + 1))
    piece = background[top : top + piece_h, left : left + piece_w]
    return Scene(cutout, piece, blur_px=float(rng.uniform(least_blur_px, 2.2)))


def take_photo(
    scene: Scene,
    rng: np.random.Generator,
    *,
    largest: float = 0.6,
    frames: Mapping[str, tuple[int, int, float]] = FRAMES,
    small_as_often: bool = False,
    most_alike: float = 0.0,
) -> Photo:
    """Take one photo of a scene: another frame, position, turn, size and light each time.

    The long side is 480 to 800 px; the subject's longer side is 10 % to ``largest`` of the frame's short side where the
    cut-out has the pixels for it, and it stands off center in four photos of five.

    Args:
        scene: what is photographed.
        rng: draws all of it.
        largest: of the frame's short side.
        frames: width, height, and how often each is drawn.
        small_as_often: draw the logarithm of the subject's size evenly, where most are of middle size otherwise.
        most_alike: bring the subject's mean color so far, at the most, to that of what it covers: 1 is all the way.
    """
    names = list(frames)
    weights = np.array([frames[name][2] for name in names])
    w_ratio, h_ratio, _ = frames[names[rng.choice(len(names), p=weights / weights.sum())]]
    long_side = int(rng.integers(480, 801))
    width = round(long_side * min(1, w_ratio / h_ratio))
    height = round(long_side * min(1, h_ratio / w_ratio))

    frame = _cut_frame(scene.backdrop, width, height, rng)
    frame = cv2.GaussianBlur(frame, (0, 0), max(scene.blur_px, 0.01)).astype(np.float32)
    subject = _turn_and_size(scene.cutout, min(width, height), largest, rng, small_as_often=small_as_often)
    h, w = subject.shape[:2]
    if rng.random() < 0.2:
        left, top = (width - w) // 2, (height - h) // 2
    else:
        left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))

    alpha = cv2.GaussianBlur(subject[..., 3], (0, 0), 0.7).astype(np.float32)[..., None] / 255
    spot = frame[top : top + h, left : left + w]
    if most_alike:
        subject = _match_color(subject, spot, float(rng.uniform(0, most_alike)))
    spot[:] = spot * (1 - alpha) + subject[..., :3] * alpha
    ys, xs = np.nonzero(subject[..., 3] > 127)
    box = (left + int(xs.min()), top + int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1)
    return Photo(_light(frame, rng), box)


def shift_hue(cutout: np.ndarray, degrees: float) -> np.ndarray:
    """Give a cut-out, uint8 [h, w, 4] RGBA, with all its hues turned by so many degrees."""
    hsv = cv2.cvtColor(np.ascontiguousarray(cutout[..., :3]), cv2.COLOR_RGB2HSV_FULL)  # 256 steps of hue
    hsv[..., 0] += np.uint8(round(degrees / 360 * 256) % 256)
    return np.dstack([cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), cutout[..., 3]])


def hide(photo: Photo, backdrop: np.ndarray, share: float, rng: np.random.Generator) -> Photo:
    """Hide so much of the subject's box, from one of its four sides, behind a soft piece of ``backdrop``.

    It is as if a leaf or a stone stood before it. The box stays that of the whole subject.
    """
    pixels, (x, y, width, height) = photo.pixels.astype(np.float32), photo.box
    mask = np.zeros(pixels.shape[:2], np.float32)
    wide, high = round(width * share), round(height * share)
    side = rng.integers(4)
    left = x + (width - wide if side == 1 else 0)
    top = y + (height - high if side == 3 else 0)
    mask[top : top + (height if side < 2 else high), left : left + (wide if side < 2 else width)] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), max(width, height) / 30 + 0.5)[..., None]
    piece = _cut_frame(backdrop, pixels.shape[1], pixels.shape[0], rng).astype(np.float32)
    return Photo((pixels * (1 - mask) + piece * mask).round().astype(np.uint8), photo.box)


def defocus(photo: Photo, blur_px: float) -> Photo:
    """Put a photo out of focus; ``blur_px`` is the standard deviation in pixels."""
    return Photo(cv2.GaussianBlur(photo.pixels, (0, 0), blur_px), photo.box)


def _cut_frame(backdrop: np.ndarray, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Cut the largest piece of the right shape, at a random place and perhaps mirrored, and size it."""
    scale = min(backdrop.shape[1] / width, backdrop.shape[0] / height)
    piece_w, piece_h = int(width * scale), int(height * scale)
    left = int(rng.integers(0, backdrop.shape[1] - piece_w + 1))
    top = int(rng.integers(0, backdrop.shape[0] - piece_h + 1))
    piece = backdrop[top : top + piece_h, left : left + piece_w]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return cv2.resize(np.ascontiguousarray(piece), (width, height), interpolation=cv2.INTER_AREA)


def _match_color(subject: np.ndarray, spot: np.ndarray, share: float) -> np.ndarray:
    """Bring the mean color of uint8 [h, w, 4] RGBA by so much to that of float [h, w, 3], in CIELAB."""
    lab, around = (cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
                   for rgb in (np.ascontiguousarray(subject[..., :3]), spot.astype(np.uint8)))  # fmt: skip
    lab += share * (around.mean((0, 1)) - lab[subject[..., 3] > 127].mean(0))
    return np.dstack([cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB), subject[..., 3]])


def _turn_and_size(
    cutout: np.ndarray, short_side: int, largest: float, rng: np.random.Generator, *, small_as_often: bool
) -> np.ndarray:
    """Turn a cut-out by up to 35 degrees, size it against the frame and trim it to its visible part."""
    h, w = cutout.shape[:2]
    share = np.exp(rng.uniform(np.log(0.1), np.log(largest))) if small_as_often else rng.triangular(0.1, 0.5, largest)
    wanted = share * short_side
    scale = min(wanted / max(h, w), MAX_ENLARGEMENT)
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), float(rng.uniform(-35, 35)), scale)
    reach = int(np.ceil(np.hypot(w, h) * scale)) + 4
    turn[:, 2] += reach / 2 - np.array([w / 2, h / 2])
    # Premultiplied, else the color hidden under full transparency bleeds into the edge.
    rgba = cutout.astype(np.float32)
    rgba[..., :3] *= rgba[..., 3:] / 255
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    turned = np.clip(cv2.warpAffine(rgba, turn, (reach, reach), flags=method), 0, 255)
    turned[..., :3] = np.where(turned[..., 3:] > 0, turned[..., :3] * 255 / np.maximum(turned[..., 3:], 1), 0)
    turned = np.clip(turned, 0, 255).astype(np.uint8)
    ys, xs = np.nonzero(turned[..., 3] > 127)
    trimmed = turned[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    if max(trimmed.shape[:2]) > largest * short_side:
        fit = largest * short_side / max(trimmed.shape[:2])
        trimmed = cv2.resize(trimmed, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)
    return trimmed


def _light(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change exposure, contrast and white balance, and add a sensor's noise."""
    exposure, contrast = rng.uniform(0.75, 1.2), rng.uniform(0.85, 1.15)
    balance = rng.uniform(0.93, 1.07, size=3)
    lit = (frame - 128) * contrast + 128
    lit = lit * exposure * balance + rng.normal(0, 1.5, size=frame.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)
