"""Features come back from their files as they were written, or a line says which file is not as it was."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from stages.features.stored import ROWS_A_BATCH, read_features, read_file, write_features
from stages.runtime.errors import UserError

HALVES = arrays(np.float16, array_shapes(min_dims=2, max_dims=2, max_side=9))


def write(path, vectors, start=0) -> list[str]:
    names = [f"{number:06}.jpg" for number in range(start, start + len(vectors))]
    write_features(names, [name * 2 for name in names], [name * 3 for name in names], vectors, path)
    return names


@given(HALVES)
def test_what_is_written_is_read(tmp_path_factory, vectors):
    path = tmp_path_factory.mktemp("features") / "00000.arrow"
    names = write(path, vectors)
    found = read_file(path)
    assert found.image_name.to_list() == names
    assert found.sha256.to_list() == [name * 2 for name in names]
    assert found.jpeg_sha256.to_list() == [name * 3 for name in names]
    assert found.vectors.dtype == np.float16
    assert found.vectors.tobytes() == vectors.tobytes()  # NaN as well
    again = path.with_name("again.arrow")
    write(again, vectors)
    assert again.read_bytes() == path.read_bytes()


def test_many_rows_and_files_stand_in_the_order_of_their_names(tmp_path):
    vectors = np.arange(2 * (2 * ROWS_A_BATCH + 5), dtype=np.float32).reshape(-1, 2).astype(np.float16)
    first = write(tmp_path / "00000.arrow", vectors)
    second = write(tmp_path / "00001.arrow", vectors[:3], start=len(vectors))
    found = read_features(tmp_path)
    assert found.image_name.to_list() == first + second
    assert np.array_equal(found.vectors, np.concatenate([vectors, vectors[:3]]))


def test_a_file_of_no_images_has_none(tmp_path):
    write(tmp_path / "00000.arrow", np.empty((0, 3), np.float16))
    assert read_features(tmp_path).vectors.shape == (0, 3)


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_file_that_was_cut_is_said(tmp_path, cut):
    path = tmp_path / "00000.arrow"
    write(path, np.ones((5, 4), np.float16))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"00000\.arrow is damaged \(.*run `dvc repro embed`"):
        read_features(tmp_path)


def test_a_file_of_something_else_is_said(tmp_path):
    table = pa.table({"image_name": ["a.jpg"], "feature": [1.0]})
    with pa.OSFile(str(tmp_path / "00000.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UserError, match="has other columns than this version reads"):
        read_features(tmp_path)


def test_features_of_two_networks_are_not_mixed(tmp_path):
    write(tmp_path / "00000.arrow", np.ones((2, 4), np.float16))
    write(tmp_path / "00001.arrow", np.ones((2, 5), np.float16), start=2)
    with pytest.raises(UserError, match="of different networks: run `dvc repro embed`"):
        read_features(tmp_path)


def test_no_features_are_said(tmp_path):
    with pytest.raises(UserError, match="holds no features: run `dvc repro embed` or `dvc pull`"):
        read_features(tmp_path)
    with pytest.raises(UserError, match="is missing"):
        read_file(tmp_path / "00000.arrow")
