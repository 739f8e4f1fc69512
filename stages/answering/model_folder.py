"""A folder with a model and all that its use needs: that of a training here, or one that was published.

    model.safetensors <--digest in-- preprocessing.json   how a photo is cropped and sized
                      <--digest in-- calibration.json     temperature, and from which probability on it answers

What else stands in it holds each other by digests too, see ``stages.learning.saved_model``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from stages.config.schema import Sha256, Share
from stages.evaluation.abstaining import Thresholds
from stages.learning.saved_model import WEIGHTS, SavedModel, load_model
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.splitting.genera import number_genera
from stages.splitting.label_order import read_labels
from stages.tables.json_files import parse_json
from stages.tables.predictions import COLDEST, HOTTEST
from stages.tables.preprocessing import PREPROCESSING, Preprocessing, read_preprocessing
from stages.tables.publish import PUBLISHED_FILE
from stages.tables.typed_json import read_typed

LABELS = "labels.csv"
CALIBRATION = "calibration.json"
USUAL_RISK = 0.1


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Fitted(_Part):
    max_risk: Annotated[float, Field(gt=0, lt=1)]
    species: Share | None
    genus: Share | None


class Calibration(_Part):
    """What ``evaluate`` fitted on val; stands in calibration.json.

    Attributes:
        model_sha256: digest of the weights that it is of.
        temperature: that logits are divided by.
        temperature_at_end: whether the best one lies beyond those that can be had.
        val_images: that it was fitted on; 0 where it could not be.
        val_groups: that they are of.
        thresholds: a risk each.
    """

    model_sha256: Sha256
    temperature: Annotated[float, Field(ge=COLDEST, le=HOTTEST)]
    temperature_at_end: bool
    val_images: int
    val_groups: int
    thresholds: Annotated[list[_Fitted], Field(min_length=1)]

    def at_risk(self, max_risk: float | None = None) -> Thresholds:
        """Give the thresholds for a risk; without one, for ``USUAL_RISK`` or else the least.

        Raises:
            UserError: none were fitted for it.
        """
        by_risk = {fitted.max_risk: fitted for fitted in self.thresholds}
        wanted = max_risk if max_risk is not None else USUAL_RISK if USUAL_RISK in by_risk else min(by_risk)
        if wanted not in by_risk:
            known = ", ".join(f"{risk:g}" for risk in sorted(by_risk))
            raise UserError(f"the model has no thresholds for a risk of {wanted:g}: take one of {known}")
        fitted = by_risk[wanted]
        return Thresholds(fitted.max_risk, fitted.species, fitted.genus)


@dataclass(frozen=True)
class UsedModel:
    """A model with all that its use needs.

    Attributes:
        folder: where it stands.
        saved: network, on the CPU, its description, and what it has seen.
        sha256: digest of its weights.
        species: in the order of labels.
        genera: their names, sorted.
        genus_of_class: int64 [classes], numbers of these.
        preprocessing: how a photo becomes what the network looks at.
        calibration: how sure it is of what it says.
    """

    folder: Path
    saved: SavedModel
    sha256: str
    species: list[str]
    genera: list[str]
    genus_of_class: np.ndarray
    preprocessing: Preprocessing
    calibration: Calibration


def load_used_model(folder: Path) -> UsedModel:
    """Load a model with all that its use needs.

    Raises:
        UserError: there is no model, something of it is missing or damaged, or its files are not of one model.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: run `dvc repro`, or name a folder with a model by --model")
    if not (folder / PUBLISHED_FILE).is_file():
        return _load(folder)
    again = "get the whole folder again where it is from"
    try:
        model = _load(folder)
    except UserError as error:
        raise UserError(f"{error}; or, as it was published, {again}") from None
    if wrong := _not_as_published(folder):
        raise UserError(f"{folder / wrong} is not the file that was published: {again}")
    return model


def _not_as_published(folder: Path) -> str:
    """Name the first file of those by which a model is asked that is not the one that was scored; "" for none."""
    try:
        files = parse_json((folder / PUBLISHED_FILE).read_bytes())["files"]
        digests = {name: files[name]["sha256"] for name in (LABELS, PREPROCESSING, CALIBRATION)}
    except (ValueError, KeyError, TypeError):
        return PUBLISHED_FILE
    return next((name for name, digest in digests.items() if sha256_of(folder / name) != digest), "")


def _load(folder: Path) -> UsedModel:
    saved = load_model(folder, folder / LABELS)
    digest = sha256_of(folder / WEIGHTS)
    preprocessing, calibration = read_preprocessing(folder / PREPROCESSING), read_calibration(folder / CALIBRATION)
    for name, of in ((PREPROCESSING, preprocessing.model_sha256), (CALIBRATION, calibration.model_sha256)):
        if of != digest:
            raise UserError(
                f"{folder / name} is of other weights than {folder / WEIGHTS} ({of[:8]}, not {digest[:8]}): "
                "run `dvc repro evaluate`"
            )
    if preprocessing.pack_px != saved.description.pack_px:
        raise UserError(
            f"{folder / PREPROCESSING} makes squares of {preprocessing.pack_px} px, the model takes "
            f"{saved.description.pack_px}: run `dvc repro evaluate`"
        )
    species = read_labels(folder / LABELS)
    return UsedModel(folder, saved, digest, species, *number_genera(species), preprocessing, calibration)


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.json.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    again = "run `dvc repro evaluate`"
    return read_typed(path, Calibration, missing=f"{again} or `dvc pull`", damaged=again)
