"""Stage ``suspects``: what the features of a frozen network say against labels and photos -> data/suspects/.

images.parquet ranks all images by how much the rest of the data speaks against their species, and by how little the
others explain them, as of a photo that shows no plant. look_alikes.parquet proposes pairs that may be one picture,
species_pairs.csv species that may be one, systematic.csv sources of errors. All of it is for people to look at (`make
review-data`): nothing is left out, renamed or merged by it.

A ranking is worth what the features are, so it comes with two figures: how often the rest of the data is right about an
image that it has not seen (top-1), and how many of the suspects that people judged so far were wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import Probe, Suspects
from stages.config.sources import pair_verdicts_path, verdicts_path
from stages.evaluation.for_people import for_people
from stages.evaluation.intervals import Estimate, share
from stages.evaluation.shown_precision import Shown, shown_precision
from stages.features.isolation import isolation, isolation_ranks, novelty
from stages.features.look_alikes import LookAlikes, linked, look_alikes
from stages.features.matching import features_of
from stages.features.neighbors import Neighbors, Search, all_neighbors, exact_neighbors
from stages.features.normalized import normalized
from stages.features.species_pairs import species_pairs
from stages.features.stored import read_features
from stages.features.suspicion import Suspicion, ranks, suspect
from stages.features.systematic import systematic
from stages.records.rights import rights_of, withheld_in_words
from stages.report.suspects_page import draw_suspects
from stages.report.suspects_shown import choice_in_words, choose, packed_pixels, suspect_of
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.splitting.label_order import label, read_labels
from stages.tables.classes import SPLITS, read_split
from stages.tables.json_files import write_figures
from stages.tables.near_duplicates import PAIRS
from stages.tables.suspects import LOOK_ALIKES, SPECIES_PAIRS, SUSPECTED, SUSPECTS, SYSTEMATIC
from stages.tables.table import read_table, write_table
from stages.verdicts.random_order import random_order
from stages.verdicts.reading import read_pair_verdicts, read_verdicts

FEATURES_IN = Path("data/features")
SPLITS_IN = Path("data/splits")
PAIRS_IN = Path("data/near_duplicates/pairs.parquet")
PACKED_IN = Path("data/packed")
OUT = Path("data/suspects")
METRICS = Path("metrics/suspects.json")
REPORT = Path("data/reports/suspects.json")
PICTURE = Path("plots/suspects.png")

NEIGHBORS = 8  # of each image that is listed


@dataclass(frozen=True)
class Seen:
    """Images and their features, in the order of names.

    Attributes:
        images: columns of ``SUSPECTED``.
        features: float32 [images, dimensions], of length 1.
        labels: int64 [images].
        groups: int64 [images], numbers of their groups, from 0.
        species: in the order of labels.
    """

    images: pl.DataFrame
    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    species: list[str]


def main() -> None:
    """Rank images, find pairs and systems, say what it is worth, draw the first."""
    params = stage_params("suspects")
    check_libraries("suspects")
    seen, without_direction = read_seen(read_labels(SPLITS_IN / "labels.csv"))
    verdicts = read_verdicts(verdicts_path(params.profile))

    suspicion = suspect(seen.features, seen.labels, seen.groups, classes=len(seen.species), probe=params.probe)
    count = max(NEIGHBORS, params.probe.neighbors)
    neighbors, search = all_neighbors(seen.features, seen.groups, count=count)
    images = table_of_images(seen, suspicion, neighbors, search, params.suspects.listed, params.probe)
    alike = find_look_alikes(seen, neighbors, read_judged_pairs(params.profile, seen.images), params.suspects)
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
    figures = {
        "images": len(seen.labels),
        "left_out_top1": top1,
        "suspects": contradicted,
        "no_evidence": int(suspicion.no_evidence.sum()),
        "without_direction": without_direction,
        "shown_so_far": {
            asked_as: {"wrong": of.wrong, "skipped": of.skipped} for asked_as, of in shown.items()
        },
        "neighbors": vars(search),
        "look_alikes": {name: getattr(alike, name) for name in ("alike", "known", "repeated", "left")}
        | {"proposed": len(alike.first)},
        "species_pairs": species.height,
        "systematic": {
            kind: systems.filter((pl.col("kind") == kind) & (pl.col("q") < 0.05)).height
            for kind in ("observer", "source", "host")
        },
    }  # fmt: skip
    write_figures(REPORT, for_people(figures))
    withheld = draw(seen, images, verdicts, params.suspects.pictured, params.pictures.licenses)
    say_what_was_found(seen, suspicion, top1, shown, search, alike, withheld)


def read_seen(species: list[str]) -> tuple[Seen, int]:
    """Read the images of train, val and test with their features, and count those whose features are none.

    Raises:
        UserError: a table is missing, damaged or another split's, a species has no label, or an image no features.
    """
    tables = [read_split(SPLITS_IN, name, SUSPECTED) for name in SPLITS]
    images = pl.concat(tables).sort("image_name")
    if (twice := images.filter(pl.col("image_name").is_duplicated())).height:
        raise UserError(f"{twice['image_name'][0]} is in two splits of {SPLITS_IN}: run `dvc repro split`")
    if not images.height:
        raise UserError(f"{SPLITS_IN} holds no image: there is nothing to look at")
    features, sound = normalized(features_of(images, read_features(FEATURES_IN), FEATURES_IN))
    labels = label(images["species"], species, where=str(SPLITS_IN))
    groups = images["group"].rank("dense").to_numpy().astype(np.int64) - 1
    return Seen(images, features, labels, groups, species), int((~sound).sum())


def table_of_images(
    seen: Seen, suspicion: Suspicion, neighbors: Neighbors, search: Search, listed: int, probe: Probe
) -> pl.DataFrame:
    """Give the images by rank, columns of ``SUSPECTS``.

    Where neighbors were not looked for among all images, those of what is listed are looked for anew, exactly.

    Args:
        seen: the images.
        suspicion: of them.
        neighbors: of all, found by ``search``.
        search: how.
        listed: images to list, by each ranking and at random.
        probe: the ridge, and of how many neighbors isolation is the mean.
    """
    names = seen.images["image_name"].to_numpy()
    novelties = novelty(seen.features, seen.groups, ridge=probe.ridge)
    isolated, ranked = isolation_ranks(novelties, names), ranks(suspicion, names)
    at_random = np.isin(names, random_order(names.tolist())[:listed])
    rows = np.flatnonzero((ranked <= listed) | (isolated <= listed) | at_random)
    of_rows = Neighbors(neighbors.rows[rows], neighbors.similarity[rows])
    if not search.exact:
        of_rows = exact_neighbors(seen.features, seen.groups, rows, count=neighbors.rows.shape[1])
    isolations = isolation(neighbors, count=probe.neighbors)
    isolations[rows] = isolation(of_rows, count=probe.neighbors)
    nearby: list[list[str] | None] = [None] * len(names)
    for row, others in zip(rows.tolist(), of_rows.rows[:, :NEIGHBORS], strict=True):
        nearby[row] = names[others[others >= 0]].tolist()
    species = np.array(seen.species, object)
    table = seen.images.select("image_name", "sha256", "split", "group", "species").with_columns(
        rank=pl.Series(ranked),
        score=_known(suspicion.score),
        no_evidence=pl.Series(suspicion.no_evidence),
        candidates=pl.Series(species[suspicion.candidates].tolist(), dtype=pl.List(pl.String)),
        candidate_scores=pl.Series(suspicion.candidate_scores.tolist(), dtype=pl.List(pl.Float64)),
        own_score=pl.Series(suspicion.own_score),
        isolation=_known(isolations),
        novelty=pl.Series(novelties),
        isolation_rank=pl.Series(isolated),
        neighbors=pl.Series(nearby, dtype=pl.List(pl.String)),
    )
    return table.sort("rank")


def _known(values: np.ndarray) -> pl.Series:
    """Give numbers with null for NaN."""
    return pl.Series(values).fill_nan(None)


def read_judged_pairs(profile: str, images: pl.DataFrame) -> set[tuple[int, int]]:
    """Give the pairs of rows that people have judged, the lower first: those of the bytes that there are now.

    Args:
        profile: whose verdicts.
        images: image_name and sha256, sorted by image_name.
    """
    now = images.select("image_name", "sha256").with_row_index("row")
    judged = read_pair_verdicts(pair_verdicts_path(profile)).join(now, on=["image_name", "sha256"])
    both = judged.join(
        now.rename({"image_name": "other_name", "sha256": "other_sha256", "row": "other_row"}),
        on=["other_name", "other_sha256"],
    )
    return {(min(pair), max(pair)) for pair in both.select("row", "other_row").iter_rows()}


def find_look_alikes(seen: Seen, neighbors: Neighbors, judged: set[tuple[int, int]], params: Suspects) -> LookAlikes:
    """Find pairs that look alike by features and not by hash, also not over images that no split holds."""
    pairs = read_table(PAIRS_IN, PAIRS, only=["image_name", "other_name"])
    names = pl.concat([pairs["image_name"], pairs["other_name"].alias("image_name")]).unique()
    others = names.filter(~names.is_in(seen.images["image_name"].implode())).sort()
    every = pl.concat([seen.images["image_name"], others])
    number = pl.DataFrame({"image_name": every, "row": range(len(every))})
    named = (pairs.select(image_name=end) for end in ("image_name", "other_name"))
    ends = (rows.join(number, on="image_name", how="left", maintain_order="left")["row"].to_numpy() for rows in named)
    groups = np.concatenate([seen.groups, int(seen.groups.max()) + 1 + np.arange(len(others))])
    links = linked(groups, *ends)[: len(seen.groups)]
    return look_alikes(neighbors, links, judged, min_similarity=params.min_similarity, most=params.look_alikes)


def table_of_look_alikes(images: pl.DataFrame, alike: LookAlikes) -> pl.DataFrame:
    """Give pairs as columns of ``LOOK_ALIKES``."""
    columns = images.select("image_name", "sha256", "species")
    second = columns[alike.second].rename(
        {"image_name": "other_name", "sha256": "other_sha256", "species": "other_species"}
    )
    return pl.concat([columns[alike.first], second], how="horizontal").with_columns(
        similarity=pl.Series(alike.similarity)
    )


def table_of_species(seen: Seen, suspicion: Suspicion) -> pl.DataFrame:
    """Give all pairs of species that may be one, columns of ``SPECIES_PAIRS``."""
    said = np.full(len(seen.labels), -1)
    wrong = suspicion.contradicted
    said[wrong] = suspicion.candidates[wrong, 0]
    pairs = species_pairs(seen.features, seen.labels, seen.groups, said, classes=len(seen.species))
    names, sizes = np.array(seen.species, object), np.bincount(seen.labels, minlength=len(seen.species))
    return pl.DataFrame(
        {
            "species": names[pairs.first],
            "other": names[pairs.second],
            "images": sizes[pairs.first],
            "other_images": sizes[pairs.second],
            "crossed": pairs.crossed,
            "similarity": _known(pairs.similarity),
        },
        schema_overrides={"species": pl.String, "other": pl.String},
    )


def evidence(seen: Seen, suspicion: Suspicion) -> pl.DataFrame:
    """Give what ``systematic`` compares: the images with evidence, which are suspected, and where they are from."""
    images = seen.images.with_columns(
        suspected=pl.Series(suspicion.contradicted),
        observer=pl.col("observer").str.strip_chars().replace("", None),
        host=pl.col("image_url").map_elements(host_of, pl.String),
    ).filter(pl.Series(~suspicion.no_evidence))
    return images.select("species", "group", "suspected", "observer", "source", "host")


def host_of(url: str) -> str | None:
    """Give the host of a URL; ``None`` where it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def left_out_top1(seen: Seen, suspicion: Suspicion, *, min_groups: int) -> Estimate:
    """Give how often the rest of the data is right about an image; of those that it can be right about."""
    rows = np.flatnonzero(~suspicion.no_evidence)
    right = ~suspicion.contradicted[rows]
    return share(right, seen.groups[rows], seen.labels[rows], min_groups=min_groups)


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


def say_what_was_found(
    seen: Seen,
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
