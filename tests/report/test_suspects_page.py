"""The picture of suspects: nothing touches, photos have their credits, and what is shown is said."""

import numpy as np
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.records.rights import Rights
from stages.report.suspects_page import OTHERS, Examples, Suspect, lay_out
from stages.report.suspects_shown import Choice, choice_in_words, choose, examples_of, suspect_of
from stages.tables.suspects import SUSPECTS
from stages.tables.verdicts import VERDICTS
from tests.support.figures import HIGH_AND_LOW, assert_can_be_read, assert_nothing_touches, pictures, texts, written

LONG = "Pelargonium × hortorum subsp. longissimum var. quoddam f. incredibile cv. Abracadabra"
SQUARE = np.zeros((40, 40, 3), np.uint8)
ANY = Rights()


@settings(max_examples=4)
@given(st.text(max_size=120), st.integers(0, 3), st.integers(0, OTHERS))
@example(LONG, 5, OTHERS)
@example(HIGH_AND_LOW * 30, 2, 1)
def test_no_caption_touches_another(name, number, photos):
    examples = Examples(name, [SQUARE] * photos, name, name)
    figure = lay_out([Suspect(SQUARE, name, name, examples, examples)] * number, notes=[name, name])
    assert_nothing_touches(figure, written(figure) + pictures(figure))
    assert_can_be_read(figure)


def table(rows: list[tuple[str, str, float | None]]) -> pl.DataFrame:
    """Suspects by group, species and score, in this order."""
    empty = dict.fromkeys(SUSPECTS)
    return pl.DataFrame(
        [
            empty
            | {"image_name": f"{n:03}", "sha256": f"{n:064}", "split": "train", "group": group, "species": species}
            | {
                "rank": n + 1,
                "score": score,
                "no_evidence": score is None,
                "candidates": ["X"],
                "candidate_scores": [0.1],
            }
            for n, (group, species, score) in enumerate(rows)
        ],
        schema=dict(SUSPECTS),
    )


def verdicts(*names: str, given: str = "P") -> pl.DataFrame:
    rows = [{"image_name": name, "sha256": name.zfill(64), "given": given, "verdict": "confirm"} for name in names]
    return pl.DataFrame(rows, schema=dict(VERDICTS))


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("PQR")), max_size=25),
    st.integers(0, 25),
    st.integers(1, 9),
    st.sets(st.integers(0, 24)),
    st.sets(st.integers(0, 24)),
)
def test_one_of_a_group_species_in_turns_and_all_others_are_counted(rows, suspects, most, withheld, seen):
    scores = [0.9 - n / 100 if n < suspects else (None if n % 3 else -0.5) for n in range(len(rows))]
    images = table([(group, species, score) for (group, species), score in zip(rows, scores, strict=True)])
    rights = Rights({f"{n:03}": "none" if n in withheld else "cc0" for n in range(25)}, {}, frozenset(["cc0"]))
    choice = choose(images, verdicts(*(f"{n:03}" for n in seen)), rights, most)
    number = min(suspects, len(rows))
    judged = {n for n in seen if n < number and rows[n][1] == "P"}
    left = [n for n in range(number) if n not in judged]
    allowed = [n for n in left if n not in withheld]
    groups = {rows[n][0] for n in allowed}
    assert (choice.suspects, choice.judged, choice.withheld) == (number, len(judged), len(left) - len(allowed))
    assert choice.repeated == len(allowed) - len(groups)
    shown = [int(name) for name in choice.shown["image_name"]]
    assert len(shown) == min(most, len(groups))
    assert len({rows[n][0] for n in shown}) == len(shown)
    assert shown == sorted(shown)
    assert set(shown) <= set(allowed)


def test_a_verdict_on_other_bytes_or_under_another_name_hides_no_suspect():
    images = table([("a", "P", 0.5), ("b", "P", 0.4)])
    other = verdicts("000").with_columns(sha256=pl.lit("f" * 64))
    assert choose(images, other, ANY, 5).judged == 0
    assert choose(images, verdicts("000", given="Q"), ANY, 5).judged == 0
    assert choose(images, pl.concat([verdicts("000"), verdicts("000")]), ANY, 5).judged == 1


def test_examples_are_the_surest_of_other_groups_that_may_be_shown():
    rows = [("a", "P", 0.5), ("b", "P", -0.1), ("c", "P", -0.9), ("c", "P", -0.8), ("d", "P", None), ("e", "Q", -0.2)]
    images = table(rows)
    rights = Rights({f"{n:03}": "cc0" for n in range(6)}, {"001": "bob", "002": "cat"}, frozenset(["cc0"]))
    asked = []

    def pixels(name: str, side: int) -> np.ndarray:
        asked.append(name)
        return SQUARE

    found = examples_of("P", "a", images, rights, pixels)
    assert asked == ["002", "001"]
    assert (found.credits, found.missing) == ("bob, cat (CC0)", "")
    assert examples_of("P", "c", images, rights, pixels).credits
    assert asked[2:] == ["001", "000"]
    none = examples_of("P", "a", images, Rights({}, {}, frozenset(["cc0"])), pixels)
    assert (len(none.pixels), none.missing) == (0, "4 photos, none that may be shown")
    assert examples_of("Q", "e", images, rights, pixels).missing == "no photo of another group"
    suspect = suspect_of(images.row(0, named=True), images, rights, pixels)
    assert suspect.said == "train, rank 1, score 0.50"
    assert (suspect.own.species, suspect.guess.species) == ("P", "X")


def test_what_is_shown_of_how_many_is_said():
    nothing = table([])
    assert choice_in_words(Choice(nothing, 0, 0, 0, 0), 1234) == (
        "no suspects: the rest of the data takes none of 1,234 images for another species"
    )
    some = table([("a", "P", 0.5)])
    assert choice_in_words(Choice(some, 1300, 12, 3, 4), 5000) == (
        "1,300 of 5,000 images are taken for another species; shown: 1, the most suspicious, one of a group, species "
        "in turns, 4 more of the same groups, 12 were judged by people already"
    )
    assert {"1 of 9"} <= set(texts(lay_out([], notes=["1 of 9"])))
