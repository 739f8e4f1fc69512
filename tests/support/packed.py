"""Shards of small pictures that a network learns in seconds."""

from pathlib import Path

import numpy as np

from stages.images.shards import PackedImage, PackedSplit, ShardMetadata, write_manifest, write_shards
from stages.splitting.label_order import digest_classes
from tests.support.pictures import jpeg

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra"]
COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]


def write_split(folder: Path, split: str, images: int, seed: int = 0) -> PackedSplit:
    """Shards of 64 px squares, each in the color of its class, with noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(images):
        label = number % 3
        pixels = np.clip(rng.normal(COLORS[label], 30, (64, 64, 3)), 0, 255).astype(np.uint8)
        rows.append(PackedImage(f"{split}{number}.jpg", label, "0" * 64, 0, 0, 64, "smart", jpeg(pixels)))
    folder.mkdir(exist_ok=True)
    metadata = ShardMetadata(64, digest_classes(SPECIES))
    list(write_shards(rows, folder, split, shard_bytes=50_000, metadata=metadata))
    write_manifest(folder)
    return PackedSplit(folder, split)


def write_splits(folder: Path) -> Path:
    """Shards of 30 training and 12 validation images: steps of 8, 8, 8 and 6."""
    write_split(folder, "train", 30)
    write_split(folder, "val", 12, seed=1)
    return folder


def write(rows, folder, split="train", shard_bytes=10_000, digest="d" * 64):
    folder.mkdir(exist_ok=True)
    written = list(write_shards(rows, folder, split, shard_bytes=shard_bytes, metadata=ShardMetadata(256, digest)))
    write_manifest(folder)
    return written
