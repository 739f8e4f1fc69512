"""The stages of the pipeline, one file each, and the subpackages that they share."""

import os

# Polars' allocator (jemalloc) keeps freed pages for later unless told otherwise, once it is loaded: at 741,533 records
# the export then takes 40 % more memory at its peak, and is no faster.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
