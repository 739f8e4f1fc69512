"""What happens to documents in a collection that many hands and programs have written to.

Ids in every type that databases and exports know, one image in several records, names that are none, a field that
cannot be decoded, a document that cannot be read at all. Nothing here changes which images belong together.
"""

import uuid
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import bson

Documents = list[dict[str, Any]]

# Ways in which a sighting's number is written; the photos of one sighting take turns.
_SPELLINGS: tuple[Callable[[int], Any], ...] = (
    int,
    float,
    str,
    lambda number: bson.Decimal128(f"{number}.0"),
    lambda number: f"{number}.0",
    lambda number: [number],
)
_IDENTIFIERS: tuple[Callable[[int], Any], ...] = (
    lambda number: bson.Binary.from_uuid(uuid.UUID(int=0x5167 << 64 | number)),
    lambda number: str(uuid.UUID(int=0x5167 << 64 | number)).upper(),
)
_COMPOUND: tuple[Callable[[int], Any], ...] = (
    lambda number: {"walk": number, "stop": 0},
    lambda number: {"stop": 0.0, "walk": float(number)},
)
# What stands where nobody was asked for a sighting.
_NOTHING = ("nan", "None", "N/A", "", 0, float("nan"), False)

# Names that are no species, or not plainly one; and species in odd spellings.
ODD_NAMES = (
    "?",
    "N/A",
    "Unknown plant",
    "indet.",
    "Rosa ssp.",
    "Rosa hyb.",
    "Abies Mill.",
    "Probably Rosa canina",
    "Rosa canina / gallica",
    "Rosa canina; Rosa gallica",
    "Rosa gallica auct. non L.",
    "Eastern White Pine",
    "Eastern White Cedar",
    "Echinochloa crus galli",
    "Echinochloa crus-galli",
    "Rosaceae_Rosa_canina",
    "<i>Rosa canina</i> L.",
    "Rosa canina Lindl.",
    "ROSA CANINA MILL.",
    "* Rosa canina",
    "=HYPERLINK(\"https://evil.example\")",
    "Rosa \x1b[31mcanina",
)  # fmt: skip

# Written as ASCII of the same length, and changed in the bytes.
_ODD_BYTE = (b"caf~", b"caf\xe9")
_UNREADABLE = "cannot be read"
_NO_TYPE = b"\x42"


def spell_ids(documents: Documents) -> None:
    """Write the sightings of legacy documents in every type, and something that is none where there is no sighting."""
    ways: dict[int, Iterator[Callable[[int], Any]]] = {}
    nothing = cycle(_NOTHING)
    for number, document in enumerate(documents):
        if "scientific_name" not in document:
            continue
        if isinstance(sighting := document.get("sighting"), int):
            kinds = (_SPELLINGS, _IDENTIFIERS, _SPELLINGS, _COMPOUND)[sighting % 4]
            first = sighting // 4 % len(kinds)
            turns = ways.setdefault(sighting, cycle((*kinds[first:], *kinds[:first])))
            document["sighting"] = next(turns)(sighting)
        elif number % 2:
            document["sighting"] = next(nothing)


def repeat_records(documents: Documents) -> None:
    """Add records of images that are there already: poorer ones, of another shape, and some that disagree."""
    inaturalist = [document for document in documents if document.get("taxon", {}).get("name")]
    for document in inaturalist[:6]:
        page = f"https://www.inaturalist.org/observations/{document['observation']['id']}"
        documents.append({"url": document["image_url"], "scientific_name": document["taxon"]["name"], "sighting": page})
    for document in inaturalist[6:9]:
        record = {
            "image_url": document["image_url"],
            "species": document["taxon"]["name"],
            "photo_id": document["photo"]["id"],
            "observation_id": float(document["observation"]["id"]),
        }
        documents.append(record | {"license": document["photo"]["license_code"], "observer": "N/A"})
    legacy = [document for document in documents if document.get("author")]
    for document in legacy[:3]:
        documents.append(
            {"url": document["url"], "scientific_name": document["scientific_name"], "rights": "CC BY-NC-ND 4.0"}
        )


def add_odd_documents(documents: Documents) -> None:
    """Add names that are no species, a text of many kilobytes, and fields that cannot be decoded."""
    for number, name in enumerate(ODD_NAMES):
        url = f"https://herbarium.example/odd/{number}.jpg"
        documents.append({"url": url, "scientific_name": name, "rights": "cc-by"})
    documents += [
        {"url": "https://herbarium.example/odd/long.jpg", "scientific_name": "Rosa " + "canina " * 4000},
        {"url": "https://herbarium.example/odd/byte.jpg", "scientific_name": "Rosa canina", "where": "caf~"},
        {"url": "https://herbarium.example/odd/unreadable.jpg", "scientific_name": "Rosa canina", _UNREADABLE: 1},
    ]


def encode_document(document: dict[str, Any]) -> bytes:
    """Encode a document as BSON; with a byte that is no UTF-8, or of an unknown type, where its accident says so."""
    encoded = bson.encode(document).replace(*_ODD_BYTE)
    name = _UNREADABLE.encode() + b"\0"
    return encoded.replace(b"\x10" + name, _NO_TYPE + name)
