"""The network is asked once for each image of val, test and unknown species, or not at all where it was before."""

import hashlib
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import simplejpeg
import torch
import yaml

from stages.learning.saved_model import load_model, save_model
from stages.learning.trained_on import read_seen
from stages.predict import MADE_BY, OUT
from stages.tables.predictions import PREDICTIONS, TEMPERATURES
from stages.tables.preprocessing import read_preprocessing
from stages.tables.table import read_table
from tests.support.packed import SPECIES
from tests.support.running import complaint, run_here
from tests.support.saved import SPLITS, tiny_model, write_all, write_groups, write_packed
from tests.support.stored import init_dvc, object_of, store_run

WITH_UNKNOWN = SPLITS | {"unknown": [("u1", "u1"), ("u2", "u1")]}


@pytest.fixture
def world(workspace):
    """A repo root with all that the stage reads, of a tiny model."""
    write_all(workspace, WITH_UNKNOWN)
    return workspace


def predicted(root, split: str) -> pl.DataFrame:
    return read_table(root / OUT / f"{split}.parquet", PREDICTIONS)


def test_each_split_is_predicted_in_its_own_order(world):
    said = run_here("predict", world)
    assert said.returncode == 0, said.stderr
    assert "images 3 of val, 4 of test, 2 of unknown in data/predictions" in said.stdout + said.stderr
    for split in ("val", "test", "unknown"):
        table = pl.read_parquet(world / f"data/splits/{split}.parquet")
        found = predicted(world, split)
        assert found.select("image_name", "sha256").equals(table.select("image_name", "sha256"))
        labels = [SPECIES.index(name) if name in SPECIES else None for name in table["species"]]
        assert found["label"].to_list() == labels
    unknown = predicted(world, "unknown")
    assert unknown.select("label", "rank", "own_logit").null_count().row(0) == (2, 2, 2)
    assert unknown["top_logits"].list.len().to_list() == [3, 3]


def pixels_of(root, image_name: str) -> np.ndarray:
    """Decode a packed image, found by looking through all shards."""
    for path in (root / "data/packed").glob("*.arrow"):
        for row in pa.ipc.open_file(pa.memory_map(str(path))).read_all().to_pylist():
            if row["image_name"] == image_name:
                return simplejpeg.decode_jpeg(row["jpeg"])
    raise AssertionError(image_name)


def test_predictions_are_the_networks_own_logits(world):
    """Held against the network itself, image by image, without loader, batches or accelerator."""
    assert run_here("predict", world).returncode == 0
    network, description, _ = load_model(world / "models", world / "data/splits/labels.csv")
    network.eval()
    for row in predicted(world, "test").iter_rows(named=True):
        pixels = pixels_of(world, row["image_name"])
        corner = (description.pack_px - description.image_px) // 2
        square = pixels[corner : corner + description.image_px, corner : corner + description.image_px]
        image = (torch.from_numpy(square.copy()).float() / 255 - torch.tensor(description.mean)) / torch.tensor(
            description.std
        )
        with torch.no_grad():
            logits = network(image.permute(2, 0, 1)[None])[0].numpy()
        order = np.argsort(-logits)
        assert row["top_classes"] == order.tolist()
        assert row["top_logits"] == pytest.approx(logits[order].tolist(), abs=1e-4)
        assert row["own_logit"] == pytest.approx(logits[row["label"]], abs=1e-4)
        assert row["rank"] == order.tolist().index(row["label"])
        assert row["rest"] == [-np.inf] * len(TEMPERATURES)  # all three classes are kept


def test_test_predictions_that_are_no_numbers_are_refused(world):
    """Weights that are all numbers, and grow over all of them on the way: of the brighter images."""
    model, description = tiny_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e30)
    save_model(world / "models", model.state_dict(), description, read_seen(world / "data/splits"))
    result = run_here("predict", world)
    said = result.stdout + result.stderr
    assert result.returncode == 1 and "Traceback" not in said
    assert "predictions for 4 of 4 test images are no numbers (NaN or infinite), f1 the first: train again" in said
    assert "warning: the model's predictions for 3 of 3 val images are no numbers" in said
    assert "they count as wrong" not in said  # as evaluate leaves them out
    assert not (world / OUT).exists()


def test_an_empty_test_is_said(world):
    write_groups(world / "data/splits", WITH_UNKNOWN | {"test": []})
    assert "test is empty" in complaint(run_here("predict", world))


def test_a_model_of_before_says_train_again(world):
    fields = json.loads((world / "models/model.json").read_text())
    before = {name: value for name, value in fields.items() if name not in ("tensors_sha256", "trained_on_sha256")}
    (world / "models/model.json").write_text(json.dumps(before))
    (world / "models/trained_on.parquet").unlink()
    said = complaint(run_here("predict", world))
    assert "did not say what a model was trained on: train again (`dvc repro train`)" in said


def test_images_of_another_size_than_the_models_are_refused(world):
    fields = json.loads((world / "models/model.json").read_text())
    model, description = tiny_model()
    another = description.model_copy(update={"pack_px": 72})
    save_model(world / "models", model.state_dict(), another, read_seen(world / "data/splits"))
    assert fields["pack_px"] == 64
    assert "data/packed holds 64 px, the model takes 72: run `dvc repro`" in complaint(run_here("predict", world))


def test_how_photos_are_prepared_stands_beside_the_model(world):
    assert run_here("predict", world).returncode == 0
    found = read_preprocessing(world / "models/preprocessing.json")
    assert found.model_sha256 == hashlib.sha256((world / "models/model.safetensors").read_bytes()).hexdigest()
    params = yaml.safe_load((world / "params.yaml").read_text())
    assert found.crop.model_dump() == params["crop"]
    assert (found.pack_px, found.pack.jpeg_quality) == (64, 90)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"images": 1}', b'{"images": {"code": "x"}}'])
def test_without_a_word_on_how_images_were_packed_nothing_is_predicted(world, content):
    path = world / "data/packed.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    said = complaint(run_here("predict", world))
    assert f"data/packed.json is {'missing' if content is None else 'damaged'}" in said
    assert "run `dvc repro pack`" in said
    assert not (world / OUT).exists()


@pytest.fixture
def made_before(world):
    """The same, with a first run in DVC's cache; gives the names of its objects."""
    init_dvc(world)
    assert run_here("predict", world).returncode == 0
    kept = {path.name: path.read_bytes() for path in (world / OUT).iterdir()}
    return kept, store_run(world, {str(OUT): kept, str(MADE_BY): (world / MADE_BY).read_bytes()})


def forget(root) -> None:
    """Delete the stage's outputs, as DVC does before it runs a stage."""
    for path in (root / OUT).iterdir():
        path.unlink()
    (root / OUT).rmdir()
    (root / MADE_BY).unlink()


def test_another_group_license_or_source_costs_no_inference(world, made_before):
    kept, _ = made_before
    before = (world / MADE_BY).read_bytes()
    forget(world)
    for split in ("val", "test", "unknown"):
        path = world / f"data/splits/{split}.parquet"
        table = pl.read_parquet(path).with_columns(group=pl.lit("other"), license=pl.lit("cc0"))
        table.write_parquet(path)
    said = run_here("predict", world)
    assert "the very same were made before" in said.stdout + said.stderr
    assert {path.name: path.read_bytes() for path in (world / OUT).iterdir()} == kept
    assert (world / MADE_BY).read_bytes() == before


def another_model(root) -> None:
    model, description = tiny_model(seed=2)
    save_model(root / "models", model.state_dict(), description, read_seen(root / "data/splits"))


def an_image_more(root) -> None:
    grown = WITH_UNKNOWN | {"test": [*SPLITS["test"], ("new", "new")]}
    write_packed(root / "data/packed", grown)
    write_groups(root / "data/splits", grown)


def another_species(root) -> None:
    path = root / "data/splits/val.parquet"
    pl.read_parquet(path).with_columns(species=pl.col("species").reverse()).write_parquet(path)
    table = pl.read_parquet(path)
    assert table["species"].to_list() != [SPECIES[0], SPECIES[1], SPECIES[2]]


def another_name(root) -> None:
    """The same pixels under another URL: the row of the old name must not come back."""
    renamed = WITH_UNKNOWN | {"test": [("f0", "f1", "f1"), *SPLITS["test"][1:]]}
    write_packed(root / "data/packed", renamed)
    write_groups(root / "data/splits", renamed)


def another_batch(root) -> None:
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["predict"]["batch_images"] = 3
    (root / "params.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (another_model, "the last run had other model"),
        (an_image_more, "the last run had other image_names.test, images.test"),
        (another_species, "the last run had other images.val"),
        (another_name, "the last run had other image_names.test"),
        (another_batch, "the last run had other parameters.predict.batch_images"),
    ],
)
def test_predictions_of_something_else_are_none(world, made_before, change, said):
    change(world)
    forget(world)
    result = run_here("predict", world)
    assert result.returncode == 0, result.stderr
    assert f"no predictions are taken over: {said}" in result.stdout + result.stderr
    for split in ("val", "test", "unknown"):
        names = pl.read_parquet(world / f"data/splits/{split}.parquet")["image_name"]
        assert predicted(world, split)["image_name"].equals(names)


@pytest.mark.parametrize("damage", ["gone", "changed", "file_more", "other_version", "no_json"])
def test_predictions_that_are_not_whole_are_none(world, made_before, damage):
    kept, stored = made_before
    made_by = json.loads((world / MADE_BY).read_text())
    entries = json.loads(object_of(world, stored[str(OUT)]).read_text())
    of_test = next(entry["md5"] for entry in entries if entry["relpath"] == "test.parquet")
    if damage == "gone":
        object_of(world, of_test).unlink()
    elif damage == "changed":
        object_of(world, of_test).write_bytes(b"x")
    elif damage == "file_more":
        store_run(world, {str(OUT): kept | {"more": b""}, str(MADE_BY): json.dumps(made_by).encode()})
    else:
        content = b"[" if damage == "no_json" else json.dumps({"identity": made_by["identity"], "files": 1}).encode()
        store_run(world, {str(OUT): kept, str(MADE_BY): content})
    forget(world)
    result = run_here("predict", world)
    assert result.returncode == 0, result.stderr
    assert "no predictions are taken over" in result.stdout + result.stderr
    assert {path.name: path.read_bytes() for path in (world / OUT).iterdir()} == kept
