"""A picture as lines of text that fit a terminal of any size."""

from dataclasses import dataclass
from time import localtime, strftime

from stages.download.clock import clock_time
from stages.runtime.notes import Note
from stages.runtime.plain_text import plain, without_secrets
from stages.runtime.wording import duration_in_words, in_words, size_in_words
from stages.watching.downloads import RECENT_MINUTES, HostTraffic
from stages.watching.image_cache import MOST_COUNTED
from stages.watching.machine import Gpu
from stages.watching.past import Past
from stages.watching.picture import CachePicture, Picture, WorkPicture
from stages.watching.terminal_text import bar, cells, clip, fold

BAR, SHORTEST_BAR = 30, 5  # cells
SILENT_S = 10.0  # without a note: then it is told when the last one was
DAY_S = 86_400
STYLES = {"title": "\x1b[1m", "warning": "\x1b[33m", "alarm": "\x1b[31m", "": ""}
_NORMAL = "\x1b[0m"
# Of a table of epochs: heading, figure, how it is written. What does not fit is left out from the right.
_COLUMNS = (
    ("train loss", "train/loss", "{:.3f}"),
    ("top-1", "train/top1", "{:.3f}"),
    ("val loss", "val/loss", "{:.3f}"),
    ("top-1", "val/top1", "{:.3f}"),
    ("top-5", "val/top5", "{:.3f}"),
    ("learning rate", "learning_rate", "{:.2g}"),
)


@dataclass(frozen=True)
class Line:
    """A line of the screen.

    Attributes:
        text: without control characters.
        style: of ``STYLES``.
    """

    text: str
    style: str = ""


def draw(picture: Picture, width: int, height: int | None, *, color: bool = False, unicode: bool = True) -> list[str]:
    """Draw a picture.

    Args:
        picture: what goes on.
        width: columns; no line is longer.
        height: lines, at the most; ``None`` for any number. Where there are more, rows of tables, empty lines and then
            the last lines are left out, and that is said.
        color: whether lines have colors.
        unicode: whether the terminal shows more than ASCII.
    """
    lines: list[Line] = []
    for fit in _FITS:
        parts = _parts(picture, width, fit, unicode=unicode)
        gap = [Line("")] if fit.gaps else []
        lines = [line for part in parts if part for line in (*part, *gap)]
        lines = lines[: len(lines) - len(gap)]
        if height is None or len(lines) <= height:
            break
    if height is not None and len(lines) > height:
        more = len(lines) - height + 1
        lines = [*lines[: height - 1], Line(f"and {more} more lines: a larger window shows them")]
    return [_styled(line, width, color=color, unicode=unicode) for line in lines]


@dataclass(frozen=True)
class _Fit:
    """How much is shown.

    Attributes:
        epochs: rows of a table, the last ones.
        gaps: whether parts have an empty line between them.
        said: lines of what a process printed last; of a warning there is always one.
        folded: lines that a long one may become.
        minor: whether what matters less is shown.
    """

    epochs: int
    gaps: bool = True
    said: int = 2
    folded: int = 9
    minor: bool = True


# From the most to the least: the first one that fits is taken.
_FITS = (
    *(_Fit(epochs) for epochs in range(12, 2, -1)),
    *(_Fit(epochs, gaps=False, said=0) for epochs in range(6, 0, -1)),
    _Fit(1, gaps=False, said=0, folded=2, minor=False),
    _Fit(1, gaps=False, said=0, folded=1, minor=False),
)


def _parts(picture: Picture, width: int, fit: _Fit, *, unicode: bool) -> list[list[Line]]:
    """Give the parts of a screen, what matters most first."""
    return [
        [_head(picture, width)] if fit.folded > 1 else [],
        [Line(complaint, "warning") for complaint in picture.complaints],
        *(_work(work, picture, width, fit, unicode=unicode) for work in picture.works or ()),
        [_killed(note, picture.now_s) for note in picture.killed if picture.now_s - note.heard_s < DAY_S][:3],
        _past(picture.past, picture.now_s) if picture.works is not None and not picture.works else [],
        _downloads(picture, width, fit),
        [*_cache(picture.cache), *map(_gpu, picture.gpus), *_machine(picture)],
    ]


def _head(picture: Picture, width: int) -> Line:
    left = f"{picture.root.name}, profile {picture.profile}" if picture.profile else picture.root.name
    right = strftime("%d %b %H:%M:%S", localtime(picture.now_s))
    return Line(f"{left}{' ' * max(2, width - cells(left) - cells(right))}{right}", "title")


def _work(seen: WorkPicture, picture: Picture, width: int, fit: _Fit, *, unicode: bool) -> list[Line]:
    work, now_s = seen.work, picture.now_s
    of_dvc = f", of {work.inside}" if work.inside else ""
    on_host = f" on {work.host}" if work.host else ""
    other = f", profile {seen.profile}" if seen.profile and seen.profile != picture.profile else ""
    copy = f", in {work.folder.name}" if work.folder != picture.root else ""
    several = f", {len(work.notes)} processes," if len(work.notes) > 1 else ""
    since = duration_in_words(max(0.0, now_s - work.since_s))
    lines = [Line(f"{work.name}{several}{on_host} for {since}{other}{copy}{of_dvc}", "title")]
    if work.state == "stopped":
        lines.append(Line("  it is suspended (Ctrl-Z?): `fg` in its terminal, or `kill -CONT`", "warning"))
    if work.notes and work.notes[0].what:
        lines += _progress(seen, width, now_s, fit, unicode=unicode)
    elif work.name.startswith("dvc "):
        lines.append(Line("  between two stages: it compares, hashes or stores"))
    elif not work.notes:
        lines.append(Line("  no word of it yet"))
    if work.notes and (said := work.notes[0].said):
        warns = "warning" in said.lower()
        most = max(fit.said, 1) if warns else fit.said
        lines += [Line(text, "warning" if warns else "") for text in fold(said, width, indent=2)[:most]]
    saved_s = picture.past.checkpoint_s if picture.past else None
    if fit.minor and work.name == "train" and saved_s is not None and saved_s >= work.since_s:
        lines.append(Line(f"  last checkpoint {_ago(saved_s, now_s)}"))
    return lines + _epochs(seen.epochs, width, fit.epochs)


def _progress(seen: WorkPicture, width: int, now_s: float, fit: _Fit, *, unicode: bool) -> list[Line]:
    note = seen.work.notes[0]
    share = note.done / note.total if note.total else None
    left = []
    if share is not None:
        left.append(f"{min(share, 1):.0%}")
    if note.waits:
        left.append(note.waits)
    if seen.left.work_s is not None:
        left.append(f"{duration_in_words(seen.left.work_s)} left")
    if seen.left.run_s is not None:
        left.append(f"about {duration_in_words(seen.left.run_s)} of the run")
    head = f"  {note.what} "
    room = min(BAR, width - cells(head) - len(", ".join(left)) - 1)
    if share is not None and room >= SHORTEST_BAR:
        head += f"{bar(share, room, unicode=unicode)} "
    silent_s = now_s - note.heard_s
    heard = f"; said {duration_in_words(silent_s)} ago" if silent_s >= SILENT_S else ""
    of_all = "" if note.total is None else f" of {note.total:,}"
    rate = note.done / note.elapsed_s if note.elapsed_s > 0 else 0.0
    speed = f", {rate:,.1f} {note.unit}/s" if rate >= 10 else f", {rate:,.2f} {note.unit}/s" if rate else ""
    details = f"{note.done:,}{of_all} {note.unit}{speed}{heard}"
    lines = [Line(head + ", ".join(left))]
    details += f", {note.also}" if note.also else ""
    lines += [Line(text) for text in fold(details, width, indent=2)[: fit.folded]]
    return lines


def _epochs(rows: list[dict[str, float]], width: int, most: int) -> list[Line]:
    if not rows or most <= 0:
        return []
    columns = []
    used = len("  epoch")
    for heading, name, form in _COLUMNS:
        used += 2 + len(heading)
        if used > width:
            break
        columns.append((heading, name, form))
    best = max(range(len(rows)), key=lambda number: (rows[number]["val/top1"], -number))
    shown = list(enumerate(rows))[-most:]
    if best < shown[0][0] and most > 1:  # the last one is always there
        shown = [(best, rows[best]), *shown[1:]]
    lines = [Line("  epoch" + "".join(f"  {heading}" for heading, _, _ in columns))]
    for number, row in shown:
        figures = "".join(f"  {form.format(row[name]):>{len(heading)}}" for heading, name, form in columns)
        mark = "  best" if number == best and used + 6 <= width else ""
        lines.append(Line(f"  {number + 1:>5}{figures}{mark}"))
    return lines


def _killed(note: Note, now_s: float) -> Line:
    of_all = "" if note.total is None else f" of {note.total:,}"
    what = f", at {note.what}: {note.done:,}{of_all} {note.unit}" if note.what else ""
    ago = duration_in_words(max(0.0, now_s - note.heard_s))
    return Line(f"killed, or cut short, {ago} ago: {note.command}{what}", "alarm")


def _past(past: Past | None, now_s: float) -> list[Line]:
    lines = [Line("nothing is at work here", "title")]
    if past is None:
        return lines
    if past.trained_s is not None:
        figures = f"top-1 {past.best['val_top1']:.3f}, top-5 {past.best['val_top5']:.3f}"
        epoch = f"epoch {past.best_epoch} of {past.epochs}"
        lines.append(Line(f"  trained {_ago(past.trained_s, now_s)}: {figures} in validation, {epoch}"))
    if past.locked_s is not None:
        lines.append(Line(f"  dvc.lock is of {_ago(past.locked_s, now_s)}"))
    if past.checkpoint_s is not None:
        lines.append(Line(f"  last checkpoint {_ago(past.checkpoint_s, now_s)}, in {past.checkpoint}"))
    if len(lines) == 1:
        lines.append(Line("  and nothing was done yet: `make demo`, or `dvc repro`"))
    return lines


def _downloads(picture: Picture, width: int, fit: _Fit) -> list[Line]:
    downloads = picture.downloads
    if downloads is None or not (downloads.hosts or downloads.refused):
        return []
    lines = [Line("downloads", "title")] if fit.minor else []
    for host in downloads.hosts:
        paused = host.paused_until_s > picture.now_s
        state = (
            f"paused until {clock_time(host.paused_until_s, picture.now_s)} ({host.why})"
            if paused
            else _speed(host, picture)
        )
        limits = picture.limits.get(host.host)
        hour, day = (limits.gb_an_hour, limits.gb_a_day) if limits else (None, None)
        used = f"{_used(host.hour_bytes, hour)} in an hour, {_used(host.day_bytes, day)} in a day"
        text = fold(f"{host.host}: {state}, {used}, {host.images:,} images so far", width, indent=2)[: fit.folded]
        lines += [Line(one, "warning" if paused else "") for one in text]
    if fit.minor and (downloads.refused or downloads.to_try_again):
        again = f", {downloads.to_try_again:,} to try again" if downloads.to_try_again else ""
        counts = dict(list(downloads.refused.items())[:4])
        lines += [
            Line(text)
            for text in fold(f"{sum(downloads.refused.values()):,} refused{in_words(counts)}{again}", width, indent=2)
        ]
    return lines


def _speed(host: HostTraffic, picture: Picture) -> str:
    """Say how quickly a host sends; where no fetch is at work here, only how much came."""
    if not host.recent_bytes:
        return "quiet"
    if picture.works is not None and all(seen.work.name != "fetch" for seen in picture.works):
        return f"{size_in_words(host.recent_bytes)} in {RECENT_MINUTES} minutes"
    return f"{host.recent_bytes / 1e6 / (60 * RECENT_MINUTES):,.2f} MB/s"


def _used(size: int, limit_gb: float | None) -> str:
    return f"{size_in_words(size)} of {limit_gb:,g} GB" if limit_gb is not None else size_in_words(size)


def _cache(cache: CachePicture | None) -> list[Line]:
    if cache is None:
        return []
    size, budget_bytes = cache.size, cache.budget_bytes
    free = f"disk {size_in_words(size.free_bytes)} free"
    if size.images is None:
        return [Line(f"cache    more than {MOST_COUNTED:,} images, which `make inventory` counts; {free}")]
    if budget_bytes is None:
        return [Line(f"cache    {size.images:,} images, {size_in_words(size.bytes)}, part of the repo")]
    share = size.bytes / budget_bytes if budget_bytes else 1.0
    used = f"{size_in_words(size.bytes)} of {budget_bytes / 1e9:,g} GB ({share:.0%})"
    return [Line(f"cache    {used}, {size.images:,} images; {free}", "warning" if share > 1 else "")]


def _gpu(gpu: Gpu) -> Line:
    parts = [gpu.name]
    if gpu.busy_share is not None:
        parts.append(f"{gpu.busy_share:.0%} busy")
    if gpu.used_bytes is not None and gpu.total_bytes is not None:
        parts.append(f"memory {gpu.used_bytes / 1e9:,.1f} of {gpu.total_bytes / 1e9:,.1f} GB")
    if gpu.celsius is not None:
        parts.append(f"{gpu.celsius} °C")
    return Line(f"GPU {gpu.number:<4} {', '.join(parts)}")


def _machine(picture: Picture) -> list[Line]:
    machine = picture.machine
    if machine is None:
        return []
    return [
        Line(
            f"machine  {machine.cpu_share:.0%} of {machine.cores} cores, memory {machine.used_bytes / 1e9:,.1f} of "
            f"{machine.total_bytes / 1e9:,.1f} GB, disk {size_in_words(machine.free_disk_bytes)} free"
        )
    ]


def _ago(moment_s: float, now_s: float) -> str:
    return f"{duration_in_words(max(0.0, now_s - moment_s))} ago ({clock_time(moment_s, now_s)})"


def _styled(line: Line, width: int, *, color: bool, unicode: bool) -> str:
    text = " ".join(without_secrets(plain(line.text)).splitlines()).replace("\t", " ")
    if not unicode:
        text = text.replace("°", "").encode("ascii", errors="replace").decode()
    text = clip(text, width, unicode=unicode).rstrip()
    return f"{STYLES[line.style]}{text}{_NORMAL}" if color and line.style else text
