"""What the stage ``baseline`` lets the stage ``train`` know: one word on whether labels and photos go together.

The word stands alone, so that another figure of the baseline trains nothing again.
"""

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json, write_json

Verdict = Literal["sound", "order_differs", "at_chance", "none"]
"""``sound``: validation is above what shuffled labels give. ``order_differs``: far more of it is right once labels are
renamed. ``at_chance``: neither. ``none``: nothing can be said, as starting weights are random, or validation is too
small to tell so modest a probe from chance."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class _Gate(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    verdict: Verdict


def write_gate(verdict: Verdict, path: Path) -> None:
    """Write the verdict, and nothing else."""
    write_json(path, {"verdict": verdict})


def read_gate(path: Path) -> Verdict:
    """Read the verdict.

    Raises:
        UserError: the file is missing or holds something else.
    """
    try:
        return _Gate.model_validate(parse_json(path.read_bytes())).verdict
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro baseline` or `dvc pull`") from None
    except (ValidationError, ValueError):
        raise UserError(f"{path} is damaged: bring it back with `dvc checkout --force {path}`") from None
