"""JSON files that must be of a form: read into a model of it, or refused by the first key that is wrong."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json

Form = TypeVar("Form", bound=BaseModel)


def read_typed(path: Path, form: type[Form], *, missing: str, damaged: str) -> Form:
    """Read a JSON file.

    Args:
        path: of it.
        form: what it must be.
        missing: what to do where it is not there.
        damaged: what to do where it is none, or of another version.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    try:
        return form.model_validate(parse_json(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {missing}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except ValueError as error:
        said = str(error)
    raise UserError(f"{path} is damaged or of another version ({said}): {damaged}")
