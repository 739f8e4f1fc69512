"""How many examples a property is tried on, where each costs much."""

from hypothesis import settings


def at_most(examples: int) -> settings:
    """Try a property on so many examples, or on those of the profile where these are fewer."""
    return settings(max_examples=min(examples, settings().max_examples))
