"""What species' names are known from elsewhere: evidence of what the words of another name are."""

from collections.abc import Iterable

from stages.records.name_words import key_of


class Known:
    """Species' names, and the genera and epithets that they are of."""

    def __init__(self, species: Iterable[str] = ()) -> None:
        """Take names as they are cleaned: genus, epithet, and signs between them."""
        self._species = frozenset(species)
        words = {word for name in self._species for word in name.split()}
        self._genera = {key_of(word) for word in words if word[0].isupper()}
        self._epithets = {key_of(word) for word in words if word[0].islower()}

    def __contains__(self, species: object) -> bool:
        """Say whether a species' name is known."""
        return species in self._species

    def __or__(self, more: Iterable[str]) -> "Known":
        """Give what is known with more names."""
        return Known(self._species.union(more))

    def is_genus(self, word: str) -> bool:
        """Say whether a word is the genus of a known species, in whatever case."""
        return key_of(word) in self._genera

    def is_part(self, word: str) -> bool:
        """Say whether a word is the genus or the epithet of a known species, in whatever case."""
        return key_of(word) in self._genera or key_of(word) in self._epithets
