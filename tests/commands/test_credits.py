"""Every image of the splits is credited."""

import polars as pl

from stages.commands.credits import credit
from stages.tables.classes import SPLITS
from stages.tables.credits import CREDITS
from stages.tables.split import SPLIT
from stages.tables.table import read_table, write_table
from tests.support.running import run_stage
from tests.support.tables import available_rows


def test_every_image_of_the_splits_is_credited(workspace):
    rows = available_rows(
        [
            {"species": "B", "observer": "ann, of somewhere", "license": "CC BY 4.0"},
            {"species": "A", "observer": None, "license": None},
            {"species": "A", "observer": "ben", "license": "cc0"},
        ]
    ).with_columns(group="image_name")
    for number, name in enumerate(SPLITS):
        of_split = rows[number : number + 1].with_columns(split=pl.lit(name))
        write_table(of_split, SPLIT, workspace / f"data/splits/{name}.parquet")
    result = run_stage("commands.credits", workspace)
    assert result.returncode == 0, result.stderr
    assert "3 images (cc-by 1, cc0 1, none 1)" in result.stdout
    assert "of 1 images no source names the photographer" in result.stdout
    written = read_table(workspace / "data/credits.csv", CREDITS)
    assert written.equals(credit(rows).select(CREDITS.keys()))
    assert written.select("species", "photographer", "license_code").rows() == [
        ("A", None, "none"), ("A", "ben", "cc0"), ("B", "ann, of somewhere", "cc-by"),
    ]  # fmt: skip
    assert written.filter(pl.col("url").is_null()).is_empty()
