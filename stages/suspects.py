"""Stage ``suspects``: what the features of a frozen network say against labels and photos -> data/suspects/.

images.parquet ranks all images by how much the rest of the data speaks against their species, and by how little the
others explain them, as of a photo that shows no plant. look_alikes.parquet proposes pairs that may be one picture,
species_pairs.csv species that may be one, systematic.csv sources of errors. All of it is for people to look at (`make
review-data`): nothing is left out, renamed or merged by it.

A ranking is worth what the features are, so it comes with two figures: how often the rest of the data is right about an
image that it has not seen (top-1), and how many of the suspects that people judged so far were wrong.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.sources import pair_verdicts_path, verdicts_path
from stages.evaluation.for_people import for_people
from stages.evaluation.intervals import Estimate, share
from stages.evaluation.shown_precision import Shown, shown_precision
from stages.features.look_alikes import LookAlikes
from stages.features.neighbors import Search, all_neighbors
from stages.features.proposed_pairs import find_look_alikes, table_of_look_alikes
from stages.features.ranked import NEIGHBORS, table_of_images
from stages.features.seen import Seen, read_seen
from stages.features.species_pairs import table_of_species
from stages.features.suspicion import Suspicion, suspect
from stages.features.systematic import KINDS, evidence, systematic
from stages.records.rights import rights_of, withheld_in_words
from stages.report.suspects_page import draw_suspects
from stages.report.suspects_shown import choice_in_words, choose, packed_pixels, suspect_of
from stages.runtime.errors import run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.splitting.label_order import read_labels
from stages.tables.json_files import write_figures
from stages.tables.near_duplicates import PAIRS
from stages.tables.suspects import LOOK_ALIKES, SPECIES_PAIRS, SUSPECTS, SYSTEMATIC
from stages.tables.table import read_table, write_table
from stages.verdicts.reading import read_pair_verdicts, read_verdicts

FEATURES_IN = Path("data/features")
SPLITS_IN = Path("data/splits")
PAIRS_IN = Path("data/near_duplicates/pairs.parquet")
PACKED_IN = Path("data/packed")
OUT = Path("data/suspects")
METRICS = Path("metrics/suspects.json")
REPORT = Path("data/reports/suspects.json")
PICTURE = Path("plots/suspects.png")

SURE = 0.05  # share of false ones up to which a system is counted as found
SAID = 3  # of these, at the most


def main() -> None:
    """Rank images, find pairs and systems, say what it is worth, draw the first."""
    params = stage_params("suspects")
    check_libraries("suspects")
    seen, without_direction = read_seen(SPLITS_IN, FEATURES_IN, read_labels(SPLITS_IN / "labels.csv"))
    by_hash = read_table(PAIRS_IN, PAIRS, only=["image_name", "other_name"])
    verdicts = read_verdicts(verdicts_path(params.profile))
    pair_verdicts = read_pair_verdicts(pair_verdicts_path(params.profile))

    suspicion = suspect(seen.features, seen.labels, seen.groups, classes=len(seen.species), probe=params.probe)
    count = max(NEIGHBORS, params.probe.neighbors)
    neighbors, search = all_neighbors(seen.features, seen.groups, count=count)
    images = table_of_images(seen, suspicion, neighbors, search, verdicts, params.suspects.listed, params.probe)
    alike = find_look_alikes(seen, neighbors, by_hash, pair_verdicts, params.suspects)
    species = table_of_species(seen, suspicion)
    systems = systematic(evidence(seen, suspicion))

    min_groups = params.evaluate.min_groups
    top1 = left_out_top1(seen, suspicion, min_groups=min_groups)
    shown = {asked_as: shown_precision(verdicts, asked_as, min_groups=min_groups) for asked_as in ("suspect", "random")}
    with replacing_directory(OUT) as folder:
        write_table(images, SUSPECTS, folder / "images.parquet")
        write_table(table_of_look_alikes(seen.images, alike), LOOK_ALIKES, folder / "look_alikes.parquet")
        write_table(species.head(params.suspects.species_pairs), SPECIES_PAIRS, folder / "species_pairs.csv")
        write_table(systems, SYSTEMATIC, folder / "systematic.csv")
    contradicted = int(suspicion.contradicted.sum())
    write_figures(METRICS, {"left_out_top1": top1.value, "suspects": contradicted} if top1.images else {})
    surely = systems.filter(pl.col("q") < SURE)
    figures = {
        "images": len(seen.labels),
        "left_out_top1": top1,
        "suspects": contradicted,
        "no_evidence": int(suspicion.no_evidence.sum()),
        "without_direction": without_direction,
        "shown_so_far": {asked_as: vars(of) for asked_as, of in shown.items()},
        "neighbors": vars(search),
        "look_alikes": alike.counts(),
        "species_pairs": species.height,
        "systematic": {kind: surely.filter(pl.col("kind") == kind).height for kind in KINDS},
    }
    write_figures(REPORT, for_people(figures))
    withheld = draw(seen, images, verdicts, params.suspects.pictured, params.pictures.licenses)
    say_what_was_found(suspicion, top1, shown, search, alike, withheld)
    for row in surely.head(SAID).iter_rows(named=True):
        say(
            f"suspects: {row['kind']} {row['value']!r:.80}: {row['suspected_groups']:,} of {row['groups']:,} "
            f"observations are suspected, where {row['expected_groups']:.1f} are expected: see {OUT}/systematic.csv"
        )


def draw(seen: Seen, images: pl.DataFrame, verdicts: pl.DataFrame, most: int, licenses: Sequence[str] | None) -> str:
    """Draw the first suspects, and give what is said of those that may not be shown.

    Args:
        seen: the images.
        images: columns of ``SUSPECTS``.
        verdicts: columns of ``VERDICTS``.
        most: suspects to show.
        licenses: that photos may be under; ``None`` is any.
    """
    rights = rights_of(seen.images, licenses)
    choice = choose(images, verdicts, rights, most)
    pixels = packed_pixels(seen.images, PACKED_IN)
    drawn = [suspect_of(row, images, rights, pixels) for row in choice.shown.iter_rows(named=True)]
    withheld = withheld_in_words(choice.withheld, choice.suspects - choice.judged, rights)
    draw_suspects(drawn, PICTURE, notes=list(filter(None, [choice_in_words(choice, images.height), withheld])))
    return withheld


def left_out_top1(seen: Seen, suspicion: Suspicion, *, min_groups: int) -> Estimate:
    """Give how often the rest of the data is right about an image; of those that it can be right about."""
    rows = np.flatnonzero(~suspicion.no_evidence)
    right = ~suspicion.contradicted[rows]
    return share(right, seen.groups[rows], seen.labels[rows], min_groups=min_groups)


def say_what_was_found(
    suspicion: Suspicion,
    top1: Estimate,
    shown: dict[str, Shown],
    search: Search,
    alike: LookAlikes,
    withheld: str,
) -> None:
    """Say in some lines what was found and what it is worth."""
    without = int(suspicion.no_evidence.sum())
    worth = f"it is right about {top1.value:.1%}" if top1.images else "nothing tells its worth"
    say(
        f"suspects: the rest of the data takes {int(suspicion.contradicted.sum()):,} of {top1.images:,} images for "
        f"another species ({worth}), {without:,} are without evidence; see {PICTURE}"
        f"{f' ({withheld})' if withheld else ''}"
    )
    wrong, at_random = shown["suspect"].wrong, shown["random"].wrong
    if wrong.images:
        beside = f", of those shown at random {at_random.value:.0%} of {at_random.images:,}" if at_random.images else ""
        say(f"suspects: of those that people judged {wrong.value:.0%} of {wrong.images:,} were wrong{beside}")
    else:
        say("suspects: nobody has judged one yet, so nothing shows how many are wrong: `make review-data`")
    if not search.exact:
        say(
            f"suspects: neighbors were looked for in {search.looked_into:,} of {search.cells:,} cells, where "
            f"{search.recall:.1%} of them are found; those of what is listed are exact"
        )
    say(f"suspects: {len(alike.first):,} pairs look alike by features and not by hash")


if __name__ == "__main__":
    run(main)
