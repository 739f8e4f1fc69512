"""Numbers drawn for names: the same whatever else there is, so that what grows keeps its order."""

import hashlib


def draw(name: str, seed: int) -> int:
    """Draw a number of 64 bits for a name."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest(), "big")
