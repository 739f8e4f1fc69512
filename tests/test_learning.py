"""Training sees the same whatever the workers, scores are right, weights know their labels, and a run can go on."""

import os
import shutil
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

from stages import PASSIVE_WAITING
from stages.config.schema import Augment, FileWeights, Model, PackageWeights, RandomWeights, Shots, TimmWeights
from stages.evaluate import accuracy_by_class_size, summarize
from stages.images.shards import PackedImage, PackedSplit, ShardMetadata, write_manifest, write_shards
from stages.learning.activations import LeanReLU6
from stages.learning.augment import augment, cut_resized, rand_augment
from stages.learning.checkpoint import FILE, checkpoint_folder, drop_spare, load_checkpoint, save_checkpoint
from stages.learning.data import EpochBatches, PackedImages, PackedLoader, epoch_order, times_before
from stages.learning.device import Batch, ColorTransform, Mixing
from stages.learning.model import create_model, describe, load_model, save_model
from stages.learning.schedule import learning_rate
from stages.learning.scores import EvalResult, Meter, label_ranks, mean_per_class_accuracy
from stages.runtime.errors import UserError
from stages.splitting.label_order import digest_classes
from stages.tables.classes import CLASSES
from stages.tables.table import write_table
from tests.conftest import ROOT, jpeg
from tests.support.tiny_training import PARAMS, PLAIN, RICH

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra"]
COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
TINY = Model(name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.2, drop_path_rate=0.0)


def write_split(folder: Path, split: str, images: int, seed: int = 0) -> PackedSplit:
    """Shards of 64 px squares, each in the color of its class, with noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(images):
        label = number % 3
        pixels = np.clip(rng.normal(COLORS[label], 30, (64, 64, 3)), 0, 255).astype(np.uint8)
        rows.append(PackedImage(f"{split}{number}.jpg", label, "0" * 64, 0, 0, 64, "smart", jpeg(pixels)))
    folder.mkdir(exist_ok=True)
    metadata = ShardMetadata(64, digest_classes(SPECIES))
    list(write_shards(rows, folder, split, shard_bytes=50_000, metadata=metadata))
    write_manifest(folder)
    return PackedSplit(folder, split)


def all_pixels(loader) -> list[Batch]:
    return list(loader)


def loader_of(images: PackedImages, step_images: int, *, seed: int | None = None, workers: int = 0) -> PackedLoader:
    batches = EpochBatches(images.packed.labels, step_images=step_images, micro_images=step_images, seed=seed)
    return PackedLoader(images, batches, workers=workers)


# ---- data


@pytest.fixture
def packed(tmp_path) -> PackedSplit:
    return write_split(tmp_path / "packed", "train", 30)


@pytest.mark.parametrize("augmentation", [PLAIN, RICH])
def test_the_number_of_workers_changes_nothing(packed, augmentation):
    seen = {}
    for workers in (0, 2):
        images = PackedImages(packed, 48, augmentation, seed=5)
        loader = loader_of(images, 7, seed=5, workers=workers)
        batches = []
        for epoch in (0, 1):
            loader.batch_sampler.epoch = epoch
            batches += all_pixels(loader)
        seen[workers] = batches
    assert len(seen[0]) == len(seen[2]) == 10
    for here, there in zip(seen[0], seen[2], strict=True):
        assert torch.equal(here.pixels, there.pixels)
        assert torch.equal(here.jitter, there.jitter)
        assert torch.equal(here.labels, there.labels)


def test_an_epoch_is_a_pure_function_of_its_number(packed):
    images = PackedImages(packed, 48, RICH, seed=5)
    loader = loader_of(images, 30, seed=5)

    def epoch(number: int) -> Batch:
        loader.batch_sampler.epoch = number
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


@given(st.lists(st.integers(0, 5), max_size=30))
def test_an_image_that_comes_again_is_counted(drawn):
    order = np.array(drawn, dtype=np.int64)
    assert times_before(order).tolist() == [drawn[:place].count(image) for place, image in enumerate(drawn)]


def test_an_image_that_comes_again_looks_otherwise(packed):
    images = PackedImages(packed, 48, RICH, seed=5)
    batch = images.__getitems__([(0, 3, 0), (0, 3, 1), (0, 3, 0)])
    assert torch.equal(batch.pixels[0], batch.pixels[2])
    assert not torch.equal(batch.pixels[0], batch.pixels[1])


@given(long_tailed, st.integers(1, 5), st.sampled_from([None, 4]), st.integers(1, 20), st.integers(1, 9), st.data())
def test_several_processes_see_every_image_once(labels, processes, seed, step_images, micro_images, data):
    def parts(start: int) -> list[EpochBatches]:
        made = []
        for process in range(processes):
            batches = EpochBatches(
                labels, step_images=step_images, micro_images=micro_images, seed=seed, process=process,
                processes=processes,
            )  # fmt: skip
            batches.start = start
            made.append(batches)
        return made

    start = data.draw(st.integers(0, parts(0)[0].steps))
    everything = [[key for batch in part for key in batch] for part in parts(0)]
    left = [list(part) for part in parts(start)]
    assert sorted(index for part in everything for _, index, _ in part) == list(range(len(labels)))
    order = epoch_order(labels, seed, 0)[start * step_images :]
    assert sorted(index for part in left for batch in part for _, index, _ in batch) == sorted(order.tolist())
    for part, batches in zip(parts(start), left, strict=True):
        assert len(part) == len(batches) == sum(map(part.micro_batches_in, range(start, part.steps)))
        assert all(len(batch) <= micro_images for batch in batches)
        assert [index for batch in batches for _, index, _ in batch] == part.indices().tolist()
        for step in range(start, part.steps):
            together = [index for one in parts(0) for index in one.indices(step)]
            wanted = epoch_order(labels, seed, 0)[step * step_images :][:step_images]
            assert sorted(together) == sorted(wanted.tolist())
            assert len(wanted) == part.images_in(step)


def test_processes_rank_a_split_together_as_one_does_alone(tmp_path):
    """Images that two processes cannot share evenly; of one alone, one process has none."""
    sizes = (31, 1)
    for images in sizes:
        write_split(tmp_path / f"packed{images}", "train", images)
    script, folders = str(ROOT / "tests/support/rank_split.py"), [f"packed{images}" for images in sizes]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for command in ([sys.executable, script, "alone", *folders], [*launch, script, "together", *folders]):
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert result.returncode == 0, result.stderr
    of_each = (np.load(tmp_path / f"{name}.npz") for name in ("alone.0", "together.0", "together.1"))
    for images, alone, *together in zip(sizes, *(ranks.values() for ranks in of_each), strict=True):
        assert len(alone) == images
        assert images == 1 or len(set(alone.tolist())) > 1
        assert all(np.array_equal(alone, ranks) for ranks in together)


@given(st.integers(0, 999), st.sampled_from([PLAIN, RICH]), st.integers(16, 64))
def test_an_image_is_a_pure_function_of_its_generator(seed, augmentation, side):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    import random

    random.seed(seed)  # whatever the global generators hold
    one, other = (np.full((side, side, 3), fill, np.uint8) for fill in (1, 2))
    for out in (one, other):
        augment(pixels, augmentation, np.random.default_rng(seed), out)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("magnitude", [1, 5, 9, 10])
def test_randaugment_works_at_any_magnitude(magnitude):
    """Also where noise takes it to the end of its scale, at which Pillow refuses to posterize to no bits at all."""
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
    """Told by a picture whose colors are its coordinates."""
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


def mixed(augmentation: Augment, first=(0, 0), labels=(0, 1, 2, 1)) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.arange(len(labels) * 3 * 16 * 16, dtype=torch.float32).reshape(-1, 3, 16, 16) / 1000
    mixing = Mixing(augmentation, 3, seed=1, smoothing=0.1, device=torch.device("cpu"))
    return mixing(images.clone(), torch.tensor(labels), first)


def test_targets_are_smoothed_labels_where_nothing_is_mixed():
    images, targets = mixed(PLAIN)
    logits = torch.randn(4, 3)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1]), label_smoothing=0.1)
    assert torch.allclose(torch.nn.functional.cross_entropy(logits, targets), expected)
    assert torch.equal(images, torch.arange(4 * 3 * 256, dtype=torch.float32).reshape(4, 3, 16, 16) / 1000)


@pytest.mark.parametrize("without", ["nothing", "mixup", "cutmix"])
def test_mixing_is_a_function_of_the_batch_and_targets_sum_to_one(without):
    augmentation = RICH if without == "nothing" else RICH.model_copy(update={without: 0.0})
    (one, targets), (again, targets_again), (other, _) = (
        mixed(augmentation),
        mixed(augmentation),
        mixed(augmentation, first=(1, 0)),
    )
    assert torch.equal(one, again)
    assert torch.equal(targets, targets_again)
    assert not torch.equal(one, other)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert (targets.max(1).values < 0.95).any()
    # The last batch of an epoch may be odd: it is not mixed, and keeps its labels.
    assert mixed(augmentation, labels=(0, 1, 2))[1].argmax(1).tolist() == [0, 1, 2]


def test_what_is_drawn_leaves_the_global_generators_alone():
    import random

    states = random.getstate(), torch.get_rng_state()
    mixed(RICH)
    augment(np.zeros((64, 64, 3), np.uint8), RICH, np.random.default_rng(0), np.empty((48, 48, 3), np.uint8))
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_validation_sees_every_image_once_in_order_from_the_middle(packed):
    loader = loader_of(PackedImages(packed, 48), 7)
    batches = all_pixels(loader)
    assert torch.cat([batch.labels for batch in batches]).tolist() == packed.labels.tolist()
    assert all(batch.jitter is None for batch in batches)
    import simplejpeg

    whole = simplejpeg.decode_jpeg(packed.jpeg(0))
    assert np.array_equal(batches[0].pixels[0].numpy(), whole[8:56, 8:56])


def test_color_only_normalises_what_has_no_jitter():
    pixels = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    out = ColorTransform((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))(Batch(pixels, None, torch.zeros(2), (0, 0)))
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
    out = ColorTransform((0.0,) * 3, (1.0,) * 3)(Batch(pixels, factors, torch.zeros(3), (0, 0)))
    adjust = (reference.adjust_brightness, reference.adjust_contrast, reference.adjust_saturation)[which]
    images = pixels.permute(0, 3, 1, 2) / 255
    expected = torch.stack([adjust(image, float(f)) for image, f in zip(images, factors[:, which], strict=True)])
    assert torch.allclose(out, expected, atol=2e-3)


# ---- schedule and scores


@given(st.integers(1, 9), st.integers(1, 60), st.floats(0, 8), st.integers(0, 3))
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(epochs, steps, warmup_epochs, crt_epochs):
    params = PARAMS.model_copy(
        update={
            "epochs": epochs, "warmup_epochs": min(warmup_epochs, epochs * 0.9), "learning_rate": 0.5,
            "crt_epochs": crt_epochs,
        }
    )  # fmt: skip
    rates = [learning_rate(epoch, step, steps, params) for epoch in range(epochs) for step in range(steps)]
    assert max(rates) == pytest.approx(0.5, rel=0.3 if len(rates) < 9 else 1e-6)
    assert all(0 < rate <= 0.5 for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    of_head = [
        learning_rate(epochs + epoch, step, steps, params) for epoch in range(crt_epochs) for step in range(steps)
    ]
    assert of_head == sorted(of_head, reverse=True)
    assert of_head[:1] in ([], [params.crt_learning_rate])


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
    figures = summarize(EvalResult(ranks, np.ones(6), labels), train_images, Shots(few_below=20, many_above=100))
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
    with pytest.raises(UserError, match=r"model\.safetensors was labeled by another"):
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
    images = torch.nn.functional.interpolate(ColorTransform((0.5,) * 3, (0.5,) * 3)(batch), 224, mode="area")
    assert int(model(images).argmax()) == 985  # daisy


def test_creating_the_model_is_a_function_of_the_seed(params):
    one, two, three = (create_model(params.model, classes=5, image_px=224, seed=seed) for seed in (1, 1, 2))
    heads = [model.get_classifier().weight for model in (one, two, three)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


@given(
    st.lists(
        st.sampled_from([-1.0, -0.0, 0.0, 1e-30, 3.0, 6.0, 6.0001, np.inf, -np.inf, np.nan]) | st.floats(width=32)
    ),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_the_lean_activation_is_torchs_to_the_bit(values, dtype):
    results = []
    for activation in (torch.nn.ReLU6(inplace=True), LeanReLU6()):
        leaf = torch.tensor(values, dtype=dtype, requires_grad=True)
        result = activation(leaf * 1)
        result.backward(torch.linspace(-1, 1, len(values), dtype=dtype))
        results.append((result.detach(), leaf.grad))
    for theirs, ours in zip(*results, strict=True):
        assert torch.equal(theirs.nan_to_num(nan=99), ours.nan_to_num(nan=99))


def test_the_lean_activation_keeps_no_tensor_but_its_result():
    kept = {}
    for activation in (torch.nn.ReLU6(inplace=True), LeanReLU6()):
        saved: list[torch.Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda nothing: nothing):
            result = activation(torch.randn(5, requires_grad=True) + 0)
        kept[type(activation)] = [tensor.data_ptr() == result.data_ptr() for tensor in saved]
    assert kept == {torch.nn.ReLU6: [False], LeanReLU6: [True]}  # once torch's is no copy, ours is of no use


def test_every_relu6_of_the_samples_network_is_lean(params):
    model = create_model(params.model, classes=5, image_px=64, seed=1)
    kinds = {type(module) for module in model.modules() if isinstance(module, torch.nn.ReLU6)}
    assert kinds == {LeanReLU6}


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_lean_activation_can_be_compiled():
    values = torch.linspace(-2, 8, 20)
    gradients = []
    for compiled in (False, True):
        leaf = values.clone().requires_grad_()
        network = torch.nn.Sequential(torch.nn.Identity(), LeanReLU6())
        called = torch.compile(network, fullgraph=True) if compiled else network
        called(leaf * 1).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


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
        (
            {"name": "tf_efficientnet_lite00"},
            r"timm knows no model tf_efficientnet_lite00 \(but tf_efficientnet_lite0, ",
        ),
        ({"name": "tf_efficientnet_lite0.no_tag"}, r"knows no model .* \(but tf_efficientnet_lite0\.in1k\)"),
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
        list(loader_of(PackedImages(PackedSplit(tmp_path / "packed", "train"), 48), 3, workers=workers))


def test_weights_of_another_network_or_digest_are_refused(params):
    with pytest.raises(UserError, match="the tensors of that file are not those of"):
        create_model(params.model.model_copy(update={"name": "test_efficientnet"}), classes=3, image_px=48, seed=1)
    wrong = params.model.weights.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match=r"is not the file that params\.yaml names"):
        create_model(params.model.model_copy(update={"weights": wrong}), classes=3, image_px=48, seed=1)


def test_the_hub_out_of_reach_is_one_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # what the variable of that name sets
    model = Model(name="test_vit.r160_in1k", weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
    with pytest.raises(UserError, match="needs the internet once, or the file itself"):
        create_model(model, classes=3, image_px=160, seed=1)


def test_the_teachers_network_takes_the_size_of_params():
    """ViT-B/16 at another size than its name says, with random weights: sizes belong to the profile."""
    name = "vit_small_patch16_384.augreg_in21k_ft_in1k"
    model = create_model(TINY.model_copy(update={"name": name}), classes=4, image_px=64, seed=1)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 4)


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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file/under", r"no checkpoint can be written to file/under \(Not a directory\): give CHECKPOINT_DIR a folder"),
        ("~nobody-here/x", "~nobody-here/x is in the home of a user who is not known here"),
    ],
)
def test_a_place_that_takes_no_checkpoint_is_one_line(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHECKPOINT_DIR", name)
    with pytest.raises(UserError, match=said):
        checkpoint_folder("1", code=[])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


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
    # The one before is there for that.
    save_checkpoint(tmp_path, {"epoch": 4})
    save_checkpoint(tmp_path, {"epoch": 5})
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:300])
    assert load_checkpoint(tmp_path)["epoch"] == 4
    # A damaged one never takes the place of a whole one.
    save_checkpoint(tmp_path, {"epoch": 6})
    (tmp_path / FILE).unlink()
    assert load_checkpoint(tmp_path)["epoch"] == 4


def test_what_cannot_be_brought_to_the_disk_takes_no_checkpoint_away(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"epoch": 1})
    save_checkpoint(tmp_path, {"epoch": 2})

    def fail(_number: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        save_checkpoint(tmp_path, {"epoch": 3})
    assert load_checkpoint(tmp_path)["epoch"] == 2
    drop_spare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).rename(tmp_path / "before.pt")
    drop_spare(tmp_path)
    assert load_checkpoint(tmp_path)["epoch"] == 2


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
    own_choice = python("import stages, os; print(os.environ['OMP_WAIT_POLICY'])", OMP_WAIT_POLICY="ACTIVE")
    assert own_choice.stdout.strip() == "ACTIVE"
