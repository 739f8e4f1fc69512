"""Stage ``pack``: the originals of each split, read once, cropped and sized -> data/packed/*.arrow.

Each original is held against the inventory's digest as it is read, so a run is pinned down to the pixel. The shards
have the same bytes for any number of worker processes.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import simplejpeg

from stages.classes import digest_classes, read_classes
from stages.download.cache import cache_directory, reading
from stages.download.index import note_use
from stages.errors import UserError, run
from stages.images.crop import cut
from stages.images.decode import read_header, shown_size
from stages.images.originals import map_originals
from stages.images.prepare import decode_and_crop
from stages.images.shards import PackedImage, write_shards
from stages.outputs import replacing_directory, write_json
from stages.params import Params, stage_params
from stages.progress import progress, say
from stages.tables import SPLIT, SPLITS, read_table

SPLITS_IN = Path("data/splits")
OUT = Path("data/packed")
METRICS = Path("metrics/pack.json")


def main() -> None:
    """Pack every split and count what was packed."""
    params = stage_params("pack")
    cache = cache_directory(params.profile)
    classes = read_classes(SPLITS_IN / "classes.csv")
    labels = pl.DataFrame({"species": classes, "label": range(len(classes))})
    rows = {name: read_table(SPLITS_IN / f"{name}.parquet", SPLIT) for name in SPLITS}

    figures = {}
    with reading(cache), replacing_directory(OUT) as folder:
        for name in SPLITS:
            labelled = rows[name].join(labels, on="species", how="left", maintain_order="left")
            if unknown := labelled.filter(pl.col("label").is_null())["species"].unique().sort().to_list():
                raise UserError(
                    f"{SPLITS_IN / 'classes.csv'} does not list {unknown[0]} of {name}: run `dvc repro split`"
                )
            wanted = labelled.select("image_name", "sha256", "label").rows()
            packed = write_shards(
                map_originals(partial(pack_image, params=params), wanted, cache),
                folder,
                name,
                shard_bytes=params.pack.shard_mb * 1_000_000,
                size_px=params.image.pack_px,
                classes_sha256=digest_classes(classes),
            )
            figures[name] = count(progress(packed, what=f"pack {name}", total=labelled.height))
    note_use(cache, pl.concat(table["image_name"] for table in rows.values()))
    write_json(METRICS, figures)
    images, size = (sum(figures[name][what] for name in SPLITS) for what in ("images", "bytes"))
    say(f"pack: {images:,} images of {params.image.pack_px} px, {size / 1e6:,.1f} MB, in {OUT}")


def pack_image(data: bytes, image_name: str, sha256: str, label: int, params: Params) -> PackedImage:
    """Crop an image and encode it as a JPEG of ``image.pack_px``; the crop is noted in pixels of the original."""
    pixels, square = decode_and_crop(data, params.crop, params.image.pack_px)
    piece = cut(pixels, square, params.image.pack_px)
    jpeg = simplejpeg.encode_jpeg(piece, quality=params.pack.jpeg_quality, colorsubsampling="420")
    original = square.scaled((pixels.shape[1], pixels.shape[0]), shown_size(*read_header(data)))
    return PackedImage(image_name, label, sha256, original.x, original.y, original.side, square.how, jpeg)


def count(images: Iterator[PackedImage]) -> dict[str, Any]:
    """Count packed images, their bytes, and how their crops were found."""
    number, size, crops = 0, 0, Counter[str]()
    for image in images:
        number += 1
        size += len(image.jpeg)
        crops[image.crop] += 1
    return {"images": number, "bytes": size, "bytes_an_image": round(size / number) if number else 0, "crops": crops}


if __name__ == "__main__":
    run(main)
