"""The page of a review: one file of HTML that holds all that it shows, and asks nobody for anything."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from stages.report.review_content import Picture, Plot, Review, percent, shown
from stages.report.review_pictures import plot_picture
from stages.report.review_sections import Part, Section, sections, tone, verdict

LARGEST_BYTES = 5_000_000
_TEMPLATE = Path(__file__).with_name("review_page.html")
_MARGIN_BYTES = 20_000  # tags around what is weighed


@dataclass
class _Room:
    """What may still be put into the page, in bytes."""

    left: int

    def take(self, size: int) -> bool:
        fits = size <= self.left
        self.left -= size * fits
        return fits


def write_page(review: Review, vega: str) -> str:
    """Give the page.

    Args:
        review: what it shows. Its text is of strangers, and is escaped wherever it stands.
        vega: the script that draws plots, as ``vegaEmbed``; it must not hold the end of a script.

    Returns:
        HTML, less than ``LARGEST_BYTES`` in UTF-8: plots and pictures that do not fit are left out and named.
    """
    made = sections(review)
    without = _fill(review, vega, made, lambda part: [])
    room = _Room(LARGEST_BYTES - len(without.encode()) - _MARGIN_BYTES)
    return _fill(review, vega, made, lambda part: _fitting(part, room, review))


def _fill(review: Review, vega: str, made: Sequence[Section], fit: Callable[[Part], list[Part]]) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    heavy = ("plots", "pictures", "cards")
    filled = [
        {
            "id": section.id,
            "title": section.title,
            "parts": [new for part in section.parts for new in (fit(part) if part.kind in heavy else [part])],
        }
        for section in made
    ]
    return template.render(
        review=review, verdict=verdict(review), tone=tone(review), sections=filled, vega=Markup(vega),
        shown=shown, percent=percent, code=_code,
    )  # fmt: skip


def _code(text: str) -> Markup:
    """Escape a text, and mark what stands between two backticks in it."""
    *pairs, last = [Markup.escape(piece) for piece in text.split("`")]
    marked = (
        piece if number % 2 == 0 else Markup("<code>{}</code>").format(piece) for number, piece in enumerate(pairs)
    )
    return Markup("").join([*marked, last if len(pairs) % 2 == 0 else Markup("`") + last])


def _fitting(part: Part, room: _Room, review: Review) -> list[Part]:
    """Give what of a part fits, ready for the template, and name what does not."""
    if part.kind == "cards":
        kept = [card for card in part.content if room.take(1_000 + len(card.photo or ""))]
        return [Part("cards", kept), *_dropped(len(part.content) - len(kept), "photos", "")]
    if part.kind == "plots":
        return _plots(part.content, room)
    return [new for picture in part.content for new in _pair(picture, room, review)]


def _plots(plots: Sequence[Plot], room: _Room) -> list[Part]:
    written = [(plot.name, as_script(plot.spec)) for plot in plots]
    kept = [(name, Markup(spec)) for name, spec in written if room.take(len(spec.encode()) + 200)]
    gone = [name for name, _ in written if name not in {name for name, _ in kept}]
    return [
        Part("plots", kept),
        *_dropped(len(gone), "plots", f": {', '.join(map(shown, gone))}; `dvc plots diff` shows them"),
    ]


def _pair(picture: Picture, room: _Room, review: Review) -> list[Part]:
    heading = Part("heading", shown(picture.name))
    if picture.base == picture.head and picture.head is not None:
        sides = [("the same in both", picture.head)]
    else:
        sides = [
            (name, found)
            for name, found in ((review.base, picture.base), (review.head, picture.head))
            if found is not None
        ]
    shown_sides, parts = [], [heading]
    for name, content in sides:
        uri = plot_picture(content)
        if uri is None:
            parts.append(Part("words", f"That of {name} is damaged, and cannot be shown."))
        elif room.take(len(uri) + 500):
            shown_sides.append((name, uri))
        else:
            parts.append(Part("words", f"That of {name} is left out, as the page would be too large."))
    lacking = [name for name, found in ((review.base, picture.base), (review.head, picture.head)) if found is None]
    parts += [Part("words", f"{name} has none.") for name in lacking]
    return [*parts, Part("pair", shown_sides)] if shown_sides else parts  # type: ignore[arg-type]


def _dropped(count: int, what: str, which: str) -> list[Part]:
    return [Part("words", f"{count:,} {what} are left out, as the page would be too large{which}.")] if count else []


def as_script(content: Any) -> str:
    """Give JSON that may stand in a script of HTML: nothing in it can end the script or begin a comment.

    NaN and infinity are ``null``: a browser reads no JSON that has them, and then draws none of the plots that follow.
    """
    return (
        json.dumps(_numbers(content), ensure_ascii=False, default=str, allow_nan=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
