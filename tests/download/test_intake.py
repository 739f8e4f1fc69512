"""Placeholders stay out of the cache, and what is broken is replaced."""

from stages.cache.directory import list_files
from stages.cache.index import ImageIndex
from stages.commands.inventory import take_inventory
from stages.records.shapes import image_name
from stages.tables.cache_filter import AVAILABLE
from stages.tables.table import write_table
from tests.support.bench import PHOTO, black, records_of
from tests.support.image_server import image, status
from tests.support.pictures import jpeg, picture
from tests.support.tables import available_rows


def test_one_picture_for_several_photos_is_a_placeholder_and_is_withdrawn(bench, capsys):
    urls = [bench.server.script(f"/{n}.jpg", image(PHOTO)) for n in range(5)]
    own = bench.server.script("/own.jpg", image(jpeg(picture(seed=9))))
    display = bench.fetch(*urls, own)
    assert bench.stored().keys() == {image_name(own)}
    assert set(bench.reasons().values()) == {"placeholder"}
    assert len(bench.reasons()) == 3  # the first two were sound when they came; the next run knows better
    assert display.counts["withdrawn"] == 2
    assert "2 withdrawn (placeholder)" in capsys.readouterr().out
    more = bench.server.script("/more.jpg", image(PHOTO))
    bench.fetch(*urls, more)  # known by now, also where it was stored for a while
    assert set(bench.reasons().values()) == {"placeholder"}
    assert bench.reasons().keys() == {image_name(url) for url in (*urls, more)}
    bench.fetch(*urls, more)
    assert max(bench.server.asked.values()) <= 2
    bench.content["inventory"]["placeholder_photos"] = 50
    bench.fetch(*urls, more, again=["placeholder"])
    assert len(bench.stored()) == 7


def test_an_image_that_no_record_names_any_more_tells_nothing(bench):
    """One photo under a new URL, beside old files of it: no placeholder, and nothing is lost."""
    old = [bench.server.script(f"/old{n}.jpg", image(PHOTO)) for n in range(2)]
    bench.fetch(records=records_of(*old, photo_id=["1", "1"]))
    new = bench.server.script("/new.jpg", image(PHOTO))
    bench.fetch(records=records_of(new, photo_id=["1"]))
    assert len(bench.stored()) == 3


def test_one_address_with_other_endings_is_one_photo(bench):
    urls = [bench.server.script(f"/a.jpg?v={n}", image(PHOTO)) for n in range(5)]
    bench.fetch(*urls)
    assert len(bench.stored()) == 5


def test_one_photo_under_several_urls_is_none(bench):
    urls = [bench.server.script(f"/{n}.jpg", image(PHOTO)) for n in range(5)]
    bench.fetch(records=records_of(*urls, photo_id=["77"] * 5))
    assert len(bench.stored()) == 5


def test_a_placeholder_that_a_split_names_stays(bench, workspace, capsys):
    bench.host["concurrent"] = 1
    urls = sorted((bench.server.script(f"/{n}.jpg", image(PHOTO)) for n in range(3)), key=image_name)
    write_table(available_rows([{"image_name": image_name(urls[0])}]), AVAILABLE, workspace / "data/available.parquet")
    bench.fetch(*urls)
    assert bench.stored().keys() == {image_name(urls[0])}
    assert "1 images in use are placeholders and stay" in capsys.readouterr().err


def test_what_is_known_to_be_broken_is_asked_for_again(bench):
    """The black images of the old system: the inventory finds them, and the download replaces them."""
    url = bench.server.script("/a.jpg", image(PHOTO))
    gone = bench.server.script("/b.jpg", status(404))
    for each in (url, gone):
        (bench.directory / image_name(each)).write_bytes(black())
    bench.fetch(url)
    assert bench.server.asked.total() == 0  # nobody has looked at it yet
    with ImageIndex(bench.directory) as index:
        take_inventory(bench.directory, list(list_files(bench.directory)), index, max_megapixels=200, workers=1)
    bench.fetch(url, gone)
    assert bench.stored() == {image_name(url): PHOTO, image_name(gone): black()}
