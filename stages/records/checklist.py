"""Reading the table of names that a public checklist publishes, for some names out of millions.

Two forms are known by their header: the World Checklist of Vascular Plants' own (``wcvp_names.csv``; Govaerts et al.
2021, https://doi.org/10.1038/s41597-021-00997-6), and Darwin Core's taxon table
(https://dwc.tdwg.org/terms/#taxon), which World Flora Online, GBIF and others publish. Such a table has up to
7 million rows, so it is read in blocks, and only rows that may be of use become Python objects.
"""

import gzip
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import polars as pl

from stages.records.synonyms import OTHER_PUBLISHER
from stages.runtime.errors import UserError
from stages.runtime.progress import ProgressLine
from stages.tables.table import Schema

ROWS: Schema = {
    "id": pl.String,
    "name": pl.String,  # without its authors, where the table gives these apart
    "authors": pl.String,
    "rank": pl.String,  # letters only, small
    "status": pl.String,  # letters only, small
    "accepted_id": pl.String,
}

# The header's names of the columns, in small letters. Kew's Darwin Core archive misspells one.
_WCVP = {
    "id": ("plant_name_id",),
    "name": ("taxon_name",),
    "rank": ("taxon_rank",),
    "status": ("taxon_status",),
    "accepted_id": ("accepted_plant_name_id",),
}
_DARWIN_CORE = {
    "id": ("taxonid",),
    "name": ("scientificname", "scientfiicname"),
    "rank": ("taxonrank",),
    "status": ("taxonomicstatus",),
    "accepted_id": ("acceptednameusageid",),
}
_OPTIONAL = {
    "authors": ("taxon_authors", "scientificnameauthorship", "scientfiicnameauthorship"),
    "canonical": ("canonicalname",),
    "kingdom": ("kingdom",),
}
_FORMS = {"WCVP": _WCVP, "Darwin Core": _DARWIN_CORE}
_KNOWN = "; ".join(f"{form}: {', '.join(names[0] for names in columns.values())}" for form, columns in _FORMS.items())

_BLOCK_BYTES = 16_777_216
_LONGEST_HEADER = 65_536
_GZIP_MAGIC, _ZIP_MAGIC = b"\x1f\x8b", b"PK"
_ENCRYPTED = 0x1
# Parts of what ranks above a species are called, and what holds several species under the name of one.
_ABOVE_SPECIES = (
    "genus", "section", "series", "family", "tribe", "order", "class", "phylum", "division", "kingdom", "domain",
    "aggregate", "speciesgroup", "complex", "superspecies",
)  # fmt: skip
_SPECIES = ("species", "nothospecies", "sp", "hybrid", "agamospecies", "agamosp")
_PLANTS = ("plantae", "viridiplantae", "")


class Checklist(NamedTuple):
    """Where a checklist is, and how it is written.

    Attributes:
        path: of the file.
        member: of the archive that the file is, if it is one.
        form: ``WCVP`` or ``Darwin Core``.
        publisher: what stands before its ids: one of ``PUBLISHERS``, else ``OTHER_PUBLISHER`` and the file's name.
        delimiter: between the cells of a row.
        quoted: cells may stand in quotes, and hold delimiters then.
        columns: number of each column that is read, by its name here.
        width: number of all columns.
    """

    path: Path
    member: str | None
    form: str
    publisher: str
    delimiter: str
    quoted: bool
    columns: dict[str, int]
    width: int


def find_checklist(path: Path) -> Checklist:
    """Find out how a checklist is written, from its header: a table, gzip or not, or the one in a zip archive.

    Raises:
        UserError: it is missing or damaged, or no table in it, or more than one, has a header that is known.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: download a checklist first (docs/synonyms.md says where)")
    with _damage_told(path):
        members = _members(path)
        headers = {}
        for member in members or [None]:
            with _opened(path, member) as stream:
                headers[member] = stream.readline(_LONGEST_HEADER), stream.readline(_LONGEST_HEADER)
    found = [
        checklist
        for member, (header, row) in headers.items()
        if (checklist := _recognize(path, member, header, row)) is not None
    ]
    if len(found) > 1:
        raise UserError(f"{path} holds several checklists, {', '.join(str(one.member) for one in found)}: unzip one")
    if not found:
        shown = "; ".join(
            f"{f'{member}: ' if member else ''}{header.decode('utf-8', 'replace').strip()[:80]!r}"
            for member, (header, _) in list(headers.items())[:5]
        )
        raise UserError(f"{path} has no header that is known ({_KNOWN}), in commas, tabs or pipes; found {shown}")
    return found[0]


def _members(path: Path) -> list[str]:
    """Give the files in a zip archive; none where the file is no such archive."""
    with path.open("rb") as raw:
        if raw.read(2) != _ZIP_MAGIC:
            return []
        with zipfile.ZipFile(raw) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir() and "__MACOSX" not in entry.filename]
    if any(entry.flag_bits & _ENCRYPTED for entry in files):
        raise UserError(f"{path} is encrypted: unzip it, and name the table in it")
    if not files:
        raise UserError(f"{path} is an archive without files: download it again")
    return [entry.filename for entry in files]


def _recognize(path: Path, member: str | None, header: bytes, row: bytes) -> Checklist | None:
    line = header.decode("utf-8", "replace").removeprefix("\ufeff").strip("\r\n").partition("\r")[0]
    for delimiter in "|\t,":
        names = [name.strip(' "').lower().removeprefix("dwc:") for name in line.split(delimiter)]
        for form, needed in _FORMS.items():
            places = {
                column: min(names.index(name) for name in spellings if name in names)
                for column, spellings in (needed | _OPTIONAL).items()
                if any(name in names for name in spellings)
            }
            if needed.keys() <= places.keys():
                if b"\r" in header.rstrip(b"\r\n"):
                    raise UserError(f"{path}: lines end in CR alone: save it with line ends LF or CRLF")
                # With tabs and pipes a quote is part of a name or author, unless the header is quoted too.
                quoted = delimiter == "," or line.startswith('"')
                publisher = _publisher(path, form, names, row)
                return Checklist(path, member, form, publisher, delimiter, quoted, places, len(names))
    return None


def _publisher(path: Path, form: str, names: list[str], row: bytes) -> str:
    if form == "WCVP":
        return "WCVP"
    if b"wfo-" in row:
        return "WFO"
    if "canonicalname" in names and "datasetid" in names:
        return "GBIF"
    return OTHER_PUBLISHER + re.sub(r"[^\w-]+", "_", path.name.split(".")[0])


def read_checklist(checklist: Checklist, names: Collection[str]) -> tuple[pl.DataFrame, int]:
    """Read the rows that may bear one of the names, and all with the ids of these or of their accepted names.

    And so on, as accepted names may be synonyms themselves.

    Args:
        checklist: as ``find_checklist`` gives it.
        names: scientific names without authors, in any spelling; what is read is too much rather than too little.

    Returns:
        Rows (columns of ``ROWS``) in no particular order, each once; and how many the table has.

    Raises:
        UserError: the table is damaged, has no rows, or is no text in UTF-8.
    """
    rows, total = _scan(checklist, _may_bear(names), what="names", total=None)
    if not total:
        raise UserError(f"{checklist.path} has a header and no rows: is it whole, and are its line ends LF or CRLF?")
    sought: set[str] = set()
    # The ids of rows that are there too: another row may have the same one.
    while missing := (set(rows["accepted_id"].drop_nulls()) | set(rows["id"])) - sought:
        more, _ = _scan(checklist, _has_id(missing), what="accepted names", total=total)
        rows = pl.concat([rows, more]).unique()
        sought |= missing  # what is not there by now is not in the table
    return rows, total


def is_species(rank: str | None) -> bool:
    """Whether a rank, as ``ROWS`` has it, is a species or one below it; where none is given, it may be."""
    return not any(part in (rank or "") for part in _ABOVE_SPECIES)


def _may_bear(names: Collection[str]) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    wanted = pl.DataFrame({"name": list(names)}, schema={"name": pl.String}).with_columns(key=_skeleton("name"))
    words = pl.col("name").str.replace_all("×", " ").str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
    below = wanted.filter(words.list.len() > 2)["key"].drop_nulls().unique().to_list()
    all_keys = wanted["key"].drop_nulls().unique().to_list()

    def keep(rows: pl.LazyFrame) -> pl.LazyFrame:
        of_species = pl.col("rank").is_in([*_SPECIES, ""]) | pl.col("rank").is_null()
        no_higher = ~pl.col("rank").fill_null("").str.contains_any(list(_ABOVE_SPECIES))
        plant = pl.col("kingdom").fill_null("").str.to_lowercase().is_in(_PLANTS)
        bears = (of_species & pl.col("key").is_in(all_keys)) | pl.col("key").is_in(below)
        return rows.filter(plant & (of_species | no_higher)).with_columns(key=_skeleton("name")).filter(bears)

    return keep


def _has_id(ids: Collection[str]) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    wanted = sorted(ids)
    return lambda rows: rows.filter(pl.col("id").is_in(wanted))


def _skeleton(name: str) -> pl.Expr:
    """Give the consonants of the first two words of names: what no rule of spelling changes.

    Rules write ë as e and ö as oe or o, a hybrid's sign in several ways, and case and dashes in one.
    """
    plain = pl.col(name).str.normalize("NFKD").str.to_lowercase().str.replace_all(r"(?:^|\s)x\s|[×✕✖⨯⨉*_]", " ")
    two_words = plain.str.extract(r"^\s*(\S+\s+\S+)", 1)
    return two_words.str.replace_all(r"[^bcdfghjklmnpqrstvwxz\s]", "").str.replace_all(r"\s+", " ")


def _scan(
    checklist: Checklist, keep: Callable[[pl.LazyFrame], pl.LazyFrame], *, what: str, total: int | None
) -> tuple[pl.DataFrame, int]:
    """Read the whole table, and give the rows to keep (columns of ``ROWS``) and the number of all."""
    kept, read = [pl.DataFrame(schema=ROWS)], 0
    shown = ProgressLine(f"synonyms: {what}", total=total, unit="rows", start_s=time.monotonic())
    try:
        with _damage_told(checklist.path), _opened(checklist.path, checklist.member) as stream:
            stream.readline(_LONGEST_HEADER)
            for block in _blocks(checklist, stream):
                rows = _parse(checklist, block)
                read += rows.height
                kept.append(_without_authors(keep(rows.lazy()).collect()).select(ROWS.keys()))
                shown.show(read, time.monotonic())
    finally:
        shown.close()
    return pl.concat(kept).unique(), read


def _blocks(checklist: Checklist, stream: BinaryIO) -> Iterator[bytes]:
    """Give whole rows, some megabytes at a time; no byte is looked at more often than a few times."""
    left: list[bytes] = []  # pieces in which no row ends, but for where the first begins
    within_quotes = False
    while piece := stream.read(_BLOCK_BYTES):
        end = _end_of_rows(piece, within_quotes=within_quotes) if checklist.quoted else piece.rfind(b"\n") + 1
        within_quotes ^= checklist.quoted and piece.count(b'"') % 2 == 1
        if end:
            yield b"".join([*left, piece[:end]])
            left = [piece[end:]]
        else:
            left.append(piece)
            if sum(map(len, left)) > 8 * _BLOCK_BYTES:
                raise UserError(f"{checklist.path} is no table: a row of it has no end (see to the quotes in it)")
    if (last := b"".join(left)).strip():
        yield last


def _end_of_rows(piece: bytes, *, within_quotes: bool) -> int:
    """Give where the last whole row of a piece of a table ends; 0 where none does.

    Args:
        piece: from anywhere in the table.
        within_quotes: whether it begins there: a line that ends within quotes is no row.
    """
    odd = piece.count(b'"') % 2 == 1  # quotes in front of the line end that is looked at
    looked_at = len(piece)
    while end := piece.rfind(b"\n", 0, looked_at) + 1:
        odd ^= piece.count(b'"', end, looked_at) % 2 == 1
        if odd == within_quotes:
            return end
        looked_at = end - 1
    return 0


def _parse(checklist: Checklist, block: bytes) -> pl.DataFrame:
    """Read the columns of interest, as text; those that the table lacks are null."""
    numbers = sorted(checklist.columns.values())
    try:
        frame = pl.read_csv(
            block,
            has_header=False,
            separator=checklist.delimiter,
            quote_char='"' if checklist.quoted else None,
            schema={f"column_{number}": pl.String for number in range(1, checklist.width + 1)},
            columns=[f"column_{number + 1}" for number in numbers],
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError as error:
        if "utf" in str(error).lower():
            raise UserError(f"{checklist.path} is no text in UTF-8: download it again, or save it as one") from None
        raise UserError(
            f"{checklist.path} is damaged: rows of it have fewer columns than its header ({checklist.width}), or "
            "quotes that nothing closes: download it again, or mend it"
        ) from None
    # Some writers quote some cells of a table that is said to have no quotes.
    cells = {
        name: pl.col(f"column_{number + 1}").str.strip_chars(' \t\r"') for name, number in checklist.columns.items()
    }
    text = {name: pl.when(cell != "").then(cell) for name, cell in cells.items()}
    missing = {name: pl.lit(None, pl.String) for name in _OPTIONAL if name not in text}
    letters = {
        name: text[name].str.to_lowercase().str.replace_all("[^a-z]", "") for name in ("rank", "status") if name in text
    }
    return (
        frame.lazy()
        .select(**(text | missing | letters))
        .with_columns(name=pl.coalesce("name", "canonical"))
        .drop_nulls(["id", "name"])
        .collect()
    )


def _without_authors(rows: pl.DataFrame) -> pl.DataFrame:
    """Take the authors off the names: GBIF writes them there too.

    The canonical name is second best, as it lacks the hybrid sign and the rank.
    """
    ending = pl.concat_str(pl.lit(" "), "authors")
    whole = pl.col("name").str.ends_with(ending).fill_null(False)
    shorter = pl.when(whole).then(pl.col("name").str.strip_suffix(ending)).otherwise("name")
    return rows.with_columns(name=shorter)


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        magic = raw.read(2)
        raw.seek(0)
        if member is not None:
            with zipfile.ZipFile(raw) as archive, archive.open(member) as stream:
                yield cast(BinaryIO, stream)
        elif magic == _GZIP_MAGIC:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield cast(BinaryIO, stream)
        else:
            yield raw


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise UserError(
            f"{path} is packed in a way that Python cannot read ({error}): unzip it, name the table"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}): download it again") from None
