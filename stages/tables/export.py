"""Columns of what the stage ``export`` writes: records, and what became of species' names."""

import polars as pl

from stages.tables.table import Ruled, Schema

_RECORD_COLUMNS: Schema = {
    "image_url": pl.String,
    "image_name": pl.String,  # md5(image_url) + ".jpg": the file's name in the image cache
    "photo_id": pl.String,  # whose:id; one photo has several URLs; null where no source gives one
    "observation_id": pl.String,  # whose:id; null where no source knows an observation
    "species": pl.String,
    "source": pl.String,
    "license": pl.String,  # "none": said that there is none; null: nothing said
    "observer": pl.String,
    "document_id": pl.String,
}
RECORDS = Ruled(_RECORD_COLUMNS, unique=("image_url", "species"), required=("image_name", "source"))
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
# Names to be looked at: species that are a slip apart (`spelling`), and names as sources write them that are one
# species as something was cut off which differs (`authors`, `below_species`, `remark`). The rarer one comes first.
SUSPICIOUS_NAMES: Schema = {
    "kind": pl.String,
    "species": pl.String,
    "found": pl.String,  # the commonest name with this part, as sources write it; null for `spelling`
    "images": pl.Int64,  # of the species for `spelling`, of all names with this part otherwise
    "other": pl.String,  # the same species, but for `spelling`
    "other_found": pl.String,
    "other_images": pl.Int64,
    "edits": pl.Int32,  # letters that differ; null but for `spelling`
}
UNREADABLE: Schema = {  # documents of which nothing could be read, the first 10,000
    "place": pl.String,  # "document 17", "line 17" or "_id 69220000a1b2c3d4e5000001"
    "reason": pl.String,
}
