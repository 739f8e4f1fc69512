"""How fast images come to the model: from originals, from files made smaller, from WebDataset, from our shards.

    python -m benchmarks.loading [ORIGINALS]

Makes 400 photos of 2048 x 1536 px (1.4 MB each) and feeds them with two loader processes, in each of these ways, which
take turns:

a   as one writes it first: decode and spectral residual in ``__getitem__``, then resize 448, crop 384, flip, jitter of
    colors with hue, tensor, normalize
a'  the same transform on our packed images
b   torchvision's ImageFolder on the originals: random resized crop, flip, tensor, normalize
c   the same on files that were made smaller before (short side 448)
d   the same on these files in WebDataset shards
e   ours: decode, crop 384 and flip on uint8 in the loader; jitter and normalization are the device's
l   the bare decode of the packed images, with as many processes: the limit

Then what originals and shards cost where nothing is in the page cache, what `pack` does a second, and what that means
for a GPU and a disk.
"""

import hashlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import simplejpeg
import torch
import webdataset
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from benchmarks import ROOT
from benchmarks.inventory import photo
from stages.config.reading import validate
from stages.config.schema import Params
from stages.images.decode import decode_rgb
from stages.images.originals import IMAGES_A_TASK
from stages.images.packing import pack_image
from stages.images.previous import PreviousImages
from stages.images.shards import PackedImage, PackedShards, check_shards, write_manifest, write_shard
from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.split import PackedSplit
from stages.pack import Rows, pack_rows, plan_shards
from stages.runtime.parallel import parallel_map
from stages.runtime.yaml_files import read_yaml
from stages.tables.images import IMAGES

ORIGINALS, WORKERS, BATCH = 400, 2, 16
SHARDS = 16
WARM_UP, ROUNDS = 2, 7  # the first rounds start processes and fill the page cache
SLOW = 160  # images a round of what decodes originals
NORMALISE = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
RATES = (97, 250, 500, 1_000, 2_000)  # images a second that a GPU may train; the first is timm's figure for an RTX 3090
CACHES = (118_126, 741_533, 900_000)


def main() -> None:
    """Make the files, measure, print the tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else ORIGINALS
    params = teacher_params()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_files(folder, number, params)
        cold = read_cold(folder)  # first: what a process maps, the kernel does not let go
        packed = open_packed(folder / "packed")
        loaders = make_loaders(folder, packed, params)
        rates: dict[str, list[float]] = {name: [] for name in loaders}
        for _ in range(WARM_UP + ROUNDS):
            for name, loader in loaders.items():
                rates[name].append(images_a_second(loader))
        print_rates({name: values[WARM_UP:] for name, values in rates.items()})
        print_cold(cold)
        print_pack(folder, params)
        print_growth(folder, params)
        print_needs(statistics.median(rates["e  ours"][WARM_UP:]) / WORKERS, folder, number)


def teacher_params() -> Params:
    """Give the committed parameters of the profile ``teacher``."""
    return validate(read_yaml(ROOT / "params.yaml") | {"profile": "teacher"})


def make_files(folder: Path, number: int, params: Params) -> None:
    """Write originals, files made smaller, WebDataset shards and our shards."""
    tasks = [(folder, index, params) for index in range(number)]
    images = list(parallel_map(make_one, tasks))
    write_packed(images, folder / "packed", params)
    with webdataset.TarWriter(str(folder / "smaller.tar")) as tar:
        for path in sorted((folder / "smaller").rglob("*.jpg")):
            tar.write({"__key__": path.stem, "jpg": path.read_bytes(), "cls": str(int(path.stem) % 10)})


def write_packed(images: Iterable[PackedImage], folder: Path, params: Params) -> None:
    """Write packed images as shards."""
    by_name = {image.image_name: image for image in images}
    rows = [(image.image_name, image.sha256) for image in by_name.values()]
    folder.mkdir(exist_ok=True)
    for shard, of_shard in plan_shards(as_table(rows), SHARDS).items():
        write_shard((by_name[name] for name, _ in of_shard), folder / shard, size_px=params.image.pack_px)
    write_manifest(folder)


def as_table(rows: Rows) -> pl.DataFrame:
    """Give rows as ``plan_shards`` takes them."""
    return pl.DataFrame(rows, schema=IMAGES, orient="row")


def open_packed(folder: Path) -> PackedSplit:
    """Give all packed images as one split."""
    shards = PackedShards(folder)
    places = np.arange(len(shards))
    return PackedSplit(shards, places, places % 10, "")


def make_one(task: tuple[Path, int, Params]) -> PackedImage:
    """Write an original and its smaller file; give it packed."""
    folder, index, params = task
    data = simplejpeg.encode_jpeg(photo(index), quality=91)
    for kind in ("originals", "smaller"):
        (folder / kind / str(index % 10)).mkdir(parents=True, exist_ok=True)
    (folder / f"originals/{index % 10}/{index:05d}.jpg").write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("RGB").resize((597, 448), Image.Resampling.BICUBIC)
    small.save(folder / f"smaller/{index % 10}/{index:05d}.jpg", quality=90)
    return pack_image(data, f"{index:032x}.jpg", f"{index:064x}", params)


class Naive(Dataset):
    """Decode and saliency in ``__getitem__``."""

    def __init__(self, folder: Path, transform: Callable) -> None:
        self.paths = sorted((folder / "originals").rglob("*.jpg"))[:SLOW]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as image:
            pixels = np.asarray(image.convert("RGB"))
        _, saliency = cv2.saliency.StaticSaliencySpectralResidual_create().computeSaliency(pixels)
        _, bright = cv2.threshold((saliency * 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
        x, y, width, height = cv2.boundingRect(bright)
        side = min(max(width, height, 448), *pixels.shape[:2])
        left, top = min(x, pixels.shape[1] - side), min(y, pixels.shape[0] - side)
        return self.transform(Image.fromarray(pixels[top : top + side, left : left + side])), index % 10


class SameOnPacked(Dataset):
    """The transform of ``Naive`` on packed images."""

    def __init__(self, packed: PackedSplit, transform: Callable) -> None:
        self.packed = packed
        self.transform = transform

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(simplejpeg.decode_jpeg(self.packed.jpeg(index)))), index % 10


class BareDecode(Dataset):
    """Nothing but the decode of packed images."""

    def __init__(self, packed: PackedSplit) -> None:
        self.packed = packed

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index: int) -> int:
        return int(simplejpeg.decode_jpeg(self.packed.jpeg(index))[0, 0, 0])


def make_loaders(folder: Path, packed: PackedSplit, params: Params) -> dict[str, Iterable]:
    """Make what takes turns, by name."""
    tensor = [transforms.ToTensor(), transforms.Normalize(*NORMALISE)]
    crop_flip = [transforms.RandomCrop(384), transforms.RandomHorizontalFlip()]
    jitter = transforms.ColorJitter(0.2, 0.2, 0.2, 0.1)
    first = transforms.Compose([transforms.Resize(448), *crop_flip, jitter, *tensor])
    usual = transforms.Compose([transforms.RandomResizedCrop(384), transforms.RandomHorizontalFlip(), *tensor])
    settings = {"batch_size": BATCH, "num_workers": WORKERS, "persistent_workers": True}
    originals = datasets.ImageFolder(folder / "originals", usual)
    originals = torch.utils.data.Subset(originals, range(min(SLOW, len(originals))))
    shards = webdataset.WebDataset([str(folder / "smaller.tar")] * WORKERS, shardshuffle=False, empty_check=False)
    shards = shards.decode("pil").to_tuple("jpg", "cls").map_tuple(usual, int)
    ours = PackedImages(packed, params.image.train_px, params.augment, seed=1)
    return {
        "a  first attempt": DataLoader(Naive(folder, first), shuffle=True, **settings),
        "a' its transform on packed images": DataLoader(SameOnPacked(packed, first), shuffle=True, **settings),
        "b  ImageFolder, originals": DataLoader(originals, shuffle=True, **settings),
        "c  ImageFolder, smaller files": DataLoader(
            datasets.ImageFolder(folder / "smaller", usual), shuffle=True, **settings
        ),
        "d  WebDataset, smaller files": DataLoader(shards, **settings),
        "e  ours": PackedLoader(
            ours, EpochBatches(packed.labels, step_images=BATCH, micro_images=BATCH, seed=1), workers=WORKERS
        ),
        "l  bare decode": DataLoader(BareDecode(packed), shuffle=True, **settings),
    }


def images_a_second(loader: Iterable) -> float:
    """Give the rate of one pass."""
    start, images = time.perf_counter(), 0
    for batch in loader:
        images += len(batch[-1] if isinstance(batch, list | tuple) else getattr(batch, "labels", batch))
    return images / (time.perf_counter() - start)


def print_rates(rates: dict[str, list[float]]) -> None:
    """Print images a second and how they compare to the first and the limit, medians of the rounds' ratios."""
    first, limit = rates["a  first attempt"], rates["l  bare decode"]
    print(f"| {WORKERS} loader processes | images/s | of the first attempt | of the bare decode |\n|---|---|---|---|")
    for name, values in rates.items():
        by_first, by_limit = (
            statistics.median(one / other for one, other in zip(values, others, strict=True))
            for others in (first, limit)
        )
        print(f"| {name} | {statistics.median(values):.0f} | {by_first:.1f} | {by_limit:.2f} |")


def read_cold(folder: Path) -> dict[str, tuple[float, float]]:
    """Read originals as files and images of our shards in random order, with nothing in the page cache and with all.

    Returns:
        Milliseconds an image, cold and warm, medians of some rounds.
    """
    originals = sorted((folder / "originals").rglob("*.jpg"))
    order = np.random.default_rng(0).permutation(len(originals))

    def read_originals() -> None:
        for index in order:
            originals[index].read_bytes()

    def read_shards() -> None:
        packed = open_packed(folder / "packed")
        for index in order:
            bytes(packed.jpeg(index))

    found = {}
    for name, files, read in (
        ("originals", originals, read_originals),
        ("shards", sorted((folder / "packed").glob("*.arrow")), read_shards),
    ):
        cold, warm = [], []
        for _ in range(ROUNDS):
            drop_from_page_cache(files)
            cold.append(seconds_of(read))
            warm.append(seconds_of(read))
        found[name] = tuple(1e3 * statistics.median(values) / len(order) for values in (cold, warm))
    return found


def print_cold(milliseconds: dict[str, tuple[float, float]]) -> None:
    """Print what ``read_cold`` found."""
    print("\n| reading in random order, ms an image | nothing in the page cache | all of it |\n|---|---|---|")
    for name, (cold, warm) in milliseconds.items():
        print(f"| {name} | {cold:.2f} | {warm:.2f} |")


def drop_from_page_cache(files: list[Path]) -> None:
    """Ask the kernel to forget files; what is dirty has to be written first."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def seconds_of(work: Callable[[], object]) -> float:
    """Give the seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_pack(folder: Path, params: Params) -> None:
    """Print what `pack` does a second with one process and two, against Pillow and against the bare decode."""
    originals = folder / "originals"
    rows = listed(originals)[: SLOW // IMAGES_A_TASK * IMAGES_A_TASK]
    tasks = [rows[start : start + IMAGES_A_TASK] for start in range(0, len(rows), IMAGES_A_TASK)]
    center = params.model_copy(update={"crop": params.crop.model_copy(update={"mode": "center"})})

    def packing(these: Params, workers: int) -> Callable[[], list]:
        return lambda: list(pack_rows(rows, originals, these, PreviousImages(), workers=workers))

    def mapping(work: Callable, workers: int) -> Callable[[], list]:
        return lambda: list(parallel_map(work, tasks, workers=workers))

    ways = {
        "Pillow: full decode, center crop, resize, encode": mapping(partial(with_pillow, originals, params), 1),
        "bare decode, reduced, one process": mapping(partial(bare_decode, originals), 1),
        "pack, center crop, one process": packing(center, 1),
        "pack, smart crop, one process": packing(params, 1),
        "bare decode, reduced, two processes": mapping(partial(bare_decode, originals), 2),
        "pack, smart crop, two processes": packing(params, 2),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(WARM_UP + ROUNDS):
        for name, work in ways.items():
            rates[name].append(len(rows) / seconds_of(work))
    print("\n| | images/s | ratio |\n|---|---|---|")
    first = next(iter(rates.values()))[WARM_UP:]
    for name, values in rates.items():
        ratio = statistics.median(one / other for one, other in zip(values[WARM_UP:], first, strict=True))
        print(f"| {name} | {statistics.median(values[WARM_UP:]):.0f} | {ratio:.2f} |")


def listed(originals: Path) -> Rows:
    """Give name and digest of each original, as `pack` takes them."""
    paths = sorted(originals.rglob("*.jpg"))
    return [(str(path.relative_to(originals)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]


def print_growth(folder: Path, params: Params) -> None:
    """Print what packing again after a tenth of new images costs, against packing all anew."""
    originals = folder / "originals"
    rows = listed(originals)

    def pack(name: str, some: Rows, previous: PreviousImages) -> float:
        planned = plan_shards(as_table(some), SHARDS)
        images = pack_rows([row for rows in planned.values() for row in rows], originals, params, previous)
        return seconds_of(lambda: write_packed(images, folder / name, params))

    nothing, ratios = PreviousImages(), []
    for _ in range(WARM_UP + ROUNDS):
        pack("before", rows[: len(rows) * 10 // 11], nothing)
        anew = pack("anew", rows, nothing)
        check_shards(folder / "before")
        ratios.append(pack("grown", rows, PreviousImages(PackedShards(folder / "before"))) / anew)
    print(f"\nPacking after a tenth of new images takes {statistics.median(ratios[WARM_UP:]):.2f} of packing all anew.")


def with_pillow(originals: Path, params: Params, rows: Rows) -> int:
    """Decode in full, crop in the middle, resize, encode."""
    total = 0
    for name, *_ in rows:
        with Image.open(originals / name) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            piece = image.convert("RGB").crop((left, top, left + side, top + side))
        buffer = io.BytesIO()
        size = (params.image.pack_px, params.image.pack_px)
        piece.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=params.pack.jpeg_quality)
        total += buffer.tell()
    return total


def bare_decode(originals: Path, rows: Rows) -> int:
    """Read and decode at half the size, strictly, and do nothing else: what `pack` cannot be faster than."""
    return sum(decode_rgb((originals / name).read_bytes(), factor=2).shape[0] for name, *_ in rows)


def print_needs(rate_a_core: float, folder: Path, number: int) -> None:
    """Print how many cores feed a GPU, and how large caches are when packed."""
    print("\n| images/s of a GPU | loader cores |\n|---|---|")
    for rate in RATES:
        print(f"| {rate:,} | {rate / rate_a_core:.1f} |")
    size = {kind: sum(path.stat().st_size for path in files) / number for kind, files in kinds(folder)}
    print("\n| images | originals, GB | packed, GB |\n|---|---|---|")
    for images in CACHES:
        print(f"| {images:,} | {size['originals'] * images / 1e9:,.0f} | {size['packed'] * images / 1e9:,.1f} |")


def kinds(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the files of originals and of shards."""
    yield "originals", list((folder / "originals").rglob("*.jpg"))
    yield "packed", list((folder / "packed").glob("*.arrow"))


if __name__ == "__main__":
    main()
