"""Names of networks: which timm knows, which have published weights, and which name a hub or a folder.

Nothing here imports timm, and with it torch, before it has to: `preflight` looks at names in the blink of an eye.
"""

import difflib
import importlib.util
import re
from pathlib import Path
from typing import Any

from stages.runtime.errors import UserError

HUB, FOLDER = "hf-hub", "local-dir"
_WHERE = "params.yaml: the profile's model.name"


def source_of(name: str) -> tuple[str | None, str]:
    """Give where a model is named, ``hf-hub``, ``local-dir`` or none for timm itself, and its name there.

    Raises:
        UserError: another source is named, or none where a path or the name of a repository stands.
    """
    source, colon, rest = name.partition(":")
    source = source.lower().replace("hf_hub", HUB)
    if colon and source in (HUB, FOLDER) and rest.strip():
        return source, rest.strip()
    if colon or re.search(r"[/\\]", name):
        raise UserError(f"{_WHERE}: {name} is no name of timm's: write {HUB}:ORG/NAME, or {FOLDER}:/PATH/OF/A/FOLDER")
    return None, name


def is_listed(name: str) -> bool:
    """Say whether timm's source text lists a network, and its tag, without importing it; no is no answer."""
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return False
    architecture, _, tag = name.partition(".")
    defined = re.compile(rf"^@register_model\ndef {re.escape(architecture)}\(", re.MULTILINE)
    for path in sorted(Path(spec.submodule_search_locations[0], "models").glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if defined.search(text):
            return not tag or f"'{name}'" in text or f'"{name}"' in text
    return False


def config_of(name: str) -> Any:
    """Give what timm knows of the weights of a network of its own, a ``PretrainedCfg``.

    Raises:
        UserError: timm knows no such network, or no such tag of it.
    """
    import timm

    try:
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:
        config = None
    if config is None or not timm.is_model(name):
        known = timm.list_pretrained(f"{name.split('.', maxsplit=1)[0]}.*") or timm.list_models()
        near = ", ".join(difflib.get_close_matches(name, known))
        but = f" (but {near})" if near else ""
        raise UserError(f"{_WHERE}: timm knows no model {name}{but}")
    return config


def published_config(name: str) -> Any:
    """Give what ``config_of`` gives, where weights are published under the name.

    Raises:
        UserError: as ``config_of``, or nobody publishes weights for the network in timm.
    """
    import timm

    config = config_of(name)
    if not config.has_weights:
        near = difflib.get_close_matches(name, timm.list_pretrained(), cutoff=0.5)
        but = f"; with weights there are {', '.join(near)}" if near else ""
        raise UserError(
            f"{_WHERE}: timm knows {name} and no published weights of it{but}; or let the profile's model.weights be "
            "{kind: file, ...} or {kind: random}"
        )
    return config
