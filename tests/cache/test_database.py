"""A full disk is an error of the disk, and a transaction is whole or not at all."""

import pytest

from stages.cache.database import Database
from stages.runtime.errors import UserError


def test_a_full_disk_is_an_error_of_the_disk(tmp_path):
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE a (b TEXT);", 1)
    database.execute("PRAGMA max_page_count = 4")
    with pytest.raises(OSError, match="No space left on device") as error:
        for _ in range(100):
            database.execute("INSERT INTO a VALUES (?)", ["x" * 4000])
    assert error.value.filename == str(tmp_path / "a.sqlite")


def test_a_transaction_is_whole_or_not_at_all(tmp_path):
    with Database(tmp_path / "a.sqlite", "CREATE TABLE a (b TEXT UNIQUE);", 1) as database:
        with pytest.raises(ZeroDivisionError), database.transaction():
            database.execute("INSERT INTO a VALUES ('x')")
            raise ZeroDivisionError
        assert database.execute("SELECT * FROM a") == []
        with pytest.raises(UserError, match="UNIQUE"):
            database.execute_many("INSERT INTO a VALUES (?)", [["x"], ["y"], ["x"]])
        assert database.execute("SELECT * FROM a") == []
