"""Stage ``split``: available images -> train, val and test by species, whole observations only.

The rules, in order:

1. What names two species is used for neither: images that share a SHA-256, a photo, an address or an observation, or
   that look alike, under different species.
2. Images that share an observation, an address, a photo or a SHA-256, or that look alike, are one group (so are groups
   linked by others, whether these are there or not), and a group never stands in two splits. On DanishFungi the split
   by image, which ignores this, is 3.4 points of top-1 too good.
3. What was in a split before stays there, see stages/splitting/memory.py.
4. A species with one group is in train; with two, in train and val; with three or more, in all three, and otherwise
   as near to 80/10/10 by images as whole groups allow. So every species in val or test is in train.

Labels are the ranks of the species' names; data/splits/labels.csv is the only source of label order anywhere, and
data/splits/classes.csv says how many images each has. What is left out stands in data/left_out.csv, with the reason.
With ``split.keep_unknown`` the species with too few images are a set of their own, ``unknown``, without labels.
"""

from pathlib import Path

import polars as pl

from stages.config.reading import stage_params
from stages.config.schema import Split
from stages.config.sources import assignments_path
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.runtime.wording import in_words
from stages.splitting.divide import assign_splits, cap_train, drop_extra_photos
from stages.splitting.figures import class_sizes, headline, long_tail, number_classes, summarize
from stages.splitting.groups import drop_contradictions, group_rows, link_images, name_groups
from stages.splitting.leaks import count_leaks
from stages.splitting.memory import drop_strays, follow, lost_sources, pin_groups, read_assignments, recall
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import CLASSES, LABELS, SPLITS, UNKNOWN
from stages.tables.json_files import write_figures
from stages.tables.links import LINKS
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.split import CLASS_SIZES, LEFT_OUT, LONG_TAIL, SPLIT
from stages.tables.table import read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
LINKS_IN = Path("data/links.parquet")
ALIKE_IN = Path("data/near_duplicates")
OUT = Path("data/splits")
LEFT_OUT_OUT = Path("data/left_out.csv")
METRICS = Path("metrics/split.json")
REPORT = Path("data/reports/split.json")
LONG_TAIL_OUT = Path("plots/long_tail.csv")
CLASS_SIZES_OUT = Path("plots/class_sizes.csv")


def main() -> None:
    """Leave out contradictions, group, remember, divide, number the classes, write."""
    params = stage_params("split")
    # The division needs four columns; all of a full export are a third of a gigabyte.
    available = read_table(AVAILABLE_IN, AVAILABLE, only=("image_name", "species", "sha256", "observation_id"))
    links = read_table(LINKS_IN, LINKS, only=("image_name", "kind", "value"))
    pairs = read_table(ALIKE_IN / "pairs.parquet", PAIRS)
    disputed = read_table(ALIKE_IN / "disputed.csv", DISPUTED)
    assignments = read_assignments(assignments_path(params.profile))

    if lost := lost_sources(assignments, links):
        say(
            f"split: warning: some {', '.join(lost)} are remembered, and no record has any: was a shape renamed, given "
            "`ids_of`, or another path? What is met again by such an id alone counts as new"
        )
    rows, left_out = split_images(available, links, pairs, disputed, assignments, params.split)
    known = rows.filter(pl.col("split") != UNKNOWN) if params.split.keep_unknown else rows
    if known["species"].n_unique() < 2:
        reasons = in_words(dict(left_out.group_by("reason").len().iter_rows()))
        raise UserError(
            f"{known['species'].n_unique()} of {available['species'].n_unique()} species of {AVAILABLE_IN} are left"
            f"{reasons}, and a classifier needs two or more: see split.min_images_per_class, or bring more images"
        )
    classes = number_classes(known)
    reasons = dict(left_out.group_by("reason").len().sort("reason").iter_rows())
    del links  # what they say in their own words comes in now
    leaks = count_leaks(rows, read_table(LINKS_IN, LINKS, only=("image_name", "kind", "source", "raw")), pairs)
    figures = summarize(classes, leaks, params.shots) | {
        "left_out": reasons,
        "remembered_images": known.filter(pl.col("earlier").is_not_null()).height,
        "unknown": {"images": rows.height - known.height, "species": rows["species"].n_unique() - classes.height},
    }

    rows = rows.select("row", "group", "split")
    del available  # the names of all images, before the whole table comes in
    with replacing_directory(OUT) as folder:
        write_splits(read_table(AVAILABLE_IN, AVAILABLE), rows, folder)
        write_table(classes, LABELS, folder / "labels.csv")
        write_table(classes, CLASSES, folder / "classes.csv")
    write_table(left_out.sort("image_name", "species"), LEFT_OUT, LEFT_OUT_OUT)
    write_table(long_tail(classes), LONG_TAIL, LONG_TAIL_OUT)
    write_table(class_sizes(classes), CLASS_SIZES, CLASS_SIZES_OUT)
    write_figures(REPORT, figures)
    write_figures(METRICS, headline(figures))
    if torn := {kind: number for kind, number in leaks.items() if number}:
        say(f"split: warning: things stand in two splits{in_words(torn)}: ids that are spelled in a way nobody knows?")
    sizes = ", ".join(f"{name} {figures[name]['images']:,} of {figures[name]['classes']:,} classes" for name in SPLITS)
    if params.split.keep_unknown:
        sizes += f"; unknown {figures['unknown']['images']:,} of {figures['unknown']['species']:,} species"
    say(f"split: images in {sizes}; {left_out.height:,} left out{in_words(reasons)}")


def split_images(
    available: pl.DataFrame,
    links: pl.DataFrame,
    pairs: pl.DataFrame,
    disputed: pl.DataFrame,
    assignments: pl.DataFrame,
    params: Split,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divide images by the rules above.

    Args:
        available: with image_name, species, sha256 and observation_id.
        links: what may connect images: image_name, kind and value of ``LINKS``.
        pairs: images that look alike, columns of ``PAIRS``.
        disputed: images that look like one of another species, columns of ``DISPUTED``.
        assignments: earlier ones, columns of ``ASSIGNMENTS``.
        params: section ``split`` of params.yaml.

    Returns:
        The images that are used, in their order: the columns of ``available``, row (its number there), group, earlier
        (where it was before), split. And those that are not: image_name, species, reason, and split where their group
        has one.
    """
    narrow = available.with_row_index("row")
    linked = link_images(narrow, links, assignments)
    # Grouped and recalled before anything is left out: a row that is not used still shows that two others belong
    # together, and that they were in val.
    grouped = narrow.with_columns(group=group_rows(narrow, linked, pairs), earlier=recall(narrow, linked, assignments))
    grouped = grouped.with_columns(followed=follow(grouped, linked, pairs, assignments))
    grouped = grouped.with_columns(pinned=pin_groups(grouped)).drop("followed")
    rows, contradictory = drop_contradictions(grouped, linked, disputed)
    rows, too_few = drop_small_classes(name_groups(rows), params.min_images_per_class)
    rows, stray = drop_strays(rows)
    rows = rows.with_columns(split=assign_splits(rows, params))
    untrained = rows.filter(pl.col("split").is_null()).with_columns(reason=pl.lit("species_without_train"))
    rows = rows.filter(pl.col("split").is_not_null())
    left_out = [contradictory, stray, untrained]
    if params.keep_unknown:
        unknown = too_few.with_columns(split=pl.lit(UNKNOWN)).select(rows.columns)
        rows = pl.concat([rows, unknown])
    else:
        left_out.append(too_few)
    if params.one_photo_an_observation:
        rows, extra = drop_extra_photos(rows, assignments.filter("used")["image_name"])
        left_out.append(extra)
    if params.max_train_images_per_class is not None:
        rows, over = cap_train(rows, params.max_train_images_per_class, params.seed)
        left_out.append(over)
    columns = ["image_name", "species", "reason", "split"]
    listed = [part.select(name for name in columns if name in part.columns) for part in left_out]
    return rows, pl.concat(listed, how="diagonal")


def write_splits(available: pl.DataFrame, rows: pl.DataFrame, folder: Path) -> None:
    """Write each split's rows of ``available``, and empty that: a column at a time, so never two copies are in memory.

    Args:
        available: columns of ``AVAILABLE``.
        rows: row (its number in ``available``), group and split.
        folder: gets train.parquet, val.parquet, test.parquet and unknown.parquet.
    """
    rows = pl.concat(rows.filter(pl.col("split") == name) for name in (*SPLITS, UNKNOWN))
    table = pl.DataFrame([available.drop_in_place(name)[rows["row"]] for name in available.columns] + [rows["group"]])
    for name in (*SPLITS, UNKNOWN):
        images = int((rows["split"] == name).sum())
        write_table(table.head(images).with_columns(split=pl.lit(name)), SPLIT, folder / f"{name}.parquet")
        table = table.slice(images)


def drop_small_classes(rows: pl.DataFrame, min_images: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out the species with fewer than ``min_images`` images.

    Returns:
        The rows kept, and those left out with the column reason.
    """
    kept = pl.len().over("species") >= min_images
    return rows.filter(kept), rows.filter(~kept).with_columns(reason=pl.lit("species_with_too_few_images"))


if __name__ == "__main__":
    run(main)
