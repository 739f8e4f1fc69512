"""The table of suspects: all images by rank, and the neighbors of those that people are shown."""

import numpy as np
import polars as pl

from stages.config.schema import Probe
from stages.features.isolation import isolation, isolation_ranks, novelty
from stages.features.neighbors import Neighbors, Search, exact_neighbors
from stages.features.seen import Seen
from stages.features.suspicion import Suspicion, ranks
from stages.verdicts.judged import is_judged
from stages.verdicts.random_order import random_order

NEIGHBORS = 8  # of each image that is listed


def table_of_images(
    seen: Seen,
    suspicion: Suspicion,
    neighbors: Neighbors,
    search: Search,
    verdicts: pl.DataFrame,
    listed: int,
    probe: Probe,
) -> pl.DataFrame:
    """Give the images by rank, columns of ``SUSPECTS``.

    Where neighbors were not looked for among all images, those of what is listed are looked for anew, exactly. A
    suspect that people confirmed keeps its rank, so the list goes on behind those that were judged: else it would at
    last hold nothing else.

    Args:
        seen: the images.
        suspicion: of them.
        neighbors: of all, found by ``search``.
        search: how.
        verdicts: columns of ``VERDICTS``.
        listed: images to list that nobody has judged, by each ranking and at random.
        probe: the ridge, and of how many neighbors isolation is the mean.
    """
    names = seen.images["image_name"].to_numpy()
    novelties = novelty(seen.features, seen.groups, ridge=probe.ridge)
    isolated, ranked = isolation_ranks(novelties, names), ranks(suspicion, names)
    place = {name: place for place, name in enumerate(random_order(names.tolist()), start=1)}
    drawn = np.array([place[name] for name in names])
    judged = is_judged(seen.images, verdicts).to_numpy()
    rows = np.flatnonzero(
        np.logical_or.reduce([_first(ranking, judged, listed) for ranking in (ranked, isolated, drawn)])
    )
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
        score=pl.Series(suspicion.score).fill_nan(None),
        no_evidence=pl.Series(suspicion.no_evidence),
        candidates=pl.Series(species[suspicion.candidates].tolist(), dtype=pl.List(pl.String)),
        candidate_scores=pl.Series(suspicion.candidate_scores.tolist(), dtype=pl.List(pl.Float64)),
        own_score=pl.Series(suspicion.own_score),
        isolation=pl.Series(isolations).fill_nan(None),
        novelty=pl.Series(novelties),
        isolation_rank=pl.Series(isolated),
        neighbors=pl.Series(nearby, dtype=pl.List(pl.String)),
    )
    return table.sort("rank")


def _first(ranking: np.ndarray, judged: np.ndarray, most: int) -> np.ndarray:
    """Say which images come first, up to the last of so many that nobody has judged, bool [images].

    Args:
        ranking: int64 [images], each number once.
        judged: bool [images].
        most: images that are not judged.
    """
    last = np.sort(ranking[~judged])[:most]
    return ranking <= last.max(initial=0)
