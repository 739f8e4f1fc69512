"""Command ``evict``: bring the image cache back to its budget, the least recently used images first.

    python -m stages.commands.evict [--to-gb GB] [--also-in-use]

Images that data/available.parquet or a split names are in use: a run of the pipeline would stop for want of them.
They stay unless told otherwise, and while a process reads the cache (`pack`, `compare_crops`) nothing is evicted at
all. What was last used is noted by `pack` and `fetch` in the index beside the images; where that is not known, the
file's own time counts.
"""

import argparse

from stages.cache.directory import list_files, own_cache_directory
from stages.cache.eviction import evict, images_in_use
from stages.cache.index import ImageIndex
from stages.config.reading import all_params
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.runtime.wording import size_in_words


def main() -> None:
    """Evict down to the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to-gb", type=float, help="instead of download.cache_budget_gb")
    parser.add_argument("--also-in-use", action="store_true", help="also images that the current tables name")
    arguments = parser.parse_args()
    params = all_params()
    directory = own_cache_directory(params.profile)
    target_gb = params.download.cache_budget_gb if arguments.to_gb is None else arguments.to_gb
    if not target_gb >= 0:
        raise UserError(f"--to-gb must be 0 or more (found {target_gb})")
    keep: set[str] = set() if arguments.also_in_use else images_in_use()

    target_bytes = target_gb * 1e9
    files = list(list_files(directory))
    with ImageIndex(directory) as index:
        gone = evict(directory, files, index, target_bytes=target_bytes, keep=keep)
    gone_bytes = sum(file.bytes for file in gone)
    left_bytes = sum(file.bytes for file in files) - gone_bytes
    say(
        f"evict: {len(gone):,} of {len(files):,} images deleted ({size_in_words(gone_bytes)}); "
        f"the cache holds {size_in_words(left_bytes)}"
    )
    if gone:
        say("next: `make inventory` and `dvc add`, so that the table lists what is there")
    if left_bytes > target_bytes:
        raise UserError(
            f"{size_in_words(left_bytes)} are in use, more than {size_in_words(target_bytes)}: raise the budget in "
            "params.yaml, or add --also-in-use"
        )


if __name__ == "__main__":
    run(main)
