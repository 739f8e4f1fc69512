"""Command ``fetch``: fill the image cache for the records that lack an image, politely, for days where need be.

    python -m stages.commands.fetch [--plan | --probe N | --limit N] [--hours H] [--budget-gb GB] [--again [REASON ...]]

It can be stopped or killed at any time; the same command goes on. It is no stage: it touches the network and a
directory of hundreds of gigabytes.
"""

import argparse
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import polars as pl

from stages.cache.directory import File, file_table, filling, list_files, own_cache_directory
from stages.cache.eviction import Room
from stages.cache.index import ImageIndex
from stages.config.reading import all_params
from stages.config.schema import Download, Inventory, Params
from stages.download.client import Client
from stages.download.display import Display, advise, hosts_in_words, probe_report, states_in_words, tell
from stages.download.intake import Intake
from stages.download.ledger import HISTORY, LEDGER_NAME, HostRecord, Ledger
from stages.download.plan import plan_hosts, plan_table
from stages.download.scheduler import Clock, Limits, Scheduler, SystemClock, remove_leftovers
from stages.download.wanted import host_of, missing_images
from stages.images.verdict import BROKEN, verdict
from stages.records.licenses import allowed_records
from stages.records.photos import PHOTO
from stages.runtime.errors import UserError, run
from stages.runtime.lock import locked_profile
from stages.runtime.progress import in_words, say
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
    if arguments.plan:
        if arguments.again is not None:
            raise UserError("--plan only looks: leave out --again")
        _plan(records, directory, params)
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
        )


def read_records(profile: str) -> pl.DataFrame:
    """Read the records of the active profile.

    Raises:
        UserError: there are none, or those that are there are of another profile.
    """
    records = read_table(RECORDS_IN, RECORDS)
    of_profile = locked_profile("export")
    if of_profile not in (None, profile):
        raise UserError(f"{RECORDS_IN} is of profile {of_profile}, not {profile}: run `dvc repro export` first")
    return records


def check_mirror(download: Download) -> None:
    """See to it that the mirror may be asked.

    Raises:
        UserError: its host is none of params.
    """
    if download.mirror is not None and host_of(download.mirror) not in [limits.host for limits in download.hosts]:
        named = host_of(download.mirror) or "(none: a URL with a user name is never asked)"
        raise UserError(f"params.yaml: download.mirror: its host {named} is not in download.hosts: add it there")


def fetch(
    records: pl.DataFrame,
    directory: Path,
    params: Params,
    *,
    images: int | None = None,
    hours: float | None = None,
    budget_gb: float | None = None,
    again: list[str] | None = None,
    probe: bool = False,
    clock: Clock | None = None,
) -> Display:
    """Download what ``records`` lack into ``directory`` and say what came of it.

    Args:
        records: the table of records.
        directory: the image cache.
        params: all of the active profile.
        images: ask for so many at the most.
        hours: stop after so many.
        budget_gb: stop when so much has come.
        again: ask again for what was refused for these reasons; an empty list means all reasons.
        probe: report as the rate-limit test.
        clock: the time; by default this machine's.

    Raises:
        UserError: the probe did not succeed, or the cache is full.
        KeyboardInterrupt: it was stopped by SIGINT or SIGTERM; all that had come is noted.
    """
    clock = clock or SystemClock()
    remove_leftovers(directory)
    with Ledger(directory) as ledger, ImageIndex(directory) as index:
        ledger.settle_interrupted(clock.now_s(), int(params.download.max_image_mb * 1e6))
        if again is not None:
            say(f"fetch: {forget(ledger, again):,} refused images are asked for again")
        files = list(list_files(directory))
        sound = sound_images(files, index, params.inventory)
        usable = allowed_records(records, params.licenses.allowed)
        wanted, refused = missing_images(usable, sound, ledger.history(), params.download)
        allowed = wanted.filter(pl.col("host").is_in([limits.host for limits in params.download.hosts]))
        asked = allowed if images is None else allowed.head(images)
        if asked.is_empty() and (probe or not wanted.is_empty()):
            raise UserError(_why_nothing_to_ask(wanted))

        start_s = clock.now_s()
        display = Display(asked.height, start_s)

        def log(text: str) -> None:
            display.line(f"fetch: {text}")

        room = Room(
            directory,
            files,
            index,
            budget_bytes=params.download.cache_budget_gb * 1e9,
            wanted=records["image_name"],
            tell=log,
        )
        intake = Intake(
            directory,
            ledger=ledger,
            index=index,
            room=room,
            placeholder_photos=params.inventory.placeholder_photos,
            photo_of=photo_finder(records),
            tell=log,
        )
        client = Client(params.download, params.inventory, directory)
        scheduler = Scheduler(
            asked, params.download, ledger=ledger, client=client, intake=intake, room=room, clock=clock, tell=log
        )
        log(f"{asked.height:,} images to ask for; {states_in_words(scheduler.waiting(), start_s) or 'no host waits'}")
        limits = Limits(
            retries=not probe,
            until_s=float("inf") if hours is None else start_s + hours * 3600,
            bytes=float("inf") if budget_gb is None else budget_gb * 1e9,
        )
        try:
            with stopped_by_signals(scheduler.stop), closing(scheduler.run(limits)) as outcomes:
                for outcome in outcomes:
                    display.take(outcome, clock.now_s(), scheduler.received_bytes, scheduler.waiting)
        finally:
            display.close()
            remove_leftovers(directory)
            now_s = clock.now_s()
            advice = advise(
                display,
                scheduler,
                not_allowed=wanted.join(allowed, on="image_name", how="anti"),
                refused=refused,
                not_asked=allowed.height - asked.height,
            )
            report = probe_report(display, scheduler, now_s) if probe else []
            tell(display.summary(now_s - start_s, scheduler.received_bytes), report + advice)
        if scheduler.ended_by == "stopped":
            raise KeyboardInterrupt
        if scheduler.ended_by == "cache_full":
            raise UserError(
                f"{directory} has no room for another image within download.cache_budget_gb "
                f"({params.download.cache_budget_gb:g}), and nothing may be evicted: raise it, or see `make evict`"
            )
        if probe and display.counts["stored"] < asked.height:
            raise UserError(f"the probe failed: {display.counts['stored']} of {asked.height} images succeeded")
        return display


def forget(ledger: Ledger, reasons: list[str]) -> int:
    """Let refused images be asked for again; give their number.

    Raises:
        UserError: nothing was refused for one of the reasons.
    """
    refused = ledger.history().filter(pl.col("refused") == 1)
    counts = dict(refused.group_by("reason").len().iter_rows())
    if unknown := [reason for reason in reasons if reason not in counts]:
        raise UserError(f"nothing was refused for {unknown[0]!r}; refused so far{in_words(counts) or ': nothing'}")
    return ledger.forget_refusals(reasons)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on the first SIGINT or SIGTERM while the block runs; the second one ends it at once."""
    came: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def sound_images(files: list[File], index: ImageIndex, limits: Inventory) -> pl.Series:
    """Name the images that are there and not known to be broken; what is broken is asked for again."""
    listed = file_table(files)
    broken = index.remembered().filter(verdict(limits).is_in(BROKEN)).join(listed, on=listed.columns, how="semi")
    return listed.join(broken, on="image_name", how="anti")["image_name"]


def photo_finder(records: pl.DataFrame) -> Callable[[str], str | None]:
    """Give a function that says which photo an image is of, by its name; ``None`` for names of no record."""

    @cache
    def photos() -> dict[str, str]:
        return dict(records.select("image_name", photo=PHOTO).iter_rows())

    return lambda image_name: photos().get(image_name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--plan", action="store_true", help="estimate images, GB and days by host; download nothing")
    one_of.add_argument("--probe", type=_count, metavar="N", help="ask for N images and report; fails if one fails")
    one_of.add_argument("--limit", type=_count, metavar="N", help="ask for N images at the most")
    parser.add_argument("--hours", type=_positive, metavar="H", help="stop after H hours")
    parser.add_argument("--budget-gb", type=_positive, metavar="GB", help="stop when so much has come in this run")
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


def _why_nothing_to_ask(wanted: pl.DataFrame) -> str:
    if wanted.is_empty():
        return "no image is missing that has not been refused: there is nothing to ask for"
    return (
        f"{wanted.height:,} images are missing, and none is at a host of download.hosts{hosts_in_words(wanted)}: add "
        "these to params.yaml"
    )


def _plan(records: pl.DataFrame, directory: Path, params: Params) -> None:
    known: dict[str, HostRecord] = {}
    history = pl.DataFrame(schema=HISTORY)
    if (directory / LEDGER_NAME).is_file():
        with Ledger(directory) as ledger:
            known, history = ledger.hosts(), ledger.history()
    files = list(list_files(directory))
    with ImageIndex(directory) as index:
        sound = sound_images(files, index, params.inventory)
    usable = allowed_records(records, params.licenses.allowed)
    wanted, refused = missing_images(usable, sound, history, params.download)
    say(plan_table(plan_hosts(wanted, params.download, known)))
    budget_gb = params.download.cache_budget_gb - sum(file.bytes for file in files) / 1e9
    free_gb = shutil.disk_usage(directory).free / 1e9
    say(
        f"in the cache: {sound.len():,} images; refused before: {refused.height:,}; "
        f"room: {budget_gb:,.1f} GB of the budget, {free_gb:,.1f} GB on the disk"
    )


if __name__ == "__main__":
    run(main)
