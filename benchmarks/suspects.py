"""What the ranking of suspects is worth: planted wrong labels, photos of things, species of two names.

    python -m benchmarks.suspects [FOLDER] [--seeds 10] [--only PART ...]

On the sample (`dvc repro embed` made its features) and on the hard set of ``benchmarks.long_tail``, which FOLDER has or
gets. Whole observations get another species: any, as often as species are (proportional), or one of the three whose
means are the most alike (confusable). Printed are, as means over the seeds, AUROC, and precision at k, the number of
planted images, of several ways to rank; what a review of the first 2k restores of the accuracy lost; how many of 20
photos of things, composed of Debian's cut-outs, come first among the outliers; and what orders of pairs of species are
worth where observations of some were given a second name. Cleanlab, a peer, is asked for its scores on the same
features where it can be imported (PYTHONPATH may name a folder where pip put it).
"""

import argparse
import hashlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from accelerate import Accelerator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold

from benchmarks import ROOT
from benchmarks.long_tail import call, prepare
from sample.compose import draw_scene, take_photo
from sample.ingredients import PACKAGES, STAMPS, load_backgrounds, trim
from sample.make import encode
from sample.packages import unpack_packages
from stages.config.reading import stage_params
from stages.config.schema import Probe
from stages.features.embedding import embed, make_network
from stages.features.isolation import isolation, novelty
from stages.features.neighbors import all_neighbors
from stages.features.normalized import normalized
from stages.features.ridge import fit
from stages.features.seen import Seen, read_seen
from stages.features.species_pairs import species_pairs
from stages.features.suspicion import ranks, suspect
from stages.images.packing import pack_image
from stages.images.shards import PackedShards, shard_name, write_manifest, write_shard
from stages.learning.origin import find_origin
from stages.runtime.errors import run
from stages.splitting.label_order import read_labels

SEED = 20261129
PROBE = Probe(ridge=0.1, class_weight_power=-0.5, neighbors=5)
PARTS = ("sample", "hard", "review", "things", "names")
FLIPPED = 0.08  # share of the images
KINDS = ("proportional", "confusable")
NEAREST_SPECIES = 3
THINGS = 20
NAMED_TWICE = 20  # species
THING_FOLDERS = ("vehicles", "household", "town", "hobbies", "sports", "clothes", "space", "medical", "seasonal")
DRAWN_FOLDERS = {"cartoon", "plastic", "toys"}
SMALLEST_PX = 100


@dataclass(frozen=True)
class Planted:
    """Labels of which some are wrong.

    Attributes:
        labels: int64 [images].
        wrong: bool [images].
    """

    labels: np.ndarray
    wrong: np.ndarray

    @property
    def count(self) -> int:
        """How many are wrong."""
        return int(self.wrong.sum())


def main() -> None:
    """Measure what is asked for, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of the hard set; without one it is left out")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    parts, seeds = arguments.only, arguments.seeds
    if {"sample", "things", "names"} & set(parts):
        sample = seen_in(ROOT)
        if "sample" in parts:
            print_rankings("sample", sample, seeds, KINDS)
        if "things" in parts:
            print_things(sample, seeds)
        if "names" in parts:
            print_names("sample", sample, seeds, species=4)
    if {"hard", "review", "names"} & set(parts) and arguments.folder is None:
        print("\nno FOLDER is named: the hard set is left out")
    elif {"hard", "review", "names"} & set(parts):
        repo = arguments.folder.absolute() / "repo"
        if not (repo / "data/features").exists():
            prepare(repo)
            call(repo, "dvc", "repro", "embed", "split", shown=True)
        hard = seen_in(repo)
        learned = (hard.images["split"] != "test").to_numpy()
        if "hard" in parts:
            print_rankings("hard set, train and val", take(hard, learned), seeds, KINDS)
        if "review" in parts:
            print_review(hard, learned, seeds)
        if "names" in parts:
            print_names("hard set", hard, seeds, species=NAMED_TWICE)


def seen_in(repo: Path) -> Seen:
    """Read the images of a repo and their features."""
    splits = repo / "data/splits"
    seen, _ = read_seen(splits, repo / "data/features", read_labels(splits / "labels.csv"))
    return seen


def take(seen: Seen, which: np.ndarray) -> Seen:
    """Give some of the images."""
    return Seen(
        seen.images.filter(pl.Series(which)), seen.features[which], seen.labels[which], seen.groups[which], seen.species
    )


def plant(seen: Seen, kind: str, seed: int, *, share: float = FLIPPED) -> Planted:
    """Give whole observations another label, until a share of the images has one.

    Args:
        seen: the images.
        kind: ``proportional``: a label as often as images have it. ``confusable``: one of the nearest by their means.
        seed: of the draws.
        share: of the images.
    """
    rng = np.random.default_rng(seed)
    labels, classes = seen.labels.copy(), len(seen.species)
    sizes = np.bincount(labels, minlength=classes)
    alike = class_means(seen) @ class_means(seen).T
    alike[:, sizes == 0] = -np.inf
    np.fill_diagonal(alike, -np.inf)
    wrong = np.zeros(len(labels), bool)
    for group in rng.permutation(np.unique(seen.groups)).tolist():
        if wrong.sum() >= round(share * len(labels)):
            break
        members = seen.groups == group
        own = int(seen.labels[members][0])
        if kind == "confusable":
            other = rng.choice(np.argsort(-alike[own], kind="stable")[:NEAREST_SPECIES])
        else:
            others = np.where(np.arange(classes) == own, 0, sizes)
            other = rng.choice(classes, p=others / others.sum())
        labels[members] = other
        wrong |= members
    return Planted(labels, wrong)


def class_means(seen: Seen) -> np.ndarray:
    """Give the mean features of each class, seen from the middle of all and of length 1: float64 [classes, d]."""
    sums = np.zeros((len(seen.species), seen.features.shape[1]))
    np.add.at(sums, seen.labels, seen.features)
    sizes = np.bincount(seen.labels, minlength=len(sums))
    means = sums / np.maximum(sizes, 1)[:, None]
    means = np.where(sizes[:, None] > 0, means - means[sizes > 0].mean(0), 0)
    return means / np.maximum(np.sqrt((means**2).sum(1, keepdims=True)), 1e-12)


def by_ridge(seen: Seen, labels: np.ndarray) -> np.ndarray:
    """Rank as the stage does: float64 [images], the higher the more suspicious."""
    suspicion = suspect(seen.features, labels, seen.groups, classes=len(seen.species), probe=PROBE)
    return -ranks(suspicion, seen.images["image_name"].to_numpy()).astype(np.float64)


def by_neighbors(seen: Seen, labels: np.ndarray) -> np.ndarray:
    """Rank by the share of the nearest of other groups that bear another label."""
    neighbors, _ = all_neighbors(seen.features, seen.groups, count=10)
    return (labels[neighbors.rows] != labels[:, None]).mean(1)


def by_class_means(seen: Seen, labels: np.ndarray) -> np.ndarray:
    """Rank by how much nearer another class's mean is, the own group left out of its class's."""
    features = seen.features - seen.features.mean(0)
    sums = np.zeros((len(seen.species), features.shape[1]))
    np.add.at(sums, labels, features)
    _, group = np.unique(np.stack([seen.groups, labels]), axis=1, return_inverse=True)
    group = group.reshape(-1)
    of_group = np.zeros((int(group.max()) + 1, features.shape[1]))
    np.add.at(of_group, group, features)
    units, _ = normalized(features)
    means, _ = normalized(sums)
    scores = (units @ means.T).astype(np.float64)
    own, _ = normalized(sums[labels] - of_group[group])
    own_scores = (units * own).sum(1)
    scores[np.arange(len(labels)), labels] = -np.inf
    return scores.max(1) - own_scores


def left_out_probabilities(seen: Seen, labels: np.ndarray) -> np.ndarray:
    """Give what logistic regressions on four fifths of the groups say of the others: float64 [images, classes]."""
    found = np.full((len(labels), len(seen.species)), 1e-6)
    features = seen.features / seen.features.std()
    for learned, left in GroupKFold(5).split(features, labels, seen.groups):
        model = LogisticRegression(C=0.01, max_iter=200).fit(features[learned], labels[learned])
        found[np.ix_(left, model.classes_)] += model.predict_proba(features[left])
    return found / found.sum(1, keepdims=True)


def by_cleanlab(labels: np.ndarray, probabilities: np.ndarray, *, adjusted: bool) -> np.ndarray:
    """Rank by cleanlab's label quality (self-confidence), which is 1 where nothing speaks against a label."""
    score = importlib.import_module("cleanlab.rank").get_label_quality_scores  # a peer, and no dependency
    present = np.unique(labels)
    return -score(
        np.searchsorted(present, labels),
        probabilities[:, present] / probabilities[:, present].sum(1, keepdims=True),
        method="self_confidence",
        adjust_pred_probs=adjusted,
    )


def worth(suspicious: np.ndarray, planted: Planted) -> tuple[float, float]:
    """Give AUROC, and precision at the number of wrong labels."""
    first = np.argsort(-suspicious, kind="stable")[: planted.count]
    return float(roc_auc_score(planted.wrong, suspicious)), float(planted.wrong[first].mean())


def ranking_worth(seen: Seen, kind: str, seeds: int) -> np.ndarray:
    """Give AUROC and precision at k of the stage's ranking, means over seeds: float64 [2]."""
    planted = [plant(seen, kind, seed) for seed in range(seeds)]
    return np.mean([worth(by_ridge(seen, one.labels), one) for one in planted], axis=0)


def print_rankings(name: str, seen: Seen, seeds: int, kinds: tuple[str, ...]) -> None:
    """Print what each way to rank is worth."""
    ways: dict[str, Callable[[Seen, np.ndarray], np.ndarray]] = {
        "ridge without the own group": by_ridge,
        "10 nearest of other groups": by_neighbors,
        "class means": by_class_means,
    }
    print(f"\n{name}: {len(seen.labels):,} images, {len(np.unique(seen.labels))} species, {FLIPPED:.0%} flipped")
    print(f"| ranked by | {' | '.join(f'{kind}: AUROC, precision at k' for kind in kinds)} |")
    print(f"|---|{'---|' * len(kinds)}")
    for way, rank in ways.items():
        cells = []
        for kind in kinds:
            planted = [plant(seen, kind, seed) for seed in range(seeds)]
            values = np.array([worth(rank(seen, one.labels), one) for one in planted])
            cells.append(in_words(values))
        print(f"| {way} | {' | '.join(cells)} |", flush=True)
    if not peer():
        print("cleanlab cannot be imported: left out")
        return
    of_peer: dict[bool, list[str]] = {False: [], True: []}
    for kind in kinds:
        of_kind: dict[bool, list] = {False: [], True: []}
        for seed in range(seeds):
            planted_one = plant(seen, kind, seed)
            probabilities = left_out_probabilities(seen, planted_one.labels)
            for adjusted, found in of_kind.items():
                ranked = by_cleanlab(planted_one.labels, probabilities, adjusted=adjusted)
                found.append(worth(ranked, planted_one))
        for adjusted, cells in of_peer.items():
            cells.append(in_words(np.array(of_kind[adjusted])))
    for adjusted, cells in of_peer.items():
        way = f"cleanlab, self-confidence of 5-fold logistic regression{', adjusted' if adjusted else ''}"
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


def peer() -> bool:
    """Say whether cleanlab is there."""
    return importlib.util.find_spec("cleanlab") is not None


def in_words(values: np.ndarray) -> str:
    """Give means and standard deviations over seeds, float64 [seeds, 2]."""
    pairs = zip(values.mean(0), values.std(0), strict=True)
    return ", ".join(f"{mean:.3f} ± {spread:.3f}" for mean, spread in pairs)


def accuracy(features: np.ndarray, labels: np.ndarray, test: Seen) -> float:
    """Give the top-1 on a test of a ridge that learned some labels."""
    probe = fit(features, labels, classes=len(test.species), ridge=PROBE.ridge,
                class_weight_power=PROBE.class_weight_power)  # fmt: skip
    return float((probe.scores(test.features).argmax(1) == test.labels).mean())


def reviewed(seen: Seen, planted: Planted, suspicious: np.ndarray, images: int, *, whole: bool) -> np.ndarray:
    """Give the labels after a person has put right the first so many images; of whole observations, where asked."""
    first = np.argsort(-suspicious, kind="stable")[:images]
    right = np.isin(seen.groups, seen.groups[first]) if whole else np.isin(np.arange(len(seen.labels)), first)
    return np.where(right, seen.labels, planted.labels)


def print_review(hard: Seen, learned: np.ndarray, seeds: int) -> None:
    """Print what a review brings: accuracy on test of a probe that learned train and val."""
    seen, test = take(hard, learned), take(hard, ~learned)
    print("\nhard set, top-1 on test; restored is the share of what the flips cost, by the mean over seeds")
    print("| flips | true | flipped | 2k first, photos | restored | 2k first, observations | restored | random |")
    print("|---|---|---|---|---|---|---|---|")
    for share in (FLIPPED, 0.15):
        for kind in KINDS:
            rows = []
            for seed in range(seeds):
                planted = plant(seen, kind, seed, share=share)
                by, twice = by_ridge(seen, planted.labels), 2 * planted.count
                drawn = np.random.default_rng(seed).random(len(by))
                labels = (
                    seen.labels,
                    planted.labels,
                    reviewed(seen, planted, by, twice, whole=False),
                    reviewed(seen, planted, by, twice, whole=True),
                    reviewed(seen, planted, drawn, twice, whole=True),
                )
                rows.append([accuracy(seen.features, some, test) for some in labels])
            true, flipped, photos, whole, at_random = np.mean(rows, axis=0)
            restored = [(value - flipped) / (true - flipped) for value in (photos, whole)]
            print(
                f"| {share:.0%} {kind} | {true:.3f} | {flipped:.3f} | {photos:.3f} | {restored[0]:.2f} | {whole:.3f} | "
                f"{restored[1]:.2f} | {at_random:.3f} |",
                flush=True,
            )


def with_things(seen: Seen, things: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give features and groups of images and of 20 photos of things among them, and which these are.

    Args:
        seen: the images.
        things: float32 [photos, dimensions], of length 1, to draw from.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).choice(len(things), THINGS, replace=False)
    groups = np.concatenate([seen.groups, seen.groups.max() + 1 + np.arange(THINGS)])
    features = np.concatenate([seen.features, things[drawn]])
    return features, groups, np.arange(len(groups)) >= len(seen.groups)


def outliers_worth(seen: Seen, things: np.ndarray, seeds: int) -> dict[str, np.ndarray]:
    """Give AUROC and precision at 20, means over seeds, of novelty and of isolation: float64 [2] each."""
    found: dict[str, list] = {"novelty": [], "isolation": []}
    for seed in range(seeds):
        features, groups, which = with_things(seen, things, seed)
        neighbors, _ = all_neighbors(features, groups, count=PROBE.neighbors)
        planted = Planted(groups, which)
        found["novelty"].append(worth(novelty(features, groups, ridge=PROBE.ridge), planted))
        found["isolation"].append(worth(isolation(neighbors, count=PROBE.neighbors), planted))
    return {name: np.mean(values, axis=0) for name, values in found.items()}


def print_things(seen: Seen, seeds: int) -> None:
    """Print how many photos of things come first among the outliers, for things that fill a photo and small ones."""
    print(f"\nsample and {THINGS} photos of things: AUROC, precision at {THINGS}\n| things | novelty | isolation |")
    print("|---|---|---|")
    for name, least in (("half of the photo's side and more", 0.5), ("of any size", 0.0)):
        vectors, _ = normalized(embed_things(least))
        cells = [f"{auroc:.3f}, {precision:.3f}" for auroc, precision in outliers_worth(seen, vectors, seeds).values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def compose_things(least: float) -> Iterator[tuple[str, bytes]]:
    """Compose a JPEG of each photographic cut-out of a thing, before the sample's backgrounds, under a name.

    Args:
        least: of a thing's longer side, as a share of the photo's shorter one.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_packages(PACKAGES, Path(folder))
        paths = sorted(path for kind in THING_FOLDERS for path in (root / STAMPS / kind).rglob("*.png"))
        cutouts = {path: trim(path) for path in paths if not DRAWN_FOLDERS & set(path.parts)}
        backgrounds = load_backgrounds(root)
    rng = np.random.default_rng(SEED)
    for path, cutout in cutouts.items():
        if max(cutout.shape[:2]) < SMALLEST_PX:
            continue
        while True:
            scene = draw_scene(cutout, backgrounds[rng.integers(len(backgrounds))], rng)
            photo = take_photo(scene, rng, largest=0.95 if least else 0.6)
            if max(photo.box[2:]) >= least * min(photo.pixels.shape[:2]):
                break
        yield f"{hashlib.md5(path.name.encode()).hexdigest()}.jpg", encode(photo.pixels)


def embed_things(least: float) -> np.ndarray:
    """Give the features of photos of things by the sample's network, packed as its photos are: float16 [photos, d]."""
    params, seen_by = stage_params("pack"), stage_params("embed")
    photos = sorted(dict(compose_things(least)).items())
    packed = [pack_image(data, name, hashlib.sha256(data).hexdigest(), params) for name, data in photos]
    with tempfile.TemporaryDirectory() as folder:
        write_shard(packed, Path(folder, shard_name(0)), size_px=params.image.pack_px)
        write_manifest(Path(folder))
        side = seen_by.image.train_px
        network = make_network(seen_by.model, find_origin(seen_by.model, None), side)
        parts = embed(
            network,
            PackedShards(Path(folder)),
            range(len(packed)),
            Accelerator(cpu=True),
            image_px=side,
            batch_images=seen_by.embed.batch_images,
            workers=0,
        )
        return np.concatenate(list(parts))


def name_twice(seen: Seen, share: float, seed: int, *, species: int) -> tuple[np.ndarray, set[frozenset[int]], int]:
    """Give a share of the observations of some species a second name.

    Returns:
        The labels, int64 [images]; the pairs that are one species; and how many classes there are now.
    """
    rng = np.random.default_rng(seed)
    labels, classes = seen.labels.copy(), len(seen.species)
    pairs = np.unique(np.stack([seen.labels, seen.groups]), axis=1)
    common = np.flatnonzero(np.bincount(pairs[0], minlength=classes) >= 6)
    chosen = rng.choice(common, species, replace=False).tolist()
    for number, own in enumerate(chosen):
        groups = np.unique(seen.groups[seen.labels == own])
        second = groups[rng.random(len(groups)) < share]
        labels[np.isin(seen.groups, second) & (seen.labels == own)] = classes + number
    return labels, {frozenset((own, classes + number)) for number, own in enumerate(chosen)}, classes + species


def names_worth(seen: Seen, share: float, seeds: int, *, species: int) -> dict[str, float]:
    """Give average precision of pairs of species in several orders, of all planted pairs: means over seeds."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        labels, true, classes = name_twice(seen, share, seed, species=species)
        suspicion = suspect(seen.features, labels, seen.groups, classes=classes, probe=PROBE)
        pairs = species_pairs(seen.features, labels, seen.groups, suspicion.taken_for, classes=classes)
        sizes = np.bincount(labels, minlength=classes)
        one = np.array(
            [frozenset(pair) in true for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]
        )
        orders = {
            "share of the rarer's photos, two more": -np.arange(len(one), dtype=np.float64),
            "share of all photos": pairs.crossed / (sizes[pairs.first] + sizes[pairs.second]),
            "photos": pairs.crossed,
            "cosine of the means": np.nan_to_num(pairs.similarity, nan=-1.0),
        }
        for name, order in orders.items():
            value = average_precision_score(one, order) * one.sum() / len(true) if one.any() else 0.0
            found.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def print_names(name: str, seen: Seen, seeds: int, *, species: int) -> None:
    """Print what orders of pairs of species are worth."""
    shares = (0.5, 0.2, 0.1)
    tables = [names_worth(seen, share, min(seeds, 5), species=species) for share in shares]
    print(f"\n{name}, {species} species of which a share of the observations has a second name: average precision")
    print(f"| pairs by | {' | '.join(f'{share:.0%}' for share in shares)} |\n|---|{'---|' * len(shares)}")
    for order in tables[0]:
        print(f"| {order} | {' | '.join(f'{table[order]:.3f}' for table in tables)} |", flush=True)


if __name__ == "__main__":
    run(main)
