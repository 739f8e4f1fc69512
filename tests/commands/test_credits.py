"""Every image of the splits is credited."""

import polars as pl
import pytest
import yaml

from stages.records.credits import credit, what_is_not_said
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
    assert result.stdout.splitlines()[1:] == [  # after a word on the lock, which is missing here
        "credits: 3 images (cc-by 1, cc0 1, none 1) of the splits (train 1, val 1, test 1) -> data/credits.csv; "
        "of 1 images no source names the photographer, of 1 images no source says the license"
    ]
    written = read_table(workspace / "data/credits.csv", CREDITS)
    assert written.equals(credit(rows.with_columns(split=pl.Series(SPLITS))))
    assert written.select("species", "photographer", "license_code", "split").rows() == [
        ("A", None, "none", "val"), ("A", "ben", "cc0", "test"), ("B", "ann, of somewhere", "cc-by", "train"),
    ]  # fmt: skip
    assert written.filter(pl.col("url").is_null()).is_empty()


@pytest.mark.parametrize(
    ("observer", "license", "photographer_lacks", "license_lacks"),
    [
        ("ann", "cc0", 0, 0),
        ("ann", "none", 0, 0),  # said that there is none: all rights are reserved
        (None, "cc0", 1, 0),
        ("ann", None, 0, 1),
        (None, None, 1, 1),
        (" ", "", 1, 1),
    ],
)
def test_what_a_credit_lacks_is_counted_by_what_it_is(observer, license, photographer_lacks, license_lacks):
    rows = available_rows([{"observer": observer, "license": license}]).with_columns(split=pl.lit("train"))
    counts = what_is_not_said(credit(rows))
    assert counts == {"names the photographer": photographer_lacks, "says the license": license_lacks}


def test_splits_of_another_profile_are_not_credited(workspace):
    entry = {"params": {"params.yaml": {"profile": "teacher"}}, "outs": []}
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"split": entry}}), encoding="utf-8")
    result = run_stage("commands.credits", workspace)
    assert (result.returncode, result.stdout) == (1, "")
    assert "data/splits is of profile teacher, not sample: run `dvc repro split` first" in result.stderr
