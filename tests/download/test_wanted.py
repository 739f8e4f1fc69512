"""What the cache lacks is asked for where it may be, the most helpful first."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.download.ledger import HISTORY
from stages.download.wanted import add_routes, host_of, missing_images
from stages.records.inaturalist import OPEN_DATA_HOST
from stages.records.licenses import CODES, license_code
from stages.records.shapes import image_name
from stages.tables.export import RECORDS
from tests.support.memory import peak_memory_kb

BUCKET = f"https://{OPEN_DATA_HOST}/photos"
STATIC = "https://static.inaturalist.org/photos"


def records_of(*rows: dict) -> pl.DataFrame:
    full = []
    for number, row in enumerate(rows):
        url = row.get("image_url", f"{STATIC}/{number}/original.jpg")
        full.append(dict.fromkeys(RECORDS) | {"image_url": url, "image_name": image_name(url), "species": "A"} | row)
    return pl.DataFrame(full, schema=RECORDS)


def missing(records, params, *, present=(), history=()):
    names = pl.Series("image_name", list(present), pl.String)
    past = pl.DataFrame(list(history), schema=HISTORY, orient="row")
    return missing_images(records, names, past, params.download)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://h.example/a.jpg", "h.example"),
        ("https://H.Example:443/a.jpg", "h.example"),
        ("http://h.example:443/", "h.example:443"),
        ("http://127.0.0.1:8000/a", "127.0.0.1:8000"),
        ("ftp://h.example/a", None),
        ("file:///etc/passwd", None),
        ("https://user:secret@h.example/", None),
        ("https://allowed.example\\@evil.example/", None),
        ("https://h.example /a", None),
        ("https://h.example/a b\\c.jpg", "h.example"),
        ("https://h.exa\nmple/a.jpg", "h.example"),
        ("https://evil.example\\.h.example/", None),
        ("https://h.example:0/", None),
        ("https://h.example:99999/", None),
        ("https://[::1]/a", "::1"),
        ("https://[broken", None),
        ("https:///a.jpg", None),
        ("gopher:h.example", None),
    ],
)
def test_the_host_of_a_url(url, host):
    assert host_of(url) == host


@given(st.text(max_size=40))
def test_any_text_has_a_host_or_none(text):
    for url in (text, f"https://{text}", f"https://h.example/{text}"):
        host = host_of(url)
        assert host is None or (host and "@" not in host and "/" not in host)


@pytest.mark.parametrize(
    ("url", "license", "expected"),
    [
        (f"{STATIC}/77/original.jpeg?1690000000", "cc-by-nc", f"{BUCKET}/77/large.jpeg"),
        (f"{STATIC}/77/original.jpeg?1690000000", "CC0", f"{BUCKET}/77/large.jpeg"),
        (f"{STATIC}/77/original.jpg", "http://creativecommons.org/licenses/by/4.0/", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC}/77/original.jpg", "Attribution-NonCommercial 4.0 International", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC}/77/original.jpg", "No known copyright restrictions", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC}/77/original.jpg", "CCTV still", None),
        (f"{STATIC}/77/original.jpg", "(c) ann, some rights reserved (CC BY)", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC.replace('static', 'STATIC')}/77/original.jpg", "cc-by", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC.replace('https', 'HTTPS')}/77/original.jpg", "cc-by", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC.replace('.org', '.org:443')}/77/original.jpg", "cc-by", f"{BUCKET}/77/large.jpg"),
        ("https://s3.amazonaws.com/inaturalist-open-data/photos/77/original.jpg", None, f"{BUCKET}/77/large.jpg"),
        ("https://www.naturalista.mx/photos/77/original.jpg", "cc0", f"{BUCKET}/77/large.jpg"),
        (f"{STATIC}/77/original.jpg", None, None),
        (f"{STATIC}/77/original.jpg", "all rights reserved", None),
        (f"{STATIC}/77/original.jpg", "c", None),
        (f"{BUCKET}/77/original.png", None, f"{BUCKET}/77/large.png"),
        (f"{BUCKET}/77/large.jpg", "cc-by", None),
        ("https://herbarium.example/photos/77/original.jpg", "cc-by", None),
        (f"https://evil.example/?{BUCKET}/77/original.jpg", "cc-by", None),
    ],
)
def test_openly_licensed_photos_are_asked_from_the_bucket(params, url, license, expected):
    routed = add_routes(records_of({"image_url": url, "license": license}), params.download)
    assert routed["open_data"].to_list() == [expected]
    assert routed["original"].to_list() == [url]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (f"{STATIC}/77/square.jpg", f"{STATIC}/77/large.jpg"),
        (f"{STATIC}/77/thumb.JPG?1", f"{STATIC}/77/large.JPG?1"),
        (f"{STATIC}/77/medium.jpeg", f"{STATIC}/77/large.jpeg"),
        (f"{STATIC}/77/large.jpg", f"{STATIC}/77/large.jpg"),
        (f"{STATIC}/77/original.jpg", f"{STATIC}/77/original.jpg"),
        ("https://herbarium.example/photos/77/square.jpg", "https://herbarium.example/photos/77/square.jpg"),
    ],
)
def test_no_photo_is_asked_in_a_smaller_size_than_params_name(params, url, asked):
    routed = add_routes(records_of({"image_url": url}), params.download)
    assert routed["original"].to_list() == [asked]
    # It is still the file of the record's URL.
    assert routed["image_name"].to_list() == [image_name(url)]


@pytest.mark.parametrize("code", CODES)
def test_download_and_records_agree_on_what_is_open(params, code):
    text = "all rights reserved" if code == "none" else "GFDL" if code == "other" else code
    routed = add_routes(records_of({"image_url": f"{STATIC}/77/original.jpg", "license": text}), params.download)
    assert license_code(text) == code
    assert (routed["open_data"][0] is not None) == (code not in ("none", "other"))


def test_the_file_keeps_the_name_of_the_records_url(params):
    url = f"{STATIC}/77/original.jpg"
    wanted, _ = missing(records_of({"image_url": url, "license": "cc-by", "photo_id": "77"}), params)
    row = wanted.row(0, named=True)
    assert (row["image_name"], row["route"], row["host"]) == (image_name(url), "open_data", OPEN_DATA_HOST)
    assert row["original"] == url


def test_images_that_are_there_take_memory_once_and_not_once_a_species(params):
    """At full size, 8,587 species and a full cache, it was once a species: 100 GB."""
    rows = [{"image_url": f"{STATIC}/{number}/large.jpg", "species": f"s{number // 2}"} for number in range(6_000)]
    records = records_of(*rows)
    before = peak_memory_kb(anew=True)
    wanted, _ = missing(records, params, present=records["image_name"][1:])
    assert peak_memory_kb() - before < 100_000
    assert wanted["image_name"].to_list() == records["image_name"][:1].to_list()


def test_the_mirror_is_asked_first_under_the_name_of_the_cache(params):
    download = params.download.model_copy(update={"mirror": "https://static.inaturalist.org/mine/"})
    routed = add_routes(records_of({"image_url": f"{STATIC}/1/original.jpg"}), download)
    name = image_name(f"{STATIC}/1/original.jpg")
    assert routed["mirror"].to_list() == [f"https://static.inaturalist.org/mine/{name}"]


def test_a_route_that_may_not_be_asked_is_passed_over(params):
    hosts = {name: limits for name, limits in params.download.hosts.items() if name != OPEN_DATA_HOST}
    params = params.model_copy(update={"download": params.download.model_copy(update={"hosts": hosts})})
    wanted, _ = missing(records_of({"license": "cc-by"}), params)
    assert wanted["route"].to_list() == ["original"]


def test_rare_species_first_then_round_by_round(params):
    rows = [
        {"species": species} for species, number in (("common", 6), ("rare", 2), ("middle", 4)) for _ in range(number)
    ]
    records = records_of(*rows)
    present = [name for species, number in (("common", 3), ("middle", 1)) for name in named(records, species)[:number]]
    wanted, _ = missing(records, params, present=present)
    species = dict(records.select("image_name", "species").iter_rows())
    order = [species[name] for name in wanted["image_name"]]
    assert order == ["rare", "middle", "rare", "middle", "common", "middle", "common", "common"]


def named(records, species):
    return records.filter(pl.col("species") == species)["image_name"].to_list()


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40))
def test_each_image_helps_the_species_that_has_least(params, rows):
    records = records_of(*({"species": f"S{species}"} for species, _ in rows))
    present = [name for name, (_, there) in zip(records["image_name"], rows, strict=True) if there]
    wanted, _ = missing(records, params, present=present)
    species = dict(records.select("image_name", "species").iter_rows())
    have = dict.fromkeys(species.values(), 0)
    for name in present:
        have[species[name]] += 1
    left = dict.fromkeys(species.values(), 0)
    for name in wanted["image_name"]:
        left[species[name]] += 1
    assert set(wanted["image_name"]) == set(species) - set(present)
    for name in wanted["image_name"]:
        assert have[species[name]] == min(have[one] for one in left if left[one])
        have[species[name]] += 1
        left[species[name]] -= 1


def test_one_photo_of_each_observation_before_a_second(params):
    records = records_of(*({"observation_id": observation} for observation in ("1", "1", "1", "2", "3", None)))
    wanted, _ = missing(records, params)
    observation = dict(records.select("image_name", "observation_id").iter_rows())
    first = [observation[name] for name in wanted["image_name"][:4]]
    assert sorted(map(str, first)) == ["1", "2", "3", "None"]


def test_what_earlier_runs_left_behind(params):
    records = records_of(*({"license": "cc-by"} for _ in range(4)))
    names = records["image_name"].to_list()
    history = [
        (names[0], "original", 2, 0, "timeout", 0),
        (names[1], "original", 4, 0, "http_404", 1),
        (names[2], "open_data", 0, 1, "", 0),
    ]
    wanted, refused = missing(records, params, history=history)
    assert set(wanted["image_name"]) == {names[0], names[2], names[3]}
    assert wanted["image_name"][-1] == names[2]  # was under way when a run was killed
    rows = {row["image_name"]: row for row in wanted.iter_rows(named=True)}
    assert (rows[names[0]]["route"], rows[names[0]]["failures"]) == ("original", 2)
    assert (rows[names[3]]["route"], rows[names[3]]["failures"]) == ("open_data", 0)
    assert refused.select("image_name", "reason").rows() == [(names[1], "http_404")]


def test_a_url_under_two_species_is_asked_for_once(params):
    url = f"{STATIC}/5/original.jpg"
    wanted, _ = missing(records_of({"image_url": url, "species": "A"}, {"image_url": url, "species": "B"}), params)
    assert wanted.height == 1
