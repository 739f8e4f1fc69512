"""Columns of what the stage ``suspects`` writes to data/suspects/, and of the splits' tables that it reads.

Scores and shares are rounded to 5 digits: the rest is of a processor.
"""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled, Schema

# What is read of train.parquet and its like.
SUSPECTED = Ruled(
    dict.fromkeys(
        ("image_name", "sha256", "image_url", "species", "source", "license", "observer", "group", "split"), pl.String
    ),
    unique=("image_name",),
    required=("sha256", "species", "source", "group", "split"),
    sizes={"sha256": SHA256_CHARACTERS},
)
SUSPECTS = Ruled(  # images.parquet: all images of train, val and test, by rank
    {
        "image_name": pl.String,
        "sha256": pl.String,
        "split": pl.String,
        "group": pl.String,
        "species": pl.String,
        "rank": pl.Int32,  # from 1: the rest of the data speaks most against its species; no evidence comes last
        "score": pl.Float64,  # by how much the best other species is above its own; null of no evidence
        "no_evidence": pl.Boolean,  # its species has no other group, so nothing can speak for it; or is the only one
        "candidates": pl.List(pl.String),  # other species, by falling score, up to 5
        "candidate_scores": pl.List(pl.Float64),
        "own_score": pl.Float64,
        "isolation": pl.Float64,  # mean cosine distance to the nearest images of other groups, 5; null of fewer
        "novelty": pl.Float64,  # how much of it no combination of other groups' images explains: a leverage
        "isolation_rank": pl.Int32,  # from 1: the least like any other, perhaps no plant: by novelty
        # Up to 8 nearest images of other groups, the nearest first; null but for the first by rank, by isolation_rank
        # and of the random sample of `make review-data`, until `suspects.listed` of each are not judged yet: so none of
        # these is known by it.
        "neighbors": pl.List(pl.String),
    },
    unique=("image_name",),
    required=(
        "sha256",
        "split",
        "group",
        "species",
        "rank",
        "no_evidence",
        "candidates",
        "novelty",
        "isolation_rank",
    ),
    sizes={"sha256": SHA256_CHARACTERS},
)
LOOK_ALIKES = Ruled(  # look_alikes.parquet: pairs that look alike by features and not by hash, the most alike first
    {
        "image_name": pl.String,  # the lower name of the two
        "sha256": pl.String,
        "species": pl.String,
        "other_name": pl.String,
        "other_sha256": pl.String,
        "other_species": pl.String,
        "similarity": pl.Float64,  # cosine
    },
    unique=("image_name", "other_name"),
    required=("sha256", "species", "other_sha256", "other_species", "similarity"),
    sizes={"sha256": SHA256_CHARACTERS, "other_sha256": SHA256_CHARACTERS},
)
SPECIES_PAIRS: Schema = {  # species_pairs.csv: species that may be one, the likeliest first
    "species": pl.String,
    "other": pl.String,
    "images": pl.Int32,  # of the species
    "other_images": pl.Int32,
    "crossed": pl.Int32,  # of both, images that the rest of the data takes for the other of the two
    "similarity": pl.Float64,  # cosine of the means of their features, seen from the middle of all species
}
SYSTEMATIC: Schema = {  # systematic.csv: whose images are suspected more often than others' of the same species, by p
    "kind": pl.String,  # observer, source or host
    "value": pl.String,
    "images": pl.Int32,  # with evidence
    "suspects": pl.Int32,  # of these, that the rest of the data takes for another species
    "groups": pl.Int32,  # of species that have groups from elsewhere too
    "suspected_groups": pl.Int32,  # of these, of whose images half are suspects
    "expected_groups": pl.Float64,  # that would be so, if it were as often as with the groups from elsewhere
    "p": pl.Float64,  # of so many or more by chance; three digits that count
    "q": pl.Float64,  # share of false ones among the rows of its kind down to this one
}
