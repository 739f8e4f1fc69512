"""Whose a photo is, under which license, and so whether a picture that is published may show it.

Pictures in plots/ stand in git, and are published with the repo: a photo without an open license has no place there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from stages.records.licenses import BY_FREEDOM, NONE, OTHER, license_codes

UNNAMED = "unnamed"
_SHORT = {"cc0": "CC0", "pd": "public domain", NONE: "no license", OTHER: "other license"}


@dataclass(frozen=True)
class Rights:
    """What is known of some photos.

    Attributes:
        code: the license of each, by image name, as its code.
        observer: who made it; a photo of which no source says it is none of them.
        allowed: codes of the licenses that may be shown; ``None`` is any.
    """

    code: dict[str, str] = field(default_factory=dict)
    observer: dict[str, str] = field(default_factory=dict)
    allowed: frozenset[str] | None = None

    def may_show(self, image_name: str) -> bool:
        """Say whether a photo may be shown: one of which nothing is known may not, unless any may."""
        return self.allowed is None or self.code.get(image_name) in self.allowed

    def license(self, image_name: str) -> str:
        """Give the license of a photo as people write it: ``CC BY-SA``."""
        code = self.code.get(image_name, NONE)
        return _SHORT.get(code, code.upper().replace("CC-", "CC "))

    def credit(self, image_name: str) -> str:
        """Say who made a photo, and under which license it is: ``ann, CC BY``."""
        return f"{self.observer.get(image_name, UNNAMED)}, {self.license(image_name)}"

    def credits(self, image_names: Iterable[str]) -> str:
        """Say the same of several photos: ``ann, bob (CC BY); cat (CC0)``; each is named once a license."""
        by_license: dict[str, dict[str, None]] = {}
        for name in image_names:
            by_license.setdefault(self.license(name), {})[self.observer.get(name, UNNAMED)] = None
        return "; ".join(f"{', '.join(sorted(names))} ({license_})" for license_, names in sorted(by_license.items()))

    def what_is_allowed(self) -> str:
        """Give the licenses that may be shown, as params.yaml has them."""
        return "any license" if self.allowed is None else ", ".join(sorted(self.allowed, key=BY_FREEDOM.index))


def rights_of(images: pl.DataFrame, allowed: Sequence[str] | None) -> Rights:
    """Give the rights of photos.

    Args:
        images: image_name, license (as sources write it) and observer; of an image that several records have the least
            free license counts, and the first observer that is named.
        allowed: codes of the licenses under which a photo may be shown; ``None`` is any.
    """
    freedom = pl.DataFrame({"license_code": BY_FREEDOM, "rank": range(len(BY_FREEDOM))})
    coded = images.with_columns(license_codes(images["license"])).join(freedom, on="license_code")
    code = coded.sort("rank", "image_name").unique("image_name", keep="last", maintain_order=True)
    named = images.filter(pl.col("observer").str.strip_chars() != "").unique("image_name", keep="first")
    return Rights(
        dict(code.select("image_name", "license_code").iter_rows()),
        dict(named.select("image_name", "observer").iter_rows()),
        None if allowed is None else frozenset(allowed),
    )


def withheld_in_words(images: int, of: int, rights: Rights) -> str:
    """Say how many images a picture could show but for their license; nothing where there is none."""
    if not images:
        return ""
    return f"{images:,} of {of:,} images may not be shown, as pictures.licenses allows {rights.what_is_allowed()}"
