"""The versions of libraries that the commit records, against those that are installed."""

from stages.config.reading import LIBRARIES, declared_libraries
from stages.provenance.libraries import installed_versions
from stages.runtime.progress import say


def say_other_versions(stage: str) -> None:
    """Say which of the libraries that dvc.yaml declares for a stage are not of the version that the commit records.

    Raises:
        UserError: as ``declared_libraries``.
    """
    recorded = declared_libraries(stage)
    for name, installed in installed_versions(recorded).items():
        if installed != recorded[name]:
            say(
                f"{stage}: WARNING: {name} {installed} is installed, {LIBRARIES} records {recorded[name]}: "
                "with that one the result may be another"
            )
