"""Under which licenses a model may be passed on, as far as the licenses of what it was made of go.

Whether a model is a work derived from the photos that trained it is disputed, and differs from country to country. The
rule here is a cautious one of this house, and no legal advice: the model is treated as if it were one. So

    none, other, any with nd    forbid to pass the model on, under whichever license
    nc                          asks for a license that forbids commercial use, too
    sa                          asks for the very same kind: by-sa for by-sa, by-nc-sa for by-nc-sa
    by                          asks for a license that keeps the names of those who made it: any but cc0
    cc0, pd                     ask for nothing

The weights that a training began from count likewise, where their license is known. Of those that software has,
Apache, MIT, BSD and ISC ask for their notice to be kept, as by does; any other that is not understood forbids.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import polars as pl

from stages.config.schema import PublishLicense
from stages.records.licenses import BY_FREEDOM, NONE, OTHER, license_code, license_codes
from stages.runtime.errors import UserError

WANTED: tuple[PublishLicense, ...] = get_args(PublishLicense)
# Of each license of a photo: those under which a model that it has made may be passed on.
_ANY = frozenset(WANTED)
_NAMED = _ANY - {"cc0-1.0"}
_ALLOWED: Mapping[str, frozenset[str]] = {
    "cc0": _ANY,
    "pd": _ANY,
    "cc-by": _NAMED,
    "cc-by-sa": frozenset({"cc-by-sa-4.0"}),
    "cc-by-nc": frozenset({"cc-by-nc-4.0", "cc-by-nc-sa-4.0"}),
    "cc-by-nc-sa": frozenset({"cc-by-nc-sa-4.0"}),
    "cc-by-nd": frozenset(),
    "cc-by-nc-nd": frozenset(),
    NONE: frozenset(),
    OTHER: frozenset(),
}
IN_WORDS = {NONE: "without a license", OTHER: "under another license"}
_REASONS = {
    "cc-by": "the names of those who made it must be kept",
    "cc-by-sa": "to be passed on under cc-by-sa alone",
    "cc-by-nc": "no commercial use",
    "cc-by-nc-sa": "to be passed on under cc-by-nc-sa alone",
    "cc-by-nd": "nothing derived from it may be passed on",
    "cc-by-nc-nd": "nothing derived from it may be passed on",
    NONE: "all rights reserved, or nothing said",
    OTHER: "one that is not understood",
}
# Of software, as Hugging Face and PyPI write them: what they ask for is that their notice is kept.
_NOTICE = re.compile(
    r"apache(?: software)?(?: license)?(?:,? (?:v|version )?2(?:\.0)?)?|(?:the )?mit|isc|bsd(?: [23] clause)?"
)
_FREE = re.compile(r"(?:the )?unlicense|0bsd|mit 0")
_UNKNOWN = re.compile(r"|unknown|n/?a|none|null|\?+")


@dataclass(frozen=True)
class Objection:
    """What of a model forbids a license.

    Attributes:
        images: photos that do; 0 where it is the starting weights.
        license: theirs, a code of ``stages.records.licenses``; that of weights as it is written.
        example: the name of one of the photos; none of weights.
        reason: what their license asks for, in a few words.
    """

    images: int
    license: str
    example: str | None
    reason: str

    def __str__(self) -> str:
        """Say it: ``110 photos under cc-by-nc (no commercial use), such as 0a1b.jpg``."""
        if self.example is None:
            return f"the starting weights under {self.license} ({self.reason})"
        photos = f"{self.images:,} photo{'s' if self.images != 1 else ''}"
        return f"{photos} {IN_WORDS.get(self.license, f'under {self.license}')} ({self.reason}), such as {self.example}"


def forbidden_by(
    wanted: PublishLicense, trained_on_images: pl.DataFrame, weights_license: str | None
) -> list[Objection]:
    """Say what forbids to pass a model on under a license; nothing where it is allowed.

    Args:
        wanted: the license.
        trained_on_images: image_name and license (as sources write it; null counts as none) of all images that trained
            and selected the model.
        weights_license: of the starting weights, as their source says it; ``None`` where that is unknown, or there are
            none, and then it forbids nothing.

    Returns:
        An entry a license of photos, that of the most photos first, and one of the weights.
    """
    coded = trained_on_images.select("image_name", license_codes(trained_on_images["license"]))
    counted = coded.group_by("license_code").agg(pl.len(), pl.col("image_name").min())
    found = [
        Objection(images, code, example, _REASONS[code])
        for code, images, example in counted.sort("len", "license_code", descending=[True, False]).iter_rows()
        if wanted not in _ALLOWED[code]
    ]
    if (code := weights_code(weights_license)) is not None and wanted not in _ALLOWED[code]:
        found.append(Objection(0, (weights_license or "").strip(), None, _REASONS[code]))
    return found


def allowed_licenses(trained_on_images: pl.DataFrame, weights_license: str | None) -> list[PublishLicense]:
    """Give the licenses under which a model may be passed on, as ``forbidden_by`` has it; there may be none."""
    images = trained_on_images.select("image_name", "license").unique("license", keep="first")
    return [wanted for wanted in WANTED if not forbidden_by(wanted, images, weights_license)]


def check_license(wanted: PublishLicense | None, trained_on_images: pl.DataFrame, weights_license: str | None) -> None:
    """Refuse to pass a model on under a license that the photos or the starting weights forbid.

    Args:
        wanted: ``publish.license`` of params.yaml; ``None``, which nothing forbids, passes nothing on.
        trained_on_images: as for ``forbidden_by``.
        weights_license: likewise.

    Raises:
        UserError: it is forbidden: by which licenses of how many photos, and which others would be allowed.
    """
    if wanted is None:
        return
    objections = forbidden_by(wanted, trained_on_images, weights_license)
    if not objections:
        return
    allowed = allowed_licenses(trained_on_images, weights_license)
    instead = f"set publish.license to {' or '.join(allowed)}" if allowed else (
        "leave publish.license null, as no license is allowed by all of them"
    )  # fmt: skip
    raise UserError(
        f"publish.license {wanted} is forbidden by what the model was made of: "
        f"{'; '.join(map(str, objections))}. Either {instead}; or train without them (licenses.allowed, model.weights)"
    )


def weights_code(text: str | None) -> str | None:
    """Give the license of starting weights as the code of a photo's that asks for the same; ``None`` where unknown."""
    plain = " ".join(re.sub(r"[-_\s]+", " ", (text or "").lower()).split())
    if _UNKNOWN.fullmatch(plain):
        return None
    plain = plain.removesuffix(" license")
    if _NOTICE.fullmatch(plain):
        return "cc-by"
    if _FREE.fullmatch(plain):
        return "cc0"
    return license_code(text)


def by_license(trained_on_images: pl.DataFrame) -> dict[str, int]:
    """Count images by the code of their license, from the freest to the one that allows least."""
    counts = dict(license_codes(trained_on_images["license"]).value_counts(name="images").iter_rows())
    return {code: counts[code] for code in BY_FREEDOM if code in counts}
