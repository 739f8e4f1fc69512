"""Licences of photos, in the many ways in which sources write them, as a handful of codes."""

import re

import polars as pl

NONE = "none"  # all rights reserved, or nothing said
OTHER = "other"  # something said that is none of the others
CODES = ("cc0", "pd", "cc-by", "cc-by-sa", "cc-by-nc", "cc-by-nd", "cc-by-nc-sa", "cc-by-nc-nd", NONE, OTHER)

# https://creativecommons.org/licenses/by-nc/4.0/, CC-BY-NC-4.0, cc by nc 3.0 de, CC BY (2.0)
_CREATIVE_COMMONS = re.compile(
    r"(?:creativecommons\.org/licen[sc]es/|\bcc[\s_-]*)((?:by|nc|nd|sa)(?:[\s_-]+(?:nc|nd|sa))*)(?![a-z])"
)
_LONG_NAMES = {
    "attribution": "cc-by", "non-commercial": "nc", "noncommercial": "nc", "sharealike": "sa", "share-alike": "sa",
    "noderivatives": "nd", "no-derivatives": "nd", "noderivs": "nd", "no derivatives": "nd",
    "creative commons cc-by": "cc-by",
}  # fmt: skip
_CC0 = re.compile(r"\bcc[\s_-]*(?:0|zero)(?![0-9a-z])|publicdomain/zero")
_PUBLIC_DOMAIN = re.compile(r"^pd\b|public[\s_-]*domain|publicdomain/mark|no (?:known )?copyright")
_RESERVED = re.compile(r"^(?:c|©|\(c\)|copyright|none|no licen[sc]e|n/?a|unknown)?$|rights?[\s_-]*reserved|^©|^\(c\)")


def licence_code(text: str | None) -> str:
    """Give the code of a licence, one of ``CODES``; versions and countries make no difference."""
    lowered = " ".join((text or "").lower().split())
    for name, code in _LONG_NAMES.items():
        lowered = lowered.replace(name, code)
    if _CC0.search(lowered):
        return "cc0"
    if match := _CREATIVE_COMMONS.search(lowered):
        words = set(re.split(r"[\s_-]+", match[1]))
        code = "-".join(["cc", "by", *(word for word in ("nc", "nd", "sa") if word in words)])
        return code if code in CODES else OTHER
    if _PUBLIC_DOMAIN.search(lowered):
        return "pd"
    return NONE if _RESERVED.search(lowered) else OTHER


def licence_codes(licences: pl.Series) -> pl.Series:
    """Give the code of each licence."""
    codes = {text: licence_code(text) for text in licences.unique()}
    return licences.replace_strict(codes, return_dtype=pl.String).alias("licence_code")


def allowed_records(records: pl.DataFrame, allowed: list[str] | None) -> pl.DataFrame:
    """Keep the records under an allowed licence; ``None`` allows all."""
    return records if allowed is None else records.filter(licence_codes(records["licence"]).is_in(allowed))
