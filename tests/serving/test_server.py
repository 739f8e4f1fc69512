"""The server answers each photo as the model does, and one that is broken, huge, slow or gone holds up no other."""

import base64
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.answering.asking import Asked
from stages.answering.model_folder import load_used_model
from stages.answering.photo import prepare_photo
from stages.learning.processes import make_accelerator
from stages.serving import server as server_module
from stages.serving.examples import no_examples
from stages.serving.identifier import Identifier
from stages.serving.server import MOST_BYTES
from tests.support.photo_page import HOSTILE, ONE_NOBODY, PhotoPage, serving_photos, write_model
from tests.support.pictures import jpeg, picture
from tests.support.used import USED_SPECIES, photo


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def page(model):
    with serving_photos(model) as served:
        yield served


@pytest.fixture(scope="module")
def asked(model):
    return Asked(load_used_model(model), make_accelerator())


def header_of(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and has none."""
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(100))))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks, b"\0\0\0\0IEND\xaeB`\x82"])


TROUBLES = {
    "empty": b"",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
    "not_an_image": b"<html>not found</html>",
    "too_many_pixels": header_of(20_000, 15_000),
}


@pytest.mark.parametrize(
    ("of", "level", "said"),
    [
        ("species", "species", "Abies alba"),
        ("other species", "species", "Betula pendula"),
        ("genus", "genus", "Abies"),
        ("nothing", "nothing", ""),
    ],
)
def test_a_photo_is_answered_as_the_model_answers_it(page, asked, of, level, said):
    data = photo(of, 300, 200)
    status, answer = page.identify(data)
    assert status == 200
    assert answer["level"] == level
    assert said in ("", answer["genus"] if level == "genus" else answer["species"][0]["name"])
    prepared = prepare_photo(data, asked.model.preprocessing, 48)
    (wanted,) = asked.ask(prepared.pixels[None])
    assert [(each["name"], each["probability"]) for each in answer["species"]] == list(wanted.species)
    assert (answer["genus"], answer["genus_probability"]) == (wanted.genus, wanted.genus_probability)
    assert (answer["width"], answer["height"]) == (300, 200)
    assert answer["crop"] == [prepared.square.x, prepared.square.y, prepared.square.side]
    assert answer["seen"] == [prepared.seen.x, prepared.seen.y, prepared.seen.side]
    sees = cv2.imdecode(np.frombuffer(base64.b64decode(answer["sees"]), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(sees[..., ::-1].astype(int) - prepared.pixels).max() < 12


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_is_no_photo_is_a_line_with_a_name_and_no_error_of_the_page(page, trouble):
    status, answer = page.identify(TROUBLES[trouble])
    assert (status, answer["trouble"], answer.keys()) == (200, trouble, {"trouble", "error"})
    assert answer["error"]
    assert "\n" not in answer["error"]


def test_50_mb_are_taken_and_a_byte_more_is_not(page):
    assert page.identify(bytes(MOST_BYTES))[1]["trouble"] == "not_an_image"
    for size in (MOST_BYTES + 1, 60_000_000):
        status, answer = page.identify(bytes(size))
        assert (status, answer["trouble"]) == (413, "too_large")
    assert page.identify(photo("species"))[0] == 200


def test_ten_at_once_get_each_its_own_answer(page):
    sent = ["species", "other species", "genus", "nothing", "heic"] * 2
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda of: page.identify(TROUBLES.get(of) or photo(of))[1], sent))
    one_by_one = [page.identify(TROUBLES.get(of) or photo(of))[1] for of in sent]
    assert found == one_by_one
    assert [answer.get("level") for answer in found[:5]] == ["species", "species", "genus", "nothing", None]


@settings(max_examples=40)
@given(st.binary(max_size=500) | st.tuples(st.integers(0, 3000), st.integers(0, 255), st.integers(1, 3000)))
def test_any_bytes_are_answered_or_said_to_be_no_photo(page, change):
    """Also those of a photo of which one byte is another, or the end is missing."""
    if isinstance(change, bytes):
        data = change
    else:
        place, value, length = change
        data = bytearray(jpeg(picture(160, 120)))
        data[place % len(data)] = value
        data = bytes(data[:length]) if length % 2 else bytes(data)
    status, answer = page.identify(data)
    assert status == 200
    assert ("level" in answer) != (answer.get("trouble") in TROUBLES)


def request_of(page: PhotoPage, size: int) -> bytes:
    parts = urlsplit(page.url)
    lines = [f"POST {parts.path}photo HTTP/1.1", f"Host: {parts.netloc}", f"Origin: http://{parts.netloc}"]
    return "\r\n".join(
        [*lines, "Content-Type: application/octet-stream", f"Content-Length: {size}", "", ""]
    ).encode()  # fmt: skip


def test_who_is_slow_holds_nobody_up_and_who_went_away_is_not_answered(page, monkeypatch):
    data, wanted = photo("species"), []
    answer = Identifier.answer

    def noted(self, data, *, is_wanted):
        wanted.append(is_wanted())
        return answer(self, data, is_wanted=is_wanted)

    monkeypatch.setattr(Identifier, "answer", noted)
    slow = [page.connect() for _ in range(12)]
    for connection in slow:
        connection.sendall(request_of(page, len(data)) + data[:100])
    assert page.identify(data)[1]["level"] == "species"
    assert wanted == [True]
    for connection in slow[:6]:  # away before all was sent
        connection.close()
    for connection in slow[6:]:
        connection.sendall(data[100:])
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()
    assert wanted == [True] * 7
    assert page.identify(data)[1]["level"] == "species"


def test_nothing_is_decoded_or_asked_for_somebody_who_went_away(asked):
    identifier = Identifier(asked, no_examples())
    looked = []

    def after(times: int):
        def is_wanted() -> bool:
            looked.append(times)
            return len(looked) <= times

        return is_wanted

    for times in (0, 1):
        looked.clear()
        with pytest.raises(ConnectionAbortedError):
            identifier.answer(photo("species"), is_wanted=after(times))
        assert len(looked) == times + 1
    looked.clear()
    assert identifier.answer(photo("species"), is_wanted=after(2))["level"] == "species"
    identifier.end()


def test_photos_that_wait_take_so_much_memory_and_no_more(page, monkeypatch):
    monkeypatch.setattr(server_module, "MOST_HELD_BYTES", 1_000_000)
    with page.connect() as waiting:
        waiting.sendall(request_of(page, 900_001) + bytes(900_000))
        # What the server has read of it is counted; until then a second one may still fit.
        for _ in range(1000):
            status, answer = page.identify(bytes(200_000))
            if status == 503:
                break
        assert (status, answer["trouble"]) == (503, "busy")
        waiting.sendall(b".")
        assert waiting.recv(12) == b"HTTP/1.1 200"
    # And it is let go again.
    for _ in range(10):
        assert page.identify(bytes(900_000))[1]["trouble"] == "not_an_image"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403), ({"Origin": ""}, 403), ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421), ({"Content-Type": "image/jpeg"}, 415), ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)  # fmt: skip
def test_another_page_cannot_ask(page, headers, status):
    found, answer = page.identify(photo("species"), **headers)
    assert (found, "level" in answer) == (status, False)


@pytest.mark.parametrize(
    "place", ["nothing", "photo", "example/", "example/..%2fmodel.json", "example/%00", "page.html", "about/"]
)
def test_there_is_nothing_else(page, place):
    assert page.ask(place)[0] == 404
    assert page.ask("about", {})[0] == 404


def test_examples_are_given_with_whose_they_are(page):
    species = {each["name"]: each["examples"] for each in page.identify(photo("species"))[1]["species"]}
    assert [len(species[name]) for name in USED_SPECIES] == [2, 1, 0]
    first = species[USED_SPECIES[0]][0]
    assert first == {
        "image": "0" * 32 + ".jpg", "photographer": HOSTILE, "license": "CC BY-SA", "url": "https://photos.example/0"
    }  # fmt: skip
    assert species[USED_SPECIES[1]][0]["photographer"] is None
    shown = cv2.imdecode(np.frombuffer(page.ask(f"example/{ONE_NOBODY}")[1], np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (192, 192, 3)
    about = page.ask("about")[1]
    assert (about["species"], about["genera"], about["max_risk"]) == (3, 2, 0.1)
    assert (about["example_photos"], about["example_species"]) == (3, 2)


def test_a_photo_that_is_turned_is_cropped_as_shown(page):
    upright = picture(160, 120)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    plain = jpeg(upright)
    turned = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    answer = page.identify(turned)[1]
    assert (answer["width"], answer["height"]) == (120, 160)
    x, y, side = answer["crop"]
    assert x + side <= 120
    assert y + side <= 160
