"""What a host packs without being asked is unpacked, within bounds; what cannot be unpacked has its own reason."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.download.answer import Kind, RefusedError
from stages.download.content_encoding import MOST_MEMBERS, UNKNOWN, decoded
from stages.records.shapes import image_name
from tests.support.bench import PHOTO, START_S, TRIES
from tests.support.image_server import Reply
from tests.support.memory import peak_memory_kb
from tests.support.pictures import encoded, picture

PAGE = b"<html><body>slow down</body></html>" * 20
LARGEST = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "identity": bytes,
    "": bytes,
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "identity,gzip": gzip.compress,
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    "deflate, identity, x-gzip": lambda data: gzip.compress(raw_deflate(data)),
}


def packed(body: bytes, encoding: str) -> Reply:
    return lambda handler: handler.send(200, body, Content_Encoding=encoding, Content_Type="image/jpeg")


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("content", [PHOTO, encoded(picture(), "PNG"), PAGE], ids=["jpeg", "png", "page"])
def test_it_is_unpacked_whatever_the_spelling(encoding, content):
    body = PACKED[encoding](content)
    assert decoded(body, [encoding], LARGEST) == content
    assert decoded(body, encoding.split(","), LARGEST) == content  # each on a line of its own


@pytest.mark.parametrize("encoding", PACKED)
def test_an_image_gets_in_as_it_was_before(bench, encoding):
    body = PACKED[encoding](PHOTO)
    url = bench.server.script("/a.jpg", packed(body, encoding))
    display = bench.fetch(url)
    assert bench.stored() == {image_name(url): PHOTO}
    assert display.stored_bytes == len(PHOTO)
    with bench.ledger() as ledger:  # what came counts for the allowances
        assert ledger.traffic(START_S)[bench.server.host] == [(START_S // 60, len(body))]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "aws-chunked", "utf-8"])
def test_an_image_that_is_not_packed_at_all_is_taken_as_it_is(encoding):
    assert decoded(PHOTO, [encoding], LARGEST) == PHOTO


@given(st.binary(max_size=2000), st.lists(st.sampled_from(["gzip", "deflate"]), max_size=3))
def test_any_body_comes_back(content, encodings):
    body = content
    for encoding in encodings:
        body = PACKED[encoding](body)
    assert decoded(body, [", ".join(encodings)], LARGEST) == content


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "nonsense", "gzip, br", "gzip, gzip, gzip, gzip, gzip"])
def test_what_cannot_be_unpacked_is_refused_by_name(bench, encoding):
    url = bench.server.script("/a.jpg", packed(b"\x1b\x0d\x00\xf8" * 50, encoding))
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): UNKNOWN}
    assert bench.server.asked["/a.jpg"] == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Deflate"])
def test_what_is_cut_or_damaged_is_tried_again(bench, encoding):
    body = PACKED[encoding](PHOTO)
    cut = bench.server.script("/cut.jpg", packed(body[: len(body) // 2], encoding))
    bench.fetch(cut)
    assert bench.reasons() == {image_name(cut): "truncated"}
    assert bench.server.asked["/cut.jpg"] == TRIES
    bench.fetch(cut, again=[])
    bench.server.script("/cut.jpg", packed(body, encoding))
    bench.fetch(cut, again=["truncated"])
    assert bench.stored() == {image_name(cut): PHOTO}


@given(st.integers(1, 400), st.sampled_from(["gzip", "deflate", "Deflate"]))
def test_no_cut_passes_for_the_whole(cut, encoding):
    body = PACKED[encoding](PAGE)
    with pytest.raises(RefusedError, match="truncated") as error:
        decoded(body[: max(len(body) - cut, 3)], [encoding], LARGEST)
    assert error.value.kind is Kind.PASSING


def test_a_bomb_is_refused_and_takes_no_memory(bench):
    bench.content["download"]["max_image_mb"] = 1.0
    bomb = gzip.compress(bytes(200_000_000), 9)
    twice = gzip.compress(bomb, 9)
    urls = [
        bench.server.script("/1.jpg", packed(bomb, "gzip")),
        bench.server.script("/2.jpg", packed(twice, "gzip, gzip")),
    ]
    before = peak_memory_kb(anew=True)
    bench.fetch(*urls)
    assert bench.reasons() == {image_name(url): "too_long" for url in urls}
    assert peak_memory_kb() - before < 100_000


def test_members_of_a_gzip_file_are_one_body_and_are_bounded():
    assert decoded(gzip.compress(PAGE[:100]) + gzip.compress(PAGE[100:]), ["gzip"], LARGEST) == PAGE
    assert decoded(gzip.compress(PAGE) + b"\0\0\0", ["gzip"], LARGEST) == PAGE  # padded, as tapes had it
    for many in (gzip.compress(b"") * (MOST_MEMBERS + 1), gzip.compress(bytes(LARGEST // 2 + 1)) * 2):
        with pytest.raises(RefusedError, match="too_long"):
            decoded(many, ["gzip"], LARGEST)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "gzip, deflate", "br", "identity"]))
def test_no_body_breaks_it(body, encoding):
    try:
        assert len(decoded(body, [encoding], 1000)) <= 1000
    except RefusedError as refused:
        assert str(refused) in ("truncated", "too_long", UNKNOWN)
