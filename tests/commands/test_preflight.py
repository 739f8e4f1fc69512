"""The preflight tells in seconds whether all is there, and in minutes whether the network can learn at all."""

import hashlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from stages.commands import preflight
from stages.commands.preflight import (
    Learned,
    check_learned,
    check_space,
    describe_learned,
    learn_a_batch,
    look,
    told_apart,
)
from stages.learning.model_names import is_listed
from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.packed import write_splits
from tests.support.tiny_training import NETWORK, PARAMS, TRANSFORMER, make


def blind(context) -> None:
    """Let a training see the same picture under all labels."""
    context.color.register_forward_hook(lambda _module, _inputs, images: torch.zeros_like(images))


@pytest.mark.parametrize("damage", ["none", "labels at random"])
def test_a_batch_is_overfitted_or_that_is_said(tmp_path, damage, monkeypatch):
    """What cannot be: the same picture under other labels."""
    state, context = make(write_splits(tmp_path / "packed"), network=TRANSFORMER)
    if damage != "none":
        monkeypatch.setattr("stages.commands.preflight.OVERFIT_STEPS", 20)
        blind(context)
        with pytest.raises(UserError, match="one batch of 8 images cannot be overfitted: the loss is"):
            learn_a_batch(state, context, seconds=600)
    else:
        learned = learn_a_batch(state, context, seconds=600)
        assert 1 < learned.steps < 200
        assert f"overfitted in {learned.steps} steps" in describe_learned(learned)


@pytest.mark.parametrize("network", [NETWORK, TRANSFORMER], ids=lambda network: network.name)
def test_where_time_ends_first_a_loss_that_falls_counts_if_images_are_told_apart(tmp_path, network, monkeypatch):
    """A network that sees nothing lowers its loss, too: it learns which labels there are, and not whose they are."""
    folder = write_splits(tmp_path / "packed")
    monkeypatch.setattr(preflight, "_CLEAR_FALL", 0.01)  # of three species there is little to fall
    state, context = make(folder, network=network)
    learned = learn_a_batch(state, context, seconds=0)
    assert learned.steps == 2
    assert learned.loss[1] < learned.loss[0]
    assert learned.apart[1] - learned.apart[0] > 0.5 * (learned.loss[0] - learned.loss[1])
    assert "the loss fell from 1." in describe_learned(learned)
    assert "in 2 steps" in describe_learned(learned)
    state, context = make(folder, network=network)
    blind(context)
    with pytest.raises(UserError, match="the network does not tell its images apart"):
        learn_a_batch(state, context, seconds=0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(2, 50))
def test_what_does_not_see_images_tells_none_apart(seed, images, classes):
    """By whatever it guesses: each image gets the same, and each label stands for as many others as stand for it."""
    rng = np.random.default_rng(seed)
    labels = torch.tensor(rng.integers(0, classes, images))
    guess = torch.tensor(rng.normal(size=classes) * 5).expand(images, classes)
    assert abs(told_apart(guess, labels)) < 1e-9
    knowing = guess + 3 * torch.nn.functional.one_hot(labels, classes)
    differ = bool((labels != labels[0]).any())
    assert (told_apart(knowing, labels) > 1e-9) == differ


@pytest.mark.parametrize(
    ("learned", "said"),
    [
        (Learned(200, (3.0, 1.0), (0.0, 2.0), 60), "cannot be overfitted: the loss is 1.00 after 200 steps"),
        (Learned(5, (9.0, 8.9), (0.0, 2.0), 120), "give it more time by --minutes, or look at"),
        (Learned(5, (3.0, float("nan")), (0.0, 2.0), 120), "cannot be overfitted: the loss is nan after 5 steps"),
        (Learned(5, (9.0, 5.0), (0.0, 0.1), 120), "does not tell its images apart"),
        (Learned(5, (9.0, 5.0), (0.0, float("nan")), 120), "does not tell its images apart"),
        (Learned(5, (9.0, 5.0), (0.0, 0.6), 120), None),
        (Learned(5, (9.0, 0.04), (0.0, 0.0), 120), None),
    ],
)
def test_what_counts_as_learned(learned, said):
    if said is None:
        check_learned(learned, images=8, one_label=False)
    else:
        with pytest.raises(UserError, match=said):
            check_learned(learned, images=8, one_label=False)


def test_a_batch_of_one_species_has_nothing_to_tell_apart():
    check_learned(Learned(5, (9.0, 5.0), (0.0, 0.0), 120), images=8, one_label=True)


def test_room_for_checkpoints_is_looked_for(workspace, capsys, monkeypatch):
    usage = shutil.disk_usage(workspace)
    for free, expected in ((20_000_000, ": 20.0 MB free"), (11_000_000, "WARNING: "), (3_999_999, None)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: usage._replace(free=free))
        if expected is None:
            with pytest.raises(UserError, match="name another folder by CHECKPOINT_DIR"):
                check_space(1_000_000, PARAMS)
        else:
            check_space(1_000_000, PARAMS)
            assert expected in capsys.readouterr().out
    with pytest.raises(UserError, match=r"a checkpoint takes 5\.0 MB"):
        check_space(1_000_000, PARAMS.model_copy(update={"ema_decay": 0.9}))


def test_it_looks_before_torch_is_there():
    """In a process that has imported nothing yet: what `look` needs brings neither torch nor timm nor DVC."""
    code = "import sys, stages.commands.preflight; print(*{'torch', 'timm', 'dvc', 'accelerate'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_names_are_known_from_timms_source():
    """As timm itself knows them; what is not found there is asked of timm."""
    import timm

    names = timm.list_models(pretrained=True)[::40]
    assert all(is_listed(name) for name in names), [name for name in names if not is_listed(name)]
    assert not any(map(is_listed, ["test_vitt", "test_vit.no_tag", "vit", "", "test.vit", "Test_vit"]))


def test_each_thing_that_is_wrong_is_said_before_the_network_is_made(workspace, params_content, monkeypatch, capsys):
    """Parameters, name, weights, tables, shards: each in its order, with what is sound said before it."""
    import yaml

    model = params_content["profiles"]["sample"]["model"]

    def refused() -> tuple[str, list[str]]:
        (workspace / "params.yaml").write_text(yaml.safe_dump(params_content), encoding="utf-8")
        with pytest.raises(UserError) as refusal:
            look()
        return str(refusal.value), capsys.readouterr().out.splitlines()

    params_content["train"]["seed"] = -1
    assert "train.seed" in refused()[0]
    params_content["train"]["seed"] = 1
    model["name"] = "tf_efficientnet_lite00"
    assert "timm knows no model tf_efficientnet_lite00 (but " in refused()[0]
    model |= {"name": "test_vit.r160_in1k", "weights": {"kind": "timm"}}
    assert "does not note test_vit.r160_in1k: run `make weights`" in refused()[0]
    path = workspace / "weights.safetensors"
    model["weights"] = {"kind": "file", "path": str(path), "sha256": "0" * 64}
    assert "are missing: look at the profile's model.weights" in refused()[0]
    save_file({"a": torch.zeros(1)}, path)
    said, before = refused()
    assert "weights.safetensors is not the file that params.yaml names" in said
    assert before == ["preflight: params.yaml is sound: profile sample, 6 epochs"]
    model["weights"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    said, before = refused()
    assert "labels.csv is missing: run `dvc repro`" in said
    assert "license not noted" in before[-1]


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "10000", "1e9"])
def test_minutes_are_above_0_and_below_a_week(monkeypatch, minutes):
    monkeypatch.setattr(sys, "argv", ["preflight", f"--minutes={minutes}"])
    with pytest.raises(UserError, match="--minutes must be a number of minutes above 0 and below 10,000 \\(found "):
        preflight.main()
