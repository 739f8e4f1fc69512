"""An image is asked for where it may be: mirror, bucket, record, and redirects within the rules."""

import polars as pl
import pytest

from stages.download import wanted
from stages.download.wanted import host_of
from stages.records.shapes import image_name
from stages.runtime.errors import UserError
from tests.support.bench import PHOTO, allow, numbered, records_of
from tests.support.image_server import image, image_server, redirect, status
from tests.support.pictures import jpeg, picture


def test_the_bucket_is_asked_in_the_wanted_size_and_the_record_once_after_it(bench, monkeypatch):
    # The real bucket is not here: the same rules, with the test server in its place.
    monkeypatch.setattr("stages.records.inaturalist.OPEN_DATA_HOST", bench.server.host)
    monkeypatch.setattr("stages.download.wanted.add_routes", _over_http(wanted.add_routes))
    urls = [f"https://static.inaturalist.org/photos/{n}/original.jpg" for n in (1, 2)]
    bench.server.script("/photos/1/large.jpg", image(PHOTO))
    bench.server.script("/photos/2/large.jpg", status(403))
    with image_server("127.0.0.2") as static:
        static.script("/photos/2/original.jpg", image(jpeg(picture(seed=2))))
        bench.content["download"]["hosts"] |= allow(static.host)
        records = records_of(*(f"http://{static.host}/photos/{n}/original.jpg" for n in (1, 2)))
        records = records.with_columns(
            license=pl.lit("cc-by"),
            image_name=pl.Series([image_name(url) for url in urls]),
            photo_id=pl.Series(["1", "2"]),
        )
        bench.fetch(records=records)
        assert static.asked == {"/photos/2/original.jpg": 1}
    assert bench.server.asked == {"/photos/1/large.jpg": 1, "/photos/2/large.jpg": 1}
    assert bench.stored().keys() == {image_name(url) for url in urls}


def _over_http(add_routes):
    def routed(records, download):
        inaturalist = records.with_columns(
            image_url=pl.format("https://static.inaturalist.org{}", pl.col("image_url").str.extract(r"(/photos/.*)"))
        )
        table = add_routes(inaturalist, download)
        return table.with_columns(
            image_url=records["image_url"],
            original=records["image_url"],
            open_data=pl.col("open_data").str.replace("https://", "http://", literal=True),
        )

    return routed


def test_the_mirror_comes_first_and_the_source_after_it(bench):
    with image_server("127.0.0.2") as mirror:
        bench.content["download"] |= {"mirror": f"http://{mirror.host}/plants"}
        bench.content["download"]["hosts"] |= allow(mirror.host)
        photos = numbered(bench.server, 3)
        first = next(iter(photos))
        mirror.script(f"/plants/{image_name(first)}", image(photos[first]))
        bench.fetch(*photos)
        assert mirror.asked.total() == 3
    assert bench.server.asked.total() == 2
    assert len(bench.stored()) == 3


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://evil.example/a.jpg", "redirect_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/", "redirect_not_allowed"),
        ("file:///etc/passwd", "redirect_not_allowed"),
        ("ftp://127.0.0.1/a.jpg", "redirect_not_allowed"),
        ("//[broken", "redirect_to_nowhere"),
        ("/again.jpg", "too_many_redirects"),
    ],
)
def test_a_redirect_leads_nowhere_else(bench, location, reason):
    bench.server.script("/again.jpg", redirect("/again.jpg"))
    url = bench.server.script("/a.jpg", redirect(location))
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): reason}
    assert bench.server.asked.total() <= 7


def test_a_redirect_to_a_private_address_of_an_allowed_name_is_refused(bench):
    """The name is on the list, and resolves to this machine."""
    with image_server() as inside:
        inside.script("/secret.jpg", image(PHOTO))
        port = inside.server_address[1]
        bench.content["download"]["hosts"] |= allow(f"localhost:{port}", private=False)
        url = bench.server.script("/a.jpg", redirect(f"http://localhost:{port}/secret.jpg"))
        bench.fetch(url)
        assert bench.reasons() == {image_name(url): "private_address"}
        assert inside.asked.total() == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_rules_is_followed(bench, code):
    with image_server("127.0.0.2") as other:
        bench.content["download"]["hosts"] |= allow(other.host)
        other.script("/b.jpg", image(PHOTO))
        url = bench.server.script("/a.jpg", redirect(other.url("/b.jpg"), code))
        bench.fetch(url)
    assert bench.stored() == {image_name(url): PHOTO}


def test_only_hosts_of_the_list_are_asked(bench, capsys):
    with image_server("127.0.0.2") as other:
        url = other.script("/a.jpg", image(PHOTO))
        with pytest.raises(UserError, match=r"2 images are missing, and none is at a host of download\.hosts") as error:
            bench.fetch(url, "http://user:secret@127.0.0.1/a.jpg")
        assert host_of(url) in str(error.value)
        bench.fetch(url, bench.server.script("/b.jpg", image(PHOTO)))
        assert other.asked.total() == 0
    assert f"1 images are at hosts that are not in download.hosts ({host_of(url)} 1)" in capsys.readouterr().out


def test_a_location_may_hold_any_letter(bench):
    bench.server.script("/%C3%BC.jpg", image(PHOTO))
    url = bench.server.script("/a.jpg", redirect("/\u00fc.jpg".encode().decode("latin-1")))
    spaced = bench.server.script("/b.jpg", redirect("/a b.jpg"))
    bench.fetch(url, spaced)
    assert bench.stored().keys() == {image_name(url)}
    assert bench.reasons() == {image_name(spaced): "http_404"}
