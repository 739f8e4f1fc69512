"""The names of species in the records: cleaned, refused, counted."""

import polars as pl

from stages.records.names import NameCleaner, clean_names
from stages.records.suspicious import merged_names
from stages.tables.export import NAMES


def name_records(records: pl.DataFrame, cleaner: NameCleaner) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give each record the cleaned name of its species, and leave out those whose name is refused.

    Returns:
        The records; what was done to names, columns of ``NAMES``, those of the most images first; and the names that
        are one species by what was cut off, columns of ``SUSPICIOUS_NAMES``.
    """
    counts = records.group_by("species").agg(images=pl.len())
    cleaned = clean_names(counts["species"], cleaner)
    species = records["species"].replace_strict(
        {name: found.name for name, found in cleaned.items()}, return_dtype=pl.String
    )
    touched = [
        (name, cleaned[name].name, "; ".join(cleaned[name].rules), images)
        for name, images in counts.iter_rows()
        if cleaned[name].rules
    ]
    listed = pl.DataFrame(touched, schema=NAMES, orient="row").sort("images", "found", descending=[True, False])
    merges = merged_names(cleaned, dict(counts.iter_rows()))
    return records.with_columns(species=species).filter(species.is_not_null()), listed, merges


def count_refused(names: pl.DataFrame) -> dict[str, int]:
    """Count the images whose name was refused, by the rule that did it."""
    refused = names.filter(pl.col("species").is_null())
    return dict(refused.group_by(pl.col("rules").str.split("; ").list.last()).agg(pl.sum("images")).iter_rows())


def count_rules(names: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count the names and images that each rule changed or refused."""
    by_rule = names.with_columns(rule=pl.col("rules").str.split("; ")).explode("rule")
    counted = by_rule.group_by("rule").agg(names=pl.len(), images=pl.sum("images")).sort("rule")
    return {rule: {"names": names, "images": images} for rule, names, images in counted.iter_rows()}
