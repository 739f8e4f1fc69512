"""What a model says of photos, as it is written: in words for people, as a line of JSON, as a row of a table."""

import json
from typing import Any

import polars as pl

from stages.answering.answered import AnsweredPhoto
from stages.answering.asking import TOP, Answer
from stages.answering.model_folder import UsedModel
from stages.evaluation.abstaining import Thresholds
from stages.evaluation.answers import DIGITS
from stages.images.crop import Square
from stages.runtime.plain_text import plain
from stages.tables.table import no_formula

COLUMNS = (
    {"photo": pl.String, "level": pl.String, "said": pl.String}
    | {
        f"{what}_{place}": dtype
        for place in range(1, TOP + 1)
        for what, dtype in (("species", pl.String), ("probability", pl.Float64))
    }
    | {"genus": pl.String, "genus_probability": pl.Float64, "width": pl.Int64, "height": pl.Int64, "crop": pl.String}
    | {f"{square}_{key}": pl.Int64 for square in ("crop", "seen") for key in ("x", "y", "side")}
    | {"sha256": pl.String, "trouble": pl.String, "error": pl.String}
)


def as_probability(probability: float) -> str:
    """Give a probability with two digits; what is not quite none or all is not called so."""
    if 0 < probability < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= probability < 1 else f"{probability:.2f}"


def said_of(answer: Answer) -> str:
    """Say in words what a model is sure enough of to say."""
    first = f"{answer.species[0][0]} {as_probability(answer.species[0][1])}"
    if answer.level == "species":
        return first
    if answer.level == "genus":
        return f"genus {answer.genus} ({as_probability(answer.genus_probability)}); species unsure: at best {first}"
    return f"I do not know; at best {first}"


def most_probable(answer: Answer) -> str:
    """Give the most probable species, each with its probability, in a line."""
    return ", ".join(f"{name} {as_probability(probability)}" for name, probability in answer.species)


def sureness(thresholds: Thresholds, model: UsedModel) -> str:
    """Say from which probability on a model answers, and what that rests on."""
    calibration = model.calibration
    said = f"at a risk of {thresholds.max_risk:g} it says "
    if thresholds.species is None:
        said += "no species, whatever its probability, "
    else:
        said += f"a species from {thresholds.species:.2f} on, "
    said += "and no genus alone" if thresholds.genus is None else f"and else a genus from {thresholds.genus:.2f} on"
    if not calibration.val_images:
        return f"{said}; its probabilities are not calibrated, as there was no image to do it on"
    end = ", the best one lies beyond what can be had" if calibration.temperature_at_end else ""
    return f"{said} (temperature {calibration.temperature:.2f}{end}; fitted on {calibration.val_images:,} images)"


def as_json(one: AnsweredPhoto) -> str:
    """Give a photo as an object of JSON in one line, of ASCII.

    Its keys are there in any case: ``photo``, ``level`` (species, genus, nothing, or null where there is trouble),
    ``said`` (the species or genus that it is sure enough of, or null), ``species`` (a list of name, probability,
    logit), ``genus`` (name, probability), ``width`` and ``height`` of the photo as shown, ``crop`` (x, y, side, how)
    and ``seen`` (x, y, side) in pixels of that, ``sha256`` of its bytes, ``trouble`` (a word, or null) and ``error``
    (in a line, or null).
    """
    answer, photo = one.answer, one.photo
    species: list[dict[str, Any]] = []
    if answer:
        species = [
            {"name": name, "probability": round(probability, DIGITS), "logit": round(logit, DIGITS)}
            for (name, probability), logit in zip(answer.species, answer.logits, strict=True)
        ]
    return json.dumps(
        {
            "photo": one.source.name,
            "level": answer and answer.level,
            "said": answer and _said(answer),
            "species": species,
            "genus": answer and {"name": answer.genus, "probability": answer.genus_probability},
            "width": photo and photo.width,
            "height": photo and photo.height,
            "crop": photo and _square(photo.square) | {"how": photo.square.how},
            "seen": photo and _square(photo.seen),
            "sha256": photo and photo.sha256,
            "trouble": one.trouble or None,
            "error": one.message or None,
        },
        allow_nan=False,
    )


def _square(square: Square) -> dict[str, Any]:
    return {"x": square.x, "y": square.y, "side": square.side}


def csv_head() -> str:
    """Give the first line of a table, with the names of its columns."""
    return ",".join(COLUMNS)


def as_csv(one: AnsweredPhoto) -> str:
    """Give a photo as a row of a table, columns of ``COLUMNS``: a cell is empty where there is nothing to say.

    ``said`` is the species or the genus that the model is sure enough of. What a spreadsheet would run as a formula has
    an apostrophe before it, and control characters are shown, as in all tables of this project.
    """
    cells: dict[str, Any] = dict.fromkeys(COLUMNS)
    cells |= {"photo": one.source.name, "trouble": one.trouble or None, "error": one.message or None}
    if answer := one.answer:
        cells |= {"level": answer.level, "said": _said(answer), "genus": answer.genus}
        cells["genus_probability"] = answer.genus_probability
        for place, (name, probability) in enumerate(answer.species, 1):
            cells |= {f"species_{place}": name, f"probability_{place}": round(probability, DIGITS)}
    if photo := one.photo:
        cells |= {"width": photo.width, "height": photo.height, "crop": photo.square.how, "sha256": photo.sha256}
        for name, square in (("crop", photo.square), ("seen", photo.seen)):
            cells |= {f"{name}_{key}": value for key, value in _square(square).items()}
    shown = [_in_a_line(cell) if isinstance(cell, str) else cell for cell in cells.values()]
    row = pl.DataFrame([shown], schema=COLUMNS, orient="row").with_columns(no_formula(pl.col(pl.String)))
    return row.write_csv(include_header=False, float_precision=DIGITS).removesuffix("\n")


def _in_a_line(text: str) -> str:
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def _said(answer: Answer) -> str | None:
    return {"species": answer.species[0][0], "genus": answer.genus, "nothing": None}[answer.level]
