"""Which shard an image is in follows from its name; shards are read at random, by others too; damage is named."""

import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.images.shards import (
    MANIFEST,
    SCHEMA,
    PackedImage,
    PackedShards,
    check_shards,
    damaged_shards,
    shard_name,
    shard_of,
    write_manifest,
    write_shard,
)
from stages.runtime.errors import UserError
from tests.support.packed import packed_image, write_images


def packed_rows(number: int, size: int = 100) -> list[PackedImage]:
    return [packed_image(f"{n:032x}.jpg", bytes([n % 256]) * size, f"{n:064x}") for n in range(number)]


def test_images_are_read_back_with_random_access(tmp_path):
    rows = {row.image_name: row for row in packed_rows(500)}
    shards = write_images(rows.values(), tmp_path / "packed")
    assert len(shards) == 500
    assert shards.size_px == 64
    table = shards.table()
    assert table["place"].to_list() == list(range(500))
    again = pickle.loads(pickle.dumps(shards))
    for place in (499, 0, 63, 64, 250, 127, 128):
        expected = rows[table["image_name"][place]]
        for one in (shards, again):
            assert one.row(place) == expected
            assert bytes(one.jpeg(place)) == expected.jpeg
            assert one.name(place) == expected.image_name
    for row in table.iter_rows(named=True):
        expected = rows[row["image_name"]]
        assert (row["sha256"], row["jpeg_sha256"]) == (expected.sha256, expected.jpeg_sha256)
        assert row["jpeg_bytes"] == len(expected.jpeg)
        assert row["shard"] == shard_name(shard_of(row["image_name"], 4))
    assert all(names.is_sorted() for names in (part["image_name"] for part in table.partition_by("shard")))


@given(st.integers(1, 32), st.lists(st.text(max_size=40), max_size=30, unique=True))
def test_an_image_is_in_one_shard_whatever_others_there_are(shards, names):
    rows = [packed_image(name, b"x") for name in names]
    with TemporaryDirectory() as folder:
        table = write_images(rows, Path(folder), shards=shards).table()
    assert sorted(table["image_name"]) == sorted(names)
    numbers = [shard_of(name, shards) for name in table["image_name"]]
    assert [shard_name(number) for number in numbers] == table["shard"].to_list()
    assert all(0 <= number < shards for number in numbers)


def test_an_image_stays_in_its_shard_from_version_to_version():
    """Another way to spread images would have DVC store all of them anew: 54 GB at full size."""
    names = ["0" * 32 + ".jpg", "f" * 32 + ".jpg", "a.jpg"]
    assert [shard_of(name, 512) for name in names] == [396, 132, 508]


@pytest.mark.parametrize("name", ["{:032x}.jpg", "image-{}.jpg", "ffffffff{:08x}.jpg"])
def test_shards_are_about_equally_full(name):
    """As many as chance has it: of 64,000 images in 64 shards, 1,000 with a standard deviation of 31.4."""
    numbers = pl.Series([shard_of(name.format(n), 64) for n in range(64_000)])
    sizes = numbers.value_counts()["count"]
    assert len(sizes) == 64
    assert 1000 - 5 * 31.4 < sizes.min() <= sizes.max() < 1000 + 5 * 31.4


def test_an_image_that_goes_changes_one_shard_alone(tmp_path):
    rows = packed_rows(300)
    write_images(rows, tmp_path / "before", shards=16)
    write_images(rows[:100] + rows[101:], tmp_path / "after", shards=16)
    before, after = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.arrow")} for name in ("before", "after")
    )
    changed = [name for name in before if before[name] != after[name]]
    assert changed == [shard_name(shard_of(rows[100].image_name, 16))]


def test_a_shard_without_an_image_is_there_and_empty(tmp_path):
    shards = write_images(packed_rows(3), tmp_path / "packed", shards=32)
    assert len(list((tmp_path / "packed").glob("*.arrow"))) == 32
    assert len(shards) == len(shards.table()) == 3
    check_shards(tmp_path / "packed")


def test_polars_reads_a_shard(tmp_path):
    write_images(packed_rows(10), tmp_path / "packed", shards=1)
    frame = pl.read_ipc(tmp_path / "packed/00000.arrow")
    assert frame.columns == SCHEMA.names
    assert frame.height == 10


def test_a_missing_or_unknown_shard_is_named(tmp_path):
    write_images(packed_rows(500), tmp_path / "packed")
    path = tmp_path / "packed/00002.arrow"
    content = path.read_bytes()
    path.unlink()
    for look in (PackedShards, check_shards):
        with pytest.raises(UserError, match=r"00002\.arrow is missing"):
            look(tmp_path / "packed")
    path.write_bytes(content)
    (tmp_path / "packed/00009.arrow").write_bytes(content)
    with pytest.raises(UserError, match=r"shards\.csv does not list 00009\.arrow"):
        PackedShards(tmp_path / "packed")


@pytest.mark.parametrize("length", [0, 5, 1000, -20])
def test_a_cut_shard_is_named(tmp_path, length):
    write_images(packed_rows(50), tmp_path / "packed", shards=1)
    path = tmp_path / "packed/00000.arrow"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"00000\.arrow is damaged"):
        PackedShards(tmp_path / "packed")


@pytest.mark.parametrize("place", [0.02, 0.5, 0.97])
def test_a_flipped_bit_is_found_and_its_shard_named(tmp_path, place):
    write_images(packed_rows(500), tmp_path / "packed")
    check_shards(tmp_path / "packed")
    path = tmp_path / "packed/00003.arrow"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"00003\.arrow is damaged"):
        check_shards(tmp_path / "packed")
    assert list(damaged_shards(tmp_path / "packed")) == ["00003.arrow"]


def test_what_is_damaged_can_be_left_out_and_the_rest_is_as_it_was(tmp_path):
    folder = tmp_path / "packed"
    whole = write_images(packed_rows(200), folder).table()
    (folder / "00000.arrow").unlink()
    (folder / "00001.arrow").write_bytes(b"")
    damaged = list(damaged_shards(folder))
    assert damaged == ["00000.arrow", "00001.arrow"]
    rest = PackedShards(folder, without=damaged)
    assert rest.table().equals(whole.filter(~pl.col("shard").is_in(damaged)))
    assert rest.row(199).image_name == whole["image_name"][199]
    assert pickle.loads(pickle.dumps(rest)).row(199) == rest.row(199)


def test_shards_of_two_runs_are_refused(tmp_path):
    folder = tmp_path / "packed"
    write_images(packed_rows(500), folder)
    write_shard(packed_rows(10), folder / "00001.arrow", size_px=128)
    write_manifest(folder)
    with pytest.raises(UserError, match=r"00001\.arrow holds images of 128 px, 00000\.arrow of 64"):
        PackedShards(folder).table()


def test_a_manifest_that_counts_otherwise_is_refused(tmp_path):
    folder = tmp_path / "packed"
    write_images(packed_rows(100), folder, shards=1)
    manifest = pl.read_csv(folder / MANIFEST).with_columns(images=99)
    manifest.write_csv(folder / MANIFEST)
    with pytest.raises(UserError, match=r"00000\.arrow is damaged \(it has not its 99 images\)"):
        PackedShards(folder).row(5)


def test_hugging_face_datasets_reads_shards(tmp_path):
    from datasets import Dataset, concatenate_datasets

    rows = {row.image_name: row for row in packed_rows(300)}
    write_images(rows.values(), tmp_path / "packed")
    shards = sorted((tmp_path / "packed").glob("*.arrow"))
    dataset = concatenate_datasets([Dataset(pa.ipc.open_file(pa.memory_map(str(path))).read_all()) for path in shards])
    assert len(dataset) == 300
    assert {row["image_name"]: row["jpeg"] for row in dataset} == {name: row.jpeg for name, row in rows.items()}


def test_an_index_that_is_never_written_so_is_one_line(tmp_path):
    """Doubled, in another order, without a value, or with one that cannot be: sums of it would be places of images."""
    write_images(packed_rows(50), tmp_path)
    index = pl.read_csv(tmp_path / MANIFEST)

    def first(**values) -> pl.DataFrame:
        return index.with_columns(
            pl.when(pl.int_range(pl.len()) > 0).then(name).otherwise(pl.lit(value)).alias(name)
            for name, value in values.items()
        )

    twice, missing = r", row [25] stands there twice, in row 1 too", r", row 1: (\w+ is missing|sha256 must have 64)"
    told = rf"shards\.csv({twice}|{missing}| is damaged \(its row [12] is none)"
    for wrong in (
        pl.concat([index, index[:1]]),
        pl.concat([index[:1], index]),
        index.reverse(),
        *(first(**{name: None}) for name in index.columns),
        first(images=-3),
        first(images=2**62),
        first(sha256="abc"),
        first(sha256="A" * 64),
    ):
        wrong.write_csv(tmp_path / MANIFEST)
        for look in (check_shards, lambda folder: PackedShards(folder).table()):
            with pytest.raises(
                UserError,
                match=told,
            ):
                look(tmp_path)
    first(images=index["images"][0] + 1).write_csv(tmp_path / MANIFEST)
    with pytest.raises(UserError, match=r"00000\.arrow is damaged \(it has not its"):
        PackedShards(tmp_path).table()
