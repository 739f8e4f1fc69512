"""A review as sections of words, tables, photos and plots, which a page and a comment write down each in its way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stages.evaluation.review import Change, DataChange
from stages.report.review_content import (
    NAMES,
    SEEDS,
    Card,
    FigureRow,
    Picture,
    Plot,
    Review,
    left_out,
    number,
    other_tests,
    percent,
    points,
    shown,
    with_interval,
)

_SPECIES = 15  # that gained most, and as many that lost most
_ROWS = 60  # of parameters, files of code, images that moved
_NAMED = 12  # in a sentence
_OTHER_TESTS = "The tests are not of the same images, so these figures do not compare; those of the common images do."
_OTHER_FIGURES = "The tests are not of the same images, so these figures do not compare."
_BASE_COLOR, _HEAD_COLOR = "#d55e00", "#0072b2"  # as in the plots of DVC (Okabe and Ito, 2008)

Table = Sequence[Sequence[str]]  # the first row holds the headings


@dataclass(frozen=True)
class Part:
    """A part of a section: its kind says what the content is."""

    kind: Literal["words", "heading", "table", "cards", "plots", "pictures"]
    content: Any


@dataclass
class Section:
    """A section with its parts, in order."""

    id: str
    title: str
    parts: list[Part] = field(default_factory=list)

    def words(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(Part("words", text))

    def heading(self, text: str) -> None:
        """Add a heading of what follows."""
        self.parts.append(Part("heading", text))

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table, if it has a row."""
        if rows := list(rows):
            self.parts.append(Part("table", [list(header), *rows]))

    def cards(self, cards: Sequence[Card]) -> None:
        """Add photos with what is said of them."""
        if cards:
            self.parts.append(Part("cards", list(cards)))

    def plots(self, plots: Sequence[Plot]) -> None:
        """Add plots that are drawn."""
        if plots:
            self.parts.append(Part("plots", list(plots)))

    def pictures(self, pictures: Sequence[Picture]) -> None:
        """Add plots that are pictures."""
        if pictures:
            self.parts.append(Part("pictures", list(pictures)))


def verdict(review: Review) -> list[str]:
    """Give the verdict, a sentence a line; the first is of top-1."""
    if review.comparison is None:
        return ["No verdict: the answers of both models to the same images are not at hand. Below is what is."]
    lines = [f"{NAMES[name]}: {found.words}." for name, found in review.comparison.differences.items()]
    images = review.comparison.images
    same = (images["base_said"].eq_missing(images["head_said"])).all()
    if images.height and same:
        lines.append("Both models say the same of every image that is compared.")
    return [*lines, f"{SEEDS}."]


def tone(review: Review) -> str:
    """Give the verdict in one word, better or worse; nothing where it is neither.

    It is top-1's, as the first line says it: of three figures one is called different by chance too often.
    """
    found = review.comparison.differences["top1"].verdict if review.comparison else ""
    return found if found in ("better", "worse") else ""


def sections(review: Review) -> list[Section]:
    """Give the sections in the order in which a reviewer asks for them; one that has nothing to say is left out."""
    made = [
        _compared(review),
        _images(review),
        _species(review),
        _params(review),
        _figures(review),
        _data(review),
        _curves(review),
        _crops(review),
        _plots(review),
    ]
    return [section for section in made if section.parts]


def _compared(review: Review) -> Section:
    section = Section("compared", "On the images that both are tested on")
    if review.comparison is None:
        return section
    comparison = review.comparison
    section.words(left_out(comparison.counts, review.base, review.head))
    header = [
        "figure",
        review.base,
        review.head,
        "difference in points",
        "95 % interval",
        "p",
        "gained",
        "lost",
        "verdict",
    ]
    section.table(
        header,
        (
            [
                NAMES[name],
                with_interval(each.base.value, each.base.low, each.base.high),
                with_interval(each.head.value, each.head.low, each.head.high),
                points(each.difference),
                "" if each.low is None else f"{points(each.low)} to {points(each.high)}",
                "" if each.p is None else f"{each.p:.3f}" if each.p >= 0.001 else "< 0.001",
                f"{each.gained:,}",
                f"{each.lost:,}",
                each.verdict,
            ]
            for name, each in comparison.differences.items()
        ),
    )
    section.heading("Each on all of its own test")
    if other_tests(review):
        section.words(_OTHER_TESTS)
    section.table(
        ["figure", review.base, review.head],
        (
            [name, *(f"{with_interval(own.value, own.low, own.high)}, {own.images:,} images" for own in (base, head))]
            for name, base, head in (
                (NAMES[key], comparison.base_own[key], comparison.head_own[key]) for key in comparison.base_own
            )
        ),
    )
    return section


def _images(review: Review) -> Section:
    section = Section("images", "Images gained and lost")
    if review.comparison is None:
        return section
    found = review.comparison.differences["top1"]
    section.heading(f"Gained: {found.gained:,} that only the {review.head} has right")
    section.cards(review.gallery.gained)
    section.heading(f"Lost: {found.lost:,} that only {review.base} has right")
    section.cards(review.gallery.lost)
    for note in review.gallery.notes:
        section.words(note)
    return section


def _species(review: Review) -> Section:
    section = Section("species", "Species that gained and lost most")
    if review.comparison is None:
        return section
    rows = review.comparison.species
    gained, lost = rows.filter(rows["difference"] > 0), rows.filter(rows["difference"] < 0)
    header = ["species", "images", "observations", f"right: {review.base}", f"right: {review.head}", "gained", "lost"]
    columns = ("species", "images", "groups", "base_hits", "head_hits", "gained", "lost")
    for what, some in (("gained", gained), ("lost", lost.reverse())):
        if some.height:
            first = f", the first {_SPECIES} of them" if some.height > _SPECIES else ""
            section.heading(f"{some.height:,} species {what}{first}")
            section.table(
                header, ([shown(row[name]) for name in columns] for row in some.head(_SPECIES).iter_rows(named=True))
            )
    if not section.parts:
        section.words("No species has more or fewer images right than before.")
    return section


def _params(review: Review) -> Section:
    section = Section("params", "Parameters and code that differ")
    if not review.params:
        section.words("No parameter differs.")
    rows = [[shown(change.name), shown(change.base), shown(change.head)] for change in review.params]
    _table_of_first(section, ["parameter", review.base, review.head], rows, "parameters")
    if review.code:
        section.words(f"{len(review.code):,} files of code or of the pipeline differ: {_some(review.code)}.")
    return section


def _figures(review: Review) -> Section:
    section = Section("figures", "All figures, as each commit has them")
    if review.figures:
        said = f" {_OTHER_TESTS if review.comparison is not None else _OTHER_FIGURES}" if other_tests(review) else ""
        section.words(f"Of the test, each of its own one, with 95 % intervals.{said}")
        section.table(["figure", review.base, review.head, "images"], map(_figure_row, review.figures))
    changed = [change for change in review.metrics if change.base != change.head]
    alike = len(review.metrics) - len(changed)
    if changed:
        section.words(f"Of the files in metrics/, those that differ ({alike:,} do not):")
        rows = (
            [change.name, *map(_figure, (change.base, change.head)), number(change.difference, sign=True)]
            for change in changed
        )
        _table_of_first(section, ["figure", review.base, review.head, "change"], list(rows), "figures")
    elif review.metrics:
        section.words(f"None of the {alike:,} figures in metrics/ differs.")
    return section


def _figure_row(row: FigureRow) -> list[str]:
    sides = ("–" if side is None else with_interval(*side) for side in (row.base, row.head))
    return [shown(row.name), *sides, row.images]


def _figure(value: Any) -> str:
    return (
        "–"
        if value is None
        else number(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else shown(value)
    )


def _data(review: Review) -> Section:
    section = Section("data", "Data")
    data = review.data
    if data is None:
        section.words("What became of single images cannot be said, as tables of the splits are missing.")
        return section
    counts = {"images": data.images, "observations": data.observations}
    section.table(
        ["split", *(f"{what} of {side}" for what in counts for side in (review.base, review.head)), "added", "removed"],
        (
            [
                split,
                *(_figure(value) for of in counts.values() for value in _of(of, split)),
                f"{data.added.get(split, 0):,}",
                f"{data.removed.get(split, 0):,}",
            ]
            for split in dict.fromkeys(change.name for change in data.images)
        ),
    )
    section.words(moved_in_words(data) or "No image moved between splits.")
    moved = [[shown(cell) for cell in row] for row in data.moved.head(_ROWS).iter_rows()]
    section.table(["image", "species", f"split of {review.base}", f"split of {review.head}"], moved)
    if data.relabeled.height:
        section.words(f"{data.relabeled.height:,} images are of another species now:")
        rows = ([shown(cell) for cell in row] for row in data.relabeled.head(_ROWS).iter_rows())
        section.table(["image", review.base, review.head], rows)
    for what, names in (("new", data.new_classes), ("gone", data.gone_classes)):
        if names:
            section.words(f"{len(names):,} classes are {what}: {_some(names)}.")
    if not data.new_classes and not data.gone_classes:
        order = "the same labels" if data.same_order else "other labels, which are mapped by name here"
        section.words(f"Both have the same classes, under {order}.")
    return section


def moved_in_words(data: DataChange) -> str:
    """Say how many images moved between splits, and where from; "" for none."""
    moves = data.moves()
    if not moves:
        return ""
    listed = ", ".join(f"{count:,} {way}" for way, count in moves.items())
    return f"{data.moved.height:,} images are in another split now: {listed}."


def _of(changes: Sequence[Change], name: str) -> tuple[Any, Any]:
    return next(((change.base, change.head) for change in changes if change.name == name), (None, None))


def _curves(review: Review) -> Section:
    section = Section("curves", "Curves of the training")
    if review.curves:
        section.plots([Plot("curves", curves_spec(review.curves, review.base, review.head))])
    return section


def curves_spec(curves: Sequence[dict[str, Any]], base: str, head: str) -> dict[str, Any]:
    """Give a plot of both runs' curves: a panel for top-1 and one for top-5, color by run, dashes and points by images.

    Points stand on the lines, so that a run of one epoch shows.
    """
    color = {
        "field": "run",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [base, head], "range": [_BASE_COLOR, _HEAD_COLOR]},
        "legend": {"symbolType": "stroke", "symbolStrokeWidth": 4, "labelLimit": 300},
    }
    shape = {
        "field": "images",
        "type": "nominal",
        "title": None,
        "scale": {"domain": ["validation", "training"], "range": ["circle", "triangle"]},
        "legend": {
            "symbolFillColor": "#333",
            "symbolStrokeColor": "#333",
            "labelExpr": "datum.label == 'training' ? 'training, dashed' : datum.label",
        },
    }
    # The first run is drawn broad and pale, so that it shows under a second one that is the same.
    looks = {base: {"strokeWidth": 6, "opacity": 0.5}, head: {"strokeWidth": 2}}
    lines = [
        {
            "transform": [{"filter": {"field": "run", "equal": run}}, {"filter": {"field": "images", "equal": images}}],
            "mark": {"type": "line", "strokeDash": dash, **look},
        }
        for run, look in looks.items()
        for images, dash in (("validation", [1, 0]), ("training", [4, 4]))
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": list(curves)},
        "facet": {"column": {"field": "of", "title": None, "header": {"labelFontSize": 14, "labelFontWeight": "bold"}}},
        "spec": {
            "width": 420,
            "height": 280,
            "encoding": {
                "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1, "format": "d"}},
                "y": {
                    "field": "share",
                    "type": "quantitative",
                    "title": "share of images",
                    "scale": {"zero": False, "nice": True},
                },
                "color": color,
                "tooltip": [{"field": name} for name in ("run", "images", "of", "epoch", "share")],
            },
            "layer": [
                *lines,
                {"mark": {"type": "point", "filled": True, "size": 50, "opacity": 1}, "encoding": {"shape": shape}},
            ],
        },
    }


def _crops(review: Review) -> Section:
    section = Section("crops", "Crops")
    for picture in review.pictures:
        if picture.name == review.crops:
            section.pictures([picture])
    return section


def _plots(review: Review) -> Section:
    section = Section("plots", "Plots")
    section.plots([plot for plot in review.plots if plot.spec])
    if empty := [plot.name for plot in review.plots if not plot.spec]:
        section.words(f"Without data in both: {_some(empty)}.")
    section.pictures([picture for picture in review.pictures if picture.name != review.crops])
    return section


def _table_of_first(section: Section, header: list[str], rows: list[list[str]], what: str) -> None:
    section.table(header, rows[:_ROWS])
    if len(rows) > _ROWS:
        section.words(f"{len(rows) - _ROWS:,} more {what} differ, and are not shown.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(shown(name, 80) for name in names[:_NAMED]) + more


def card_row(card: Card) -> list[str]:
    """Give in words what a card shows: image, species, what each model said."""
    return [
        shown(card.image_name),
        shown(card.species),
        f"{shown(card.base_said or '–')} ({percent(card.base_probability)})",
        f"{shown(card.head_said or '–')} ({percent(card.head_probability)})",
    ]
