"""An id under which many species stand is no id, and that is said."""

from stages.records.crowded import crowded_ids
from stages.tables.export import RECORDS
from tests.support.tables import available_rows, links_of_rows


def test_ids_of_many_species_are_found():
    rows = [{"species": species, "observation_id": "s:unbekannt"} for species in "ABCDA"]
    rows += [{"species": species, "observation_id": "s:7"} for species in "AAAB"]
    rows += [{"species": species, "photo_id": "s:x"} for species in "ABC"]
    records = available_rows(rows)
    found = crowded_ids(records.select(RECORDS.keys()), links_of_rows(records))
    assert found.rows() == [("observation_id", "s:unbekannt", 4, 5), ("photo_id", "s:x", 3, 3)]
