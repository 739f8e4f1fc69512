"""Shards are read in order at random access, by others too, and damage is found and named."""

import pickle
import shutil

import polars as pl
import pyarrow as pa
import pytest

from stages.images.shards import SCHEMA, PackedImage, PackedSplit, check_shards, write_manifest
from stages.runtime.errors import UserError
from stages.splitting.label_order import check_order
from tests.support.packed import write


def packed_rows(number: int, size: int = 100) -> list[PackedImage]:
    return [
        PackedImage(f"{n:032x}.jpg", n % 3, f"{n:064x}", 1, 2, 3, "smart", bytes([n % 256]) * size)
        for n in range(number)
    ]


def test_a_split_is_read_back_in_order_with_random_access(tmp_path):
    rows = packed_rows(500)
    write(rows, tmp_path / "packed")
    split = PackedSplit(tmp_path / "packed", "train")
    assert len(list((tmp_path / "packed").glob("*.arrow"))) > 3
    assert split.names == [row.image_name for row in rows]
    assert split.labels.tolist() == [row.label for row in rows]
    assert all(bytes(split.jpeg(index)) == rows[index].jpeg for index in (499, 0, 63, 64, 250))
    again = pickle.loads(pickle.dumps(split))
    assert bytes(again.jpeg(333)) == rows[333].jpeg


def test_a_shard_is_bounded(tmp_path):
    write(packed_rows(100, size=300), tmp_path / "packed", shard_bytes=1000)
    for path in (tmp_path / "packed").glob("*.arrow"):
        with pa.ipc.open_file(path) as reader:
            assert sum(len(jpeg.as_py()) for jpeg in reader.read_all()["jpeg"]) <= 1000


def test_an_image_larger_than_a_shard_gets_its_own(tmp_path):
    write(packed_rows(3, size=5000), tmp_path / "packed", shard_bytes=1000)
    assert len(list((tmp_path / "packed").glob("*.arrow"))) == 3


def test_an_empty_split_is_there_and_empty(tmp_path):
    write([], tmp_path / "packed", "test")
    assert len(PackedSplit(tmp_path / "packed", "test")) == 0


def test_polars_reads_a_shard(tmp_path):
    write(packed_rows(10), tmp_path / "packed")
    frame = pl.read_ipc(tmp_path / "packed/train-00000.arrow")
    assert frame.columns == SCHEMA.names
    assert frame.height == 10


def test_a_missing_shard_is_named(tmp_path):
    write(packed_rows(500), tmp_path / "packed")
    (tmp_path / "packed/train-00002.arrow").unlink()
    with pytest.raises(UserError, match=r"train-00002\.arrow is missing"):
        PackedSplit(tmp_path / "packed", "train")
    with pytest.raises(UserError, match="lists no shard of val"):
        PackedSplit(tmp_path / "packed", "val")


@pytest.mark.parametrize("length", [0, 5, 1000, -20])
def test_a_cut_shard_is_named(tmp_path, length):
    write(packed_rows(50), tmp_path / "packed")
    path = tmp_path / "packed/train-00000.arrow"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"train-00000\.arrow is damaged"):
        PackedSplit(tmp_path / "packed", "train")


@pytest.mark.parametrize("place", [0.02, 0.5, 0.97])
def test_a_flipped_bit_is_found_and_its_shard_named(tmp_path, place):
    write(packed_rows(500), tmp_path / "packed")
    check_shards(tmp_path / "packed", ["train"])
    path = tmp_path / "packed/train-00003.arrow"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train-00003\.arrow is damaged"):
        check_shards(tmp_path / "packed", ["train"])


def test_hugging_face_datasets_reads_shards(tmp_path):
    from datasets import Dataset, concatenate_datasets

    rows = packed_rows(300)
    write(rows, tmp_path / "packed")
    shards = sorted((tmp_path / "packed").glob("train-*.arrow"))
    dataset = concatenate_datasets([Dataset(pa.ipc.open_file(pa.memory_map(str(path))).read_all()) for path in shards])
    assert len(dataset) == 300
    assert dataset[299]["jpeg"] == rows[299].jpeg
    assert dataset[17]["image_name"] == rows[17].image_name


def test_shards_of_two_label_orders_are_refused(tmp_path):
    write(packed_rows(500), tmp_path / "packed")
    write(packed_rows(10), tmp_path / "other", digest="e" * 64)
    shutil.copy(tmp_path / "other/train-00000.arrow", tmp_path / "packed/train-00001.arrow")
    write_manifest(tmp_path / "packed")
    with pytest.raises(UserError, match="are of different runs"):
        PackedSplit(tmp_path / "packed", "train")
    with pytest.raises(UserError, match=r"labeled by another classes\.csv"):
        check_order(PackedSplit(tmp_path / "other", "train").metadata.classes_sha256, "d" * 64, where="x")


def test_a_fingerprint_tells_other_content(tmp_path):
    write(packed_rows(20), tmp_path / "a")
    write(packed_rows(20), tmp_path / "b")
    write(packed_rows(21), tmp_path / "c")
    prints = [PackedSplit(tmp_path / name, "train").fingerprint() for name in "abc"]
    assert prints[0] == prints[1] != prints[2]
