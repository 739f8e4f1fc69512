"""A whole download: which images are asked for, what asks for them, until when, and what is said of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.cache.directory import File, Obstacle, list_cache, list_files, obstacles_in_words
from stages.cache.eviction import Room
from stages.cache.index import ImageIndex
from stages.config.schema import Params
from stages.download.answer import NO_ROUTE, REFUSED_CONNECTION, UNKNOWN_HOST
from stages.download.client import Client
from stages.download.clock import Clock, SystemClock
from stages.download.display import (
    Display,
    Options,
    advise,
    end_in_words,
    hosts_in_words,
    probe_report,
    states_in_words,
    tell,
)
from stages.download.intake import Intake
from stages.download.ledger import Ledger
from stages.download.scheduler import Limits, Scheduler, remove_leftovers
from stages.download.wanted import missing_images
from stages.images.standing import sound_images, standing_of
from stages.records.licenses import allowed_records
from stages.records.photos import PHOTO
from stages.runtime.errors import UserError
from stages.runtime.progress import say
from stages.runtime.signals import stop_requests
from stages.runtime.wording import in_words


class Selection(NamedTuple):
    """Which images are missing, and which of them a run asks for.

    Attributes:
        wanted: all that are missing and not refused, as ``missing_images`` gives them.
        allowed: those of them at hosts that params name.
        asked: those of them that this run may ask for: at the hosts that it is to ask, and not in the way of a file.
        refused: missing images that earlier runs were refused, with their reason.
        passed_over: how many of ``allowed`` have something else in their place.
    """

    wanted: pl.DataFrame
    allowed: pl.DataFrame
    asked: pl.DataFrame
    refused: pl.DataFrame
    passed_over: int


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
    hosts: list[str] | None = None,
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
        hosts: ask these alone; by default all of params.
        clock: the time; by default this machine's.

    Raises:
        UserError: there is nothing to ask for, no host can be reached, the probe did not succeed, or the cache is full.
        KeyboardInterrupt: it was stopped by SIGINT or SIGTERM; all that had come is noted.
    """
    clock = clock or SystemClock()
    remove_leftovers(directory)
    with Ledger(directory) as ledger, ImageIndex(directory) as index:
        ledger.settle_interrupted(clock.now_s(), int(params.download.max_image_mb * 1e6))
        if again is not None:
            say(f"fetch: {forget(ledger, again):,} refused images are asked for again")
        files, obstacles = list_cache(directory)
        if obstacles:
            say(f"fetch: {obstacles_in_words(obstacles)}")
        sound = sound_images(files, index, params.inventory)
        selection = select_images(records, sound, ledger.history(), params, obstacles, hosts)
        if selection.asked.is_empty() and (probe or not selection.wanted.is_empty()):
            raise UserError(_why_nothing_to_ask(selection, hosts))

        start_s = clock.now_s()
        options = Options(images, hours, budget_gb, probe)
        total = selection.asked.height if images is None else min(images, selection.asked.height)
        display = Display(total, start_s)
        scheduler = make_scheduler(
            selection.asked, records, directory, files, params, ledger, index, display, clock, images, hosts
        )
        limits = Limits(
            retries=not probe,
            until_s=float("inf") if hours is None else start_s + hours * 3600,
            bytes=float("inf") if budget_gb is None else budget_gb * 1e9,
        )
        try:
            with stop_requests(scheduler.stop), closing(scheduler.run(limits)) as outcomes:
                for outcome in outcomes:
                    display.take(outcome, clock.now_s(), scheduler.received_bytes, scheduler.waiting)
        finally:
            display.close()
            remove_leftovers(directory)
            if scheduler.ended_by != "unreachable":
                report(display, scheduler, selection, params, options, start_s, clock.now_s(), probe=probe)
        if scheduler.ended_by == "stopped":
            raise KeyboardInterrupt
        if scheduler.ended_by == "unreachable":
            raise UserError(why_unreachable(scheduler.unreachable()))
        if scheduler.ended_by == "cache_full":
            raise UserError(
                f"{directory} has no room for another image within download.cache_budget_gb "
                f"({params.download.cache_budget_gb:g}), and nothing may be evicted: raise it, or see `make evict`"
            )
        if probe and display.counts["stored"] < total:
            raise UserError(f"the probe failed: {display.counts['stored']} of {total} images succeeded")
        return display


def select_images(
    records: pl.DataFrame,
    sound: pl.Series,
    history: pl.DataFrame,
    params: Params,
    obstacles: Sequence[Obstacle] = (),
    hosts: Sequence[str] | None = None,
) -> Selection:
    """Say which images are missing, and which may be asked for.

    Args:
        records: the table of records.
        sound: names of the images that are there and not known to be broken.
        history: what earlier runs left behind.
        params: all of the active profile.
        obstacles: what stands in the place of images.
        hosts: ask these alone; by default all of params.
    """
    usable = allowed_records(records, params.licenses.allowed)
    wanted, refused = missing_images(usable, sound, history, params.download)
    allowed = wanted.filter(pl.col("host").is_in(list(params.download.hosts)))
    names = [obstacle.image_name for obstacle in obstacles]
    in_the_way = pl.col("image_name").is_in(names)
    to_ask = pl.col("host").is_in(list(params.download.hosts if hosts is None else hosts))
    passed_over = allowed.filter(in_the_way).height
    return Selection(wanted, allowed, allowed.filter(to_ask, ~in_the_way), refused, passed_over)


def make_scheduler(
    asked: pl.DataFrame,
    records: pl.DataFrame,
    directory: Path,
    files: list[File],
    params: Params,
    ledger: Ledger,
    index: ImageIndex,
    display: Display,
    clock: Clock,
    images: int | None,
    hosts: list[str] | None,
) -> Scheduler:
    """Bring together what a download is done with."""

    def log(text: str) -> None:
        display.line(f"fetch: {text}")

    budget_bytes = params.download.cache_budget_gb * 1e9
    room = Room(
        directory,
        files,
        index,
        budget_bytes=budget_bytes,
        wanted=records["image_name"],
        tell=log,
        standing=lambda: standing_of(
            list(list_files(directory)),
            index,
            params.inventory,
            allowed_licenses=params.licenses.allowed,
            records=records,
        ),
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
        asked,
        params.download,
        ledger=ledger,
        client=client,
        intake=intake,
        room=room,
        clock=clock,
        tell=log,
        images=images,
        only=hosts,
    )
    states = states_in_words(scheduler.waiting(), clock.now_s()) or "no host waits"
    log(f"{display.total:,} images to ask for; {states}")
    return scheduler


def report(
    display: Display,
    scheduler: Scheduler,
    selection: Selection,
    params: Params,
    options: Options,
    start_s: float,
    now_s: float,
    *,
    probe: bool,
) -> None:
    """Say what came of a download, and what to do next."""
    not_asked = selection.allowed.height - selection.passed_over - display.total
    ended_by = end_in_words(
        scheduler,
        options,
        not_asked=selection.asked.height - display.total,
        cache_budget_gb=params.download.cache_budget_gb,
    )
    advice = advise(
        display,
        scheduler,
        not_allowed=selection.wanted.join(selection.allowed, on="image_name", how="anti"),
        refused=selection.refused,
        not_asked=not_asked,
        ended_by=ended_by,
    )
    of_probe = probe_report(display, scheduler, now_s) if probe else []
    tell(display.summary(now_s - start_s, scheduler.received_bytes), of_probe + advice)


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


def photo_finder(records: pl.DataFrame) -> Callable[[str], str | None]:
    """Give a function that says which photo an image is of, by its name; ``None`` for names of no record."""

    @cache
    def photos() -> dict[str, str]:
        return dict(records.select("image_name", photo=PHOTO).iter_rows())

    return lambda image_name: photos().get(image_name)


def why_unreachable(reasons: Mapping[str, str]) -> str:
    """Say which hosts cannot be reached, and why.

    Args:
        reasons: by host.
    """
    hosts = "; ".join(f"{host}: {_UNREACHABLE[reason]}" for host, reason in sorted(reasons.items()))
    return (
        f"no host can be reached ({hosts}): see to this machine's network and name service, and to the names in "
        "download.hosts; no image is refused for it"
    )


_UNREACHABLE = {
    UNKNOWN_HOST: "its name does not resolve",
    NO_ROUTE: "there is no route to it",
    REFUSED_CONNECTION: "it takes no connection",
}


def _why_nothing_to_ask(selection: Selection, hosts: Sequence[str] | None) -> str:
    wanted, allowed = selection.wanted, selection.allowed
    if wanted.is_empty():
        return "no image is missing that has not been refused: there is nothing to ask for"
    if allowed.is_empty():
        return (
            f"{wanted.height:,} images are missing, and none is at a host of download.hosts{hosts_in_words(wanted)}: "
            "add these to params.yaml"
        )
    if hosts is not None and not allowed["host"].is_in(hosts).any():
        return f"nothing is missing at {', '.join(hosts)}; images are missing at{hosts_in_words(allowed)}"
    return f"{allowed.height:,} images are missing, and something else stands in the place of each: see above"
