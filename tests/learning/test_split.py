"""A split is a view of the shards: its table says which images are in it, and labels.csv what they are called."""

import pickle
import shutil
from itertools import permutations

import polars as pl
import pytest

from stages.images.shards import PackedShards
from stages.learning.split import open_splits
from stages.runtime.errors import UserError
from stages.tables.classes import SPLIT_IMAGES, SPLITS
from stages.tables.table import read_table, write_table
from tests.support.packed import SPECIES, open_split, packed_image, write_images, write_split


@pytest.fixture
def change(tmp_path):
    """Changes a column of train's table, opens train, gives its fingerprint."""
    folder = tmp_path / "packed"
    write_split(folder, "train", 9)

    def changed(**columns) -> str:
        table = read_table(folder / "train.parquet", SPLIT_IMAGES).with_columns(**columns)
        write_table(table, SPLIT_IMAGES, folder / "train.parquet")
        return open_split(folder, "train").fingerprint

    return changed


def test_images_come_in_the_order_of_the_table_whatever_shard_they_are_in(tmp_path):
    rows = [packed_image(f"{n}.jpg", bytes([n])) for n in range(200)]
    write_images(rows, tmp_path, shards=7)
    table = pl.DataFrame(
        [(row.image_name, row.sha256, SPECIES[n % 3], "val") for n, row in enumerate(rows)], orient="row"
    )
    table = table.rename(dict(zip(table.columns, SPLIT_IMAGES, strict=True))).sample(50, shuffle=True, seed=1)
    write_table(table, SPLIT_IMAGES, tmp_path / "val.parquet")
    split = open_split(tmp_path, "val")
    for one in (split, pickle.loads(pickle.dumps(split))):
        assert len(one) == 50
        numbers = [one.jpeg(index)[0] for index in range(50)]
        assert [f"{number}.jpg" for number in numbers] == table["image_name"].to_list()
        assert [one.name(index) for index in range(50)] == table["image_name"].to_list()
        assert one.labels.tolist() == [number % 3 for number in numbers]


def test_a_fingerprint_is_of_labels_and_pixels_in_their_order_and_of_nothing_else(change, tmp_path):
    first = change()
    assert change() == first
    # Other images beside it, of no split or another, are none of its business, nor is the number of shards.
    write_split(tmp_path / "packed", "val", 5)
    assert change() == first
    shards = PackedShards(tmp_path / "packed")
    write_images([shards.row(place) for place in range(len(shards))], tmp_path / "packed", shards=9)
    assert change() == first
    assert change(species=pl.col("species").reverse()) != first
    assert change(species=pl.col("species").reverse()) == first
    table = read_table(tmp_path / "packed/train.parquet", SPLIT_IMAGES)
    for other in (table.reverse(), table.head(8), table.sample(9, shuffle=True, seed=1)):
        write_table(other, SPLIT_IMAGES, tmp_path / "packed/train.parquet")
        assert change() != first
    write_table(table, SPLIT_IMAGES, tmp_path / "packed/train.parquet")
    write_split(tmp_path / "packed", "train", 9, seed=7)
    assert change() != first


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"image_name": pl.format("gone{}", "image_name")},
            r"gonetrain0\.jpg of .*train\.parquet is not in .* \(and 8 more\): run `dvc repro",
        ),
        (
            {"sha256": pl.lit("f" * 64)},
            r"train0\.jpg of .*train\.parquet was made from other bytes in .*: run `dvc repro",
        ),
        ({"species": pl.lit("Zea mays")}, r"labels\.csv does not list Zea mays of .*train\.parquet"),
    ],
)
def test_what_is_not_of_these_shards_or_labels_is_refused_by_name(change, columns, said):
    with pytest.raises(UserError, match=said):
        change(**columns)


def test_a_table_of_one_split_in_anothers_place_is_refused(tmp_path):
    """Else the test would be taken on what was trained on."""
    for number, name in enumerate(SPLITS):
        write_split(tmp_path, name, 5, seed=number)
    for name, place in permutations(SPLITS, 2):
        before = (tmp_path / f"{place}.parquet").read_bytes()
        shutil.copy(tmp_path / f"{name}.parquet", tmp_path / f"{place}.parquet")
        said = (
            rf"{place}\.parquet holds 5 images of another split, such as {name}0\.jpg of {name}: one table was put in "
        )
        with pytest.raises(UserError, match=said):
            open_splits(tmp_path, tmp_path, SPLITS, SPECIES)
        (tmp_path / f"{place}.parquet").write_bytes(before)
    own, of_train = (read_table(tmp_path / f"{name}.parquet", SPLIT_IMAGES) for name in ("test", "train"))
    write_table(pl.concat([own, of_train.tail(1)]), SPLIT_IMAGES, tmp_path / "test.parquet")
    with pytest.raises(UserError, match=r"holds 1 images of another split, such as train4\.jpg of train"):
        open_split(tmp_path, "test")


def test_an_image_that_stands_twice_in_a_split_is_refused(tmp_path):
    write_split(tmp_path, "train", 5)
    table = read_table(tmp_path / "train.parquet", SPLIT_IMAGES)
    write_table(pl.concat([table, table[1:2]]), SPLIT_IMAGES, tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"row 6 stands there twice, in row 2 too \(image_name 'train1\.jpg'\)"):
        open_split(tmp_path, "train")


def test_an_empty_split_is_empty(tmp_path):
    write_split(tmp_path, "train", 3)
    write_split(tmp_path, "test", 0)
    assert len(open_split(tmp_path, "test")) == 0
    assert set(open_splits(tmp_path, tmp_path, ["test", "train"], SPECIES)) == {"test", "train"}
