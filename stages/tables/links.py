"""Columns of what the stage ``export`` writes of ids and addresses: what may connect images."""

import polars as pl

from stages.tables.table import Ruled

_COLUMNS = {  # what may connect images, of all records, those that are not used too
    "image_name": pl.String,
    "kind": pl.String,  # observation_id, photo_id or address
    "source": pl.String,  # whose ids these are, by the document's shape
    "raw": pl.String,  # as the document says it
    "value": pl.String,  # in its one spelling; null where it names nothing
    "problem": pl.String,  # why it names nothing
}
LINKS = Ruled(_COLUMNS, required=("image_name", "kind", "source", "raw"))
