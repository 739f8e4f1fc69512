"""Examples are of photos that may be shown, with whose they are; one an observation, and not what the data doubts."""

import hashlib

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.publishing.examples import EXAMPLE_PX, choose_examples, make_examples
from stages.runtime.errors import UserError
from stages.tables.publish import EXAMPLES
from stages.tables.split import SPLIT
from stages.tables.suspects import SUSPECTS
from stages.tables.table import read_table, write_table
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg, picture

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra"]
# A license as sources write it; whether a photo under it may be an example where its photographer is named, or is not.
LICENSES = {
    "CC BY 4.0": ("CC BY", True, False),
    "cc-by-sa": ("CC BY-SA", True, False),
    "CC BY-NC-SA 3.0 es": ("CC BY-NC-SA", True, False),
    "cc0": ("CC0", True, True),
    "public domain": ("public domain", True, True),
    "cc-by-nd": (None, False, False),
    "CC BY-NC-ND 4.0": (None, False, False),
    "(c) ann, all rights reserved": (None, False, False),
    "ask me first": (None, False, False),
    None: (None, False, False),
}


def row(number: int, **about) -> dict:
    name = hashlib.md5(str(number).encode()).hexdigest() + ".jpg"
    url = f"https://host.example/{name}"
    return (
        dict.fromkeys(SPLIT)
        | {"image_name": name, "image_url": url, "sha256": hashlib.sha256(name.encode()).hexdigest()}
        | {"species": SPECIES[0], "source": "garden", "license": "cc-by", "observer": "ann", "document_id": "1"}
        | {"bytes": 1, "width": 99, "height": 99, "group": name, "split": "train"}
        | about
    )


def write_train(folder, rows) -> pl.DataFrame:
    folder.mkdir(exist_ok=True)
    table = pl.DataFrame(rows, schema=dict(SPLIT))
    write_table(table, SPLIT, folder / "train.parquet")
    return table


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "species": st.sampled_from([*SPECIES, "Drosera anglica"]),
            "license": st.sampled_from(list(LICENSES)),
            "observer": st.sampled_from(["ann", " bob ", "", "  ", None]),
            "group": st.sampled_from(["one", "two", "three", "four"]),
            "image_url": st.sampled_from(["https://a.example/b", "http://a.example/c", "ftp://a.example", "file:///x"]),
        }
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(ROWS, st.integers(0, 3))
def test_what_is_chosen_may_be_shown_and_no_more_than_that(tmp_path_factory, rows, a_species):
    folder = tmp_path_factory.mktemp("splits")
    train = write_train(folder, [row(number, **about) for number, about in enumerate(rows)])
    of = {each["image_name"]: each for each in train.rows(named=True)}

    def may(each) -> bool:
        named = bool((each["observer"] or "").strip())
        return LICENSES[each["license"]][1 if named else 2] and each["image_url"].startswith(("http://", "https://"))

    chosen = choose_examples(folder, SPECIES, licenses=None, a_species=a_species)
    for each in chosen.rows(named=True):
        source = of[each["image_name"]]
        assert may(source)
        assert each["license"] == LICENSES[source["license"]][0]
        assert each["photographer"] == ((source["observer"] or "").strip() or None)
        assert (each["url"], each["species"], each["sha256"]) == tuple(
            source[name] for name in ("image_url", "species", "sha256")
        )
    for species in SPECIES:
        groups = {each["group"] for each in of.values() if each["species"] == species and may(each)}
        found = [of[name]["group"] for name in chosen.filter(species=species)["image_name"]]
        assert len(set(found)) == len(found) == min(a_species, len(groups))
    assert chosen.filter(~pl.col("species").is_in(SPECIES)).is_empty()
    assert chosen.equals(choose_examples(folder, SPECIES[::-1], licenses=None, a_species=a_species))


def test_only_licenses_of_the_parameters_are_taken_and_never_one_that_is_not_open(tmp_path):
    write_train(tmp_path, [row(number, license=license_) for number, license_ in enumerate(LICENSES) if license_])
    found = {
        names: set(choose_examples(tmp_path, SPECIES, licenses=names, a_species=20)["license"])
        for names in (("cc0", "cc-by"), ("cc-by-nd", "none", "other"), ("pd",))
    }
    assert list(found.values()) == [{"CC0", "CC BY"}, set(), {"public domain"}]


def test_of_what_the_data_doubts_nothing_is_shown_where_there_is_better(tmp_path):
    rows = [row(number) for number in range(12)]
    names = [each["image_name"] for each in rows]
    write_train(tmp_path, rows)
    ranks = {name: len(names) - number for number, name in enumerate(names)}  # 1: the most suspect
    suspects = pl.DataFrame(
        [
            dict.fromkeys(SUSPECTS)
            | {"image_name": name, "sha256": "0" * 64, "split": "train", "group": name, "species": SPECIES[0]}
            | {"rank": rank, "no_evidence": False, "candidates": [], "novelty": 0.0, "isolation_rank": rank}
            for name, rank in ranks.items()
        ],
        schema=dict(SUSPECTS),
    )
    write_table(suspects, SUSPECTS, tmp_path / "images.parquet")
    known = choose_examples(tmp_path, SPECIES, licenses=None, a_species=3, suspects=tmp_path / "images.parquet")
    assert all(ranks[name] > 6 for name in known["image_name"])
    # Without, by their names alone, as where the file is not there.
    without = choose_examples(tmp_path, SPECIES, licenses=None, a_species=3, suspects=tmp_path / "no.parquet")
    assert without.equals(choose_examples(tmp_path, SPECIES, licenses=None, a_species=3))
    assert without["image_name"].to_list() != known["image_name"].to_list()


def test_pictures_are_small_squares_of_the_packed_ones_and_the_same_bytes_each_time(tmp_path):
    rows = [row(number, species=SPECIES[number % 3]) for number in range(9)]
    write_train(tmp_path / "splits", rows)
    pictures = {each["image_name"]: picture(256, 256, number) for number, each in enumerate(rows)}
    write_images(
        (packed_image(each["image_name"], jpeg(pictures[each["image_name"]]), each["sha256"]) for each in rows),
        tmp_path / "packed",
    )
    for name in ("a", "b"):
        table = make_examples(tmp_path / "splits", tmp_path / "packed", SPECIES, licenses=None, a_species=2)
        write_table(table, EXAMPLES, tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    table = read_table(tmp_path / "a.parquet", EXAMPLES)
    assert table["species"].to_list() == sorted(2 * SPECIES)
    for name, content in table.select("image_name", "jpeg").iter_rows():
        small = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert small is not None
        assert small.shape == (EXAMPLE_PX, EXAMPLE_PX, 3)
        wanted = cv2.resize(pictures[name], (EXAMPLE_PX, EXAMPLE_PX), interpolation=cv2.INTER_AREA)
        assert np.abs(small[..., ::-1].astype(int) - wanted).mean() < 8
        assert len(content) < 30_000


def test_none_wanted_or_none_allowed_needs_no_packed_images(tmp_path):
    write_train(tmp_path, [row(1, license="none")])
    write_train(tmp_path / "open", [row(1), row(2)])
    for splits, a_species in ((tmp_path, 2), (tmp_path / "open", 0)):
        table = make_examples(splits, tmp_path / "packed", SPECIES, licenses=None, a_species=a_species)
        assert (table.height, dict(table.schema)) == (0, dict(EXAMPLES))


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UserError, match=r"train\.parquet is missing"):
        make_examples(tmp_path, tmp_path, SPECIES, licenses=None, a_species=1)
    write_train(tmp_path, [row(1)])
    with pytest.raises(UserError, match=r"shards\.csv is missing"):
        make_examples(tmp_path, tmp_path, SPECIES, licenses=None, a_species=1)
