"""The versions of libraries that the commit records, against those that are installed."""

from stages.config.reading import LIBRARIES, declared_libraries
from stages.provenance.libraries import installed_versions
from stages.runtime.errors import UserError


def check_libraries(stage: str) -> None:
    """See that the libraries that dvc.yaml declares for a stage are of the versions that the commit records.

    With others, dvc.lock would say of the result what is not true.

    Raises:
        UserError: one is of another version, or as ``declared_libraries``.
    """
    recorded = declared_libraries(stage)
    for name, installed in installed_versions(recorded).items():
        if installed != recorded[name]:
            raise UserError(
                f"{name} {installed} is installed, and {LIBRARIES} records {recorded[name]}: install that one "
                f"(`pip install {name}=={recorded[name]}`), or write {installed} there: then it is made anew"
            )
