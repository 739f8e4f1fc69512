"""What holds of the rows of a table is held against them when it is read: the first that is not so is named."""

import importlib
import pkgutil

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stages.tables
from stages.runtime.errors import UserError
from stages.tables.cache_filter import AVAILABLE
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY
from stages.tables.table import Ruled, read_table, write_table
from tests.support.running import complaint, run_here
from tests.support.splits import write_inputs
from tests.support.tables import available_rows

RULED = {
    f"{module.name}.{name}": value
    for module in pkgutil.iter_modules(stages.tables.__path__)
    for name, value in vars(importlib.import_module(f"stages.tables.{module.name}")).items()
    if isinstance(value, Ruled)
}
ROWS = 5
KEYED = Ruled({"name": pl.String, "other": pl.String, "number": pl.Int64}, unique=("name", "other"))
PLAIN = {"name": pl.String, "other": pl.String, "number": pl.Int64}


def sound(schema: Ruled) -> pl.DataFrame:
    """Rows of which all holds that the schema says."""
    columns = {}
    for name, dtype in schema.items():
        size = schema.sizes.get(name, 8)
        if dtype == pl.String:
            columns[name] = [f"{row:0{size}x}" for row in range(ROWS)]
        elif dtype == pl.Binary:
            columns[name] = [row.to_bytes(size) for row in range(ROWS)]
        elif isinstance(dtype, pl.List):
            columns[name] = [[row] for row in range(ROWS)]
        else:
            columns[name] = list(range(ROWS))
    return pl.DataFrame(columns).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def refused(frame: pl.DataFrame, schema: Ruled, path) -> str:
    write_table(frame, dict(schema), path)
    with pytest.raises(UserError) as error:
        read_table(path, schema)
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(f"{path}, row ")
    assert said.endswith(": bring the file back with `dvc checkout` or git, or make it anew")
    return said


def test_the_tables_of_stages_have_rules():
    assert {"inventory.INVENTORY", "export.RECORDS", "cache_filter.AVAILABLE", "split.SPLIT"} <= RULED.keys()


@pytest.mark.parametrize("schema", RULED.values(), ids=RULED)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_each_rule_of_each_table_is_held(tmp_path, schema, suffix):
    if suffix == "csv" and any(dtype == pl.Binary or isinstance(dtype, pl.List) for dtype in schema.values()):
        pytest.skip("no table with bytes or lists is a CSV")
    path, frame = tmp_path / f"table.{suffix}", sound(schema)
    write_table(frame, dict(schema), path)
    assert read_table(path, schema).equals(frame)
    numbered = frame.with_row_index("at")
    for name in schema.required:
        third = pl.when(pl.col("at") == 2).then(None).otherwise(pl.col(name)).alias(name)
        assert f"row 3: {name} is missing" in refused(numbered.with_columns(third), schema, path)
    for name, size in schema.sizes.items():
        short = pl.col(name).bin.head(size - 1) if schema[name] == pl.Binary else pl.col(name).str.head(size - 1)
        last = pl.when(pl.col("at") == ROWS - 1).then(short).otherwise(pl.col(name)).alias(name)
        said = refused(numbered.with_columns(last), schema, path)
        assert f"row {ROWS}: {name} must have {size} " in said
    if schema.unique:
        for doubled in (pl.concat([frame, frame[1:2]]), pl.concat([frame[1:2], frame]).sort(schema.unique)):
            assert "stands there twice, in row " in refused(doubled, schema, path)


@given(rows=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3)), max_size=8))
def test_rows_that_are_alike_are_found_in_any_order(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "rules.parquet"
    frame = pl.DataFrame(rows, schema=PLAIN, orient="row")
    keys = [row[:2] for row in rows]
    repeated = next((number for number, key in enumerate(keys) if key in keys[:number]), None)
    if repeated is None:
        write_table(frame, KEYED, path)
        assert read_table(path, KEYED).equals(frame)
    else:
        (name, other), before = keys[repeated], keys.index(keys[repeated])
        said = f"row {repeated + 1} stands there twice, in row {before + 1} too (name '{name}', other '{other}')"
        assert said in refused(frame, KEYED, path)
    assert read_table(path, KEYED, only=["other", "number"]).height == len(rows)  # which say nothing of it


def test_a_long_value_is_cut(tmp_path):
    said = refused(pl.DataFrame([("x" * 5000, "b", 1)] * 2, schema=PLAIN, orient="row"), KEYED, tmp_path / "t.parquet")
    assert len(said) < 500


RECORD_ROWS = available_rows([{"species": name} for name in "AABB"])


def inventory() -> pl.DataFrame:
    names = pl.Series([f"{number:032x}.jpg" for number in range(ROWS)])
    return sound(INVENTORY).with_columns(state=pl.lit("decoded"), image_name=names)


def broken(frame: pl.DataFrame, how: str) -> pl.DataFrame:
    if how == "doubled":
        return pl.concat([frame, frame[:1]])
    column, _, value = how.partition("=")
    new = {"null": pl.lit(None), "short": pl.col(column).cast(pl.Binary).bin.head(7).cast(frame.schema[column])}[value]
    first = pl.int_range(pl.len()) == 0
    return frame.with_columns(pl.when(first).then(new).otherwise(pl.col(column)).alias(column))


OF_AVAILABLE = (
    ("doubled", "5 stands there twice, in row 1 too"),
    ("species=null", "1: species is missing"),
    ("sha256=null", "1: sha256 is missing"),
    ("sha256=short", "1: sha256 must have 64 characters"),
)


@pytest.mark.parametrize(
    ("stage", "table", "how", "said"),
    [
        ("cache_filter", "inventory", "doubled", "inventory.parquet, row 6 stands there twice, in row 1 too"),
        ("cache_filter", "inventory", "sha256=null", "inventory.parquet, row 1: sha256 is missing"),
        ("cache_filter", "inventory", "sha256=short", "row 1: sha256 must have 64 characters (found '0000000')"),
        ("near_duplicates", "inventory", "doubled", "inventory.parquet, row 6 stands there twice, in row 1 too"),
        ("near_duplicates", "inventory", "phash=short", "row 1: phash must have 32 bytes (found b'"),
        ("near_duplicates", "inventory", "phash=null", "the inventory has no hash of 00000000000000000000"),
        ("cache_filter", "inventory", "state=null", "inventory.parquet, row 1: state is missing"),
        ("cache_filter", "records", "doubled", "records.parquet, row 5 stands there twice, in row 1 too"),
        ("cache_filter", "records", "species=null", "records.parquet, row 1: species is missing"),
        ("cache_filter", "records", "image_name=null", "records.parquet, row 1: image_name is missing"),
        *((stage, "available", how, f"available.parquet, row {where}") for stage in ("near_duplicates", "split")
          for how, where in OF_AVAILABLE),
    ],
)  # fmt: skip
def test_a_stage_refuses_a_table_whose_rows_cannot_be(workspace, stage, table, how, said):
    """Each of these was taken, or ended in a traceback."""
    tables = {
        "records": (RECORD_ROWS.select(RECORDS.keys()), RECORDS, "data/records.parquet"),
        "inventory": (inventory(), INVENTORY, "data/sources/sample/inventory.parquet"),
        "available": (RECORD_ROWS, AVAILABLE, "data/available.parquet"),
    }
    write_inputs(workspace, RECORD_ROWS)
    for name, (frame, schema, path) in tables.items():
        write_table(broken(frame, how) if name == table else frame, dict(schema), workspace / path)
    assert said in complaint(run_here(stage, workspace))
    assert not (workspace / "data/splits").exists()
