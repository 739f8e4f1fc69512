"""An entry of params.yaml for documents that fit no shape, guessed from the names of their fields."""

import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

Kind = Literal["web", "text", "other", "empty"]  # of what stands at a path

FILL_IN = "FILL_IN"
REQUIRED = ("image_url", "species")  # columns that each shape has

# The names that fields have, in small letters without anything between, those before others that are surer. The name of
# the field above may be part of it: `taxon.name` is a taxonname.
_SPECIES = (
    *("scientificname", "acceptedscientificname", "acceptedname", "species", "speciesname", "binomial", "latinname"),
    *(
        "canonicalname",
        "nombrecientifico",
        "especie",
        "taxonname",
        "taxonnombre",
        "taxon",
        "plantname",
        "name",
        "nombre",
        "label",
    ),
)
_PHOTO_ID = tuple(
    f"{photo}{id_}"
    for id_ in ("id", "uuid")
    for photo in ("photo", "photos", "image", "images", "picture", "pictures", "media", "foto", "fotos", "imagen")
)
_OBSERVATION_ID = (
    *("observationid", "observationuuid", "sightingid", "occurrenceid", "specimenid", "observacionid"),
    *("observation", "sighting", "occurrence", "specimen", "observacion", "avistamiento", "pliego"),
)
_LICENSE = (
    *("licensecode", "license", "licence", "licensename", "licencia", "rights", "derechos", "licenseurl"),
    "copyright",
)
_OBSERVER = (
    *("observer", "observername", "observerlogin", "recordedby", "photographer", "photographername", "author"),
    *(
        "authorname",
        "creator",
        "userlogin",
        "username",
        "login",
        "user",
        "usuario",
        "autor",
        "observador",
        "fotografo",
        "recolector",
        "legit",
    ),
    *("rightsholder", "owner"),
)
# Fields with a name of their own that is no plant's.
_NO_PLANTS = frozenset(
    (
        "user",
        "observer",
        "photographer",
        "author",
        "creator",
        "owner",
        "usuario",
        "autor",
        "place",
        "location",
        "lugar",
        "localidad",
        "observador",
        "recolector",
        "fotografo",
        "coleccion",
        "proyecto",
    )
)
_IMAGE_WORDS = (
    "image", "img", "photo", "foto", "imagen", "picture", "media", "medios", "scan", "original", "large", "archivo",
)  # fmt: skip
_ADDRESS_WORDS = ("url", "uri", "href", "src", "link", "address", "enlace", "direccion")
_OTHER_PAGES = (
    "license", "licence", "licencia", "rights", "derechos", "thumb", "miniatura", "icon", "avatar", "profile", "perfil",
    "page", "user", "usuario", "reference", "ficha",
)  # fmt: skip
# As YAML 1.1 or 1.2 reads them, no texts.
_NO_TEXTS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))


def guess_entry(values: Mapping[str, Kind], name: str, documents: int) -> list[str]:
    """Guess where the columns of a record are, by the names of fields and what kind of values they hold.

    Args:
        values: what stands where in documents, by path (``images[].href``).
        name: of the shape.
        documents: how many there are like these.

    Returns:
        An entry of ``documents`` in params.yaml, as lines of YAML with a comment where it is guessed. What must be
        there and is not found is FILL_IN. No lines where there is nothing but an id.
    """
    paths = sorted(values, key=lambda path: (path.count("."), path))
    if not paths:
        return []
    image = _image_path(values, paths)
    array = image.partition("[]")[0] if image and "[]" in image else None
    # A shape goes through one array only, and makes a record of each of its entries.
    usable = [path for path in paths if path != image and ("[]" not in path or path.partition("[]")[0] == array)]
    species = _by_name(usable, values, _SPECIES, ("text",), apart_from=_NO_PLANTS)
    usable = [path for path in usable if path != species]
    found = {
        "image_url": (image or FILL_IN, "starts with http" if image else "where is the address of the image?"),
        "species": (species or FILL_IN, "by its name" if species else "where is the name of the species?"),
        "photo_id": (_by_name(usable, values, _PHOTO_ID, ("text", "other")), "by its name"),
        "observation_id": (_by_name(usable, values, _OBSERVATION_ID, ("text", "other")), "by its name"),
        "license": (_by_name(usable, values, _LICENSE, ("text", "web")), "by its name"),
        "observer": (_by_name(usable, values, _OBSERVER, ("text",)), "by its name"),
    }
    if array is not None and found["observation_id"][0] is None:
        found["observation_id"] = ("_id", "the images of one document are of one plant")
    # What stands deeper, or in an array, other documents like these may lack.
    sure = [path for path in (image, species) if path] or paths[:2]
    when = dict.fromkeys(".".join(path.partition("[]")[0].split(".")[:2]) for path in sure)
    advice = "check each line; the name is the records' source"
    return [
        f"  {name}: # guessed from the fields of {documents:,} documents: {advice}",
        "    when:",
        *(f"    - {_scalar(path)}" for path in when),
        "    columns:",
        *(
            f"      {column}: {_scalar(path)} # {'guessed: ' if path != FILL_IN else ''}{why}"
            for column, (path, why) in found.items()
            if path
        ),
    ]


def _image_path(values: Mapping[str, Kind], paths: list[str]) -> str | None:
    """Choose the path of the image's address among those whose values start with http."""

    def points(path: str) -> int:
        text = _letters(path)
        return (
            2 * any(word in text for word in _IMAGE_WORDS)
            + any(word in text for word in _ADDRESS_WORDS)
            - 4 * any(word in text for word in _OTHER_PAGES)
        )

    return max((path for path in paths if values[path] == "web"), key=points, default=None)


def _by_name(
    paths: list[str],
    values: Mapping[str, Kind],
    names: Sequence[str],
    kinds: Sequence[Kind],
    *,
    apart_from: Collection[str] = (),
) -> str | None:
    """Give the first path whose field has one of the names, the surer names first."""
    candidates = []
    for path in paths:
        above, own = ["", *map(_letters, path.split("."))][-2:]
        if values[path] in kinds and above not in apart_from:
            candidates.append((path, (own, above + own)))
    for name in names:
        for path, called in candidates:
            if name in called:
                return path
    return None


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFD", name.lower())
    return "".join(letter for letter in plain if letter.isalnum())


def _scalar(text: str) -> str:
    """Write a text as YAML, in quotes where a reader could take it for anything else."""
    plain = re.fullmatch(r"[A-Za-z_][\w-]*(\[\])?(\.[\w-]+)*", text) and text.lower() not in _NO_TEXTS
    return text if plain else json.dumps(text, ensure_ascii=False)
