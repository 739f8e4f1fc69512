"""A table of assignments that a former version wrote is read with its ids in their present spelling."""

from pathlib import Path

import polars as pl
import pytest

from stages.records.shapes import DocumentReader
from stages.records.tabulate import shape_records
from stages.splitting.former_assignments import bring_up, is_former
from stages.splitting.groups import link_images
from stages.splitting.memory import read_assignments, recall
from stages.tables.remember import FORMER_ASSIGNMENTS
from stages.tables.table import write_table
from tests.support.tables import available_rows

# Written by `make remember` before ids had one spelling, of documents of all shapes of that time.
REAL = Path(__file__).parent / "former_assignments.parquet"


def test_a_real_table_is_remembered_whole():
    former = pl.read_parquet(REAL)
    assert is_former(REAL)
    present = read_assignments(REAL)
    by_name = present.filter(pl.col("kind") == "image_name")
    assert dict(by_name.select("value", "split").iter_rows()) == dict(former.select("image_name", "split").iter_rows())
    for kind in ("sha256", "photo_id", "observation_id"):
        assert set(former.drop_nulls(kind)["image_name"]) == set(present.filter(pl.col("kind") == kind)["image_name"])


def test_a_real_tables_images_are_met_again_under_other_addresses(capsys):
    """The photo by its number alone, the observation by its number, as today's export spells them."""
    former = pl.read_parquet(REAL)
    present = read_assignments(REAL)
    assert "is of a former version" in capsys.readouterr().out
    elsewhere = former.drop_nulls("photo_id").with_columns(
        image_name=pl.format("another {}", "image_name"), sha256=pl.lit("x")
    )
    links = elsewhere.select("image_name", kind=pl.lit("photo_id"), value=pl.format("inaturalist:{}", "photo_id"))
    met = recall(elsewhere, link_images(elsewhere, links, present), present)
    assert met.to_list() == elsewhere["split"].to_list()


@pytest.mark.parametrize(
    ("photo_id", "observation_id", "document"),
    [
        ("123", "inaturalist:77", {"image_url": "https://static.inaturalist.org/photos/123/large.jpg",
                                   "photo": {"id": 123}, "observation": {"id": 77}, "taxon": {"name": "Abies alba"}}),
        ("123", "jsonl:77", {"image_url": "https://static.inaturalist.org/photos/123/large.jpg",
                             "species": "Abies alba", "observation_id": 77}),
        (None, "legacy:77.0", {"url": "https://h.example/a.jpg", "scientific_name": "Abies alba", "sighting": "77"}),
        (None, "legacy:https://www.inaturalist.org/observations/77",
         {"url": "https://h.example/a.jpg", "scientific_name": "Abies alba",
          "sighting": "http://www.inaturalist.org/observations/77"}),
        ("jsonl:5", None, {"image_url": "https://h.example/a.jpg", "species": "Abies alba", "photo_id": 5.0}),
        (None, "legacy:69220000A1B2C3D4E5000001",
         {"url": "https://h.example/a.jpg", "scientific_name": "Abies alba", "sighting": "69220000a1b2c3d4e5000001"}),
    ],
)  # fmt: skip
def test_each_former_spelling_is_met_again(params, tmp_path, photo_id, observation_id, document):
    row = ("old.jpg", "digest", photo_id, observation_id, "val", True)
    path = tmp_path / "assignments.parquet"
    write_table(pl.DataFrame([row], FORMER_ASSIGNMENTS, orient="row"), FORMER_ASSIGNMENTS, path)
    present = read_assignments(path)
    shaped = shape_records([document], DocumentReader(params.documents))
    rows = available_rows([{"image_name": shaped.records.table()["image_name"][0], "sha256": "other"}])
    for kind, former in (("photo_id", photo_id), ("observation_id", observation_id)):
        if former:
            links = shaped.links.table().filter(pl.col("kind") == kind)
            assert recall(rows, link_images(rows, links, present), present).to_list() == ["val"]


@pytest.mark.parametrize("nothing", ["legacy:nan", "legacy:None", "legacy:0", "jsonl:N/A"])
def test_what_named_nothing_is_not_remembered_and_is_counted(tmp_path, capsys, nothing):
    path = tmp_path / "assignments.parquet"
    rows = [("a.jpg", "d", None, nothing, "val", True), ("b.jpg", "e", None, "legacy:5", "train", True)]
    write_table(pl.DataFrame(rows, FORMER_ASSIGNMENTS, orient="row"), FORMER_ASSIGNMENTS, path)
    present = read_assignments(path)
    assert present.filter(pl.col("kind") == "observation_id")["value"].to_list() == ["legacy:5"]
    assert "1 ids name nothing" in capsys.readouterr().out


def test_the_order_of_the_rows_makes_no_difference():
    former = pl.read_parquet(REAL)
    assert bring_up(former.reverse()).equals(bring_up(former))
