"""What was labeled by another order of classes is refused."""

import polars as pl
import pytest

from stages.runtime.errors import UserError
from stages.splitting.label_order import digest_classes, read_classes
from stages.tables.classes import CLASSES
from stages.tables.table import write_table


def test_the_order_of_labels_is_checked(tmp_path):
    counts = {column: [1, 1] for column in CLASSES if column not in ("label", "species")}
    write_table(pl.DataFrame({"label": [0, 1], "species": ["A", "B"]} | counts), CLASSES, tmp_path / "classes.csv")
    assert read_classes(tmp_path / "classes.csv") == ["A", "B"]
    write_table(pl.DataFrame({"label": [1, 0], "species": ["A", "B"]} | counts), CLASSES, tmp_path / "classes.csv")
    with pytest.raises(UserError, match="labels must be 0, 1, 2"):
        read_classes(tmp_path / "classes.csv")
    assert digest_classes(["A", "B"]) != digest_classes(["B", "A"])
