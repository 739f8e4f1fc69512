"""Command ``weights``: fetch the starting weights of a model once -> data/sources/<profile>/weights/, weights.json.

    python -m stages.commands.weights [MODEL_NAME] [--anew]

They are those that timm publishes under the model's name, of a repository (hf-hub:ORG/NAME) or of a folder
(local-dir:/PATH). DVC keeps the file, and weights.json says its digest, source and license; a training reads that file
and asks no hub. What is noted is fetched again only as it is noted.
"""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import timm
import torch
from dvc.exceptions import DvcException
from dvc.repo import Repo
from huggingface_hub import ModelCard
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.models._hub import load_model_config_from_path, load_state_dict_from_path

from stages.config.reading import all_params
from stages.config.schema import Model, TimmWeights
from stages.config.sources import weights_folder, weights_note_path
from stages.download.hub import fetch_file, find_published, first_of
from stages.learning.model import create_model
from stages.learning.model_names import FOLDER, HUB, published_config, source_of
from stages.learning.origin import Origin
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError, run
from stages.runtime.machine import user_path
from stages.runtime.outputs import replacing
from stages.runtime.plain_text import first_line
from stages.runtime.progress import say
from stages.runtime.wording import size_in_words
from stages.tables.weights import WeightsNote, check_made, read_notes, write_notes

CONFIG = "config.json"
# What of timm's config makes a result; the rest is for people, or says where the file is.
KEPT = ("input_size", "fixed_input_size", "mean", "std", "num_classes", "pool_size", "first_conv", "classifier")
# What a training decides itself, of the arguments that a saved model was made with.
_NOT_KEPT = {"num_classes", "img_size", "in_chans", "drop_rate", "drop_path_rate", "pretrained"}
_FILES = ("model.safetensors", "pytorch_model.bin")  # of a repository of timm's, as timm looks for them


@dataclass(frozen=True)
class Offer:
    """Weights that can be had: what weights.json will say of them, but for the file itself, and what writes that."""

    note: WeightsNote
    write: Callable[[Path], None]


def main() -> None:
    """Find the weights, write them beside the note, hand them to DVC."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="MODEL_NAME", nargs="?", help="the active profile's model.name if not given")
    parser.add_argument("--anew", action="store_true", help="take what is published now, also where it is another file")
    arguments = parser.parse_args()
    params = all_params()
    name, profile = arguments.name or params.model.name, params.profile
    kind = params.model.weights.kind
    if not arguments.name and kind != "timm" and source_of(name)[0] is None:
        say(f"weights: the profile {profile} starts from {{kind: {kind}}}: nothing to fetch; name a model to fetch its")
        return
    notes_path, folder = weights_note_path(profile), weights_folder(profile)
    notes = read_notes(notes_path)
    noted = notes.get(name)
    path = folder / (noted.file if noted else file_name(name))
    if noted and not arguments.anew and path.is_file() and sha256_of(path) == noted.sha256:
        track(path)
        say(f"weights: {path} is there, as noted: {describe(noted)}")
        return
    if not noted and path.is_file() and not path.with_name(f"{path.name}.dvc").is_file():
        raise UserError(f"{path} is there, and neither git nor DVC knows of it: move it away, then run this again")
    offer = find(name, None if arguments.anew or not noted else noted.revision)
    note = store(offer, name, path, noted if not arguments.anew else None)
    track(path)
    # What another one noted meanwhile stays.
    write_notes(notes_path, read_notes(notes_path) | {name: note})
    if noted and noted.sha256 != note.sha256:
        say(f"weights: {name} is another file than before, {note.sha256[:8]} and not {noted.sha256[:8]}")
    say(f"weights: {name}: {describe(note)} -> {path}")
    if note.license is None:
        say(f"weights: nothing there says under which license: look at {note.source} before you publish a model")
    say(f"next: git add {notes_path} {path}.dvc; dvc push {path}.dvc, for other hosts")


def find(name: str, revision: str | None) -> Offer:
    """Find the weights of a model where its name says.

    Args:
        name: as model.name in params.yaml.
        revision: the state of the repository to look at; none for the newest.

    Raises:
        UserError: there is no such model, or no weights of it can be had.
    """
    source, place = source_of(name)
    if source == FOLDER:
        return _of_folder(user_path(place))
    if source == HUB:
        repo, _, wanted = place.partition("@")
        return _of_hub(repo, revision or wanted or None)
    config = published_config(name)
    architecture, fields = config.architecture or name.partition(".")[0], config.to_dict()
    if not config.hf_hub_id:
        return _of_timm(name, architecture, fields)
    return _of_hub(config.hf_hub_id, revision, architecture=architecture, fields=fields, file=config.hf_hub_filename)


def _of_hub(
    repo: str,
    revision: str | None,
    *,
    architecture: str | None = None,
    fields: dict[str, Any] | None = None,
    file: str | None = None,
) -> Offer:
    """Offer the weights of a repository, with its own config where timm does not know its network."""
    published = find_published(repo, revision)
    options: dict[str, Any] = {}
    if architecture is None or fields is None:
        config = fetch_file(published, first_of(published, [CONFIG]))
        fields, architecture, options = read_config(config.parent, where=published.address)
    named = [file] if file else list(_FILES)
    fetched = first_of(published, named)
    license_ = published.license or fields.get("license")
    note = _note(architecture, options, fields, published.address, published.commit, license_)
    return Offer(note, lambda path: _as_safetensors(fetch_file(published, fetched), path, published.address))


def _of_folder(folder: Path) -> Offer:
    """Offer the weights of a folder of timm's form."""
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} has no {CONFIG}: it is no folder of a model of timm's")
    fields, architecture, options = read_config(folder, where=str(folder))
    license_ = None
    if (card := folder / "README.md").is_file():
        try:
            license_ = ModelCard.load(card, ignore_metadata_errors=True).data.to_dict().get("license")
        except Exception:  # a text without a card's head, or none at all
            license_ = None
    note = _note(architecture, options, fields, str(folder.resolve()), None, license_ or fields.get("license"))

    def write(path: Path) -> None:
        try:
            state = load_state_dict_from_path(folder)
        except Exception as error:
            raise UserError(f"{folder} holds no weights that can be read ({first_line(error)})") from None
        _save(state, path, str(folder))

    return Offer(note, write)


def _of_timm(name: str, architecture: str, fields: dict[str, Any]) -> Offer:
    """Offer weights that stand on no hub: timm itself fetches them from where it knows."""
    url = str(fields.get("url") or fields.get("file"))

    def write(path: Path) -> None:
        try:
            state = timm.create_model(name, pretrained=True).state_dict()
        except OSError as error:
            if error.errno is not None and not isinstance(error, ConnectionError):
                raise
            raise UserError(f"{url} cannot be had from here: try again where there is a network") from None
        except Exception as error:
            raise UserError(f"{url} holds no weights that can be read ({first_line(error)})") from None
        _save(state, path, url)

    return Offer(_note(architecture, {}, fields, url, None, fields.get("license")), write)


def read_config(folder: Path, *, where: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Read config.json of a folder: timm's pretrained config, the network's name, and arguments that it is made with.

    Raises:
        UserError: it is not of timm's form.
    """
    try:
        fields, architecture, options = load_model_config_from_path(folder)
        known = timm.is_model(architecture)
        options = {key: value for key, value in options.items() if key not in _NOT_KEPT}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{CONFIG} of {where} is not of timm's form ({first_line(error)})") from None
    if not known:
        raise UserError(f"{CONFIG} of {where} names {architecture!r:.80}, which timm does not know")
    return dict(fields), architecture, options


def store(offer: Offer, name: str, path: Path, expected: WeightsNote | None) -> WeightsNote:
    """Write the file, if it is what is expected and fits the network, and give its whole note.

    Args:
        offer: of ``find``.
        name: of the model.
        path: of the file; what is there stays until the new one is whole.
        expected: the note of the file that it shall be; none for whatever comes.

    Raises:
        UserError: it is another file than expected, or of another network.
    """
    with replacing(path) as temporary:
        offer.write(temporary)
        digest = sha256_of(temporary)
        if expected and digest != expected.sha256:
            raise UserError(
                f"{offer.note.source} gives another file for {name} than is noted (SHA-256 {digest[:8]}, not "
                f'{expected.sha256[:8]}): nothing is changed; `make weights ARGS="{name} --anew"` takes what is there'
            )
        note = expected or replace(offer.note, file=path.name, sha256=digest, bytes=temporary.stat().st_size)
        _try(note, temporary)
        if path.is_file() and sha256_of(path) != digest:  # what no note will name any more stays in DVC's cache
            track(path)
    return note


def track(path: Path) -> None:
    """Hand the file to DVC, which writes PATH.dvc for git.

    Raises:
        UserError: DVC refuses it.
    """
    try:
        with Repo() as repo:
            repo.scm_context.quiet = True  # what git is to be told is said below
            repo.add(str(path))  # pyright: ignore[reportArgumentType]  # its decorators hide what it takes
    except DvcException as error:
        raise UserError(f"DVC does not take {path} ({first_line(error)}): mend that, then run this again") from None


def file_name(name: str) -> str:
    """Give the name of the file for a model: its own, and where it names a place, one that no other has."""
    source, place = source_of(name)
    if source is None:
        return f"{name}.safetensors"
    last = place.rstrip("/").rpartition("/")[2]
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in last)
    return f"{plain.lstrip('.')}-{sha256(name.encode()).hexdigest()[:8]}.safetensors"


def describe(note: WeightsNote) -> str:
    """Say what a file is, from where and under which license."""
    state = f" at {note.revision[:12]}" if note.revision else ""
    return f"{size_in_words(note.bytes)} of {note.source}{state}, license {note.license or 'unknown'}"


def _note(
    architecture: str, options: dict[str, Any], fields: dict[str, Any], source: str, revision: str | None, license_: Any
) -> WeightsNote:
    config = {key: fields[key] for key in KEPT if key in fields}
    try:
        check_made(options, config)
    except ValueError as error:
        raise UserError(f"{source} says of its network what cannot be ({error})") from None
    if config.get("input_size", (3,))[0] != 3:
        raise UserError(f"{source} is of a network that takes images of {config['input_size'][0]} channels, not of 3")
    config = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
    return WeightsNote(
        file="",
        sha256="",
        bytes=0,
        source=source,
        revision=revision,
        license=str(license_) if license_ else None,
        architecture=architecture,
        model_args=options,
        config=config,
    )


def _try(note: WeightsNote, path: Path) -> None:
    """Make the network with the file, as a training would, and let it look at an image of nothing."""
    model = Model(name=note.architecture, weights=TimmWeights(kind="timm"), drop_rate=0.0, drop_path_rate=0.0)
    origin = Origin(note.architecture, note.model_args, note.config, path, note.sha256)
    side = int(note.config.get("input_size", (3, 224, 224))[-1])
    tell = lambda line: say(f"weights: {line.replace(str(path), note.source)}")  # noqa: E731
    create_model(model, classes=2, image_px=side, seed=0, origin=origin, tell=tell)


def _as_safetensors(fetched: Path, path: Path, where: str) -> None:
    """Write a file as safetensors: as it is published if it is that, else the tensors of the pickle, not executed."""
    try:
        if fetched.suffix == ".safetensors":
            load_file(fetched)
            shutil.copyfile(fetched, path)
            return
        state = torch.load(fetched, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except SafetensorError as error:
        raise UserError(f"{fetched.name} of {where} is no safetensors file ({first_line(error)})") from None
    except Exception:
        raise UserError(
            f"{fetched.name} of {where} is a pickle that holds more than tensors, which is not executed, or is damaged"
        ) from None
    _save(state, path, where)


def _save(state: Any, path: Path, where: str) -> None:
    entries = state.items() if isinstance(state, dict) else ()
    tensors = {key: value for key, value in entries if isinstance(value, torch.Tensor)}
    if not tensors:
        raise UserError(f"{where} holds no weights (a dict of tensors)")
    # Copies, as tensors that share memory, as those of tied layers do, cannot be written so.
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, path)


if __name__ == "__main__":
    run(main)
