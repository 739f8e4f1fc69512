"""The order in which a random sample of all images is drawn: the same for every reviewer, on every machine, for ever.

A sample is the beginning of it. So it grows by going on, and two people who each look at a part of it look at parts of
one sample.
"""

import hashlib
from collections.abc import Iterable

_DRAW = b"review"  # another word is another draw: the samples so far were no beginning of it


def random_order(image_names: Iterable[str]) -> list[str]:
    """Give names of images by a hash of each: any order is equally likely, and a name keeps its place among others."""
    return sorted(
        image_names, key=lambda name: (hashlib.blake2b(name.encode(), digest_size=8, person=_DRAW).digest(), name)
    )
