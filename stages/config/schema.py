"""What params.yaml may say: a typed, strict model of each section.

No value has a default here (but ``null`` for what a shape of documents does not have) and nothing is computed: all
values come from params.yaml, where DVC tracks them. That is why a change of this file cannot change a stage's outputs,
and no stage of dvc.yaml depends on it.
"""

import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Pixels = Annotated[int, Field(ge=16, le=4096)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]


def _a_path(value: str) -> str:
    if not re.fullmatch(_PATH, value):
        raise ValueError("must be names of fields with dots between them (photo.id, or images[].href through an array)")
    return value


def _a_plain_name(value: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", value):
        raise ValueError("must be a name of letters, digits, dots, hyphens and underscores")
    return value


_KEYS = r"[^.\[\]\s](?:[^.\[\]\r\n]*[^.\[\]\s])?"
_PATH = rf"{_KEYS}(?:\.{_KEYS})*(?:\[\](?:\.{_KEYS})*)?"
Path = Annotated[str, AfterValidator(_a_path)]
Paths = Path | Annotated[list[Path], Field(min_length=1)]
ShapeName = Annotated[str, AfterValidator(_a_plain_name)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, nothing is converted, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _keyed_by_name(value: object, *, former: str, entry: str) -> object:
    """Refuse the list that a map was in earlier versions, and say how it is written now.

    Args:
        value: what params.yaml says.
        former: the key of the list's entries that has become the map's key.
        entry: what an entry of the map is, shortly.
    """
    if not isinstance(value, list):
        return value
    first = value[0].get(former) if value and isinstance(value[0], dict) else None
    name = first if isinstance(first, str) and 0 < len(first) <= 80 else "NAME"
    # With a type of its own, as the whole list that was found is no help.
    raise PydanticCustomError(
        "former_form",
        "is a map by name now: write {new} instead of {old}",
        {"new": f'"{name}: {entry}"', "old": f'"- {former}: {name}"'},
    )


class DumpSource(Section):
    """Records from a file of a mongodump (.bson), JSON lines or a JSON array (.json, .jsonl), gzip or not."""

    kind: Literal["dump"]
    file: Text

    @field_validator("file")
    @classmethod
    def _stay_in_the_folder(cls, value: str) -> str:
        if PurePosixPath(value).name != value:
            raise ValueError("must be a file's name without a folder: put the file into the profile's dump folder")
        return value


class MongoDBSource(Section):
    """Records from a MongoDB collection; ``snapshot`` bounds the documents by the day of their ObjectId."""

    kind: Literal["mongodb"]
    database: Text
    collection: Text
    snapshot: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]

    @field_validator("snapshot")
    @classmethod
    def _a_day_that_an_object_id_can_bear(cls, value: str) -> str:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a day, written YYYY-MM-DD") from None
        if not 1970 <= day.year <= 2105:
            raise ValueError("must be a day of the years 1970 to 2105: an ObjectId tells no other time")
        return value


class DocumentColumns(Section):
    """Where in a document each column of a record stands: a path, or several of which the first present is taken."""

    image_url: Paths
    species: Paths
    photo_id: Paths | None = None
    observation_id: Paths | None = None
    license: Paths | None = None
    observer: Paths | None = None


class DocumentShape(Section):
    """One shape of documents; its name, the key in ``documents``, is its records' source.

    Attributes:
        when: the fields by which documents of the shape are known: all are there.
        ids_of: whose the photo and observation ids are, where that is not the shape's own name: two shapes that one
            source had over time have the same ids.
        columns: where the columns of a record stand.
    """

    when: Annotated[list[Path], Field(min_length=1)]
    ids_of: ShapeName | None = None
    columns: DocumentColumns

    @model_validator(mode="after")
    def _at_most_one_array(self) -> "DocumentShape":
        columns = self.columns.model_dump(exclude_none=True).values()
        paths = [path for paths in columns for path in ([paths] if isinstance(paths, str) else paths)]
        if any(path.count("[]") > 1 for path in paths) or len({p.split("[]")[0] for p in paths if "[]" in p}) > 1:
            raise ValueError("a shape can go through one array only: all paths with [] must begin alike")
        return self


class Inventory(Section):
    """When an image of the cache counts as sound."""

    min_side_px: Pixels
    max_megapixels: Count
    max_aspect: Annotated[float, Field(ge=1)]
    blank_std: Annotated[float, Field(ge=0, le=128)]
    max_even_share: Share
    max_drawn: Annotated[float, Field(ge=0)]
    max_filled_share: Share
    min_sharpness: Annotated[float, Field(ge=0)]
    placeholder_photos: Annotated[int, Field(ge=2)]


class Names(Section):
    """How species' names are cleaned; see stages/records/names.py."""

    uncertain: Literal["refuse", "strip", "keep"]
    genus_only: Literal["refuse", "keep"]
    not_scientific: Literal["refuse", "keep"]
    below_species: Literal["species", "keep"]
    synonyms: bool


# As stages/records/licenses.py tells them apart.
License = Literal[
    "cc0", "pd", "cc-by", "cc-by-sa", "cc-by-nc", "cc-by-nd", "cc-by-nc-sa", "cc-by-nc-nd", "none", "other"
]


class Licenses(Section):
    """Under which licenses images may be used."""

    allowed: Annotated[list[License], Field(min_length=1)] | None


def _a_name_as_urls_have_it(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9.-]+(:\d{1,5})?", value):
        raise ValueError("must be a name in small letters, perhaps with a port: images.example.org:8080, no http://")
    if value.endswith((":80", ":443")):
        raise ValueError("must stand without the port, as it is the scheme's own")
    return value


HostName = Annotated[str, AfterValidator(_a_name_as_urls_have_it)]


class HostLimits(Section):
    """What a host that serves images is asked for, at the most; ``null`` is no limit."""

    requests_per_s: Annotated[float, Field(gt=0, le=100_000)] | None
    concurrent: Annotated[int, Field(ge=1, le=256)]
    gb_an_hour: Annotated[float, Field(gt=0)] | None
    gb_a_day: Annotated[float, Field(gt=0)] | None
    private: bool


class Download(Section):
    """Whom ``fetch`` asks for images, how politely, and what it takes for one."""

    cache_budget_gb: Annotated[float, Field(gt=0)]
    contact: str | None
    mirror: str | None
    inaturalist_size: Literal["original", "large", "medium", "small"]
    max_image_mb: Annotated[float, Field(gt=0, le=1000)]
    timeout_s: Annotated[float, Field(gt=0, le=3600)]
    tries: Annotated[int, Field(ge=1, le=100)]
    pauses_s: Annotated[list[Annotated[float, Field(gt=0, le=86_400)]], Field(min_length=1)]
    hosts: Annotated[dict[HostName, HostLimits], Field(min_length=1)]

    @field_validator("hosts", mode="before")
    @classmethod
    def _hosts_by_name(cls, value: object) -> object:
        return _keyed_by_name(value, former="host", entry="{requests_per_s: ..., concurrent: ..., ...}")

    @field_validator("contact")
    @classmethod
    def _fits_into_a_header(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
            raise ValueError("must be plain ASCII and not empty, as it goes into a header")
        return value

    @field_validator("mirror")
    @classmethod
    def _a_folder_on_the_web(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s?#]+", value):
            raise ValueError("must be the URL of a folder: https://bucket.example.org/plants")
        return value

    @model_validator(mode="after")
    def _hosts_can_be_asked(self) -> "Download":
        for name, limits in self.hosts.items():
            for key in ("gb_an_hour", "gb_a_day"):
                allowed_gb = getattr(limits, key)
                if allowed_gb is not None and round(allowed_gb * 1e9) < round(self.max_image_mb * 1e6):
                    raise ValueError(f"{key} of {name} must hold one image of max_image_mb, or none can be asked")
        return self


class NearDuplicates(Section):
    """When two images count as the same picture."""

    max_distance: Annotated[int, Field(ge=0, le=31)]
    mirrored: bool


class Split(Section):
    """How species' observations are divided."""

    seed: Seed
    val_share: Annotated[float, Field(gt=0, lt=0.5)]
    test_share: Annotated[float, Field(gt=0, lt=0.5)]
    min_images_per_class: Count
    keep_unknown: bool
    max_train_images_per_class: Count | None
    one_photo_an_observation: bool


class Shots(Section):
    """Which classes are few-, medium- and many-shot, by their images in train."""

    few_below: Count
    many_above: Count

    @model_validator(mode="after")
    def _in_order(self) -> "Shots":
        if self.few_below > self.many_above + 1:
            raise ValueError(f"few_below ({self.few_below}) must not be larger than many_above ({self.many_above}) + 1")
        return self


class Cues(Section):
    """What each cue of the saliency map weighs in the log odds that a place is of the plant."""

    surrounded: Annotated[float, Field(ge=0, le=10)]
    compact: Annotated[float, Field(ge=0, le=10)]
    texture: Annotated[float, Field(ge=0, le=10)]
    residual: Annotated[float, Field(ge=0, le=10)]
    bias: Annotated[float, Field(ge=-20, le=20)]


class Crop(Section):
    """How the square that the model sees is found in a photo."""

    mode: Literal["smart", "center"]
    thumbnail_px: Annotated[int, Field(ge=64, le=1024)]
    cues: Cues
    map_power: Annotated[float, Field(gt=0, le=10)]
    scales: Annotated[list[Annotated[float, Field(gt=0.2, le=1)]], Field(min_length=1)]
    center_sigma: Annotated[float, Field(ge=0.1, le=100)]
    area_price: Share
    margin: Annotated[float, Field(ge=1, le=2)]
    min_contrast: Annotated[float, Field(ge=0, le=255)]
    max_bright_share: Share
    min_gain: Share


class ContactSheet(Section):
    """How many images the contact sheet shows."""

    images_a_side: Annotated[int, Field(ge=3, le=8)]


class CompareCrops(Section):
    """How many images the comparison of crops takes."""

    seed: Seed
    figure_images: Count
    picture_images: Annotated[int, Field(ge=1, le=20)]
    worst_images: Annotated[int, Field(ge=0, le=20)]
    worst_kept_below: Share
    worst_gain_below: Annotated[float, Field(ge=-1, le=1)]
    fallback_images: Annotated[int, Field(ge=0, le=20)]


# Licenses of models, by the identifiers of Hugging Face's cards (SPDX, in small letters).
PublishLicense = Literal[
    "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apache-2.0", "mit"
]  # fmt: skip


class Pictures(Section):
    """What pictures in plots/ may show, which are published with the repo."""

    licenses: Annotated[list[License], Field(min_length=1)] | None


class Mistakes(Section):
    """How many mistakes of the model are shown."""

    images: Annotated[int, Field(ge=1, le=60)]
    pairs: Annotated[int, Field(ge=1, le=20)]
    pair_images: Annotated[int, Field(ge=2, le=6)]


class Image(Section):
    """Sides of the square images, in pixels."""

    pack_px: Pixels
    train_px: Pixels

    @model_validator(mode="after")
    def _train_fits_into_pack(self) -> "Image":
        if self.train_px > self.pack_px:
            raise ValueError(f"train_px ({self.train_px}) must not be larger than pack_px ({self.pack_px})")
        return self


class Pack(Section):
    """How packed images are stored."""

    jpeg_quality: Annotated[int, Field(ge=50, le=100)]
    # Each is a map in the memory of every process that reads images; systems allow some 65,000.
    shards: Annotated[int, Field(ge=1, le=4096)]


class TimmWeights(Section):
    """The weights that timm publishes under the model's name."""

    kind: Literal["timm"]


class RandomWeights(Section):
    """Random weights."""

    kind: Literal["random"]


class FileWeights(Section):
    """A state dict in a local file (.safetensors or .pth)."""

    kind: Literal["file"]
    path: Text
    sha256: Sha256


class PackageWeights(Section):
    """A state dict in a file of an installed Python package."""

    kind: Literal["package"]
    package: Text
    file: Text
    sha256: Sha256


class Model(Section):
    """The network and its starting weights."""

    name: Text
    weights: Annotated[TimmWeights | RandomWeights | FileWeights | PackageWeights, Field(discriminator="kind")]
    drop_rate: Annotated[float, Field(ge=0, lt=1)]
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)]


Sampling = Literal["natural", "square_root", "balanced"]


class Train(Section):
    """How the model is trained."""

    seed: Seed
    epochs: Count
    batch_images: Count
    micro_batch_images: Count
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    warmup_epochs: Annotated[float, Field(ge=0, le=1000)]
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0, le=10)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    clip_norm: Annotated[float, Field(gt=0)]
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None
    loss: Literal["cross_entropy", "logit_adjusted"]
    logit_tau: Annotated[float, Field(ge=0, le=10)]
    sampling: Sampling
    frozen_epochs: Annotated[int, Field(ge=0, le=1000)]
    crt_epochs: Annotated[int, Field(ge=0, le=1000)]
    crt_learning_rate: Annotated[float, Field(gt=0, le=10)]
    selection_metric: Literal["top1", "mean_per_class_accuracy"]
    train_eval_images: Count
    expect_epoch: Count
    expect_top1: Share
    max_skipped_steps: Annotated[int, Field(ge=0, le=1_000_000)]

    @model_validator(mode="after")
    def _epochs_fit(self) -> "Train":
        if self.frozen_epochs > self.epochs:
            raise ValueError("frozen_epochs are the first of train.epochs: there cannot be more of them")
        return self


class Augment(Section):
    """How training images are changed."""

    crop: Literal["random", "random_resized"]
    min_area: Annotated[float, Field(gt=0, le=1)]
    flip: bool
    randaugment: Annotated[int, Field(ge=1, le=10)] | None
    jitter: Annotated[float, Field(ge=0, lt=1)]
    erase: Annotated[float, Field(ge=0, le=1)]
    mixup: Annotated[float, Field(ge=0, le=10)]
    cutmix: Annotated[float, Field(ge=0, le=10)]


class Embed(Section):
    """How features are made."""

    # In a batch of another number, what an image's features are would depend on its place.
    batch_images: Annotated[int, Field(ge=8, le=8192, multiple_of=8)]


class Probe(Section):
    """How features tell species apart without a training."""

    # Below, float64 no longer gives the left-out scores to 1e-9; above, they come near to what they are rounded to.
    ridge: Annotated[float, Field(ge=1e-4, le=10)]
    class_weight_power: Annotated[float, Field(ge=-1, le=0)]
    neighbors: Annotated[int, Field(ge=1, le=1000)]


class Baseline(Section):
    """How the probes' figures are taken, and when labels and photos are said to go together."""

    seed: Seed
    shuffles: Annotated[int, Field(ge=100, le=1_000_000)]


class Suspects(Section):
    """What is listed of suspects, and shown."""

    listed: Count
    look_alikes: Count
    min_similarity: Annotated[float, Field(gt=0, lt=1)]
    species_pairs: Count
    pictured: Count


class Predict(Section):
    """How predictions are made."""

    batch_images: Count


class Evaluate(Section):
    """How the test figures are taken."""

    seed: Seed
    min_groups: Annotated[int, Field(ge=2, le=1_000_000)]
    resamples: Annotated[int, Field(ge=100, le=100_000)]
    max_risks: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1, max_length=10)]
    confident: Share


class Publish(Section):
    """What `make publish` makes of the model, and when it refuses to."""

    license: PublishLicense | None
    onnx: list[Literal["fp32", "fp16"]]
    max_top1_loss: Share
    max_changed: Share
    scored_images: Count
    examples: Annotated[int, Field(ge=0, le=20)]


class Params(Section):
    """All sections, those of the active profile merged in."""

    profile: Text
    source: Annotated[DumpSource | MongoDBSource, Field(discriminator="kind")]
    documents: Annotated[dict[ShapeName, DocumentShape], Field(min_length=1)]
    names: Names
    licenses: Licenses
    inventory: Inventory
    download: Download
    near_duplicates: NearDuplicates
    split: Split
    shots: Shots
    crop: Crop
    contact_sheet: ContactSheet
    compare_crops: CompareCrops
    image: Image
    pack: Pack
    model: Model
    train: Train
    augment: Augment
    embed: Embed
    probe: Probe
    baseline: Baseline
    suspects: Suspects
    predict: Predict
    evaluate: Evaluate
    pictures: Pictures
    mistakes: Mistakes
    publish: Publish

    @field_validator("documents", mode="before")
    @classmethod
    def _documents_by_name(cls, value: object) -> object:
        return _keyed_by_name(value, former="source", entry="{when: ..., columns: ...}")

    @field_validator("documents")
    @classmethod
    def _shapes_differ(cls, value: dict[str, DocumentShape]) -> dict[str, DocumentShape]:
        first_with: dict[frozenset[str], str] = {}
        for name, shape in value.items():
            other = first_with.setdefault(frozenset(shape.when), name)
            if other != name:
                raise PydanticCustomError(
                    "same_when",
                    "{other} and {name} have the same fields in `when`: no document could tell which one it is; "
                    "add a field to one, or make one of them",
                    {"other": other, "name": name},
                )
        return value

    @model_validator(mode="after")
    def _ids_are_of_a_shape(self) -> "Params":
        for name, shape in self.documents.items():
            if shape.ids_of not in (None, "inaturalist", *self.documents):
                raise ValueError(
                    f"documents.{name}.ids_of must name another shape, or inaturalist (found {shape.ids_of!r})"
                )
        return self

    @model_validator(mode="after")
    def _batches_can_be_mixed(self) -> "Params":
        if (self.augment.mixup or self.augment.cutmix) and self.train.micro_batch_images % 2:
            raise ValueError(
                "train.micro_batch_images must be even where augment.mixup or augment.cutmix mix pairs of images"
            )
        return self
