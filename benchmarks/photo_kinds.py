"""Pictures of eight kinds, of photos of plants and of what is none: found in Debian packages, or made of what is.

Cut-outs come on plain grounds and on sheets, pages from PDFs (by pdftoppm of poppler-utils), web pages from
documentation (by chromium), maps from outlines of coasts. Each kind's pictures come with their source: a folder of a
package, a document, a photo or a cut-out.
"""

import io
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sample.compose import draw_scene, take_photo
from sample.ingredients import load_living
from stages.runtime.errors import UserError

PACKAGES = (
    "tuxpaint-stamps-default", "mate-backgrounds", "plasma-workspace-wallpapers", "ukui-wallpapers",
    "gimp-help-en", "gnucash-docs", "gnome-user-docs", "kicad-doc-en", "kmymoney-common", "gnumeric-doc",
    "wireshark-doc", "qtcreator-doc", "debian-handbook", "viking", "openshot-qt-doc", "qtbase5-doc-html",
    "texlive-latex-recommended-doc", "texlive-science-doc", "lilypond-doc-pdf", "maxima-doc", "gnuplot-doc",
    "openclipart-png", "pysiogame", "tuxmath-data", "oxygen-icon-theme", "kgeography-data",
    "python-cartopy-data", "grass-doc", "python-skimage-doc", "python3-skimage", "opencv-doc",
)  # fmt: skip
A_KIND = 400  # pictures of each, as far as there are any; web pages, which take a second each, are half as many

PHOTO_FILES = (
    *(f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg" for name in (
        "FallenLeaf", "Path", "DarkestHour", "Autumn", "summer_1am", "EveningGlow", "Kite", "ColorfulCups",
        "OneStandsOut", "BytheWater")),
    *(f"usr/share/backgrounds/mate/nature/{name}.jpg" for name in (
        "Garden", "Dune", "Wood", "Aqua", "TwoWings", "Storm", "GreenMeadow", "RainDrops", "Blinds", "FreshFlower",
        "LadyBird", "YellowFlower")),
    *(f"usr/lib/python3/dist-packages/skimage/data/{name}" for name in (
        "coffee.png", "camera.png", "astronaut.png", "gravel.png", "brick.png", "grass.png", "rocket.jpg",
        "chelsea.png", "coins.png", "motorcycle_left.png")),
    *(f"usr/share/doc/opencv-doc/examples/data/{name}" for name in (
        "aero1.jpg", "aloeL.jpg", "apple.jpg", "baboon.jpg", "basketball1.png", "box_in_scene.png",
        "butterfly.jpg", "fruits.jpg", "home.jpg", "leuvenA.jpg", "messi5.jpg", "orange.jpg",
        "rubberwhale1.png", "squirrel_cls.jpg", "stuff.jpg", "board.jpg")),
)  # fmt: skip
# Folders of pictures; each is a source.
FOUND = {
    "screenshots": (
        "usr/share/gimp/2.0/help/en/images/menus/edit", "usr/share/gimp/2.0/help/en/images/menus/view",
        "usr/share/help/C/gnucash-guide/figures", "usr/share/help/C/gnome-help/figures",
        "usr/share/doc/kicad/help/en/images", "usr/share/doc/HTML/en/kmymoney", "usr/share/help/C/gnumeric/figures",
        "usr/share/doc/wireshark/wsug_html_chunked/images", "usr/share/qtcreator/doc/qtcreator/images",
        "usr/share/doc/debian-handbook/html/en-US/images", "usr/share/help/C/viking/figures",
        "usr/share/doc/openshot-qt/html/_images", "usr/share/qt5/doc/qtwidgets/images",
    ),
    "drawings": (
        *(f"usr/share/openclipart/png/{folder}" for folder in (
            "animals", "buildings", "computer", "containers", "decorations", "education", "electronics", "food",
            "geography", "office", "people", "plants", "recreation", "science", "shapes", "signs_and_symbols",
            "special", "tools", "transportation", "unsorted")),
        *(f"usr/share/games/pysiogame/res/images/art4apps/{folder}" for folder in (
            "animals", "actions", "jobs", "food", "fruit_n_veg", "clothes_n_accessories", "nature", "transport")),
        "usr/share/tuxmath/images", "usr/share/icons/oxygen/base/256x256", "usr/share/qt5/doc/qtcore/images",
        "usr/share/qt5/doc/qtgui/images", "usr/share/doc/maxima-doc/html/figures",
        "usr/share/tuxpaint/stamps/food/fruit/cartoon", "usr/share/tuxpaint/stamps/animals/insects/cartoon",
        "usr/share/tuxpaint/stamps/town/houses/cartoon", "usr/share/tuxpaint/stamps/symbols",
        "usr/share/kgeography/flags",
    ),
    "maps": ("usr/share/kgeography", "usr/share/cartopy/tests/mpl/baseline_images"),
}  # fmt: skip
PDFS = (
    "usr/share/doc/texlive-doc/latex",
    "usr/share/doc/lilypond",
    "usr/share/doc/maxima-doc",
    "usr/share/doc/gnuplot",
)
HTML = (
    "usr/share/doc/debian-handbook/html/en-US", "usr/share/doc/debian-handbook/html/es-ES",
    "usr/share/doc/maxima-doc/html", "usr/share/qt5/doc/qtcore", "usr/share/qtcreator/doc/qtcreator",
    "usr/share/doc/grass-doc/html", "usr/share/doc/python-skimage-doc/html",
    "usr/share/doc/wireshark/wsug_html_chunked", "usr/share/gimp/2.0/help/en", "usr/share/doc/openshot-qt/html",
)  # fmt: skip
COASTS = "usr/share/cartopy/data/shapefiles/gshhs/c/GSHHS_c_L1.shp"

_OF_ANOTHER_KIND = {"screenshots": "/color-", "maps": "/flags/"}  # parts of paths
_PLANT_FOLDERS = {"Plantsia", "Flowersia", "Mushroomsia", "Treesia", "Fruitia", "Nutsia", "Vegetablesia", "Spicesia"}

Picture = tuple[str, np.ndarray]  # its source, and uint8 [height, width, 3] RGB


def plain_grounds(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Plants, fruits and mushrooms cut out of photos, on plain ground: digital, lit, paper, or dark before a sky."""
    cutouts = _plants(root)
    for number in range(A_KIND):
        name = list(cutouts)[number % len(cutouts)]
        subject = _sized(cutouts[name], rng)
        height, width = (int(side * rng.uniform(1.1, 2.2)) for side in subject.shape[:2])
        kind = ("digital", "studio", "sky", "paper")[number // len(cutouts) % 4]
        if kind == "sky":
            dark = subject[..., :3] * rng.uniform(0.08, 0.5)
            subject = np.dstack([dark.astype(np.uint8), subject[..., 3]])
        ground = _ground(kind, height, width, rng)
        yield name, _perhaps_gray(_lay(ground, subject, rng, shadow=kind in ("studio", "paper")), rng)


def sheets(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Herbarium sheets: pressed plants on paper, with a label, often a stamp, scale bar, a color chart, a barcode."""
    cutouts = _plants(root)
    for number in range(A_KIND):
        name = list(cutouts)[number % len(cutouts)]
        height, width = 1200, 800
        sheet = _ground("paper", height, width, rng)
        for _ in range(int(rng.integers(1, 4))):
            pressed = _pressed(cutouts[name], rng)
            scale = rng.uniform(0.3, 0.8) * min(height / pressed.shape[0], width / pressed.shape[1])
            pressed = cv2.resize(pressed, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            sheet = _lay(sheet, pressed, rng, shadow=True)
        yield name, _perhaps_gray(_furnished(sheet, rng), rng)


def photos(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Wallpapers that are photos, pieces of them, and cut-outs composed with them as the sample's photos are."""
    cutouts = list(_plants(root).values())
    for number in range(A_KIND):
        name = PHOTO_FILES[number % len(PHOTO_FILES)]
        whole = _load(root / name)
        round_ = number // len(PHOTO_FILES)
        if round_ == 0:
            yield name, whole
        elif round_ % 2:
            scene = draw_scene(cutouts[int(rng.integers(len(cutouts)))], whole, rng)
            yield name, _perhaps_gray(take_photo(scene, rng).pixels, rng)
        else:
            yield name, _perhaps_gray(_piece(whole, rng), rng)


def found(kind: str) -> Callable[[Path, np.random.Generator], Iterator[Picture]]:
    """Pictures as they stand in packages, the same number of each folder where it has as many."""

    def pictures(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
        folders = FOUND[kind]
        for folder in folders:
            paths = sorted(
                path for path in (root / folder).rglob("*") if path.suffix in (".png", ".jpg", ".jpeg", ".gif")
            )
            rng.shuffle(paths)
            taken, seen = 0, set()
            for path in paths:
                if kind in _OF_ANOTHER_KIND and _OF_ANOTHER_KIND[kind] in str(path):
                    continue
                if (digest := zlib.crc32(path.read_bytes())) in seen:
                    continue
                seen.add(digest)
                pixels = _load(path)
                if min(pixels.shape[:2]) < 100 or max(pixels.shape[:2]) > 4 * min(pixels.shape[:2]):
                    continue
                yield folder, pixels
                taken += 1
                if taken >= -(-A_KIND // len(folders)):
                    break

    return pictures


def pages(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Pages of PDFs, and every other as if scanned: on paper, lit unevenly, a little askew, blurred and noisy."""
    by_source: dict[str, list[Path]] = {}
    for folder in PDFS:
        for path in sorted((root / folder).rglob("*.pdf")):
            source = str(path.relative_to(root / folder).parts[0]) if "texlive" in folder else folder
            by_source.setdefault(source, []).append(path)
    names = sorted(by_source)
    rng.shuffle(names)
    for number in range(A_KIND):
        source = names[number % len(names)]
        path = by_source[source][int(rng.integers(len(by_source[source])))]
        page = _page(path, int(rng.integers(1, 6)), int(rng.integers(60, 180)))
        if page is not None:
            yield source, _scanned(page, rng) if number % 2 else page


def web_pages(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Web pages of documentation as a browser shows them, on a screen or a phone."""
    for folder in HTML:
        paths = sorted((root / folder).rglob("*.html"))
        rng.shuffle(paths)
        for number, path in enumerate(paths[: A_KIND // 2 // len(HTML)]):
            yield folder, _browsed(path, ((1280, 800), (1024, 1366), (412, 915))[number % 3])


def maps(root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Maps of packages, coasts drawn in several styles, and plans of towns that are nowhere."""
    yield from found("maps")(root, rng)
    coasts = _polygons(root / COASTS)
    for number in range(A_KIND // 2):
        style = ("political", "plain", "relief", "chart")[number % 4]
        yield f"coasts {style}", _coast_map(coasts, style, rng)
    for number in range(A_KIND // 2):
        style = ("osm", "dark", "ink", "pastel")[number % 4]
        yield f"plan {style}", _town_plan(style, rng)


MAKERS: dict[str, Callable[[Path, np.random.Generator], Iterator[Picture]]] = {
    "plain": plain_grounds,
    "sheets": sheets,
    "photos": photos,
    "screenshots": found("screenshots"),
    "web pages": web_pages,
    "pages": pages,
    "drawings": found("drawings"),
    "maps": maps,
}


def _plants(root: Path) -> dict[str, np.ndarray]:
    """Photographic cut-outs of plants, fruits and mushrooms, uint8 [h, w, 4] RGBA, by name."""
    return {name: rgba for name, rgba in load_living(root).items() if name.split()[0] in _PLANT_FOLDERS}


def _load(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        return np.asarray(Image.alpha_composite(ground, rgba).convert("RGB"))


def _sized(cutout: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    scale = min(rng.uniform(300, 900) / max(cutout.shape[:2]), 2.2)
    return cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def _soft(height: int, width: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of mean 0 and about 1 deviation, float32 [height, width], with so many cells on the long side."""
    small = rng.normal(
        0, 1, (max(2, cells * height // max(height, width)), max(2, cells * width // max(height, width)))
    )
    return cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)


def _noise(height: int, width: int, deviation: float, rng: np.random.Generator) -> np.ndarray:
    return deviation * rng.standard_normal((height, width, 3), dtype=np.float32)


def _perhaps_gray(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One picture in ten in black and white."""
    return pixels if rng.random() < 0.9 else np.dstack([cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)] * 3)


def _ground(kind: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """An empty ground, float32 [height, width, 3]."""
    if kind == "digital":
        level = rng.choice([255, 255, 255, 0, 128, 240, 200])
        return np.full((height, width, 3), level, np.float32)
    if kind == "sky":
        light = rng.uniform(170, 255) + np.linspace(rng.uniform(0, 60), 0, height)[:, None, None]
        ground = light * np.array([rng.uniform(0.7, 1), rng.uniform(0.85, 1), 1]) + _noise(height, width, 1.5, rng)
        return np.clip(np.broadcast_to(ground, (height, width, 3)), 0, 255).astype(np.float32)
    if kind == "studio":
        level = float(rng.choice([rng.uniform(225, 250), rng.uniform(100, 200), rng.uniform(8, 40)]))
        tint = 1 + rng.normal(0, 0.02, 3)
        light = level * (1 + 0.05 * _soft(height, width, 2, rng))
        ground = light[..., None] * tint + _noise(height, width, rng.uniform(0.5, 3), rng)
        return np.clip(ground, 0, 255).astype(np.float32)
    tint = np.array([1, 0.97, 0.9]) * rng.uniform(0.85, 0.97)
    light = 250 * (1 + 0.02 * _soft(height, width, 2, rng) + 0.01 * _soft(height, width, 200, rng))
    ground = light[..., None] * tint + _noise(height, width, rng.uniform(0.5, 2), rng)
    return np.clip(ground, 0, 255).astype(np.float32)


def _lay(ground: np.ndarray, subject: np.ndarray, rng: np.random.Generator, *, shadow: bool) -> np.ndarray:
    """Lay a cut-out (RGBA) on a ground, with a soft shadow, and give uint8 RGB."""
    height, width = ground.shape[:2]
    h, w = subject.shape[:2]
    top, left = int(rng.integers(0, max(1, height - h + 1))), int(rng.integers(0, max(1, width - w + 1)))
    subject = subject[:height, :width]
    h, w = subject.shape[:2]
    canvas = ground.astype(np.float32).copy()
    alpha = np.zeros((height, width), np.float32)
    alpha[top : top + h, left : left + w] = subject[..., 3] / 255
    if shadow:
        depth = rng.uniform(2, 12)
        cast = np.roll(cv2.GaussianBlur(alpha, (0, 0), depth), int(depth), axis=0)
        canvas *= 1 - rng.uniform(0.1, 0.4) * cast[..., None]
    spot = canvas[top : top + h, left : left + w]
    share = subject[..., 3:].astype(np.float32) / 255
    spot[:] = spot * (1 - share) + subject[..., :3] * share
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _pressed(cutout: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plant dried and pressed: brownish, pale, drawn out in length."""
    rgb = cutout[..., :3].astype(np.float32)
    gray = rgb.mean(axis=2, keepdims=True)
    brown = gray * np.array([1.0, 0.88, 0.66], np.float32)
    mixed = rng.uniform(0.6, 0.95) * brown + 0.25 * rgb
    rgba = np.dstack([np.clip(mixed * rng.uniform(0.6, 0.95), 0, 255).astype(np.uint8), cutout[..., 3]])
    rgba = cv2.resize(rgba, None, fx=1, fy=rng.uniform(1, 1.8), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.rot90(rgba, int(rng.integers(4)))) if rng.random() < 0.3 else rgba


def _font(size: int, rng: np.random.Generator) -> ImageFont.FreeTypeFont:
    folder = Path(mpl.get_data_path()) / "fonts/ttf"
    name = rng.choice(["DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf", "cmr10.ttf"])
    return ImageFont.truetype(str(folder / name), size)


WORDS = (
    "herbarium", "flora", "of", "the", "province", "collected", "near", "river", "slope", "rocks", "limestone",
    "meadow", "forest", "edge", "altitude", "meters", "leg", "det", "number", "specimen", "garden", "university",
    "museum", "plants", "dry", "sandy", "soil", "common", "rare", "flowers", "white", "yellow",
)  # fmt: skip


def _furnished(sheet: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sheet with what a herbarium puts on it."""
    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    width, height = image.size
    w, h = int(rng.integers(300, 460)), int(rng.integers(150, 260))
    x, y = width - w - 20, height - h - 20
    draw.rectangle((x, y, x + w, y + h), fill=(250, 248, 240), outline=(120, 120, 120))
    for line in range(h // 28):
        words = " ".join(rng.choice(WORDS, 5))
        draw.text((x + 10, y + 6 + 28 * line), words[: w // 12], fill=(30, 30, 30), font=_font(18, rng))
    if rng.random() < 0.5:
        draw.ellipse((60, height - 190, 190, height - 60), outline=(60, 60, 140), width=4)
        draw.text((85, height - 140), "HERB.", fill=(60, 60, 140), font=_font(24, rng))
    if rng.random() < 0.6:
        for step in range(20):
            color = (20, 20, 20) if step % 2 else (245, 245, 245)
            draw.rectangle((40 + 20 * step, 30, 60 + 20 * step, 48), fill=color)
    if rng.random() < 0.4:
        for step, color in enumerate(
            [(200, 30, 30), (30, 160, 60), (30, 60, 180), (240, 220, 40), (0, 0, 0), (255,) * 3]
        ):
            draw.rectangle((width - 60, 40 + 60 * step, width - 20, 95 + 60 * step), fill=color)
    if rng.random() < 0.4:
        for step in range(40):
            if rng.random() < 0.5:
                draw.rectangle((300 + 5 * step, height - 90, 303 + 5 * step, height - 40), fill=(10, 10, 10))
    pixels = cv2.GaussianBlur(np.asarray(image), (0, 0), rng.uniform(0.5, 1.2)).astype(np.float32)
    noisy = pixels + _noise(height, width, rng.uniform(0.5, 2.5), rng)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _piece(whole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = whole.shape[:2]
    h, w = int(height * rng.uniform(0.35, 0.8)), int(width * rng.uniform(0.35, 0.8))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return whole[top : top + h, left : left + w]


def _page(path: Path, number: int, dpi: int) -> np.ndarray | None:
    for page in (number, 1):
        command = ["pdftoppm", "-f", str(page), "-l", str(page), "-r", str(dpi), str(path)]
        try:
            output = subprocess.run(command, capture_output=True, check=False, timeout=60).stdout
        except FileNotFoundError:
            raise UserError("pdftoppm is needed to draw pages: install Debian's package poppler-utils") from None
        if output:
            pixels = np.asarray(Image.open(io.BytesIO(output)).convert("RGB"))
            return pixels if max(pixels.shape) < 6000 and pixels.std() > 5 else None
    return None


def _scanned(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-2, 2), rng.uniform(0.95, 1.1))
    askew = cv2.warpAffine(page, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=(235, 235, 235))
    blurred = cv2.GaussianBlur(askew, (0, 0), rng.uniform(0.4, 1.2)).astype(np.float32)
    lit = (
        blurred
        * (1 + 0.08 * _soft(height, width, 2, rng))[..., None]
        * (np.array([1, 0.98, 0.93]) * rng.uniform(0.7, 1))
    )
    return np.clip(lit + rng.uniform(0, 25) + _noise(height, width, rng.uniform(1, 4), rng), 0, 255).astype(np.uint8)


def _browsed(path: Path, size: tuple[int, int]) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "page.png"
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={target}",
            f"--user-data-dir={folder}/profile", f"--window-size={size[0]},{size[1]}", path.absolute().as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, check=False, timeout=120)
        except FileNotFoundError:
            raise UserError("chromium is needed to draw web pages: install it") from None
        return _load(target)


def _polygons(path: Path) -> list[np.ndarray]:
    """Outlines of a shapefile of polygons (ESRI, 1998), each float64 [points, 2] of longitude and latitude."""
    data, place, found = path.read_bytes(), 100, []
    while place < len(data):
        content = data[place + 8 : (place := place + 8 + 2 * int.from_bytes(data[place + 4 : place + 8], "big"))]
        parts, points = np.frombuffer(content[36:44], "<i4")
        starts = [*np.frombuffer(content[44 : 44 + 4 * parts], "<i4"), points]
        xy = np.frombuffer(content[44 + 4 * parts : 44 + 4 * parts + 16 * points], "<f8").reshape(-1, 2)
        found += [xy[start:end] for start, end in pairwise(starts)]
    return found


_STYLES = {  # sea, land, outline
    "political": ((170, 211, 223), None, (120, 90, 120)), "plain": ((255, 255, 255), (225, 225, 220), (60, 60, 60)),
    "relief": ((90, 140, 190), (150, 175, 110), (90, 110, 80)), "chart": ((215, 235, 250), (245, 230, 180), (0, 0, 0)),
}  # fmt: skip


def _coast_map(coasts: list[np.ndarray], style: str, rng: np.random.Generator) -> np.ndarray:
    """A piece of the world."""
    width, height = int(rng.integers(700, 1600)), int(rng.integers(600, 1200))
    span = rng.uniform(15, 120)
    middle = rng.uniform([-100, -40], [140, 60])
    sea, land, outline = _STYLES[style]
    image = Image.new("RGB", (width, height), sea)
    draw = ImageDraw.Draw(image)
    scale = width / span
    for polygon in coasts:
        points = (polygon - middle) * [scale, -scale] + [width / 2, height / 2]
        if len(points) < 3 or (points.max(0) < 0).any() or (points.min(0) > [width, height]).any():
            continue
        color = land or tuple(int(value) for value in rng.integers(150, 250, 3))
        draw.polygon([tuple(point) for point in points], fill=color, outline=outline)
    pixels = np.asarray(image).astype(np.float32)
    if style == "relief":
        shade = sum(_soft(height, width, cells, rng) * 14 / n for n, cells in enumerate((8, 24, 70), start=1))
        pixels = np.clip(pixels + np.asarray(shade)[..., None], 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for line in range(1, 6):
        if style in ("chart", "plain"):
            draw.line((0, line * height // 6, width, line * height // 6), fill=(150, 150, 150))
            draw.line((line * width // 6, 0, line * width // 6, height), fill=(150, 150, 150))
    for _ in range(int(rng.integers(5, 60))):
        place = tuple(rng.uniform([0, 0], [width, height]))
        draw.text(place, str(rng.choice(WORDS)).title(), fill=(30, 30, 30), font=_font(int(rng.integers(10, 28)), rng))
    return np.asarray(image)


_PLANS = {  # ground, houses, park, water, street, edge of streets, text
    "osm": (
        (242, 239, 233), (217, 208, 201), (200, 250, 204), (170, 211, 223), (255, 255, 255), (190, 180, 170), (60,) * 3
    ),
    "dark": ((38, 40, 44), (52, 55, 60), (34, 54, 40), (22, 34, 52), (84, 88, 96), (30, 30, 34), (180,) * 3),
    "ink": ((255, 255, 255), (180, 180, 180), (235, 235, 235), (220, 220, 220), (255, 255, 255), (0, 0, 0), (0,) * 3),
    "pastel": (
        (250, 244, 230), (240, 210, 200), (214, 232, 200), (190, 220, 240), (255, 250, 220), (220, 190, 150), (90,) * 3
    ),
}  # fmt: skip


def _town_plan(style: str, rng: np.random.Generator) -> np.ndarray:
    """A plan of streets, houses, parks and water with names."""
    ground, house, park, water, street, edge, text = _PLANS[style]
    width, height = int(rng.integers(600, 1400)), int(rng.integers(600, 1400))
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    for color, number in ((park, 6), (water, 3)):
        for _ in range(int(rng.integers(0, number))):
            middle, reach = rng.uniform(0, [width, height]), rng.uniform(50, 350)
            angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
            points = middle + reach * rng.uniform(0.5, 1, (9, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            draw.polygon([tuple(point) for point in points], fill=color)
    block, angle = rng.uniform(60, 160), rng.uniform(-0.6, 0.6)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    reach = int(2 * max(width, height) / block)
    middle = np.array([width, height]) / 2
    for row in range(-reach, reach):
        for column in range(-reach, reach):
            for _ in range(int(rng.integers(0, 7))):
                corner = middle + (np.array([row, column]) + rng.uniform(0.15, 0.7, 2)) @ axes * block
                sides = axes * rng.uniform(0.08, 0.25, (2, 1)) * block
                points = [corner, corner + sides[0], corner + sides[0] + sides[1], corner + sides[1]]
                draw.polygon([tuple(point) for point in points], fill=house, outline=edge if style == "ink" else None)
    bends = rng.normal(0, 0.12, (2, 2 * reach, 2)) * block
    for wide, color in ((3, edge), (0, street)):
        for direction in range(2):
            for number in range(-reach, reach):
                thick = (6 if number % 4 else 13) + wide
                along, across = axes[direction] * block * reach, axes[1 - direction] * block * number
                points = [middle + across - along, middle + across + bends[direction, number], middle + across + along]
                draw.line([tuple(point) for point in points], fill=color, width=thick)
    for _ in range(int(rng.integers(10, 60))):
        name = f"{rng.choice(WORDS)} street".title()
        draw.text(tuple(rng.uniform(0, [width, height])), name, fill=text, font=_font(int(rng.integers(11, 22)), rng))
    return np.asarray(image)
