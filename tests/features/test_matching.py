"""Features are found for the images of a table by their names, and only those of the same bytes."""

import numpy as np
import polars as pl
import pytest

from stages.features.matching import features_of
from stages.features.stored import read_features
from stages.runtime.errors import UserError
from tests.support.features import write_made_up


def test_they_come_in_the_tables_order_and_others_are_left(tmp_path):
    names = ["b.jpg", "a.jpg", "d.jpg", "c.jpg"]
    digests = [letter * 64 for letter in "badc"]
    write_made_up(tmp_path / "features", names, np.arange(8).reshape(4, 2), sha256=digests)
    features = read_features(tmp_path / "features")
    images = pl.DataFrame({"image_name": ["d.jpg", "b.jpg"], "sha256": ["d" * 64, "b" * 64]})
    assert features_of(images, features, tmp_path).tolist() == [[4, 5], [0, 1]]
    for name, digest, said in (
        ("x.jpg", "d" * 64, "holds no features of x.jpg (and 0 more): run `dvc repro embed`"),
        ("d.jpg", "e" * 64, "holds features of other bytes of d.jpg (and 0 more): run `dvc repro embed`"),
    ):
        with pytest.raises(UserError) as refused:
            features_of(pl.DataFrame({"image_name": [name], "sha256": [digest]}), features, tmp_path)
        assert said in str(refused.value)
