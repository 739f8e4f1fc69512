"""How counts, sizes and times are said to people."""

from collections.abc import Mapping


def in_words(counts: Mapping[str, int]) -> str:
    """Give counts as `` (reason 12, other reason 3)``, the most first; nothing for none."""
    parts = [
        f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])) if count
    ]
    return f" ({', '.join(parts)})" if parts else ""


def size_in_words(size: float) -> str:
    """Give bytes in the unit that fits: ``12.3 MB``, ``4.56 GB``."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def duration_in_words(seconds: float) -> str:
    """Give a length of time in the unit that fits: ``45 s``, ``12.3 min``, ``5.0 h``, ``41.3 days``."""
    for unit, length_s, below in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < below:
            return f"{seconds / length_s:,.0f} {unit}" if unit == "s" else f"{seconds / length_s:,.1f} {unit}"
    return f"{seconds / 86_400:,.1f} days"
