"""Training sees the same whatever the workers, scores are right, weights know their labels, and a run can go on."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from stages.classes import digest_classes
from stages.errors import UserError
from stages.evaluate import accuracy_by_class_size, summarise
from stages.images.shards import Imprint, PackedImage, PackedSplit, write_manifest, write_shards
from stages.learning import PASSIVE_WAITING
from stages.learning.augment import augment, cut_resized, rand_augment
from stages.learning.checkpoint import FILE, checkpoint_folder, load_checkpoint, save_checkpoint
from stages.learning.data import EpochOrder, PackedImages, epoch_order, make_loader
from stages.learning.device import Batch, Colour, Mixing
from stages.learning.loop import Run, make_accelerator, start_run, train
from stages.learning.model import create_model, describe, load_model, save_model
from stages.learning.schedule import learning_rate
from stages.learning.scores import Meter, label_ranks, mean_per_class_accuracy
from stages.params import Augment, FileWeights, Model, PackageWeights, RandomWeights, Shots, TimmWeights, Train
from stages.tables import CLASSES, write_table
from tests.conftest import ROOT, jpeg

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra"]
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
TRAIN = Train(
    seed=3, epochs=3, batch_images=8, learning_rate=0.01, warmup_epochs=1.0, weight_decay=0.01, label_smoothing=0.1,
    clip_norm=1.0, sampling="natural",
)  # fmt: skip
PLAIN = Augment(recipe="crop", min_area=0.35, flip=True, randaugment=None, jitter=0.2, erase=0.0, mixup=0.0, cutmix=0.0)
RICH = Augment(
    recipe="resized_crop", min_area=0.35, flip=True, randaugment=9, jitter=0.2, erase=0.25, mixup=0.8, cutmix=1.0
)
TINY = Model(name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.2)


def write_split(folder: Path, split: str, images: int, seed: int = 0) -> PackedSplit:
    """Shards of 64 px squares, each in the colour of its class, with noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(images):
        label = number % 3
        pixels = np.clip(rng.normal(COLOURS[label], 30, (64, 64, 3)), 0, 255).astype(np.uint8)
        rows.append(PackedImage(f"{split}{number}.jpg", label, "0" * 64, 0, 0, 64, "smart", jpeg(pixels)))
    folder.mkdir(exist_ok=True)
    imprint = Imprint(64, digest_classes(SPECIES))
    list(write_shards(rows, folder, split, shard_bytes=50_000, imprint=imprint))
    write_manifest(folder)
    return PackedSplit(folder, split)


def all_pixels(loader) -> list[Batch]:
    return list(loader)


# ---- data


@pytest.fixture
def packed(tmp_path) -> PackedSplit:
    return write_split(tmp_path / "packed", "train", 30)


@pytest.mark.parametrize("recipe", [PLAIN, RICH])
def test_the_number_of_workers_changes_nothing(packed, recipe):
    seen = {}
    for workers in (0, 2):
        images = PackedImages(packed, 48, recipe, seed=5)
        loader = make_loader(images, batch_images=7, seed=5, workers=workers)
        batches = []
        for epoch in (0, 1):
            loader.sampler.epoch = epoch
            batches += all_pixels(loader)
        seen[workers] = batches
    assert len(seen[0]) == len(seen[2]) == 10
    for here, there in zip(seen[0], seen[2], strict=True):
        assert torch.equal(here.pixels, there.pixels)
        assert torch.equal(here.jitter, there.jitter)
        assert torch.equal(here.labels, there.labels)


def test_an_epoch_is_a_pure_function_of_its_number(packed):
    images = PackedImages(packed, 48, RICH, seed=5)
    loader = make_loader(images, batch_images=30, seed=5, workers=0)

    def epoch(number: int) -> Batch:
        loader.sampler.epoch = number
        return next(iter(loader))

    late, first, late_again = epoch(7), epoch(0), epoch(7)
    assert torch.equal(late.pixels, late_again.pixels)
    assert not torch.equal(late.labels, first.labels)
    assert sorted(late.labels.tolist()) == sorted(packed.labels.tolist())


long_tailed = st.lists(st.integers(1, 60), min_size=2, max_size=12).map(
    lambda sizes: np.repeat(np.arange(len(sizes)), sizes)
)


@given(long_tailed, st.integers(0, 99), st.sampled_from(["natural", "square_root", "balanced"]))
def test_an_order_draws_as_many_images_and_each_before_one_again(labels, epoch, sampling):
    order = epoch_order(labels, 7, epoch, sampling)
    assert len(order) == len(labels)
    assert np.array_equal(order, epoch_order(labels, 7, epoch, sampling))
    times = np.bincount(order, minlength=len(labels))
    for label in np.unique(labels):
        of_class = times[labels == label]
        assert of_class.max() - of_class.min() <= 1
    if sampling == "natural":
        assert (times == 1).all()


@pytest.mark.parametrize(("sampling", "power"), [("natural", 1.0), ("square_root", 0.5), ("balanced", 0.0)])
def test_classes_are_drawn_as_often_as_they_should_be(sampling, power):
    sizes = np.array([1, 4, 100, 900])
    labels = np.repeat(np.arange(4), sizes)
    drawn = sum(np.bincount(labels[epoch_order(labels, 3, epoch, sampling)], minlength=4) for epoch in range(50))
    expected = 50 * len(labels) * sizes**power / (sizes**power).sum()
    assert np.allclose(drawn, expected, rtol=0.15, atol=4)


@given(long_tailed, st.integers(1, 5), st.sampled_from([None, 4]))
def test_several_processes_see_every_image_once(labels, processes, seed):
    parts = [EpochOrder(labels, seed, process=process, processes=processes) for process in range(processes)]
    seen = [key for part in parts for key in part]
    assert sorted(index for _, index in seen) == list(range(len(labels)))
    assert sum(map(len, parts)) == len(labels)


@pytest.mark.parametrize("images", [31, 1])
def test_processes_rank_a_split_together_as_one_does_alone(tmp_path, images):
    """Images that two processes cannot share evenly; of one alone, one process has none."""
    write_split(tmp_path / "packed", "train", images)
    script = [str(ROOT / "tests/rank_split.py"), str(tmp_path / "packed")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for command in ([sys.executable, *script, "alone"], [*launch, *script, "together"]):
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert result.returncode == 0, result.stderr
    alone, *together = (np.load(tmp_path / f"{name}.npy") for name in ("alone.0", "together.0", "together.1"))
    assert len(alone) == images
    assert images == 1 or len(set(alone.tolist())) > 1
    assert all(np.array_equal(alone, ranks) for ranks in together)


@given(st.integers(0, 999), st.sampled_from([PLAIN, RICH]), st.integers(16, 64))
def test_an_image_is_a_pure_function_of_its_generator(seed, recipe, side):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    import random

    random.seed(seed)  # whatever the global generators hold
    one, other = (np.full((side, side, 3), fill, np.uint8) for fill in (1, 2))
    for out in (one, other):
        augment(pixels, recipe, np.random.default_rng(seed), out)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("magnitude", [1, 5, 9, 10])
def test_randaugment_works_at_any_magnitude(magnitude):
    """Also where noise takes it to the end of its scale, at which Pillow refuses to posterise to no bits at all."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    changed = [rand_augment(pixels, magnitude, np.random.default_rng(seed)) for seed in range(300)]
    assert all((one.shape, one.dtype) == ((48, 48, 3), np.uint8) for one in changed)
    assert sum(np.array_equal(one, pixels) for one in changed) < 250


def test_half_of_the_images_are_mirrored_and_nothing_else_happens_to_them():
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    out, mirrored = np.empty_like(pixels), 0
    for seed in range(100):
        augment(pixels, PLAIN, np.random.default_rng(seed), out)
        mirrored += np.array_equal(out, pixels[:, ::-1])
        assert np.array_equal(out, pixels) or np.array_equal(out, pixels[:, ::-1])
    assert 35 < mirrored < 65


def test_a_resized_part_has_the_area_and_shape_that_are_asked_for():
    """Told by a picture whose colours are its coordinates."""
    ys, xs = np.mgrid[0:200, 0:200]
    pixels = np.stack([xs, ys, np.zeros_like(xs)], axis=2).astype(np.uint8)
    areas = []
    for seed in range(200):
        part = cut_resized(pixels, 100, RICH, np.random.default_rng(seed)).astype(float)
        width, height = (np.ptp(part[..., channel]) + 1 for channel in (0, 1))
        assert 0.7 < width / height < 1.43
        areas.append(width * height / 40_000)
    assert min(areas) > 0.3
    assert np.mean(areas) == pytest.approx(0.65, abs=0.05)


def mixed(recipe: Augment, first=(0, 0), labels=(0, 1, 2, 1)) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.arange(len(labels) * 3 * 16 * 16, dtype=torch.float32).reshape(-1, 3, 16, 16) / 1000
    mixing = Mixing(recipe, 3, seed=1, smoothing=0.1, device=torch.device("cpu"))
    return mixing(images.clone(), torch.tensor(labels), first)


def test_targets_are_smoothed_labels_where_nothing_is_mixed():
    images, targets = mixed(PLAIN)
    logits = torch.randn(4, 3)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1]), label_smoothing=0.1)
    assert torch.allclose(torch.nn.functional.cross_entropy(logits, targets), expected)
    assert torch.equal(images, torch.arange(4 * 3 * 256, dtype=torch.float32).reshape(4, 3, 16, 16) / 1000)


@pytest.mark.parametrize("without", ["nothing", "mixup", "cutmix"])
def test_mixing_is_a_function_of_the_batch_and_targets_sum_to_one(without):
    recipe = RICH if without == "nothing" else RICH.model_copy(update={without: 0.0})
    (one, targets), (again, targets_again), (other, _) = mixed(recipe), mixed(recipe), mixed(recipe, first=(1, 0))
    assert torch.equal(one, again)
    assert torch.equal(targets, targets_again)
    assert not torch.equal(one, other)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert (targets.max(1).values < 0.95).any()
    # The last batch of an epoch may be odd: it is not mixed, and keeps its labels.
    assert mixed(recipe, labels=(0, 1, 2))[1].argmax(1).tolist() == [0, 1, 2]


def test_what_is_drawn_leaves_the_global_generators_alone():
    import random

    states = random.getstate(), torch.get_rng_state()
    mixed(RICH)
    augment(np.zeros((64, 64, 3), np.uint8), RICH, np.random.default_rng(0), np.empty((48, 48, 3), np.uint8))
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_validation_sees_every_image_once_in_order_from_the_middle(packed):
    loader = make_loader(PackedImages(packed, 48), batch_images=7, seed=None, workers=0)
    batches = all_pixels(loader)
    assert torch.cat([batch.labels for batch in batches]).tolist() == packed.labels.tolist()
    assert all(batch.jitter is None for batch in batches)
    import simplejpeg

    whole = simplejpeg.decode_jpeg(packed.jpeg(0))
    assert np.array_equal(batches[0].pixels[0].numpy(), whole[8:56, 8:56])


def test_colour_only_normalises_what_has_no_jitter():
    pixels = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    out = Colour((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))(Batch(pixels, None, torch.zeros(2), (0, 0)))
    expected = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.2, 0.1]
    ).view(3, 1, 1)
    assert torch.allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_jitter_is_torchvisions_brightness_contrast_and_saturation(which):
    """Each alone, as torchvision.transforms.functional does it; ours gives every image its own factor."""
    import torchvision.transforms.functional as reference

    pixels = torch.randint(60, 180, (3, 8, 8, 3), dtype=torch.uint8)
    factors = torch.ones(3, 3)
    factors[:, which] = torch.tensor([0.8, 1.0, 1.15])
    out = Colour((0.0,) * 3, (1.0,) * 3)(Batch(pixels, factors, torch.zeros(3), (0, 0)))
    adjust = (reference.adjust_brightness, reference.adjust_contrast, reference.adjust_saturation)[which]
    images = pixels.permute(0, 3, 1, 2) / 255
    expected = torch.stack([adjust(image, float(f)) for image, f in zip(images, factors[:, which], strict=True)])
    assert torch.allclose(out, expected, atol=2e-3)


# ---- schedule and scores


@given(st.integers(0, 50), st.integers(51, 500))
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(warmup, total):
    rates = [learning_rate(step, peak=0.5, warmup_steps=warmup, total_steps=total) for step in range(total)]
    assert max(rates) == pytest.approx(0.5)
    assert all(0 < rate <= 0.5 for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.5 * 0.01 or total - warmup < 20


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(200, 12)), np.sort(rng.integers(0, 12, 200))
    logits[np.arange(200), labels] += 1
    meter = Meter()
    for part in np.array_split(np.arange(200), [7, 64, 65]):
        meter.add(torch.ones(len(part)), torch.tensor(logits[part]), torch.tensor(labels[part]))
    scores = meter.scores()
    assert scores.top1 == pytest.approx((logits.argmax(1) == labels).mean())
    assert scores.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5))
    hits = logits.argmax(1) == labels
    assert mean_per_class_accuracy(hits, labels) == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))


def test_a_model_that_says_the_same_of_all_is_never_right():
    labels = torch.tensor([0, 1, 2])
    assert label_ranks(torch.zeros(3, 9), labels).tolist() == [8, 8, 8]
    assert label_ranks(torch.full((3, 9), float("nan")), labels).tolist() == [8, 8, 8]
    assert label_ranks(torch.eye(9)[:3], labels).tolist() == [0, 0, 0]


def test_test_figures_by_class_size():
    ranks, labels = np.array([0, 3, 0, 0, 9, 0]), np.array([0, 0, 1, 1, 2, 2])
    train_images = np.array([1, 50, 300])
    figures = summarise(ranks, labels, train_images, Shots(few_below=20, many_above=100))
    assert (figures["top1"], figures["top5"]) == (pytest.approx(4 / 6), pytest.approx(5 / 6))
    assert figures["mean_per_class_accuracy"] == pytest.approx(2 / 3)
    assert figures["few_shot"]["mean_per_class_accuracy"] == 0.5
    assert figures["medium_shot"]["mean_per_class_accuracy"] == 1.0
    assert figures["many_shot"]["classes"] == 1
    table = accuracy_by_class_size(ranks, labels, train_images)
    assert table["train_images"].to_list() == ["001", "021-050", "201-500"]
    assert table["top1"].to_list() == [0.5, 1.0, 0.5]


# ---- the model and its labels


def write_classes(path: Path, species: list[str]) -> Path:
    counts = {column: [1] * len(species) for column in CLASSES if column not in ("label", "species")}
    write_table(pl.DataFrame({"label": range(len(species)), "species": species} | counts), CLASSES, path)
    return path


@pytest.fixture
def saved(tmp_path):
    model = create_model(TINY, classes=3, image_px=48, seed=1)
    save_model(tmp_path / "models", model.state_dict(), describe(model, TINY, image_px=48, pack_px=64, species=SPECIES))
    return model, tmp_path / "models", write_classes(tmp_path / "classes.csv", SPECIES)


def test_weights_come_back_as_they_were(saved):
    model, folder, classes = saved
    loaded, description = load_model(folder, classes)
    images = torch.rand(2, 3, 48, 48)
    assert torch.equal(model.eval()(images), loaded.eval()(images))
    assert (description.image_px, description.classes) == (48, 3)


def test_equal_weights_are_equal_bytes(saved, tmp_path):
    model, folder, _ = saved
    description = describe(model, TINY, image_px=48, pack_px=64, species=SPECIES)
    expected = (folder / "model.safetensors").read_bytes()
    for _ in range(8):
        save_model(tmp_path / "again", model.state_dict(), description)
        assert (tmp_path / "again/model.safetensors").read_bytes() == expected


def test_weights_of_another_order_of_labels_are_refused(saved, tmp_path):
    _, folder, _ = saved
    for species in (SPECIES[::-1], SPECIES[:2], [*SPECIES, "Daucus carota"]):
        with pytest.raises(UserError, match="its labels mean other species"):
            load_model(folder, write_classes(tmp_path / "other.csv", species))


def test_a_description_cannot_talk_weights_into_another_order(saved, tmp_path):
    _, folder, _ = saved
    other = digest_classes(SPECIES[::-1])
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace(digest_classes(SPECIES), other))
    with pytest.raises(UserError, match=r"model\.safetensors was labelled by another"):
        load_model(folder, write_classes(tmp_path / "other.csv", SPECIES[::-1]))


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_damaged_and_missing_models_are_one_line(saved, name):
    _, folder, classes = saved
    (folder / name).write_bytes((folder / name).read_bytes()[:-30])
    with pytest.raises(UserError, match="is damaged"):
        load_model(folder, classes)
    (folder / name).unlink()
    with pytest.raises(UserError, match="is missing"):
        load_model(folder, classes)


def test_the_samples_starting_weights_are_really_pretrained(params):
    """They know ImageNet: a daisy-like flower is a flower, and that needs all layers to be in their place."""
    from stages.learning.model import _load_in_order, _package_file, _read_weights, _timm_model

    model = _timm_model(params.model.name, 224).eval()
    _load_in_order(model, _read_weights(_package_file(params.model.weights), params.model.weights.sha256), "x")
    from sklearn.datasets import load_sample_image

    flower = np.ascontiguousarray(load_sample_image("flower.jpg")[:427, 100:527])
    batch = Batch(torch.from_numpy(flower)[None], None, torch.zeros(1), (0, 0))
    images = torch.nn.functional.interpolate(Colour((0.5,) * 3, (0.5,) * 3)(batch), 224, mode="area")
    assert int(model(images).argmax()) == 985  # daisy


def test_creating_the_model_is_a_function_of_the_seed(params):
    one, two, three = (create_model(params.model, classes=5, image_px=224, seed=seed) for seed in (1, 1, 2))
    heads = [model.get_classifier().weight for model in (one, two, three)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_weights_from_a_file_fit_another_number_of_classes(tmp_path):
    import hashlib

    from safetensors.torch import save_file

    source = create_model(TINY, classes=7, image_px=48, seed=9)
    path = tmp_path / "weights.safetensors"
    save_file(source.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = FileWeights(kind="file", path=str(path), sha256=digest)
    model = create_model(TINY.model_copy(update={"weights": weights}), classes=3, image_px=48, seed=1)
    assert torch.equal(model.conv_stem.weight, source.conv_stem.weight)
    assert model.get_classifier().out_features == 3
    with pytest.raises(UserError, match="is not of test_vit"):
        create_model(TINY.model_copy(update={"weights": weights, "name": "test_vit"}), classes=3, image_px=160, seed=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "vit_enormous"}, "timm knows no model vit_enormous"),
        ({"name": "tf_efficientnet_lite0.no_such_tag"}, "timm knows no model"),
        ({"weights": FileWeights(kind="file", path="/nowhere.pth", sha256="0" * 64)}, "are missing"),
        ({"weights": PackageWeights(kind="package", package="no_such", file="x", sha256="0" * 64)}, "is not installed"),
    ],
)
def test_a_model_that_cannot_be_made_is_one_line(change, said):
    with pytest.raises(UserError, match=said):
        create_model(TINY.model_copy(update=change), classes=3, image_px=48, seed=1)


def test_a_size_that_the_network_cannot_take_is_one_line():
    model = TINY.model_copy(update={"name": "test_vit"})
    with pytest.raises(UserError, match="cannot take 161 px"):
        create_model(model, classes=3, image_px=161, seed=1)


@pytest.mark.parametrize("content", [b"", b"junk", [1, 2], {"a": 1}])
def test_a_file_that_holds_no_weights_is_one_line(tmp_path, content):
    import hashlib

    path = tmp_path / "weights.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    weights = FileWeights(kind="file", path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(UserError, match=r"cannot be read as weights|holds no weights"):
        create_model(TINY.model_copy(update={"weights": weights}), classes=3, image_px=48, seed=1)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_packed_image_is_named(tmp_path, workers):
    split = write_split(tmp_path / "packed", "train", 3)
    path = tmp_path / "packed/train-00000.arrow"
    content = path.read_bytes()
    path.write_bytes(content.replace(bytes(split.jpeg(1))[:4], b"none", 2))
    with pytest.raises(UserError, match=r"^the packed image train\d\.jpg is damaged [^\n]+$"):
        list(
            make_loader(
                PackedImages(PackedSplit(tmp_path / "packed", "train"), 48), batch_images=3, seed=None, workers=workers
            )
        )


def test_weights_of_another_network_or_digest_are_refused(params):
    with pytest.raises(UserError, match="the tensors of that file are not those of"):
        create_model(params.model.model_copy(update={"name": "test_efficientnet"}), classes=3, image_px=48, seed=1)
    wrong = params.model.weights.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match=r"is not the file that params\.yaml names"):
        create_model(params.model.model_copy(update={"weights": wrong}), classes=3, image_px=48, seed=1)


def test_the_hub_out_of_reach_is_one_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = Model(name="test_vit.r160_in1k", weights=TimmWeights(kind="timm"), drop_rate=0.0)
    with pytest.raises(UserError, match="needs the internet once, or the file itself"):
        create_model(model, classes=3, image_px=160, seed=1)


def test_the_teachers_network_takes_the_size_of_params():
    """ViT-B/16 at another size than its name says, with random weights: sizes belong to the profile."""
    model = create_model(
        Model(name="vit_small_patch16_384.augreg_in21k_ft_in1k", weights=RandomWeights(kind="random"), drop_rate=0.2),
        classes=4, image_px=64, seed=1,
    )  # fmt: skip
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 4)


# ---- the loop


def make_run(packed, val, recipe: Augment = PLAIN) -> tuple[Run, list]:
    accelerator = make_accelerator()
    run = start_run(create_model(TINY, classes=3, image_px=48, seed=TRAIN.seed), TRAIN, accelerator)
    augmented = PackedImages(packed, 48, recipe, seed=TRAIN.seed)
    loaders = [
        make_loader(augmented, batch_images=8, seed=TRAIN.seed, workers=0),
        make_loader(PackedImages(val, 48), batch_images=8, seed=None, workers=0),
    ]
    mixing = Mixing(recipe, 3, seed=TRAIN.seed, smoothing=TRAIN.label_smoothing, device=accelerator.device)
    return run, [*loaders, Colour((0.5,) * 3, (0.25,) * 3), mixing, TRAIN, accelerator]


MIXED = RICH.model_copy(update={"randaugment": None, "mixup": 0.1, "cutmix": 0.0})


@pytest.mark.parametrize("recipe", [PLAIN, MIXED])
def test_it_learns(packed, tmp_path, recipe):
    run, rest = make_run(packed, write_split(tmp_path / "packed", "val", 12, seed=1), recipe)
    longer = TRAIN.model_copy(update={"epochs": 10})
    train(run, *(longer if part is TRAIN else part for part in rest), after_epoch=lambda _run: None)
    assert run.epoch == len(run.history) == 10
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    assert run.history[run.best_epoch() - 1]["val_top1"] > 0.6
    assert set(run.history[0]) == {f"{split}_{name}" for split in ("train", "val") for name in ("loss", "top1", "top5")}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("epochs_before", [1, 2])
def test_a_resumed_run_ends_as_an_undisturbed_one(packed, tmp_path, epochs_before):
    val = write_split(tmp_path / "packed", "val", 12, seed=1)
    straight, rest = make_run(packed, val)
    train(straight, *rest, after_epoch=lambda _run: None)

    def save_then_die(run: Run) -> None:
        save_checkpoint(tmp_path / "run", run.state())
        if run.epoch == epochs_before:
            raise Killed

    killed, rest = make_run(packed, val)
    with pytest.raises(Killed):
        train(killed, *rest, after_epoch=save_then_die)
    resumed, rest = make_run(packed, val)
    resumed.restore(load_checkpoint(tmp_path / "run"))
    assert resumed.epoch == epochs_before
    train(resumed, *rest, after_epoch=lambda _run: None)

    assert resumed.history == straight.history
    for name, tensor in straight.best_state.items():
        assert torch.equal(tensor, resumed.best_state[name]), name


def test_a_loss_that_is_no_number_stops_with_advice(packed, tmp_path):
    run, rest = make_run(packed, write_split(tmp_path / "packed", "val", 12))
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match=r"the loss is nan at step 1: lower train\.learning_rate"):
        train(run, *rest, after_epoch=lambda _run: None)


# ---- checkpoints


def test_another_experiment_has_another_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    code = tmp_path / "code.py"
    code.write_text("a = 1")
    first = checkpoint_folder("params", "data", code=[code])
    assert first.is_relative_to(tmp_path / ".dvc/tmp/checkpoints")
    assert first == checkpoint_folder("params", "data", code=[code])
    assert first != checkpoint_folder("params 2", "data", code=[code])
    assert first != checkpoint_folder("param", "sdata", code=[code])
    code.write_text("a = 2")
    assert first != checkpoint_folder("params", "data", code=[code])
    monkeypatch.setenv("CHECKPOINT_DIR", str(tmp_path / "elsewhere"))
    assert checkpoint_folder("params", code=[]).parent == tmp_path / "elsewhere"


def test_a_damaged_checkpoint_is_none(tmp_path):
    save_checkpoint(tmp_path, {"epoch": 3, "tensor": torch.ones(1000)})
    assert load_checkpoint(tmp_path)["epoch"] == 3
    whole = bytearray((tmp_path / FILE).read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / FILE).write_bytes(whole)
    assert load_checkpoint(tmp_path) is None
    for length in (2000, 100, 0):
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:length])
        assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "none") is None


# ---- threads


def test_openmp_threads_wait_passively_in_training_and_its_loaders():
    """The runtime itself says so (OMP_DISPLAY_ENV), whatever is imported before the package."""
    environment = {name: value for name, value in os.environ.items() if name not in PASSIVE_WAITING}

    def python(code: str, **extra: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment | extra,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )

    shown = python("import stages.train, torch; torch.ones(10).sum()", OMP_DISPLAY_ENV="TRUE").stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown
    own_choice = python("import stages.learning, os; print(os.environ['OMP_WAIT_POLICY'])", OMP_WAIT_POLICY="ACTIVE")
    assert own_choice.stdout.strip() == "ACTIVE"
