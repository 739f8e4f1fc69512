"""A repo with all that a model card is made of: answers of no network, what ``evaluate`` makes of them, and a model."""

from pathlib import Path
from typing import Any

import numpy as np

from stages.answering.model_folder import load_used_model
from stages.config.schema import Shots
from stages.evaluation.differences import image_difference
from stages.evaluation.intervals import share
from stages.learning.saved_model import WEIGHTS, save_model
from stages.learning.trained_on import read_seen
from stages.publishing.card_facts import CardFacts, read_card_facts
from stages.publishing.card_use import FILES
from stages.publishing.credits import trained_images
from stages.publishing.made_of import MadeOf
from stages.publishing.scoring import Score
from stages.runtime.digests import sha256_of
from stages.runtime.yaml_files import read_yaml
from stages.tables.json_files import write_json
from stages.tables.preprocessing import PREPROCESSING, write_preprocessing
from tests.support import ROOT
from tests.support.predictions import Example, write_example
from tests.support.running import run_here
from tests.support.saved import RECIPE, tiny_model, write_labels

COMMIT = "c0ffee" * 6 + "c0ff"
WEIGHTS_SOURCE = "https://huggingface.co/timm/some_net.on_photos"


def write_carded(root: Path, made: Example) -> Path:
    """Write all that a card is made of, the figures by the stage ``evaluate``."""
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    write_example(root, made)
    network, description = tiny_model(species=made.species)
    save_model(root / "models", network.state_dict(), description, read_seen(root / "data/splits"))
    write_labels(root / "models/labels.csv", made.species)
    digest = sha256_of(root / "models" / WEIGHTS)
    write_preprocessing(root / "models" / PREPROCESSING, RECIPE, model=root / "models" / WEIGHTS)
    write_json(root / "data/predictions.json", {"identity": {"model": digest}, "files": {}})
    identity = {
        "weights": {"sha256": "57" * 32},
        "parameters": {"train": {"seed": 41}},
        "libraries": {"torch": "2.99.1", "timm": "1.99.3", "numpy": "9.9.9"},
    }
    write_json(root / "models/run.json", {"identity": identity, "weights": "val"})
    weights = {"sha256": "57" * 32, "source": WEIGHTS_SOURCE, "revision": "abc123", "license": "apache-2.0"}
    write_json(root / "data/reports/train.json", {"epochs": 17, "best_epoch": 13, "starting_weights": weights})
    by_verdict = {"sound": 750, "not_in_cache": 91, "too_blurred": 7, "dropped_by_review": 5}
    write_json(root / "data/reports/cache_filter.json", {"by_verdict": by_verdict})
    write_json(root / "data/reports/suspects.json", {"images": 777, "suspects": 33})
    result = run_here("evaluate", root)
    assert result.returncode == 0, result.stderr
    return root


def facts_in(root: Path, **others: Any) -> CardFacts:
    """Read the facts of a card, with some of the arguments of ``read_card_facts`` other than usual."""
    model, params = load_used_model(root / "models"), read_yaml(ROOT / "params.yaml")
    usual: dict[str, Any] = {
        "model": model,
        "images": trained_images(model.saved.trained_on, root / "data/splits"),
        "license": None,
        "shots": Shots(**params["shots"]),
        "files": FILES.keys(),
        "scores": (),
        "unscored": (),
        "made_of": MadeOf(COMMIT, 0, {"data/packed": "0123.dir"}),
    }
    return read_card_facts(root, **(usual | others))


def score_of(what: str, base_hits: np.ndarray, head_hits: np.ndarray, *, changed: int) -> Score:
    """Score a file that is right on some images, against a model that is right on others; each is an observation."""
    groups = np.arange(len(base_hits))
    base, head = (share(hits, groups, groups, min_groups=10) for hits in (base_hits, head_hits))
    difference = image_difference(base, head, base_hits, head_hits, groups, min_groups=10)
    return Score(what, len(groups), len(groups), base, head, difference, changed, 0.00123)
