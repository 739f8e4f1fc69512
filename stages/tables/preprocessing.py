"""preprocessing.json, which stands beside a model: how the images that it was asked about were made of originals."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from stages.config.schema import Crop, Pack, Pixels, Sha256
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json, write_json
from stages.tables.typed_json import read_typed

PREPROCESSING = "preprocessing.json"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Image(_Part):
    pack_px: Pixels


class _Pack(_Part):
    jpeg_quality: Annotated[int, Field(ge=50, le=100)]


class _Parameters(_Part):
    crop: Crop
    image: _Image
    pack: _Pack


class Preprocessing(_Part):
    """How an original becomes what a model looks at, but for the last cut to its own size.

    Attributes:
        model_sha256: digest of the weights that it is of.
        parameters: those of the stage ``pack``, by section.
        code: digest of the code that packs.
        libraries: versions of those that pixels go through.
    """

    model_sha256: Sha256
    parameters: _Parameters
    code: Sha256
    libraries: dict[str, str]

    @property
    def crop(self) -> Crop:
        """How the crop is chosen: section ``crop`` of params.yaml."""
        return self.parameters.crop

    @property
    def pack_px(self) -> int:
        """Side of the packed square, in pixels."""
        return self.parameters.image.pack_px

    @property
    def pack(self) -> Pack:
        """How the packed square is encoded: section ``pack`` of params.yaml, as of one file."""
        return Pack(jpeg_quality=self.parameters.pack.jpeg_quality, shards=1)


def read_recipe(path: Path) -> dict[str, Any]:
    """Read how packed images were made of originals.

    Args:
        path: of the packed.json beside them.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    try:
        recipe = dict(parse_json(path.read_bytes())["images"])
        Preprocessing.model_validate({"model_sha256": "0" * 64, **recipe})
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro pack`") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged or of another version: run `dvc repro pack`") from None
    return recipe


def write_preprocessing(path: Path, recipe: dict[str, Any], *, model: Path) -> None:
    """Write how images were packed, beside the model that was asked about them.

    Args:
        path: of the preprocessing.json.
        recipe: of ``read_recipe``.
        model: the file of its weights.
    """
    write_json(path, Preprocessing.model_validate({"model_sha256": sha256_of(model), **recipe}).model_dump())


def read_preprocessing(path: Path) -> Preprocessing:
    """Read a preprocessing.json.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    return read_typed(
        path,
        Preprocessing,
        missing="run `dvc repro predict` or `dvc pull`",
        damaged="bring it back with `dvc checkout predict`",
    )
