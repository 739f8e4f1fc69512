"""Command ``synonyms``: which names of the records are others', by a checklist -> data/sources/<profile>/synonyms.csv.

    python -m stages.commands.synonyms FILE

FILE is the table of names that a public checklist publishes, as it was downloaded (docs/synonyms.md says where). Rows
by hand stay, and win. What the checklist leaves open is listed in synonyms_ambiguous.csv beside it.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from stages.config.reading import all_params
from stages.config.schema import Names
from stages.config.sources import synonyms_path, undecided_path
from stages.records.checklist import find_checklist, is_species, read_checklist
from stages.records.names import NameCleaner
from stages.records.renaming import BY_HAND, Taxon, form_cleaner, judge, names_by_hand, settle
from stages.records.renaming_below import RenamingBelow, judge_below, names_below, settle_below
from stages.records.synonym_rows import read_synonym_rows, with_checklist, write_synonym_rows
from stages.runtime.errors import UserError, run
from stages.runtime.lock import check_profile
from stages.runtime.progress import say
from stages.runtime.wording import in_words
from stages.tables.export import NAMES, RECORDS
from stages.tables.synonyms import UNDECIDED
from stages.tables.table import read_table, with_control_characters, write_table

RECORDS_IN = Path("data/records.parquet")
NAMES_IN = Path("data/names.csv")
SHOWN = 5  # synonyms in a line


def main() -> None:
    """Ask a checklist for the names of the records, and write what it decides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", type=Path, help="a table of names, also gzip or in a zip archive")
    path = parser.parse_args().file
    params = all_params()
    # Whether they are in use now or not: the file is to be sound with them.
    rules = params.names.model_copy(update={"synonyms": True})
    records, found = _exported(params.profile)
    checklist = find_checklist(path)
    out, undecided_out = synonyms_path(params.profile), undecided_path(params.profile)
    earlier = read_synonym_rows(out)
    by_hand = earlier.accepted_by_hand
    of_sources = names_of_sources(records, found)
    alone = NameCleaner(rules, by_hand, where=str(out)).knowing(name for name, _, _ in of_sources)
    images = count_images(records, of_sources, alone)
    below = names_below(of_sources, alone)

    kind = f"{checklist.form}, ids of {checklist.publisher}"
    also = f" and {len({name.name for name in below}):,} below a species" if below else ""
    asking = f"asking it for {len(images):,} names of the records{also}"
    say(f"synonyms: {checklist.member or path.name}: {kind}; {asking}")
    names = images.keys() | dict(names_by_hand(by_hand, rules)).keys()
    forms = form_cleaner(rules)
    asked = {form for name in names if (form := forms.clean(name).name)} | {name.name for name in below}
    rows, total = read_checklist(checklist, asked)
    taxa = taxa_of(rows)
    verdicts = judge(names, taxa, rules, publisher=checklist.publisher)
    of_species = settle(images, verdicts, by_hand, rules)
    verdicts_below = judge_below(below, taxa, rules, publisher=checklist.publisher)
    found_below = settle_below(below, verdicts_below, of_species, images, by_hand, rules)
    renaming = found_below.whole

    written, change = with_checklist(earlier, renaming.rows)
    # As export will read them: what it would refuse must not be written.
    NameCleaner(rules, by_hand, of_checklist={row[0]: row[1] for row in renaming.rows}, where=str(out))
    write_table(pl.DataFrame(renaming.listed, schema=UNDECIDED, orient="row"), UNDECIDED, undecided_out)
    write_synonym_rows(out, written)

    say(f"synonyms: {total:,} rows read; {in_short(found_below, len(of_species.rows))}")
    say(
        f"synonyms: {len(written.of_checklist):,} rows of the checklist ({change.new:,} new, {change.gone:,} gone, "
        f"{change.changed:,} changed) and {len(written.by_hand):,} by hand -> {out}"
    )
    reasons = Counter(reason for _, reason, _, _ in renaming.listed)
    say(f"synonyms: {len(renaming.listed):,} names are left to you{in_words(reasons)} -> {undecided_out}")
    if reasons[BY_HAND]:
        name, candidates = next((name, found) for name, reason, found, _ in renaming.listed if reason == BY_HAND)
        say(f"synonyms: {reasons[BY_HAND]:,} names are other by hand, and stay so: {name} would be {candidates}")
    if unused := without_use(by_hand, (name for name, _, _ in of_sources), alone):
        shown = ", ".join(repr(synonym) for synonym in unused[:SHOWN])
        say(f"synonyms: {len(unused):,} rows by hand rename nothing in the records, such as {shown}")
    say(f"next: {advice(params.names, out)}")


def _exported(profile: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the names that export left: species of the records, and what became of the names that sources write."""
    for path in (RECORDS_IN, NAMES_IN):
        if not path.is_file():
            raise UserError(f"{path} is missing: run `dvc repro export` first, which says what names there are")
    check_profile("export", profile, RECORDS_IN)
    return read_table(RECORDS_IN, RECORDS, only=["species"]), read_table(NAMES_IN, NAMES)


def names_of_sources(records: pl.DataFrame, found: pl.DataFrame) -> list[tuple[str, str | None, int]]:
    """Give the names that sources write, as far as export left them: (name, its species now, images).

    What export did not touch is no row of ``found``: it is a species with more images than all names together that
    became it. (A URL that stands twice under one species counts twice there, and may hide that.) Control characters
    stand in ``found`` as escapes, and are read back as what they most likely were.

    Args:
        records: with the column species.
        found: columns of ``NAMES``.
    """
    touched = found.select("found", "species", "images").rows()
    left = Counter(dict(records.group_by("species").len().iter_rows()))
    for _, species, count in touched:
        left[species] -= count
    # A species that only synonyms lead to is no name of a source, and so no evidence that a first run had.
    led_to = set(found.filter(pl.col("rules").str.split("; ").list.contains("synonyms"))["species"])
    untouched = [(name, name, max(left[name], 0)) for name in sorted(records["species"].unique())]
    return [
        *((with_control_characters(name), species, count) for name, species, count in touched),
        *((name, species, count) for name, species, count in untouched if count or name not in led_to),
    ]


def count_images(
    records: pl.DataFrame, names: Iterable[tuple[str, str | None, int]], cleaner: NameCleaner
) -> dict[str, int]:
    """Count the images of each name that the records would have without a checklist, sorted by name.

    Where an earlier run's synonyms have renamed images, they count for the name that they had before: so a second run
    finds the same.

    Args:
        records: with the column species.
        names: as ``names_of_sources`` gives them.
        cleaner: with the synonyms by hand alone, which knows the names.
    """
    images: Counter[str] = Counter(dict(records.group_by("species").len().iter_rows()))
    for name, species, count in names:
        before = cleaner.clean(name).name
        if before == species:
            continue
        # A URL that stands twice counts twice in ``names``, and once in the records.
        moved = count if species is None else min(count, images[species])
        if species is not None:
            images[species] -= moved
        if before is not None:
            images[before] += moved
    return {name: max(images[name], 0) for name in sorted(images)}


def without_use(by_hand: Mapping[str, str], names: Iterable[str], cleaner: NameCleaner) -> list[str]:
    """Give the synonyms by hand that rename none of the names; one that says that a name stays is none of them."""
    used = {synonym for name in names for synonym in cleaner.clean(name).synonyms}
    return [synonym for synonym, accepted in by_hand.items() if synonym not in used and synonym != accepted]


def taxa_of(rows: pl.DataFrame) -> list[Taxon]:
    """Make objects of a checklist's rows, of which few are left."""
    return [
        Taxon(number, name, authors or "", status or "", accepted or "", is_species(rank))
        for number, name, authors, rank, status, accepted in rows.iter_rows()
    ]


def in_short(renaming: RenamingBelow, renamed: int) -> str:
    """Say what the checklist makes of the names of the records, of which it renames some."""
    whole = renaming.whole
    below = (
        f"; of {renaming.names:,} below a species it puts {renaming.renamed:,} under another "
        f"({renaming.images:,} images) and lacks {renaming.absent:,}"
    )
    left = f"{whole.merged:,} fewer are left" if whole.merged >= 0 else f"{-whole.merged:,} more are there"
    return (
        f"of {whole.names:,} names it accepts {whole.accepted:,} and renames {renamed:,} "
        f"({whole.images:,} images), so that {left}{below if renaming.names else ''}"
    )


def advice(rules: Names, out: Path) -> str:
    """Say what to do next."""
    if not rules.synonyms:
        return "nothing changes as long as `names.synonyms` in params.yaml is false; set it, then `dvc repro`"
    return f"look at `git diff {out}`, then `dvc repro` and a commit"


if __name__ == "__main__":
    run(main)
