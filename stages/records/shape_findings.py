"""What the reading of documents tells of the shapes in params.yaml: which fit none, ties, paths that lead nowhere."""

from typing import Any

from stages.records.shapes import DocumentReader
from stages.records.unknown_shapes import fields_in_words

SETS_REPORTED = 20
SETS_SAID = 3


def findings(reader: DocumentReader) -> dict[str, Any]:
    """Give what was found, for the report.

    Returns:
        documents_by_shape: how many there are of each shape, of those that were taken for one; paths_never_found: by
        shape, those of its paths that none of its documents has; ambiguous_shapes: how many documents fit which shapes
        equally; unknown_shapes: the commonest sets of fields of documents that fit none.
    """
    unknown = reader.unknown
    commonest = unknown.commonest(SETS_REPORTED)
    return {
        "documents_by_shape": {shape.source: shape.documents for shape in reader.shapes},
        "paths_never_found": {
            shape.source: paths for shape in reader.shapes if shape.documents and (paths := shape.paths_never_found())
        },
        "ambiguous_shapes": {" = ".join(names): documents for names, documents in sorted(reader.ties.items())},
        "unknown_shapes": {
            "documents": unknown.documents,
            "sets": [{"documents": documents, "fields": list(fields)} for fields, documents in commonest],
            "in_other_sets": unknown.documents - sum(documents for _, documents in commonest),
        },
    }


def findings_in_words(reader: DocumentReader) -> list[str]:
    """Give what a person shall know, in lines; none where each document fits one shape and each column was found."""
    return [*_nowhere(reader), *_ties(reader), *_unknown(reader)]


def commonest_in_words(reader: DocumentReader) -> str:
    """Say in one line what fields the commonest documents have that fit no shape; nothing where there are none."""
    for fields, documents in reader.unknown.commonest(1):
        return f"; the commonest ({documents:,}) that fit no shape have {fields_in_words(fields)}"
    return ""


def _nowhere(reader: DocumentReader) -> list[str]:
    lines = []
    for shape in reader.shapes:
        if shape.documents:
            for column, paths in shape.columns_never_found().items():
                lines.append(
                    f"warning: documents.{shape.source}.columns.{column}: none of the {shape.documents:,} documents of "
                    f"this shape has {' or '.join(paths)}"
                )
    return lines


def _ties(reader: DocumentReader) -> list[str]:
    return [
        f"warning: {documents:,} documents fit {' and '.join(names)} equally well and were refused (ambiguous_shape): "
        "add a field to the `when` of one"
        for names, documents in sorted(reader.ties.items())
    ]


def _unknown(reader: DocumentReader) -> list[str]:
    unknown = reader.unknown
    commonest = unknown.commonest(SETS_SAID)
    if not commonest:
        return []
    others = unknown.documents - sum(documents for _, documents in commonest)
    lines = [f"{unknown.documents:,} documents fit no shape; the commonest have these fields:"]
    lines += [f"  {documents:,}: {fields_in_words(fields)}" for fields, documents in commonest]
    lines += [f"  {others:,}: others, see unknown_shapes in data/reports/export.json"] if others else []
    # A blank form is no help where a few documents of no use stand among many that are.
    blank = not any(shape.documents for shape in reader.shapes)
    if entry := unknown.entry([shape.source for shape in reader.shapes], blank=blank):
        lines += ["a shape to paste below `documents:` in params.yaml, and to check:", *entry]
    return lines
