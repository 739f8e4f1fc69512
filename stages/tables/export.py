"""Columns of what the stage ``export`` writes: records, and what became of species' names."""

import polars as pl

from stages.tables.table import Schema

RECORDS: Schema = {
    "image_url": pl.String,
    "image_name": pl.String,  # md5(image_url) + ".jpg": the file's name in the image cache
    "photo_id": pl.String,  # source:id; one photo has several URLs; null where no source gives one
    "observation_id": pl.String,  # source:id; null where no source knows an observation
    "species": pl.String,
    "source": pl.String,
    "license": pl.String,  # null means: no open license
    "observer": pl.String,
    "document_id": pl.String,
}
CONTRADICTIONS: Schema = {  # records of one image that do not say the same
    "image_name": pl.String,
    "image_url": pl.String,
    "column": pl.String,
    "kept": pl.String,
    "other": pl.String,
}
NAMES: Schema = {  # what was done to the names that sources write
    "found": pl.String,
    "species": pl.String,  # null where the name was refused
    "rules": pl.String,  # names of the rules that changed or refused it, joined by "; "
    "images": pl.Int64,
}
SUSPICIOUS_NAMES: Schema = {  # names that are a slip apart, the rarer one first
    "species": pl.String,
    "images": pl.Int64,
    "other": pl.String,
    "other_images": pl.Int64,
    "edits": pl.Int32,
}
UNREADABLE: Schema = {  # documents of which nothing could be read, the first 10,000
    "place": pl.String,  # "document 17", "line 17" or "_id 69220000a1b2c3d4e5000001"
    "reason": pl.String,
}
