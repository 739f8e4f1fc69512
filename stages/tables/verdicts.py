"""Columns of what people say of photos: a file a reviewer in verdicts/ and pair_verdicts/ of the profile, in git.

Sorted by the images' names, without times, so that two branches merge line by line; when a verdict came is git's to
say.
"""

from typing import Literal, get_args

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled

Said = Literal["confirm", "relabel", "drop", "skip"]
"""``confirm``: the species is right. ``relabel``: it is another. ``drop``: no photo to learn from. ``skip``: the
reviewer cannot say; it changes nothing, and is counted."""
SAID: tuple[Said, ...] = get_args(Said)
AskedAs = Literal["random", "suspect", "neighbor"]
"""Why an image was shown: ``random`` are a sample of the whole set, and of these alone its error rate is made.
``neighbor``: judged along with another, as of one observation or as shown beside it."""
ASKED_AS: tuple[AskedAs, ...] = get_args(AskedAs)
Reason = Literal["not_a_plant", "herbarium", "drawing", "several_species", "unrecognizable", "one_of_observation"]
"""Why an image is dropped; ``one_of_observation``: it shows another species than the others of its observation."""
REASONS: tuple[Reason, ...] = get_args(Reason)
PairSaid = Literal["same", "different"]
"""``same``: two photos are one picture, or of one plant at one moment. ``different``: they merely look alike."""
PAIR_SAID: tuple[PairSaid, ...] = get_args(PairSaid)

VERDICTS = Ruled(
    {
        "image_name": pl.String,
        "sha256": pl.String,  # of the original that was looked at
        "given": pl.String,  # the species that it had then
        "verdict": pl.String,  # of SAID
        "species": pl.String,  # that a relabel gives; of a drop for `one_of_observation` what it shows; else null
        "reason": pl.String,  # of REASONS, for a drop; else null
        "asked_as": pl.String,  # of ASKED_AS
        "note": pl.String,  # what the reviewer wants to add
    },
    unique=("image_name",),
    required=("sha256", "given", "verdict", "asked_as"),
    sizes={"sha256": SHA256_CHARACTERS},
)
PAIR_VERDICTS = Ruled(
    {
        "image_name": pl.String,  # the lower name of the two
        "sha256": pl.String,
        "other_name": pl.String,
        "other_sha256": pl.String,
        "verdict": pl.String,  # of PAIR_SAID
        "note": pl.String,
    },
    unique=("image_name", "other_name"),
    required=("sha256", "other_sha256", "verdict"),
    sizes={"sha256": SHA256_CHARACTERS, "other_sha256": SHA256_CHARACTERS},
)
