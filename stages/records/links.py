"""What a document says that may connect its image with others: photo, observation, address."""

import hashlib
from typing import Any, NamedTuple

import bson

from stages.records import inaturalist
from stages.records.identity import LONGEST, address, bounded, id_texts


class Link(NamedTuple):
    """Something that may connect an image with others.

    Attributes:
        kind: ``observation_id``, ``photo_id`` or ``address``.
        raw: what the document says, as text; of more than ``LONGEST`` characters the beginning and a digest.
        value: its one spelling, with whose id it is before it (``inaturalist:77``); ``None`` where it names nothing.
        problem: why it names nothing, as ``id_texts`` says it; ``None`` where it does.
    """

    kind: str
    raw: str
    value: str | None
    problem: str | None


def links_of(source: str, image_url: str, photo: Any, observation: Any) -> list[Link]:
    """Give all that may connect an image with others, what names nothing too.

    The same number in another source is another thing, so ids bear the name of their source. Photos and observations
    of iNaturalist are known by their addresses, whichever source tells of them. A plain number that a source gives as
    the observation of a photo of iNaturalist's may be its own or iNaturalist's: it links as either.

    Args:
        source: whose ids ``photo`` and ``observation`` are.
        image_url: of the image.
        photo: the photo's id in the document, or ``None``.
        observation: the observation's id in the document, or ``None``.
    """
    links = []
    of_image = address(image_url)
    number = inaturalist.photo_number(f"https://{of_image}")
    if number:
        links.append(Link("photo_id", _raw(image_url), f"{inaturalist.SOURCE}:{number}", None))
    else:
        links.append(Link("address", _raw(image_url), bounded(of_image), None))
    for kind, value in (("photo_id", photo), ("observation_id", observation)):
        if value is None:
            continue
        texts, problem = id_texts(value)
        raw = _raw(value)
        if problem:
            links.append(Link(kind, raw, None, problem))
        for text in texts:
            if of_inaturalist := _of_inaturalist(kind, text):
                links.append(Link(kind, raw, f"{inaturalist.SOURCE}:{of_inaturalist}", None))
                continue
            if kind == "observation_id" and number and text.isdecimal() and source != inaturalist.SOURCE:
                links.append(Link(kind, raw, f"{inaturalist.SOURCE}:{text}", None))
            links.append(Link(kind, raw, f"{source}:{text}", None))
    # The address of a photo says as much as its id beside it.
    return list({(link.kind, link.value or link.raw): link for link in reversed(links)}.values())[::-1]


def _of_inaturalist(kind: str, text: str) -> str | None:
    # An id that is a web address has lost its scheme.
    return inaturalist.photo_number(f"https://{text}") if kind == "photo_id" else inaturalist.observation_number(text)


def _raw(value: Any) -> str:
    """Give what a document says, as text that can be stored."""
    if isinstance(value, bson.Binary):
        text = f"binary {value.subtype} {value.hex()}"
    elif isinstance(value, bytes):
        text = f"binary 0 {value.hex()}"
    else:
        try:
            text = str(value)
        except RecursionError:
            text = type(value).__name__
    text = text.encode("utf-8", "replace").decode()
    # The digest keeps apart what begins alike.
    return text if len(text) <= LONGEST else f"{text[:150]}… {hashlib.sha256(text.encode()).hexdigest()[:32]}"
