"""A review as Markdown, short enough for a comment on a forge, which takes 65,536 characters."""

import re
from collections.abc import Sequence

from stages.report.review_content import Review, shown
from stages.report.review_sections import Part, Section, card_row, sections, tone, verdict
from stages.report.text_table import in_markdown

LARGEST_BYTES = 60_000
_CARDS = 10  # images gained or lost that are listed
_SIGNS = {"better": "🟢", "worse": "🔴"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#~!&])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}  # which some forges read as HTML behind a backslash, too
# What a forge turns into a call, a reference or a link after it has read the Markdown, so that no escape keeps it from
# it: @somebody, #12, GH-12, ://, www.
_LINKED = re.compile(r"(@|#|:(?=//)|gh-(?=\d)|www(?=\.))", re.IGNORECASE)
_JOINER = "\u2060"  # is not seen, and parts words


def write_comment(review: Review) -> str:
    """Give the comment: verdict, tables and what cannot be had; in UTF-8 no more than ``LARGEST_BYTES``.

    Text is of strangers: none of it is read as Markdown or HTML, nobody is called by an @, and no pull request by its
    number. What does not fit is left out from the end, section by section, and named.
    """
    lines = [f"## The {escaped(review.head)} against {escaped(review.base)}", ""]
    first, *others = verdict(review)
    lines += [
        f"{_SIGNS.get(tone(review), '⚪')} **{escaped(first)}**",
        "",
        *(f"- {escaped(line)}" for line in others),
        "",
    ]
    lines += [f"> **{escaped(line)}**\n" for line in review.alarms]
    lines += [f"> {escaped(line)}\n" for line in review.missing]
    lines += [f"{escaped(line)}  " for line in review.about]
    text = "\n".join(_cut(lines)) + "\n"
    for number, section in enumerate(made := sections(review)):
        written = _written(section, review)
        titles = ", ".join(each.title for each in made[number:])
        rest = f"\nNot in this comment, for its length, but in the page: {titles}.\n"
        if len((text + written + rest).encode()) + 300 > LARGEST_BYTES:
            return text + rest
        text += written
    return text + "\nThe page of the review has the photos and the plots.\n"


def _cut(lines: Sequence[str]) -> list[str]:
    """Keep what is said first within a third of the room."""
    kept, size = [], 0
    for line in lines:
        size += len(line.encode())
        if size > LARGEST_BYTES // 3:
            return [*kept, "More is said in the page."]
        kept.append(line)
    return kept


def _written(section: Section, review: Review) -> str:
    parts = [text for part in section.parts if (text := _part(part, review))]
    return f"\n### {escaped(section.title)}\n\n" + "\n".join(parts) if parts else ""


def _part(part: Part, review: Review) -> str:
    if part.kind in ("words", "heading"):
        return f"{'**' * (part.kind == 'heading')}{escaped(part.content)}{'**' * (part.kind == 'heading')}\n"
    if part.kind == "table":
        return _table(part.content)
    if part.kind == "cards":
        rows = [card_row(card) for card in part.content[:_CARDS]]
        more = f"\n{len(part.content) - _CARDS:,} more are in the page.\n" if len(part.content) > _CARDS else ""
        return _table([["image", "species", review.base, review.head], *rows]) + more
    return ""


def _table(table: Sequence[Sequence[str]]) -> str:
    header, *rows = [[escaped(cell) for cell in row] for row in table]
    return "\n".join(in_markdown(header, rows)) + "\n"


def escaped(text: str) -> str:
    """Give text that Markdown shows as it is, in one line; a bar is left to the table that it stands in."""
    line = _SPECIAL.sub(lambda found: _ENTITIES.get(found[1], f"\\{found[1]}"), shown(text, 1_000))
    return _LINKED.sub(rf"\1{_JOINER}", line)
