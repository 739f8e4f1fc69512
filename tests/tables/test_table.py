"""A table is read as it was written, or it is said in one line what is wrong with the file."""

from pathlib import Path

import polars as pl
import pytest

from stages.runtime.errors import UserError
from stages.tables.table import Schema, read_table, write_table

SCHEMA: Schema = {"image_name": pl.String, "license": pl.String, "bytes": pl.Int64}


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_a_table_comes_back_as_it_was(tmp_path: Path, name: str):
    frame = pl.DataFrame({"image_name": ["a", "b"], "license": ["cc0", None], "bytes": [1, 2]}, schema=SCHEMA)
    write_table(frame, SCHEMA, tmp_path / name)
    assert read_table(tmp_path / name, SCHEMA).equals(frame)


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_a_table_of_an_older_version_is_not_called_damaged(tmp_path: Path, name: str):
    older = {"image_name": pl.String, "licence": pl.String, "bytes": pl.Int64}
    write_table(pl.DataFrame(schema=older), older, tmp_path / name)
    with pytest.raises(UserError, match=r"has other columns than this version writes[^\n]*: make it anew$") as error:
        read_table(tmp_path / name, SCHEMA)
    if name.endswith("parquet"):
        assert "it lacks license (String); it has licence (String)" in str(error.value)


def test_what_is_no_table_is_damaged(tmp_path: Path):
    (tmp_path / "table.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match="is damaged"):
        read_table(tmp_path / "table.parquet", SCHEMA)
