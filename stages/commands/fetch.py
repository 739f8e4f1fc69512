"""Command ``fetch``: fill the image cache for the records that lack an image, politely, for days where need be.

    python -m stages.commands.fetch [--plan | --probe N | --limit N] [--hours H] [--budget-gb GB] [--host HOST]
                                    [--again [REASON ...]]

It can be stopped or killed at any time; the same command goes on. It is no stage: it touches the network and a
directory of hundreds of gigabytes.
"""

import argparse
import difflib
import shutil
from pathlib import Path

import polars as pl

from stages.cache.directory import filling, list_cache, obstacles_in_words, own_cache_directory
from stages.cache.index import ImageIndex
from stages.config.reading import all_params
from stages.config.schema import Download, Params
from stages.download.ledger import HISTORY, LEDGER_NAME, HostRecord, Ledger
from stages.download.plan import plan_hosts, plan_sizes, plan_table, sizes_table
from stages.download.run import fetch, select_images
from stages.download.wanted import host_of
from stages.images.standing import sound_images
from stages.records.inaturalist import OPEN_DATA_HOST
from stages.runtime.errors import UserError, run
from stages.runtime.lock import check_profile
from stages.runtime.progress import say
from stages.tables.export import RECORDS
from stages.tables.table import read_table

RECORDS_IN = Path("data/records.parquet")
PROBE_HOURS = 1.0  # a probe that is told to wait for longer has failed


def main() -> None:
    """Plan, probe or download."""
    arguments = _arguments()
    params = all_params()
    directory = own_cache_directory(params.profile)
    records = read_records(params.profile)
    check_mirror(params.download)
    check_hosts(arguments.host or [], params.download)
    if arguments.plan:
        if arguments.again is not None:
            raise UserError("--plan only looks: leave out --again")
        _plan(records, directory, params, arguments.host)
        return
    if not params.download.contact:
        raise UserError(
            "params.yaml: download.contact is empty: set it to an e-mail address or page where hosts can reach you"
        )
    with filling(directory):
        fetch(
            records,
            directory,
            params,
            images=arguments.probe or arguments.limit,
            hours=PROBE_HOURS if arguments.probe and arguments.hours is None else arguments.hours,
            budget_gb=arguments.budget_gb,
            again=arguments.again,
            probe=arguments.probe is not None,
            hosts=arguments.host,
        )


def read_records(profile: str) -> pl.DataFrame:
    """Read the records of the active profile.

    Raises:
        UserError: there are none, or those that are there are of another profile.
    """
    records = read_table(RECORDS_IN, RECORDS)
    check_profile("export", profile, RECORDS_IN)
    return records


def check_mirror(download: Download) -> None:
    """See to it that the mirror may be asked.

    Raises:
        UserError: its host is none of params.
    """
    if download.mirror is not None and host_of(download.mirror) not in download.hosts:
        named = host_of(download.mirror) or "(none: a URL with a user name is never asked)"
        raise UserError(f"params.yaml: download.mirror: its host {named} is not in download.hosts: add it there")


def check_hosts(named: list[str], download: Download) -> None:
    """See to it that the hosts that the command line names are known.

    Raises:
        UserError: one is not in params.
    """
    for host in named:
        if host not in download.hosts:
            near = difflib.get_close_matches(host, download.hosts, n=1, cutoff=0.4)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UserError(f"--host {host}: {meant}download.hosts in params.yaml names {', '.join(download.hosts)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--plan", action="store_true", help="estimate images, GB and days by host; download nothing")
    one_of.add_argument("--probe", type=_count, metavar="N", help="ask for N images and report; fails if one fails")
    one_of.add_argument("--limit", type=_count, metavar="N", help="ask for N images at the most")
    parser.add_argument("--hours", type=_positive, metavar="H", help="stop after H hours")
    parser.add_argument("--budget-gb", type=_positive, metavar="GB", help="stop when so much has come in this run")
    parser.add_argument(
        "--host", action="append", metavar="HOST", help="ask this host alone, as params.yaml names it; may be repeated"
    )
    parser.add_argument(
        "--again", nargs="*", metavar="REASON", help="ask again for what was refused (for these reasons)"
    )
    return parser.parse_args()


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more (found {text})")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0 (found {text})")
    return number


def _plan(records: pl.DataFrame, directory: Path, params: Params, hosts: list[str] | None) -> None:
    known: dict[str, HostRecord] = {}
    history = pl.DataFrame(schema=HISTORY)
    if (directory / LEDGER_NAME).is_file():
        with Ledger(directory, look_only=True) as ledger:
            known, history = ledger.hosts(), ledger.history()
    files, obstacles = list_cache(directory)
    if obstacles:
        say(f"fetch: {obstacles_in_words(obstacles)}")
    with ImageIndex(directory, look_only=True) as index:
        sound = sound_images(files, index, params.inventory)
    selection = select_images(records, sound, history, params, obstacles, hosts)
    planned = selection.wanted if hosts is None else selection.asked
    say(plan_table(plan_hosts(planned, params.download, known)))
    if sizes := plan_sizes(planned, params.download, known):
        say(f"{OPEN_DATA_HOST} by download.inaturalist_size, which is {params.download.inaturalist_size}:")
        say(sizes_table(sizes))
    budget_gb = params.download.cache_budget_gb - sum(file.bytes for file in files) / 1e9
    free_gb = shutil.disk_usage(directory).free / 1e9
    say(
        f"in the cache: {sound.len():,} images; refused before: {selection.refused.height:,}; "
        f"room: {budget_gb:,.1f} GB of the budget, {free_gb:,.1f} GB on the disk"
    )


if __name__ == "__main__":
    run(main)
