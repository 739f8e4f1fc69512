"""What a model card says of using the model: files, and code that runs as it stands there."""

from stages.publishing.card_facts import CardFacts
from stages.publishing.card_figures import some_of
from stages.publishing.card_words import code, percent, table
from stages.publishing.scoring import CENTER
from stages.tables.publish import ONNX, ONNX_FP16

FILES = {
    "model.safetensors": "the weights",
    "config.json": "the network, its species and how its photos are made, as timm reads it",
    ONNX: "the same model for onnxruntime; takes pixels as they are, 0 to 255",
    ONNX_FP16: "the same in half the size, computed with 16 bits",
    "labels.csv": "the species, in the order of the model's outputs",
    "preprocessing.json": "how a photo is cropped and sized",
    "calibration.json": "the temperature, and from which probability on the model answers",
    "model.json": "the network, as this project reads it",
    "trained_on.parquet": "which photos trained and selected the model, by name and digest",
    "credits.csv": "whose photos these are, under which license",
    "examples.parquet": "small photos of the species, openly licensed, with credit",
    "published.json": "commit, digests of all files, data and code, scores",
}

# With timm alone. The photo's middle is taken.
TIMM = """import json
from pathlib import Path

import timm
import torch
from PIL import Image, ImageOps

folder = "models/published"  # where this card lies
model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
temperature = json.loads(Path(folder, "calibration.json").read_text())["temperature"]

photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
with torch.inference_mode():
    logits = model(prepare(photo)[None])[0]
probabilities = (logits / temperature).softmax(0)
best = probabilities.topk(min(5, len(probabilities)))
for probability, label in zip(best.values.tolist(), best.indices.tolist()):
    print(f"{probability:.3f} {model.pretrained_cfg['label_names'][label]}")
"""

# With onnxruntime, without torch. The photo's middle is taken.
ONNXRUNTIME = """import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

folder = Path("models/published")  # where this card lies
session = onnxruntime.InferenceSession(folder / "model.onnx")
species = [row["species"] for row in csv.DictReader((folder / "labels.csv").open(encoding="utf-8"))]
sizes = json.loads((folder / "model.json").read_text())
temperature = json.loads((folder / "calibration.json").read_text())["temperature"]

photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
square = ImageOps.fit(photo, (sizes["pack_px"], sizes["pack_px"]), Image.Resampling.BICUBIC)
edge, side = (sizes["pack_px"] - sizes["image_px"]) // 2, sizes["image_px"]
square = square.crop((edge, edge, edge + side, edge + side))
logits = session.run(["logits"], {"image": np.asarray(square)[None]})[0][0] / temperature
probabilities = np.exp(logits - logits.max())
probabilities /= probabilities.sum()
for label in np.argsort(-probabilities)[:5]:
    print(f"{probabilities[label]:.3f} {species[label]}")
"""

PREDICT = 'make predict ARGS="photo.jpg --model models/published"\n'


def how_to_use(facts: CardFacts) -> str:
    """Give the section on the model's use, with code for the files that there are."""
    crop = facts.model.preprocessing.crop.mode
    pack_px, image_px = facts.model.preprocessing.pack_px, facts.model.saved.description.image_px
    cut = {
        "smart": "around what looks like the plant (`preprocessing.json` has all parameters)",
        "center": "out of its middle",
    }[crop]
    parts = [
        "## How to use it",
        f"A photo becomes a square of {pack_px} px that is cut {cut}; the network looks at the {image_px} px in the "
        "middle of that. This project's own commands do so, and follow the thresholds below. In a clone of its "
        "repository (whoever gave you this folder can say where that is), in the state that is named at the end, with "
        "this folder as `models/published`:",
        _block("sh", PREDICT),
    ]
    costs = next(
        (
            f"in the test that was right for {percent(score.top1.value)} of {some_of(score, 'its') or 'the'} photos, "
            f"and the square around the plant [for {percent(score.original.value)}](#the-same-model-in-other-files)"
            for score in facts.scores
            if CENTER in score.what
        ),
        "what that costs was not measured",
    )
    elsewhere = (
        f"It cuts the square out of the photo's middle, which the model was not trained for; {costs}"
        if crop == "smart"
        else "It cuts the square as the training did, if not to the last pixel"
    )
    if "config.json" in facts.files:
        parts += [
            f"With timm alone. {elsewhere}. And it follows no threshold: it names five species of any photo.",
            _block("python", TIMM),
        ]
    if file := next((name for name in (ONNX, ONNX_FP16) if name in facts.files), None):
        parts += ["With onnxruntime, without torch, likewise:", _block("python", ONNXRUNTIME.replace(ONNX, file))]
    known = [[code(name), what] for name, what in FILES.items() if name in facts.files]
    if known:
        parts += ["What lies in this folder:", table(["file", "what it is"], known, texts=2)]
    return "\n\n".join(parts)


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}```"
