"""Where what a profile starts from is: data/sources/<profile>/, pinned by git or by DVC."""

from pathlib import Path

SOURCES = Path("data/sources")


def dump_path(profile: str, file: str) -> Path:
    """Give a file of documents, as ``source.file`` in params.yaml names it."""
    return SOURCES / profile / "dump" / file


def synonyms_path(profile: str) -> Path:
    """Give the CSV that says which species' name is another's."""
    return SOURCES / profile / "synonyms.csv"


def undecided_path(profile: str) -> Path:
    """Give the CSV of the names that a checklist of synonyms leaves to a person."""
    return SOURCES / profile / "synonyms_ambiguous.csv"


def embedded_images(profile: str) -> Path:
    """Give the folder of the profile's own images; it is there where they are part of the repo."""
    return SOURCES / profile / "images"


def inventory_path(profile: str) -> Path:
    """Give the table that stands for the image cache."""
    return SOURCES / profile / "inventory.parquet"


def boxes_path(profile: str) -> Path:
    """Give the table of the subjects' true boxes, where they are known."""
    return SOURCES / profile / "boxes.parquet"


def assignments_path(profile: str) -> Path:
    """Give the table of earlier assignments to splits."""
    return SOURCES / profile / "assignments" / "assignments.parquet"


def weights_note_path(profile: str) -> Path:
    """Give the JSON that says which starting weights the profile has."""
    return SOURCES / profile / "weights.json"


def weights_folder(profile: str) -> Path:
    """Give the folder of the files of starting weights."""
    return SOURCES / profile / "weights"


def verdicts_path(profile: str) -> Path:
    """Give the folder with a CSV a reviewer of what people said of photos."""
    return SOURCES / profile / "verdicts"


def pair_verdicts_path(profile: str) -> Path:
    """Give the folder with a CSV a reviewer of what people said of pairs of photos that look alike."""
    return SOURCES / profile / "pair_verdicts"
