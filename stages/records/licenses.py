"""Licenses of photos, in the many ways in which sources write them, as a handful of codes."""

import re
import unicodedata
from collections.abc import Sequence

import polars as pl

NONE = "none"  # all rights reserved, or nothing said
OTHER = "other"  # something said that is none of the others
CODES = ("cc0", "pd", "cc-by", "cc-by-sa", "cc-by-nc", "cc-by-nd", "cc-by-nc-sa", "cc-by-nc-nd", NONE, OTHER)
# From the freest to the one that allows least.
BY_FREEDOM = (*(code for code in CODES if code not in (NONE, OTHER)), OTHER, NONE)
SEVERAL = "; "  # between the licenses of a list
LONGEST = 500  # characters; what is longer is no license but a text about one

# The parts of Creative Commons' long names, in their many spellings, as the codes use them.
_LONG_NAMES = (
    (re.compile(r"attribution|atribucion|reconocimiento|atribuicao|namensnennung"), "by"),
    (re.compile(r"non[\s-]*commercial|na?o[\s-]*comercial|nicht[\s-]*kommerziell"), "nc"),
    (re.compile(r"share[\s-]*alike|compartir[\s-]*(?:por[\s-]*)?igual|compartilha[\s-]*igual"), "sa"),
    (re.compile(r"no[\s-]*deriv(?:ative|ativ|)s?(?:[\s-]*works?)?|sin[\s-]*(?:obras?[\s-]*)?derivad[ao]s?"), "nd"),
)
# https://creativecommons.org/licenses/by-nc/4.0/, CC-BY-NC-4.0, cc by nc 3.0 de, CC BY (2.0); and, of the long names,
# Creative Commons Attribution 4.0, Attribution-NonCommercial 4.0 International.
_CREATIVE_COMMONS = re.compile(
    r"(?:creativecommons\.org/licen[sc]es/|\bcreative[\s-]*commons|\bcc)[^a-z0-9]*by(?![a-z])|^by(?![a-z])"
)
_RESTRICTION = re.compile(r"(?<![a-z])(nc|nd|sa)(?![a-z])")
_CC0 = re.compile(r"\bcc[\s_-]*(?:0|zero)(?![0-9a-z])|publicdomain/zero")
_PUBLIC_DOMAIN = re.compile(r"^pd\b|public[\s_-]*domain|publicdomain/mark|no (?:known )?copyright|dominio publico")
_RESERVED = re.compile(
    r"^(?:c|©|\(c\)|copyright|none|no licen[sc]e|sin licencia|n/?a|unknown)?$|rights?[\s_-]*reserved|^©|^\(c\)"
    r"|derechos reservados|direitos reservados|rechte vorbehalten"
)
# As iNaturalist writes whose photo it is, and then the license: (c) ann, some rights reserved (CC BY)
_STATED = re.compile(r"(?:some|no) rights reserved \(([^()]*)\)$")
# All that may stand in an open license; any other word may be a condition.
_KNOWN = frozenset({
    "http", "https", "www", "creativecommons", "org", "licenses", "licences", "license", "licence", "licencia",
    "publicdomain", "legalcode", "deed", "creative", "commons", "cc", "cc0", "by", "nc", "nd", "sa", "zero", "v",
    "version", "international", "internacional", "unported", "generic", "generica", "universal", "public", "domain",
    "dominio", "publico", "mark", "dedication", "pd", "no", "known", "copyright", "restrictions", "a", "under",
    "bajo", "the", "la", "espana", "spain", "de", "es", "us", "uk", "fr", "it", "pt", "nl", "br", "mx", "ar", "cl",
    "co", "pe", "ca", "au", "nz", "jp", "be", "at", "ch", "pl", "dk", "se", "fi", "igo",
})  # fmt: skip


def license_code(text: str | None) -> str:
    """Give the code of a license, one of ``CODES``; versions and countries make no difference.

    Whatever may be a restriction counts as one, and what is not clear is ``other``: a photo must not be used under a
    freer license than its own. So a word that no open license has, in whatever language, is a condition.
    """
    if text and len(text) >= LONGEST:
        return OTHER
    if text and SEVERAL in text:
        return max(map(license_code, text.split(SEVERAL)), key=BY_FREEDOM.index)
    lowered = " ".join(_plain(text or "").lower().replace("_", " ").split())
    if stated := _STATED.search(lowered):
        lowered = stated[1]
    for name, code in _LONG_NAMES:
        lowered = name.sub(code, lowered)
    code = _open_code(lowered)
    if code and set(re.findall("[a-z]+", lowered.replace("cc0", ""))) <= _KNOWN:
        return code
    return NONE if _RESERVED.search(lowered) else OTHER


def _open_code(lowered: str) -> str | None:
    """Give the code of the open license that a text speaks of, conditions aside; ``None`` where it speaks of none."""
    if _CREATIVE_COMMONS.search(lowered):
        found = set(_RESTRICTION.findall(lowered))
        code = "-".join(["cc", "by", *(word for word in ("nc", "nd", "sa") if word in found)])
        return code if code in CODES else OTHER
    if _RESTRICTION.search(lowered):
        return None
    if _CC0.search(lowered):
        return "cc0"
    return "pd" if _PUBLIC_DOMAIN.search(lowered) else None


def is_open(code: pl.Expr) -> pl.Expr:
    """Say whether a code is of an open license: Creative Commons or the public domain, whatever that demands."""
    return ~code.is_in([NONE, OTHER])


def _plain(text: str) -> str:
    """Bring compatibility characters to one form, every dash to a hyphen, and take accents away."""
    normal = unicodedata.normalize("NFKD", text)
    kinds = ((letter, unicodedata.category(letter)) for letter in normal)
    return "".join("-" if kind == "Pd" else letter for letter, kind in kinds if kind != "Mn")


def license_codes(licenses: pl.Series) -> pl.Series:
    """Give the code of each license."""
    codes = {text: license_code(text) for text in licenses.unique()}
    return licenses.replace_strict(codes, return_dtype=pl.String).alias("license_code")


def allowed_records(records: pl.DataFrame, allowed: Sequence[str] | None) -> pl.DataFrame:
    """Keep the records under an allowed license; ``None`` allows all."""
    return records if allowed is None else records.filter(license_codes(records["license"]).is_in(allowed))
