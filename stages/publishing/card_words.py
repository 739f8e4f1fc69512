"""How a model card writes numbers, names and tables: plain Markdown, in which text of strangers stays text."""

import math
from collections.abc import Sequence

from stages.evaluation.intervals import Estimate
from stages.report.review_comment import escaped
from stages.report.text_table import in_markdown

NAMED = 20  # species in a list


def percent(share: float) -> str:
    """Give a share: ``91.7 %``; a dash where it is of nothing."""
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def whole_percent(share: float) -> str:
    """Give a share that somebody has chosen, without needless digits: ``5 %``."""
    return f"{100 * share:g} %"


def between(found: Estimate) -> str:
    """Give the interval of a share: ``71.1 to 98.0 %``; or that it has none."""
    if not found.images:
        return "–"
    if found.low is None or found.high is None:
        return "too few observations"
    return f"{100 * found.low:.1f} to {100 * found.high:.1f} %"


def with_interval(found: Estimate) -> str:
    """Give a share with its interval, for a sentence: ``91.7 % (71.1 to 98.0 %)``."""
    return f"{percent(found.value)} ({between(found)})"


def counted(number: int, one: str, several: str | None = None) -> str:
    """Give a number of things: ``1 photo``, ``1,200 photos``."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def code(text: str) -> str:
    """Give text as a machine has it, in one line: `` `model.onnx` ``."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def named(names: Sequence[str], most: int = NAMED) -> str:
    """List names, and say how many more there are: ``A, B and 12 more``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(escaped, names[:most])) + more


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """Give a table whose first columns are texts, and the others numbers; cells are Markdown already."""
    first, _, *others = in_markdown(header, rows)
    rule = " | ".join("---" if column < texts else "---:" for column in range(len(header)))
    return "\n".join([first, f"| {rule} |", *others])
