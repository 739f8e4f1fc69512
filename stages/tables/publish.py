"""Files in a folder that ``make publish`` writes: names, and columns of tables."""

import polars as pl

from stages.tables.table import Ruled

PUBLISHED_FILE = "published.json"  # commit, digests, scores
EXAMPLES_FILE = "examples.parquet"
ONNX, ONNX_FP16 = "model.onnx", "model.fp16.onnx"
EXAMPLES = Ruled(  # openly licensed photos of each species, by species and name
    {
        "species": pl.String,
        "image_name": pl.String,
        "photographer": pl.String,  # null where the source names nobody: then the license demands no name
        "license": pl.String,  # as people write it: CC BY-SA
        "url": pl.String,  # where the photo was taken from
        "jpeg": pl.Binary,  # a small square
    },
    unique=("image_name",),
    required=("species", "license", "url", "jpeg"),
)
