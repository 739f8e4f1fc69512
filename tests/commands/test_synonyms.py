"""A renamed plant that is two classes becomes one by a checklist, and nothing that a person wrote is lost."""

import subprocess

import polars as pl
import pytest
import yaml

from stages.commands.synonyms import count_images, names_of_sources, without_use
from stages.records.names import NameCleaner
from stages.records.synonyms import read_synonyms
from stages.tables.export import NAMES, RECORDS
from stages.tables.synonyms import UNDECIDED
from stages.tables.table import read_table, write_table
from tests.support import ROOT
from tests.support.bench import records_of
from tests.support.checklists import PLANTS, gbif, wcvp, wfo, write_packed
from tests.support.naming import RULES
from tests.support.running import complaint, run_here, run_stage

FOUND = {
    "Aster novi-belgii": 3,
    "Symphyotrichum novi-belgii": 2,
    "Solanum rantonnetii Carrière": 2,
    "Lycianthes rantonnetii": 1,
    "Mentha x citrata": 1,
    "Rosa canina": 2,
    "Nowhereia plantifolia": 1,
    "TIBOUCHINA URVILLEANA": 1,
    # Names that the others are evidence for: an epithet without a rank, and one with a capital.
    "Quercus ilex": 2,
    "Quercus ilex ballota": 5,
    "Rosa Canina": 1,
    "Quercus\\tilex": 1,
}


def put_documents(workspace) -> None:
    """A collection with half of its names from elsewhere, as a file of JSON lines."""
    lines = [
        f'{{"_id": {number}, "url": "https://old.example/{number}.jpg", "scientific_name": "{name}"}}'
        for number, name in enumerate(name for name, count in FOUND.items() for _ in range(count))
    ]
    dump = workspace / "data/sources/sample/dump/plants.jsonl"
    dump.parent.mkdir(parents=True)
    dump.write_text("\n".join(lines))
    params = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(params.replace("file: plants.bson.gz", "file: plants.jsonl"))


def species(workspace) -> dict[str, int]:
    assert run_here("export", workspace).returncode == 0
    records = read_table(workspace / "data/records.parquet", RECORDS)
    return dict(records.group_by("species").len().iter_rows())


def undecided(workspace) -> list[tuple]:
    path = workspace / "data/sources/sample/synonyms_ambiguous.csv"
    return read_table(path, UNDECIDED).select("synonym", "reason", "images").rows()


@pytest.mark.parametrize(("table", "file"), [(wcvp, "wcvp.zip"), (wfo, "classification.txt"), (gbif, "Taxon.tsv.gz")])
def test_from_two_classes_to_one(workspace, table, file):
    put_documents(workspace)
    before = species(workspace)
    assert len(before) == 9
    path = write_packed(workspace / file, {"wcvp_names.csv": table()})
    result = run_stage("commands.synonyms", workspace, str(path))
    assert result.returncode == 0, result.stderr
    assert (
        f"{len(PLANTS)} rows read; of 9 names it accepts 3 and renames 5 (15 images), so that 2 fewer" in result.stdout
    )
    assert "5 rows of the checklist (5 new, 0 gone, 0 changed) and 0 by hand" in result.stdout
    assert "2 names are left to you (accepted, and a synonym of another too 1, not in the checklist 1)" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("next: look at `git diff data/sources/sample/synonyms.csv`")
    out = workspace / "data/sources/sample/synonyms.csv"
    written = out.read_text().splitlines()
    assert [line.rpartition(",")[0] for line in written] == [
        "synonym,accepted",
        "Aster novi-belgii,Symphyotrichum novi-belgii",
        "Mentha × citrata,Mentha × piperita",
        "Quercus ilex,Quercus rotundifolia",
        "Solanum rantonnetii,Lycianthes rantonnetii",
        "Tibouchina urvilleana,Pleroma urvilleanum",
    ]
    listed = undecided(workspace)
    assert listed == [
        ("Rosa canina", "accepted, and a synonym of another too", 3),
        ("Nowhereia plantifolia", "not in the checklist", 1),
    ]
    assert species(workspace) == {
        "Symphyotrichum novi-belgii": 5, "Lycianthes rantonnetii": 3, "Mentha × piperita": 1, "Rosa canina": 3,
        "Quercus rotundifolia": 8, "Nowhereia plantifolia": 1, "Pleroma urvilleanum": 1,
    }  # fmt: skip
    # After the export the old names are no classes any more, and the same file says the same.
    again = run_here("commands.synonyms", workspace, str(path))
    assert "of 9 names it accepts 3 and renames 5 (15 images), so that 2 fewer" in again.stdout
    assert "(0 new, 0 gone, 0 changed)" in again.stdout
    assert out.read_text().splitlines() == written
    assert undecided(workspace) == listed


BELOW = [
    ("1", "Species", "Accepted", "Quercus ilex", "L.", "1"),
    ("2", "Subspecies", "Synonym", "Quercus ilex subsp. ballota", "(Desf.) Samp.", "3"),
    ("3", "Species", "Accepted", "Quercus rotundifolia", "Lam.", "3"),
    ("4", "Subspecies", "Accepted", "Quercus ilex subsp. gracilis", "L.", "4"),
    ("5", "Variety", "Synonym", "Quercus ilex var. dubia", "L.", "1"),
    ("6", "Variety", "Synonym", "Quercus ilex var. dubia", "Mill.", "3"),
    ("7", "Variety", "Synonym", "Quercus ilex var. vulgaris", "Mill.", "1"),
]
WRITTEN_BELOW = {
    "Quercus ilex subsp. ballota (Desf.) Samp.": 3,
    "QUERCUS ILEX SSP. BALLOTA": 1,
    "Quercus ilex ballota": 2,
    "Quercus ilex subsp. ballota 'Fordii'": 1,
    "Quercus ilex subsp. gracilis": 1,
    "Quercus ilex var. dubia": 2,
    "Quercus ilex var. vulgaris": 1,
    "Quercus ilex var. nusquam": 1,
}


def put_written(workspace, names: dict[str, int]) -> None:
    put_documents(workspace)
    lines = [
        f'{{"_id": {number}, "url": "https://old.example/{number}.jpg", "scientific_name": "{name}"}}'
        for number, name in enumerate(name for name, count in names.items() for _ in range(count))
    ]
    (workspace / "data/sources/sample/dump/plants.jsonl").write_text("\n".join(lines))


@pytest.mark.parametrize(("table", "file"), [(wcvp, "wcvp.zip"), (wfo, "classification.txt"), (gbif, "Taxon.tsv.gz")])
@pytest.mark.parametrize(
    ("plain", "before", "after", "left"),
    [
        ({}, {"Quercus ilex": 12}, {"Quercus ilex": 5, "Quercus rotundifolia": 7}, "1 more are there"),
        (
            {"Quercus ilex": 2, "Quercus rotundifolia": 1},
            {"Quercus ilex": 14, "Quercus rotundifolia": 1},
            {"Quercus ilex": 7, "Quercus rotundifolia": 8},
            "0 fewer are left",
        ),
    ],
)
def test_a_name_below_a_species_that_is_another_species(workspace, table, file, plain, before, after, left):
    put_written(workspace, WRITTEN_BELOW | plain)
    path = write_packed(workspace / file, {"wcvp_names.csv": table(BELOW)})
    out, open_out = (workspace / f"data/sources/sample/synonyms{end}.csv" for end in ("", "_ambiguous"))
    assert species(workspace) == before
    said = run_here("commands.synonyms", workspace, str(path)).stdout
    figures = f"so that {left}; of 7 below a species it puts 3 under another (7 images) and lacks 1"
    assert f"of {len(before)} names it accepts {len(before)} and renames 0 (0 images), {figures}" in said
    assert "names of the records and 7 below a species" in said
    written = out.read_bytes(), open_out.read_bytes()
    assert [line.rpartition(",")[0] for line in out.read_text().splitlines()] == [
        "synonym,accepted", "Quercus ilex subsp. ballota,Quercus rotundifolia",
    ]  # fmt: skip
    assert undecided(workspace) == [("Quercus ilex var. dubia", "a synonym of several", 2)]
    assert species(workspace) == after
    again = run_here("commands.synonyms", workspace, str(path)).stdout
    assert f"of {len(before)} names it accepts {len(before)} and renames 0 (0 images), {figures}" in again
    assert "(0 new, 0 gone, 0 changed)" in again
    assert (out.read_bytes(), open_out.read_bytes()) == written


@pytest.mark.parametrize("synonym", ["Quercus ilex subsp. ballota", "Quercus ilex ballota", "Quercus ilex"])
def test_a_row_by_hand_wins_for_what_is_below_it(workspace, synonym):
    put_written(workspace, WRITTEN_BELOW | {"Quercus ilex": 2})
    out = workspace / "data/sources/sample/synonyms.csv"
    # Without a rank it cannot be an accepted name.
    for accepted in ["Quercus other", *([synonym] if synonym != "Quercus ilex ballota" else [])]:
        out.write_text(f"synonym,accepted\n{synonym},{accepted}\n")
        before = species(workspace)
        path = write_packed(workspace / "wcvp_names.csv", {"": wcvp(BELOW)})
        run_here("commands.synonyms", workspace, str(path))
        assert out.read_text() == f"synonym,accepted,source\n{synonym},{accepted},\n"
        assert species(workspace) == before


def test_an_image_that_stands_twice_leaves_the_list_as_it_is(workspace):
    put_written(workspace, {"Quercus ilex": 2})
    dump = workspace / "data/sources/sample/dump/plants.jsonl"
    line = '{{"_id": {}, "url": "https://new.example/a.jpg", "scientific_name": "Quercus ilex subsp. ballota"}}'
    dump.write_text("\n".join([dump.read_text(), *(line.format(number) for number in range(10, 14))]))
    path = write_packed(workspace / "wcvp_names.csv", {"": wcvp(BELOW[1:])})
    assert species(workspace) == {"Quercus ilex": 3}
    run_here("commands.synonyms", workspace, str(path))
    assert undecided(workspace) == [("Quercus ilex", "not in the checklist", 3)]
    assert species(workspace) == {"Quercus ilex": 2, "Quercus rotundifolia": 1}
    run_here("commands.synonyms", workspace, str(path))
    assert undecided(workspace) == [("Quercus ilex", "not in the checklist", 3)]


def test_what_is_by_hand_wins_and_an_older_checklist_goes(workspace):
    put_documents(workspace)
    out = workspace / "data/sources/sample/synonyms.csv"
    by_hand = ["Solanum rantonnetii Carr.,Solanum other,,ask Ann", "Rosa gallica var. x,Rosa canina,,"]
    older = ["Aster novi-belgii,Aster elsewhere,WCVP:7,", "Rosa unused,Rosa canina,WCVP:8,"]
    out.write_text("\n".join(["synonym,accepted,source,note", *by_hand, *older, ""]))
    path = write_packed(workspace / "wcvp_names.csv", {"": wcvp()})
    species(workspace)
    said = run_here("commands.synonyms", workspace, str(path)).stdout
    assert "4 rows of the checklist (3 new, 1 gone, 1 changed) and 2 by hand" in said
    assert "1 names are other by hand, and stay so: Solanum rantonnetii would be Lycianthes rantonnetii" in said
    assert "1 rows by hand rename nothing in the records, such as 'Rosa gallica var. x'" in said
    assert out.read_text().splitlines() == [
        "synonym,accepted,source,note",
        "Aster novi-belgii,Symphyotrichum novi-belgii,WCVP:2,",
        "Mentha × citrata,Mentha × piperita,WCVP:31,",
        "Quercus ilex,Quercus rotundifolia,WCVP:61,",
        by_hand[1],
        by_hand[0],
        "Tibouchina urvilleana,Pleroma urvilleanum,WCVP:21,",
    ]
    assert species(workspace)["Solanum other"] == 2


def test_a_name_that_is_accepted_by_hand_stays(workspace):
    put_documents(workspace)
    out = workspace / "data/sources/sample/synonyms.csv"
    out.write_text("synonym,accepted\nSymphyotrichum novi-belgii,Aster novi-belgii\n")
    path = write_packed(workspace / "wcvp_names.csv", {"": wcvp()})
    species(workspace)
    said = run_here("commands.synonyms", workspace, str(path)).stdout
    assert "Aster novi-belgii would be Symphyotrichum novi-belgii (L.) G.L.Nesom [WCVP:1]" in said
    assert "Symphyotrichum novi-belgii,Aster novi-belgii,\n" in out.read_text()
    assert species(workspace)["Aster novi-belgii"] == 5


def counted(species: dict[str, int], found: list[tuple], by_hand: dict[str, str] | None = None) -> dict[str, int]:
    urls = [str(number) for number in range(sum(species.values()))]
    of_each = [name for name, count in species.items() for _ in range(count)]
    records = records_of(*urls).with_columns(species=pl.Series(of_each))
    names = names_of_sources(records, pl.DataFrame(found, schema=NAMES, orient="row"))
    return count_images(records, names, NameCleaner(RULES, by_hand or {}).knowing(name for name, _, _ in names))


def test_images_count_for_the_name_that_they_had_before():
    records = {"Rosa gallica": 2, "Rosa canina": 1}
    found = [
        ("Rosa alba", "Rosa gallica", "synonyms", 2),
        ("Rosa canina L.", "Rosa canina", "authorship", 1),
        ("Rosa sp.", None, "genus_only", 5),
    ]
    assert counted(records, found) == {"Rosa alba": 2, "Rosa canina": 1, "Rosa gallica": 0}
    assert counted(records, found, {"Rosa alba": "Rosa gallica"}) == {"Rosa canina": 1, "Rosa gallica": 2}
    # What is by hand since the export counts already.
    assert counted({"Rosa alba": 2}, [], {"Rosa alba": "Rosa gallica"}) == {"Rosa alba": 0, "Rosa gallica": 2}


def test_images_count_alike_before_and_after_where_names_are_evidence_for_others():
    below = ("Quercus ilex ballota", "Quercus ilex", "below_species", 5)
    capital = ("Rosa Canina", "Rosa canina", "case", 3)
    before = counted({"Quercus ilex": 7, "Rosa canina": 4}, [below, capital])
    assert before == {"Quercus ilex": 7, "Rosa canina": 4}
    after = counted(
        {"Quercus rotundifolia": 7, "Rosa dumalis": 4},
        [
            ("Quercus ilex ballota", "Quercus rotundifolia", "below_species; synonyms", 5),
            ("Quercus ilex", "Quercus rotundifolia", "synonyms", 2),
            ("Rosa Canina", "Rosa dumalis", "case; synonyms", 3),
            ("Rosa canina", "Rosa dumalis", "synonyms", 1),
        ],
    )
    assert {name: count for name, count in after.items() if count} == before
    # An accepted name that no source writes was no evidence before.
    refused = ("Rosa Dumalis", None, "unclear_name", 2)
    before = counted({"Rosa canina": 1}, [refused])
    renamed = ("Rosa canina", "Rosa dumalis", "synonyms", 1)
    after = counted({"Rosa dumalis": 3}, [renamed, ("Rosa Dumalis", "Rosa dumalis", "case", 2)])
    assert {name: count for name, count in after.items() if count} == before == {"Rosa canina": 1}


def test_control_characters_that_stand_as_escapes_are_read_back():
    found = ("Quercus\\tilex\\x0b", "Quercus rotundifolia", "unicode; synonyms", 2)
    assert counted({"Quercus rotundifolia": 2}, [found]) == {"Quercus ilex": 2, "Quercus rotundifolia": 0}


def test_rows_by_hand_without_use():
    by_hand = {"Rosa aa": "Rosa bb", "Rosa bb": "Rosa cc", "Rosa dd": "Rosa ee", "Rosa ff": "Rosa ff"}
    cleaner = NameCleaner(RULES, by_hand)
    assert without_use(by_hand, ["Rosa aa", "Rosa gg"], cleaner) == ["Rosa dd"]
    assert without_use(by_hand, [], cleaner) == ["Rosa aa", "Rosa bb", "Rosa dd"]


def put_names(workspace) -> None:
    write_table(records_of("https://host.example/a.jpg"), RECORDS, workspace / "data/records.parquet")
    write_table(pl.DataFrame(schema=NAMES), NAMES, workspace / "data/names.csv")


def test_records_are_asked_for(workspace):
    path = write_packed(workspace / "wcvp_names.csv", {"": wcvp()})
    said = complaint(run_here("commands.synonyms", workspace, str(path)))
    assert "data/records.parquet is missing: run `dvc repro export` first" in said
    put_names(workspace)
    entry = {"params": {"params.yaml": {"profile": "teacher"}}, "outs": []}
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"export": entry}}))
    assert "is of profile teacher, not sample" in complaint(run_here("commands.synonyms", workspace, str(path)))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is missing: download"), ("a|b\n", "no header that is known"), ("PK\x03\x04", "damaged")],
)
def test_a_bad_checklist_is_one_line_and_changes_nothing(workspace, content, said):
    put_names(workspace)
    out = workspace / "data/sources/sample/synonyms.csv"
    out.parent.mkdir(parents=True)
    out.write_text("synonym,accepted\nRosa alba,Rosa gallica\n")
    if content is not None:
        (workspace / "list.zip").write_text(content)
    before = sorted(workspace.rglob("*"))
    assert said in complaint(run_here("commands.synonyms", workspace, "list.zip"))
    assert sorted(workspace.rglob("*")) == before
    assert out.read_text() == "synonym,accepted\nRosa alba,Rosa gallica\n"


@pytest.mark.parametrize("end", [None, "\r"])
def test_a_checklist_without_rows_wipes_nothing(workspace, end):
    put_names(workspace)
    out = workspace / "data/sources/sample/synonyms.csv"
    out.parent.mkdir(parents=True)
    out.write_text("synonym,accepted,source\nRosa alba,Rosa gallica,WCVP:1\n")
    table = wcvp([]) if end is None else wcvp().replace("\n", end)
    path = write_packed(workspace / "wcvp_names.csv", {"": table})
    before = sorted(workspace.rglob("*"))
    assert "line ends" in complaint(run_here("commands.synonyms", workspace, str(path)))
    assert sorted(workspace.rglob("*")) == before
    assert out.read_text() == "synonym,accepted,source\nRosa alba,Rosa gallica,WCVP:1\n"


def test_a_row_copied_from_the_list_with_its_apostrophe_renames(workspace):
    put_documents(workspace)
    dump = workspace / "data/sources/sample/dump/plants.jsonl"
    dump.write_text(dump.read_text().replace("Nowhereia plantifolia", "+ Laburnocytisus adamii"))
    species(workspace)
    path = write_packed(workspace / "wcvp_names.csv", {"": wcvp()})
    run_here("commands.synonyms", workspace, str(path))
    listed = (workspace / "data/sources/sample/synonyms_ambiguous.csv").read_text()
    copied = next(line for line in listed.splitlines() if "adamii" in line).partition(",")[0]
    assert copied == "'+ Laburnocytisus adamii"
    out = workspace / "data/sources/sample/synonyms.csv"
    out.write_text(out.read_text() + f"{copied},Laburnum anagyroides,\n")
    run_here("commands.synonyms", workspace, str(path))
    assert f"{copied},Laburnum anagyroides,\n" in out.read_text()
    assert species(workspace)["Laburnum anagyroides"] == 1


def test_rules_that_leave_synonyms_out_are_told_and_what_is_by_hand_wins_all_the_same(workspace):
    put_documents(workspace)
    params = (workspace / "params.yaml").read_text()
    content = yaml.safe_load(params)
    content["names"]["synonyms"] = False
    (workspace / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    path = write_packed(workspace / "wcvp_names.csv", {"": wcvp()})
    out = workspace / "data/sources/sample/synonyms.csv"
    out.write_text("synonym,accepted\nSolanum rantonnetii,Solanum other\n")
    species(workspace)
    said = run_here("commands.synonyms", workspace, str(path)).stdout
    assert list(map(len, read_synonyms(out))) == [1, 4]
    assert "next: nothing changes as long as `names.synonyms` in params.yaml is false" in said


def test_make_passes_the_file_on():
    shown = subprocess.run(
        ["make", "-n", "synonyms", "ARGS=wcvp.zip"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "python -m stages.commands.synonyms wcvp.zip" in shown.stdout
