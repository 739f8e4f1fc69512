"""A file of weights begins a training whatever it is wrapped in and whatever its size, and it is said how."""

import argparse
import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from stages.config.schema import FileWeights, Model, TimmWeights
from stages.learning.model import create_model, head_modules
from stages.learning.origin import Origin, find_origin
from stages.learning.saved_model import describe, save_model
from stages.learning.starting_weights import _without_prefix
from stages.runtime.errors import UserError
from stages.splitting.label_order import digest_labels
from stages.tables.classes import LABELS
from stages.tables.table import write_table
from stages.tables.weights import WeightsNote, write_notes
from tests.support.saved import SEEN

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra"]


def begin(path: Path, name: str, *, px: int = 160, species: list[str] | None = None, classes: int = 3):
    """Make the network as a training does; give it, and what is said of the file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = FileWeights(kind="file", path=str(path), sha256=digest)
    model = Model(name=name, weights=weights, drop_rate=0.0, drop_path_rate=0.0)
    said: list[str] = []
    network = create_model(
        model, classes=len(species or ()) or classes, image_px=px, seed=1, species=species, tell=said.append
    )
    return network, said[0]


def state_of(name: str, seed: int = 7, **options) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return timm.create_model(name, **options).state_dict()


def saved(path: Path, content: object) -> Path:
    torch.save(content, path) if path.suffix != ".safetensors" else save_file(content, path)
    return path


VIT = state_of("test_vit")
AVERAGE = state_of("test_vit", seed=8)


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{key}": value for key, value in state.items()}


LIGHTNING = {"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.5.0", "optimizer_states": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("content", "taken", "said"),
    [
        (VIT, VIT, "78 of the network's 80 tensors are those of"),
        ({"state_dict": VIT, "epoch": 1}, VIT, "its state_dict is taken"),
        ({"model": VIT, "optimizer": {"state": {}}}, VIT, "its model is taken"),
        ({"model_state": VIT}, VIT, "its model_state is taken"),
        ({"model": {"state_dict": VIT}}, VIT, "its model.state_dict is taken"),
        (under("module.", VIT), VIT, "their names begin with module. there"),
        (under("_orig_mod.", VIT), VIT, "their names begin with _orig_mod. there"),
        (under("module._orig_mod.", VIT), VIT, "begin with module._orig_mod. there"),
        # A checkpoint of timm's own script, with its arguments.
        (
            {"state_dict": VIT, "state_dict_ema": AVERAGE, "arch": "test_vit", "args": argparse.Namespace(lr=0.1)},
            AVERAGE,
            "its state_dict_ema is taken, 80 tensors beside it are passed over",
        ),
        ({"model": VIT, "model_ema": {"module": AVERAGE, "decay": 0.9}}, AVERAGE, "its model_ema.module is taken, 80"),
        ({"model": VIT, "model_ema": None}, VIT, "its model is taken;"),
        # An average's settings, which are no average, and a key that says something else elsewhere.
        (
            {"state_dict": VIT, "ema": {"decay": torch.tensor(0.9)}},
            VIT,
            "its state_dict is taken, 1 tensors beside it are passed over",
        ),
        ({"weights": VIT, "model": {"scale": torch.ones(2)}}, VIT, "its weights is taken, 1 tensors"),
        # Lightning's, of a network and its average.
        (LIGHTNING | {"state_dict": under("model.", VIT)}, VIT, "their names begin with model. there;"),
        (
            {"state_dict": under("net.", VIT) | under("ema_net.module.", AVERAGE) | {"loss.weight": torch.ones(9)}},
            AVERAGE,
            "their names begin with ema_net.module. there, 81 without it are passed over",
        ),
    ],
)  # fmt: skip
def test_each_wrapping_is_unwrapped_and_said(tmp_path, content, taken, said):
    network, line = begin(saved(tmp_path / "weights.pth", content), "test_vit")
    assert said in line
    assert line.endswith("the file does not say which species its head means: a new head")
    assert "ignored" not in line
    own = network.state_dict()
    assert all(torch.equal(own[key], value) for key, value in taken.items() if not key.startswith("head."))
    assert head_modules(network)[0].out_features == 3


def test_weights_of_another_size_are_resampled_as_timm_does_it(tmp_path):
    """Position embeddings, patch embeddings, relative position tables; as for weights that timm fetches itself."""
    swin = {"depths": (1, 1), "embed_dim": 24, "num_heads": (1, 2), "window_size": 7}
    tables = [f"layers.{layer}.blocks.0.attn.relative_position_bias_table" for layer in (0, 1)]
    for name, px, resampled, options in (
        ("test_vit", 96, ["pos_embed"], {}),
        ("test_vit2", 224, ["pos_embed"], {}),
        ("test_vit3", 96, ["pos_embed"], {}),
        ("test_vit", 96, ["pos_embed"], {"reg_tokens": 4}),
        ("swin_tiny_patch4_window7_224", 64, tables, swin),
    ):
        state = state_of(name, **options)
        others = options | ({"window_size": 4} if options == swin else {})
        path = saved(tmp_path / f"{name}.safetensors", state)
        origin = Origin(name, others, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        model = Model(name=name, weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
        said: list[str] = []
        network = create_model(model, classes=3, image_px=px, seed=1, origin=origin, tell=said.append)
        overlay = {"state_dict": dict(state)}
        expected = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=3, img_size=px, **others
        )
        one, other = network.state_dict(), expected.state_dict()
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], value) for key, value in other.items() if not key.startswith("head."))
        assert f"{len(resampled)} are resampled ({', '.join(resampled)})" in said[0]
        assert all(one[key].shape != state[key].shape for key in resampled)
    patches = state_of("test_vit", patch_size=8, img_size=80)
    network, line = begin(saved(tmp_path / "patches.safetensors", patches), "test_vit")
    assert "1 are resampled (patch_embed.proj.weight)" in line


def test_names_of_other_projects_are_translated_by_timm(tmp_path):
    """As OpenAI's CLIP and what is built on it, as BioCLIP, write a vision transformer."""
    state = state_of("test_vit", pre_norm=True, global_pool="token", num_classes=512)
    swaps = (
        ("patch_embed.proj", "conv1"), ("norm_pre", "ln_pre"), ("blocks.", "transformer.resblocks."), ("norm1", "ln_1"),
        ("norm2", "ln_2"), ("attn.qkv.", "attn.in_proj_"), ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
    )  # fmt: skip
    clip = {"logit_scale": torch.ones(()), "transformer.weight": torch.ones(4)}
    renamed = {"norm.weight": "ln_post.weight", "norm.bias": "ln_post.bias", "cls_token": "class_embedding"}
    for key, value in state.items():
        if not key.startswith("head."):
            name = renamed.get(key, key)
            for ours, theirs in swaps:
                name = name.replace(ours, theirs)
            clip[f"visual.{name}"] = value.flatten() if key == "cls_token" else value
    clip["visual.positional_embedding"] = clip.pop("visual.pos_embed")[0]
    clip["visual.proj"] = torch.rand(64, 512)
    path = saved(tmp_path / "clip.pth", clip)
    origin = Origin("test_vit", {"pre_norm": True}, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    model = Model(name="test_vit", weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
    said: list[str] = []
    network = create_model(model, classes=3, image_px=96, seed=1, origin=origin, tell=said.append)
    own = network.state_dict()
    assert torch.equal(own["blocks.0.attn.qkv.weight"], state["blocks.0.attn.qkv.weight"])
    assert own["pos_embed"].shape == (1, 37, 64)
    assert "have other names there" in said[0]


def test_what_a_file_has_besides_is_ignored_and_named_and_what_it_lacks_is_refused(tmp_path):
    more = VIT | {"decoder.weight": torch.ones(3), "head_dist.weight": torch.ones(3)}
    _, line = begin(saved(tmp_path / "more.pth", more), "test_vit")
    assert "2 of the file are ignored (decoder.weight, head_dist.weight)" in line
    less = {key: value for key, value in VIT.items() if key != "blocks.0.mlp.fc1.bias"}
    with pytest.raises(
        UserError, match=r"of 80 tensors 1 are missing and 0 of another shape \(blocks\.0\.mlp\.fc1\.bias"
    ):
        begin(saved(tmp_path / "less.pth", less), "test_vit")
    no_head = {key: value for key, value in VIT.items() if not key.startswith("head.")}
    assert begin(saved(tmp_path / "body.pth", no_head), "test_vit")[1].endswith("the file has no head: a new one")
    none = VIT | {"norm.bias": VIT["norm.bias"] * float("inf")}
    with pytest.raises(UserError, match=r"norm\.bias of that file holds values that are no numbers"):
        begin(saved(tmp_path / "none.pth", none), "test_vit")
    with pytest.raises(UserError, match="that file is not of test_vit"):
        begin(saved(tmp_path / "conv.pth", state_of("test_resnet")), "test_vit")
    quantized = VIT | {"norm.weight": VIT["norm.weight"].to(torch.int8)}
    with pytest.raises(UserError, match=r"norm\.weight of that file holds int8, and no real numbers: it is quantized"):
        begin(saved(tmp_path / "int8.pth", quantized), "test_vit")
    assert begin(saved(tmp_path / "half.pth", {key: value.half() for key, value in VIT.items()}), "test_vit")


class Executed:
    """A pickle that writes a file when it is executed."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".safetensors", ".bin"])
def test_no_pickle_is_executed(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": VIT, "callbacks": Executed()}, path)
    path = path.rename(path.with_suffix(suffix))
    with pytest.raises(
        UserError, match=r"holds more than tensors \(.*\), which is not executed|cannot be read as weights"
    ):
        begin(path, "test_vit")
    assert not (tmp_path / "executed").exists()


@given(st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "net.", "a.b."]), max_size=4))
def test_any_prefix_of_all_names_is_taken_away(parts):
    prefix = "".join(parts)
    tensors, found = _without_prefix(under(prefix, VIT), list(VIT))
    assert (found, tensors.keys()) == (prefix, VIT.keys())


def model_of_ours(folder: Path, species: list[str], name: str = "test_efficientnet"):
    """A model as the stage writes it, with its labels.csv."""
    model = Model(name=name, weights={"kind": "random"}, drop_rate=0.0, drop_path_rate=0.0)  # pyright: ignore
    network = create_model(model, classes=len(species), image_px=48, seed=9)
    description = describe(network, model, image_px=48, pack_px=64, species=species)
    save_model(folder, network.state_dict(), description, SEEN)
    labels = pl.DataFrame({"label": range(len(species)), "species": species})
    write_table(labels, LABELS, folder / "labels.csv")
    return network


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (SPECIES, "its head is taken over, of the same species in the same order"),
        (SPECIES[::-1], "its head is renumbered by names: 3 species taken over, 0 new, 0 left out"),
        (["Zea mays", "Carex nigra"], "its head is renumbered by names: 1 species taken over, 2 new, 1 left out"),
        (["Zea mays", "Rosa canina", "Poa annua"], "the file's head has none of the species: a new head"),
    ],
)
def test_the_head_of_a_model_of_ours_is_renumbered_by_names(tmp_path, before, said):
    """The rows of each species are its own, whatever number it had: of the same number of classes, too."""
    source = model_of_ours(tmp_path / "models", before)
    network, line = begin(tmp_path / "models/model.safetensors", "test_efficientnet", px=48, species=SPECIES)
    assert line.endswith(said)
    (old,), (new,) = head_modules(source), head_modules(network)
    fresh, _ = begin(saved(tmp_path / "body.pth", source.state_dict()), "test_efficientnet", px=48)
    for label, name in enumerate(SPECIES):
        row = old.weight[before.index(name)] if name in before else head_modules(fresh)[0].weight[label]
        assert torch.equal(new.weight[label], row), name
        assert name not in before or new.bias[label] == old.bias[before.index(name)]


def test_where_the_order_of_a_head_is_not_known_it_is_a_new_one(tmp_path):
    source = model_of_ours(tmp_path / "models", SPECIES[::-1])
    (tmp_path / "models/labels.csv").unlink()
    weights = tmp_path / "models/model.safetensors"
    network, line = begin(weights, "test_efficientnet", px=48, species=SPECIES)
    digest = digest_labels(SPECIES[::-1])[:8]
    assert f"another order of classes, and no labels.csv of its order {digest} lies beside it: a new head" in line
    assert not torch.equal(head_modules(network)[0].weight, head_modules(source)[0].weight)
    # A labels.csv of another model says nothing.
    write_table(pl.DataFrame({"label": range(3), "species": SPECIES}), LABELS, tmp_path / "models/labels.csv")
    assert "a new head" in begin(weights, "test_efficientnet", px=48, species=SPECIES)[1]
    # The file's own digest is enough where it is of this order.
    (tmp_path / "models/labels.csv").unlink()
    network, line = begin(weights, "test_efficientnet", px=48, species=SPECIES[::-1])
    assert "its head is taken over" in line
    assert torch.equal(head_modules(network)[0].weight, head_modules(source)[0].weight)


def test_the_identity_knows_whether_a_head_was_known(tmp_path):
    model_of_ours(tmp_path / "models", SPECIES)
    path = tmp_path / "models/model.safetensors"
    weights = FileWeights(kind="file", path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    model = Model(name="test_efficientnet", weights=weights, drop_rate=0.0, drop_path_rate=0.0)
    identities = [find_origin(model, None).identity()]
    # Without the order a head of the run's own order is taken over by its digest; without that it is a new one.
    for name in ("labels.csv", "model.json"):
        (tmp_path / "models" / name).unlink()
        identities.append(find_origin(model, None).identity())
        assert identities[-1] not in identities[:-1], name


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"a": 1}',
        '{"a": {}}',
        '{"a": {"file": "x"}}',
        "null",
        '{"a": {"unknown": 1}}',
        '{"a": null, "a": {}}',
        '{"a": {"bytes": NaN}}',
        "\ufeff{}",
    ],
)
def test_notes_that_are_none_are_one_line(tmp_path, text):
    (tmp_path / "weights.json").write_text(text, encoding="utf-8")
    model = Model(name="test_vit.r160_in1k", weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
    with pytest.raises(UserError, match=r"does not say which weights there are .* bring it back with git"):
        find_origin(model, tmp_path / "weights.json")
    note = WeightsNote("../../outside", "0" * 64, 1, "hub", None, None, "test_vit", {}, {})
    write_notes(tmp_path / "weights.json", {model.name: note})
    with pytest.raises(UserError, match=r"file is '\.\./\.\./outside'"):
        find_origin(model, tmp_path / "weights.json")


_SOUND = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "classifier": "head"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": _SOUND | {"mean": [float("nan"), 0.5, 0.5]}}, "NaN is no number"),
        ({"config": _SOUND | {"mean": [0.5]}}, r"config: mean must be three numbers"),
        ({"config": _SOUND | {"mean": "0.5"}}, r"config: mean must be three numbers"),
        ({"config": _SOUND | {"mean": None}}, r"config: mean must be three numbers"),
        ({"config": _SOUND | {"mean": [True, 0.5, 0.5]}}, r"config: mean must be three numbers"),
        ({"config": _SOUND | {"std": [0.5, 0.0, 0.5]}}, r"config: std must be above 0"),
        ({"config": _SOUND | {"std": [10**400] * 3}}, r"config: std must be three numbers"),
        ({"config": _SOUND | {"classifier": 5}}, "config: classifier must be the name of a layer, or names"),
        ({"config": _SOUND | {"classifier": [5]}}, "config: classifier must be the name of a layer, or names"),
        *(
            ({"model_args": {name: 1}}, rf"model_args: {name} is no argument of a network")
            for name in ("checkpoint_path", "pretrained_cfg_overlay", "config", "name", "num_classes", "pretrained")
        ),
    ],
)
def test_a_note_that_no_network_can_be_made_by_is_one_line(tmp_path, change, said):
    """Also where it would load another file, without a digest."""
    entry = {"file": "x.safetensors", "sha256": "0" * 64, "bytes": 1, "source": "hub", "revision": None}
    entry |= {"license": None, "architecture": "test_vit", "model_args": {}, "config": _SOUND} | change
    (tmp_path / "weights.json").write_text(json.dumps({"test_vit.r160_in1k": entry}), encoding="utf-8")
    model = Model(name="test_vit.r160_in1k", weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
    with pytest.raises(UserError, match=rf"does not say which weights there are \(.*{said}.* bring it back with git"):
        find_origin(model, tmp_path / "weights.json")
