"""Each photo that made a model is credited, also one that the tables no longer know."""

import polars as pl
import pytest

from stages.publishing.credits import CREDITS_FILE, trained_images, write_credits
from stages.publishing.licenses import allowed_licenses
from stages.runtime.errors import UserError
from stages.tables.credits import CREDITS
from stages.tables.split import SPLIT
from stages.tables.table import read_table, write_table
from stages.tables.trained_on import TRAINED_ON
from tests.support.tables import available_rows


@pytest.fixture
def splits(tmp_path):
    """Two images of train and one of val; another of val, and one of test, have not made the model."""
    rows = available_rows(
        [
            {"species": "B", "observer": "ann, of somewhere", "license": "CC BY 4.0"},
            {"species": "A", "observer": None, "license": None},
            {"species": "A", "observer": "=ben()", "license": "cc0"},
            {"species": "A", "observer": "cat", "license": "cc0"},
            {"species": "C", "observer": "dan", "license": "cc0"},
        ]
    ).with_columns(group="image_name", split=pl.Series(["train", "train", "val", "val", "test"]))
    for split in ("train", "val", "test"):
        write_table(rows.filter(split=split), SPLIT, tmp_path / f"splits/{split}.parquet")
    return rows


def seen(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(*TRAINED_ON)


def test_all_that_made_the_model_and_nothing_else_is_credited(splits, tmp_path):
    images = trained_images(seen(splits[:3]), tmp_path / "splits")
    assert images["image_name"].equals(splits["image_name"][:3])
    unsaid = write_credits(tmp_path, images)
    written = read_table(tmp_path / CREDITS_FILE, CREDITS)
    assert written.select("species", "photographer", "license_code", "split").rows() == [
        ("A", None, "none", "train"), ("A", "=ben()", "cc0", "val"), ("B", "ann, of somewhere", "cc-by", "train"),
    ]  # fmt: skip
    assert written["url"].null_count() == 0
    assert unsaid == {"names the photographer": 1, "says the license": 1}


def test_a_photo_that_the_tables_no_longer_know_is_credited_and_allows_no_license(splits, tmp_path):
    gone = seen(splits[:1]).with_columns(image_name=pl.lit("gone.jpg"))
    images = trained_images(pl.concat([seen(splits[2:3]), gone]), tmp_path / "splits")
    assert images.row(1, named=True) == dict.fromkeys(images.columns) | {"image_name": "gone.jpg", "split": "train"}
    assert write_credits(tmp_path, images) == {"names the photographer": 1, "says the license": 1}
    assert set(read_table(tmp_path / CREDITS_FILE, CREDITS)["image_name"]) == {*images["image_name"]}
    assert allowed_licenses(images, None) == []
    assert "cc0-1.0" in allowed_licenses(images[:1], None)


def test_without_its_tables_nothing_is_credited(splits, tmp_path):
    (tmp_path / "splits/val.parquet").unlink()
    with pytest.raises(UserError, match=r"val\.parquet is missing"):
        trained_images(seen(splits[:2]), tmp_path / "splits")
