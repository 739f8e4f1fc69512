"""Pictures that are no photos, and photos that look like it: plants on plain ground, and cut ones saved again."""

import cv2
import numpy as np

from tests.support.pictures import picture


def card() -> np.ndarray:
    """What a host shows instead of a photo."""
    pixels = np.full((360, 480, 3), 235, np.uint8)
    cv2.putText(pixels, "not available", (120, 180), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (80, 80, 80), 2)
    return pixels


def drawing() -> np.ndarray:
    """A chart of bars."""
    pixels = np.full((360, 480, 3), 250, np.uint8)
    for bar in range(6):
        cv2.rectangle(pixels, (40 + 70 * bar, 330), (90 + 70 * bar, 280 - 45 * bar), (60, 110, 180), thickness=-1)
    return pixels


def page() -> np.ndarray:
    """A page of text, dense as a book's."""
    pixels = np.full((700, 500, 3), 245, np.uint8)
    for line in range(30):
        words = "".join(" abcdefghijklmnopqrstuvwxyz"[(7 * line + 11 * place + place**2) % 27] for place in range(48))
        cv2.putText(
            pixels, words, (30, 50 + 21 * line), cv2.FONT_HERSHEY_COMPLEX_SMALL, 0.6, (30, 30, 30), 1, cv2.LINE_AA
        )
    return pixels


def leaf(side: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """A leaf of veins and light, float32 [side, side, 3], and where it is, bool [side, side]."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = (x / 0.42) ** 2 + (y / 0.8) ** 2 < 1 + 0.12 * np.sin(9 * np.arctan2(y, x))
    light = (
        110
        + 50 * np.cos(3 * x - 2 * y)
        + 25 * np.abs(np.sin(18 * (y - np.abs(x))))
        + 12 * np.sin(40 * x) * np.cos(33 * y)
    )
    return (light[..., None] * np.array([0.55, 1.0, 0.4])).astype(np.float32), inside


def on_ground(kind: str, side: int = 600) -> np.ndarray:
    """A leaf on plain ground: white, gray or black as a program sets it, or lit."""
    plant, inside = leaf(side)
    level = {"white": 255, "gray": 128, "black": 0, "lit": 200}[kind]
    ground = np.full((side, side, 3), level, np.float32)
    rng = np.random.default_rng(0)
    if kind == "lit":
        ground *= np.linspace(0.9, 1.05, side)[None, :, None]
        ground += rng.normal(0, 1.5, ground.shape)
    pixels = np.where(inside[..., None], plant + rng.normal(0, 3, plant.shape), ground)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def cut_off(color: tuple[int, int, int], share: float, width: int = 640, height: int = 480) -> np.ndarray:
    """A photo of which the lower part is missing, from the middle of a row of blocks on."""
    pixels = picture(width, height, seed=3)
    row = int(height * (1 - share)) // 16 * 16
    pixels[row : row + 16, 272:] = color
    pixels[row + 16 :] = color
    return pixels
