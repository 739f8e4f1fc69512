"""Make the embedded sample: photos, a mongodump file of documents and the true boxes of the subjects.

    python -m sample.make

It fetches the three Debian packages of ``ingredients.PACKAGES``; `make sample` takes the inventory too. The sample has
the shape of the production collection on purpose: a long tail, observations of several photos, three shapes of
documents, and everything that goes wrong in life. Same seed and packages: same files.
"""

import argparse
import gzip
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import bson
import cv2
import numpy as np
import polars as pl
import simplejpeg
from PIL import Image

from sample.accidents import add_odd_documents, encode_document, repeat_records, spell_ids
from sample.compose import Photo, draw_scene, take_photo
from sample.ingredients import PACKAGES, load_backgrounds, load_cutouts
from sample.packages import unpack_packages
from stages.records.inaturalist import OPEN_DATA_HOST
from stages.records.shapes import image_name
from stages.runtime.errors import run
from stages.runtime.outputs import write_bytes
from stages.runtime.progress import say
from stages.tables.compare_crops import BOXES
from stages.tables.table import write_table

SEED = 20261123
JPEG_QUALITY = 72
SAMPLE = Path("data/sources/sample")

# Images in the cache for each species, most to least: a long tail.
CACHED_IMAGES = (44, 38, 34, 31, 24, 20, 17, 15, 13, 11, 10, 9, 8, 7, 6, 6, 5, 4, 3, 3, 2, 2, 1, 1)
UNCACHED_IMAGES = 150
PHOTOS_AN_OBSERVATION = (0.5, 0.2, 0.15, 0.1, 0.05)  # share of observations with 1, 2, 3, 4 and 5 photos

LICENSES = ("cc0", "cc-by", "cc-by", "cc-by-nc", "cc-by-nc", "cc-by-nc", "cc-by-sa", None)
OBSERVERS = tuple(f"observer-{number:02d}" for number in range(1, 18))
# Far above the ids that iNaturalist has given, so that no record points at somebody's real photo.
FIRST_PHOTO_ID = 9_000_000_001
FIRST_OBSERVATION_ID = 8_000_000_001
# Names under which sources still know some of the species; data/sources/sample/synonyms.csv says so too.
SYNONYMS = {"Lycianthes rantonnetii": "Solanum rantonnetii", "Pleroma urvilleanum": "Tibouchina urvilleana"}
OPEN_DATA = f"https://{OPEN_DATA_HOST}/photos"
STATIC = "https://static.inaturalist.org/photos"


@dataclass
class Sample:
    """What has been made so far.

    Attributes:
        documents: the documents of the MongoDB collection, still without ``_id``.
        files: file name in the image cache -> content.
        boxes: file name -> x, y, width, height of the subject, in pixels of the image as shown.
    """

    rng: np.random.Generator
    documents: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    boxes: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    photo_ids: Iterator[int] = field(default_factory=lambda: count(FIRST_PHOTO_ID))
    observation_ids: Iterator[int] = field(default_factory=lambda: count(FIRST_OBSERVATION_ID))
    legacy_numbers: Iterator[int] = field(default_factory=lambda: count(100))

    def store(self, url: str, content: bytes, box: tuple[int, int, int, int] | None = None) -> None:
        """Put ``content`` into the image cache under the name of ``url``."""
        name = image_name(url)
        self.files[name] = content
        if box is not None:
            self.boxes[name] = box

    def store_photo(self, url: str, photo: Photo | None) -> None:
        """Put a photo into the cache; ``None`` stands for one that nobody has downloaded yet."""
        if photo is not None:
            self.store(url, encode(photo.pixels), photo.box)


def main() -> None:
    """Make the sample and write it under data/sources/sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        root = unpack_packages(PACKAGES, Path(folder))
        sample = make_sample(load_cutouts(root), load_backgrounds(root), seed=SEED)

    images = SAMPLE / "images"
    for old in images.glob("*.jpg"):
        if old.name not in sample.files:
            old.unlink()
    for name, content in sorted(sample.files.items()):
        write_bytes(images / name, content)
    write_sources(SAMPLE, sample.documents, sample.boxes)
    total_mb = sum(map(len, sample.files.values())) / 1e6
    say(f"{len(sample.documents)} documents, {len(sample.files)} files in the cache, {total_mb:.1f} MB")


def write_sources(
    folder: Path, documents: Iterable[dict[str, Any]], boxes: dict[str, tuple[int, int, int, int]]
) -> None:
    """Write a profile's documents as a mongodump file, and its boxes (see ``Sample``) as a table."""
    dump = b"".join(map(encode_document, documents))
    write_bytes(folder / "dump/plants.bson.gz", gzip.compress(dump, mtime=0))
    rows = [(name, *box) for name, box in sorted(boxes.items())]
    write_table(pl.DataFrame(rows, schema=list(BOXES), orient="row"), BOXES, folder / "boxes.parquet")


def make_sample(cutouts: dict[str, list[np.ndarray]], backgrounds: list[np.ndarray], *, seed: int) -> Sample:
    """Compose the whole sample from cut-outs (uint8 RGBA, by species) and backgrounds (uint8 RGB)."""
    rng = np.random.default_rng(seed)
    sample = Sample(rng)
    # Which species is common is drawn, so that the order of names (and of labels) tells nothing of frequency.
    by_rank = [list(cutouts)[index] for index in rng.permutation(len(cutouts))]

    for species, photos in plan_observations(by_rank, CACHED_IMAGES, rng, rare=5):
        cutout = cutouts[species][rng.integers(len(cutouts[species]))]
        scene = draw_scene(cutout, backgrounds[rng.integers(len(backgrounds))], rng)
        add_observation(sample, species, [take_photo(scene, rng) for _ in range(photos)])
    not_in_cache = 0
    while not_in_cache < UNCACHED_IMAGES:
        species = by_rank[int(rng.triangular(0, 0, len(by_rank)))]
        photos = draw_photo_count(rng)
        add_observation(sample, species, [None] * photos)
        not_in_cache += photos
    add_odd_but_sound(sample, cutouts, backgrounds, by_rank)
    add_what_goes_wrong(sample, cutouts, backgrounds, by_rank)
    add_what_shows_little(sample, backgrounds, by_rank)
    add_copies(sample, by_rank)
    spell_as_sources_do(sample.documents)
    spell_ids(sample.documents)
    repeat_records(sample.documents)
    add_odd_documents(sample.documents)

    rng.shuffle(sample.documents)
    for number, document in enumerate(sample.documents):
        object_id = bson.ObjectId(bytes.fromhex("69220000a1b2c3d4e5") + number.to_bytes(3, "big"))
        sample.documents[number] = {"_id": object_id, **document}
    return sample


def plan_observations(
    species: Sequence[str], images: Sequence[int], rng: np.random.Generator, *, rare: int
) -> list[tuple[str, int]]:
    """Say which observations to make: (species, photos).

    Args:
        species: their names.
        images: how many of each.
        rng: draws how many photos an observation has.
        rare: a species with up to so many images has one photo an observation, so that each split gets some.
    """
    plan = []
    for name, wanted in zip(species, images, strict=True):
        left = wanted
        while left > 0:
            photos = 1 if wanted <= rare else min(left, draw_photo_count(rng))
            plan.append((name, photos))
            left -= photos
    return plan


def draw_photo_count(rng: np.random.Generator) -> int:
    """Draw how many photos an observation has, 1 to 5."""
    return int(rng.choice(len(PHOTOS_AN_OBSERVATION), p=PHOTOS_AN_OBSERVATION)) + 1


def encode(pixels: np.ndarray) -> bytes:
    """Encode uint8 RGB as the JPEG that a web site would serve."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=JPEG_QUALITY, colorsubsampling="420")


def add_observation(sample: Sample, species: str, photos: list[Photo | None]) -> None:
    """Add the documents of one observation, in the shape of one of the three sources."""
    draw = sample.rng.random()
    if draw < 0.55:
        observation_id = next(sample.observation_ids)
        observer = str(sample.rng.choice(OBSERVERS))
        for photo in photos:
            add_inaturalist(sample, species, photo, observation_id, observer)
    elif draw < 0.9 or len(photos) == 1:
        sighting = next(sample.legacy_numbers)
        for photo in photos:
            add_legacy(sample, species, photo, sighting)
    else:
        add_array(sample, species, photos)


def add_inaturalist(
    sample: Sample, species: str | None, photo: Photo | None, observation_id: int, observer: str
) -> None:
    """Add a document a photo, as an export from iNaturalist gives it."""
    photo_id = next(sample.photo_ids)
    license = LICENSES[sample.rng.integers(len(LICENSES))]
    # The host follows from the license: only openly licensed photos are in the public bucket.
    url = f"{OPEN_DATA}/{photo_id}/original.jpg" if license else f"{STATIC}/{photo_id}/original.jpg?1690000000"
    sample.store_photo(url, photo)
    sample.documents.append(inaturalist_document(url, photo_id, species, license, observation_id, observer))


def inaturalist_document(
    url: str, photo_id: int, species: str | None, license: str | None, observation_id: int, observer: str
) -> dict[str, Any]:
    """Give the document of one photo in iNaturalist's shape."""
    taxon = {"name": species, "rank": "species"} if species else {"rank": "unknown"}
    return {
        "image_url": url,
        "photo": {"id": photo_id, "license_code": license, "attribution": f"(c) {observer}"},
        "observation": {"id": observation_id, "user": {"login": observer}, "quality_grade": "research"},
        "taxon": taxon,
    }


def add_legacy(sample: Sample, species: str, photo: Photo | None, sighting: int) -> None:
    """Add a document a photo in the flat shape of the legacy sources, with their own field names."""
    number = next(sample.legacy_numbers)
    url = f"https://herbarium.example/plants/{number:05d}.jpg"
    sample.store_photo(url, photo)
    document = {"url": url, "scientific_name": species, "rights": str(sample.rng.choice(LICENSES[:7]))}
    if number % 3:  # a third of them was never asked where it was seen
        document |= {"sighting": sighting, "author": str(sample.rng.choice(OBSERVERS))}
    sample.documents.append(document)


def add_array(sample: Sample, species: str, photos: list[Photo | None]) -> None:
    """Add one document that holds all photos of an observation in an array."""
    number = next(sample.legacy_numbers)
    urls = [f"https://garden.example/species/{number}/{index}.jpeg" for index in range(1, len(photos) + 1)]
    for url, photo in zip(urls, photos, strict=True):
        sample.store_photo(url, photo)
    images = [{"href": url, "license": "cc-by"} for url in urls]
    sample.documents.append({"plant": {"species": species}, "gardener": "garden-club", "images": images})


def add_odd_but_sound(sample: Sample, cutouts: dict, backgrounds: list, by_rank: list[str]) -> None:
    """Add what looks odd and must be kept: color spaces, a rotation in the EXIF header, one photo many times."""
    rng, common = sample.rng, by_rank[0]

    def photo_of(species: str) -> Photo:
        scene = draw_scene(cutouts[species][0], backgrounds[rng.integers(len(backgrounds))], rng)
        return take_photo(scene, rng)

    for mode in ("CMYK", "L"):
        photo = photo_of(by_rank[1])
        url = f"https://herbarium.example/scans/{mode.lower()}.jpg"
        buffer = io.BytesIO()
        Image.fromarray(photo.pixels).convert(mode).save(buffer, "JPEG", quality=JPEG_QUALITY)
        sample.store(url, buffer.getvalue(), photo.box)
        sample.documents.append({"url": url, "scientific_name": by_rank[1], "rights": "cc0"})

    # Stored lying on its side; EXIF orientation 6 says: turn it 90 degrees clockwise to show it.
    photo = photo_of(by_rank[2])
    url = "https://herbarium.example/phone/IMG_2041.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned = Image.fromarray(photo.pixels).transpose(Image.Transpose.ROTATE_90)
    turned.save(buffer, "JPEG", quality=JPEG_QUALITY, exif=exif)
    sample.store(url, buffer.getvalue(), photo.box)
    sample.documents.append({"url": url, "scientific_name": by_rank[2], "rights": "cc-by"})

    # One photo under two URLs: its license changed, and with it the host; once large, once small.
    photo, photo_id, observation_id = photo_of(common), next(sample.photo_ids), next(sample.observation_ids)
    small = Image.fromarray(photo.pixels)
    small.thumbnail((500, 500))
    factor = small.width / photo.pixels.shape[1]
    versions = {
        f"{OPEN_DATA}/{photo_id}/large.jpeg": photo,
        f"{STATIC}/{photo_id}/medium.jpeg?1655512345": Photo(
            np.asarray(small), tuple(max(1, round(value * factor)) for value in photo.box)
        ),
    }
    for url, version in versions.items():
        sample.store_photo(url, version)
        # The second record comes from an old export that kept no observation: only the photo id joins the two.
        sample.documents.append(
            inaturalist_document(url, photo_id, common, "cc-by", observation_id, OBSERVERS[3])
            if version is photo
            else {"url": url, "scientific_name": common, "rights": "cc-by"}
        )

    # Two photo ids with the same bytes: one person uploaded a picture twice.
    photo = photo_of(common)
    for _ in range(2):
        add_inaturalist(sample, common, photo, next(sample.observation_ids), OBSERVERS[5])

    # One URL twice, in two documents.
    again = next(document for document in sample.documents if document.get("taxon", {}).get("name") == common)
    sample.documents.append(dict(again))


def add_what_goes_wrong(sample: Sample, cutouts: dict, backgrounds: list, by_rank: list[str]) -> None:
    """Add records that are no use, and files in the cache that are no images."""
    rng, species = sample.rng, by_rank[0]
    scene = draw_scene(cutouts[species][0], backgrounds[0], rng)
    photo = take_photo(scene, rng)
    whole = encode(photo.pixels)
    height, width = photo.pixels.shape[:2]
    too_many_requests = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
        b"<Message>429 Too Many Requests</Message></Error>\n"
    )
    broken = {
        "black": encode(np.zeros((height, width, 3), np.uint8)),
        "white": encode(np.full((height, width, 3), 255, np.uint8)),
        "truncated": whole[: len(whole) * 2 // 3],
        "html": b"<!DOCTYPE html>\n<html><head><title>Photo unavailable</title></head><body></body></html>\n",
        "xml": too_many_requests,
        "tiny": encode(np.asarray(Image.fromarray(photo.pixels).resize((16, 16)))),
        "empty": b"",
    }
    for what, content in broken.items():
        url = f"https://herbarium.example/broken/{what}.jpg"
        sample.store(url, content)
        sample.documents.append({"url": url, "scientific_name": species, "rights": "cc-by"})

    # The same bytes under two species: at least one of the two names is wrong, and nobody knows which.
    for index, name in enumerate(by_rank[3:5]):
        url = f"https://herbarium.example/disputed/{index}.jpg"
        sample.store(url, whole)
        sample.documents.append({"url": url, "scientific_name": name, "rights": "cc-by"})

    url = f"{OPEN_DATA}/{next(sample.photo_ids)}/original.jpg"
    sample.documents += [
        inaturalist_document(url, FIRST_PHOTO_ID - 1, None, "cc0", FIRST_OBSERVATION_ID - 1, OBSERVERS[0]),
        {"url": "https://herbarium.example/plants/no-name.jpg", "scientific_name": "  ", "rights": "cc-by"},
        {"url": "https://herbarium.example/plants/number.jpg", "scientific_name": 42, "rights": "cc-by"},
        {"url": None, "scientific_name": species, "rights": "cc-by"},
        {"url": "", "scientific_name": species, "rights": "cc-by"},
        {"url": "file:///etc/passwd", "scientific_name": species, "rights": "cc-by"},
        {"url": "javascript:alert(1)", "scientific_name": species, "rights": "cc-by"},
        {"url": "https://", "scientific_name": species, "rights": "cc-by"},
        {"plant": {"species": species}, "gardener": "garden-club", "images": []},
        {"comment": "imported by mistake", "rows": 7},
    ]


def add_what_shows_little(sample: Sample, backgrounds: list, by_rank: list[str]) -> None:
    """Add images that are whole, and show too little to learn from; and a host's "not available"."""
    species = by_rank[0]
    whole = _photo_of(sample, species).pixels
    height, width = whole.shape[:2]
    half = max(width // 10, 33)
    card = np.full((360, 480, 3), 236, np.uint8)
    cv2.putText(card, "Photo not available", (110, 190), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (90, 90, 90), 2, cv2.LINE_AA)
    drawing = np.full((360, 480, 3), 250, np.uint8)
    for bar in range(6):
        color = ((60, 110, 180), (190, 80, 60))[bar % 2]
        cv2.rectangle(drawing, (40 + 70 * bar, 330), (90 + 70 * bar, 280 - 45 * bar), color, thickness=-1)
    little = {
        "card": card,
        "drawing": drawing,
        "strip": whole[height // 2 - half : height // 2 + half],
        "out-of-focus": cv2.GaussianBlur(whole, (0, 0), min(height, width) / 30),
    }
    for what, pixels in little.items():
        url = f"https://herbarium.example/little/{what}.jpg"
        sample.store(url, encode(pixels))
        sample.documents.append({"url": url, "scientific_name": species, "rights": "cc-by"})

    # A host's placeholder looks like any photo, but is the same for every photo that is gone.
    gone = encode(cv2.resize(backgrounds[-1], (500, 375), interpolation=cv2.INTER_AREA))
    for _ in range(4):
        photo_id = next(sample.photo_ids)
        url = f"{STATIC}/{photo_id}/medium.jpg"
        sample.store(url, gone)
        sample.documents.append(
            inaturalist_document(url, photo_id, species, None, next(sample.observation_ids), OBSERVERS[7])
        )


def add_copies(sample: Sample, by_rank: list[str]) -> None:
    """Add pictures that went round: re-encoded, smaller or mirrored, under other URLs, and once under another name."""
    smaller, mirrored, disputed = (_photo_of(sample, by_rank[rank], skip=3) for rank in (0, 1, 5))
    x, y, width, height = mirrored.box
    copies = [
        (
            by_rank[0],
            Photo(
                cv2.resize(smaller.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
                tuple(max(1, value // 2) for value in smaller.box),
            ),
        ),
        (
            by_rank[1],
            Photo(mirrored.pixels[:, ::-1], (mirrored.pixels.shape[1] - x - width, y, width, height)),
        ),
        (by_rank[6], disputed),
    ]
    for number, (species, copy) in enumerate(copies):
        url = f"https://copies.example/{number}.jpg"
        content = simplejpeg.encode_jpeg(np.ascontiguousarray(copy.pixels), quality=60, colorsubsampling="420")
        sample.store(url, content, copy.box)
        sample.documents.append({"url": url, "scientific_name": species, "rights": "cc-by-nc"})


def spell_as_sources_do(documents: list[dict[str, Any]]) -> None:
    """Write some names as sources do, in every way that the rules know, and add a few that name no species."""
    spellings = (
        lambda name: f"{name} L.",
        lambda name: name.upper(),
        lambda name: name.replace(" ", "  ").replace("×", "x"),
        lambda name: name.replace(" ", "_"),
        lambda name: f"{name} subsp. {name.split()[-1]}",
        lambda name: f"{name} (Mill.) Desf. ex DC., 1805",
        lambda name: SYNONYMS.get(name, name),
    )
    for number, document in enumerate(documents):
        spell = spellings[number // 3 % len(spellings)]
        if number % 3:
            continue
        for path, key in (("taxon", "name"), ("plant", "species")):
            if name := document.get(path, {}).get(key):
                # Another document may share it.
                document[path] = document[path] | {key: spell(name)}
        if isinstance(name := document.get("scientific_name"), str) and name.strip():
            document["scientific_name"] = spell(name)
    for number, name in enumerate(("Rosa sp.", "Rosa cf. canina", "Rosa", "Rosa canima")):
        documents.append(
            {"url": f"https://herbarium.example/names/{number}.jpg", "scientific_name": name, "rights": "CC BY 4.0"}
        )


def _photo_of(sample: Sample, species: str, *, skip: int = 0) -> Photo:
    """Give one of a species' photos as it was stored; ``skip`` passes over others, if there are any."""
    urls = (
        document.get("image_url") or document["url"]
        for document in sample.documents
        if species in (document.get("taxon", {}).get("name"), document.get("scientific_name"))
        and (document.get("image_url") or document.get("url"))
    )
    names = map(image_name, urls)
    stored = [name for name in names if name in sample.boxes]
    name = stored[skip % len(stored)]
    return Photo(simplejpeg.decode_jpeg(sample.files[name]), sample.boxes[name])


if __name__ == "__main__":
    run(main)
