"""A few photos of each species that people may be shown, with whose they are.

They are photos that trained the model: openly licensed, with the photographer's name where the license demands one, one
an observation, and not those against which the rest of the data speaks.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import simplejpeg

from stages.images.by_name import PackedByName
from stages.images.shrink import shrink
from stages.records.licenses import CODES, NONE, OTHER, license_codes
from stages.records.rights import rights_of
from stages.tables.classes import read_split
from stages.tables.publish import EXAMPLES
from stages.tables.suspects import SUSPECTED, SUSPECTS
from stages.tables.table import read_table

EXAMPLE_PX = 192  # side of an example
_QUALITY = 82
_NAMELESS = ("cc0", "pd")  # licenses that demand no name
# An example is a crop, and so a derivative.
_OPEN = frozenset(code for code in CODES if code not in (NONE, OTHER) and "nd" not in code)


def make_examples(
    splits: Path,
    packed: Path,
    species: Sequence[str],
    *,
    licenses: Sequence[str] | None,
    a_species: int,
    suspects: Path | None = None,
) -> pl.DataFrame:
    """Choose examples and make their pictures; the same data give the same bytes.

    Args:
        splits: folder of train.parquet.
        packed: folder of the packed images.
        species: those of the model.
        licenses: codes of those under which a photo may be shown; of these, and of all where it is ``None``, only open
            ones that allow a crop.
        a_species: at the most.
        suspects: data/suspects/images.parquet; where it is not, no photo is passed over for what it says.

    Returns:
        Columns of ``EXAMPLES``.

    Raises:
        UserError: splits, suspects or packed images are missing or damaged.
    """
    chosen = choose_examples(splits, species, licenses=licenses, a_species=a_species, suspects=suspects)
    if not chosen.height:
        return pl.DataFrame(schema=dict(EXAMPLES))
    small = small_pictures(packed)
    jpegs = [small(name, sha256) for name, sha256 in chosen.select("image_name", "sha256").iter_rows()]
    return chosen.with_columns(jpeg=pl.Series(jpegs, dtype=pl.Binary)).select(EXAMPLES.keys())


def choose_examples(
    splits: Path,
    species: Sequence[str],
    *,
    licenses: Sequence[str] | None,
    a_species: int,
    suspects: Path | None = None,
) -> pl.DataFrame:
    """Choose as ``make_examples`` does, and make no picture.

    Returns:
        Columns of ``EXAMPLES`` without jpeg, and sha256 of the original; sorted by species.

    Raises:
        UserError: splits or suspects are missing or damaged.
    """
    train = read_split(splits, "train", SUSPECTED).filter(pl.col("species").is_in(list(species)))
    allowed = [code for code in (CODES if licenses is None else licenses) if code in _OPEN]
    rights = rights_of(train.select("image_name", "license", "observer"), allowed)
    named = pl.col("observer").fill_null("").str.strip_chars() != ""
    may = train.filter(
        pl.col("image_name").is_in([name for name in train["image_name"] if rights.may_show(name)]),
        named | license_codes(train["license"]).is_in(_NAMELESS),
        pl.col("image_url").fill_null("").str.contains("^https?://"),
    )
    rank = _ranks(suspects)
    # The surest half of a species' observations; of it those that their names, which are digests, put first.
    surest = may.join(rank, on=["image_name", "species"], how="left").sort(
        pl.col("rank").fill_null(0), "image_name", descending=[True, False]
    )
    of_groups = surest.unique(["species", "group"], keep="first", maintain_order=True)
    place, groups = pl.int_range(pl.len()).over("species"), pl.len().over("species")
    half = of_groups.filter(place < pl.max_horizontal(pl.lit(a_species), groups // 2))
    chosen = half.sort("species", "image_name").filter(place < a_species)
    return chosen.select(
        "species",
        "image_name",
        photographer=pl.when(named).then(pl.col("observer").str.strip_chars()),
        license=pl.col("image_name").map_elements(rights.license, return_dtype=pl.String),
        url="image_url",
        sha256="sha256",
    )


def small_pictures(packed: Path) -> Callable[[str, str], bytes]:
    """Give what makes the small JPEG of an image, of its name and its original's digest.

    Raises:
        UserError: there are no packed images; what is given raises it too, where the image is missing or damaged.
    """
    images = PackedByName(packed)

    def small(image_name: str, sha256: str) -> bytes:
        pixels = shrink(simplejpeg.decode_jpeg(images.jpeg(image_name, sha256)), EXAMPLE_PX)
        return simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorsubsampling="420")

    return small


def _ranks(suspects: Path | None) -> pl.DataFrame:
    """Give how little each image is suspected, by name and species; no rows where that is not known."""
    only = ("image_name", "species", "rank")
    if suspects is None or not suspects.is_file():
        return pl.DataFrame(schema={name: SUSPECTS[name] for name in only})
    return read_table(suspects, SUSPECTS, only=only)
