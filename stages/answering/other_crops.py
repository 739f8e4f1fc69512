"""Whether photos are cropped here as they were for the training: code and libraries have other versions by and by."""

from stages.images.packing import recipe
from stages.tables.preprocessing import Preprocessing


def other_crops(preprocessing: Preprocessing) -> str:
    """Say in a line what differs from what packed the images of a model; nothing where nothing does.

    Args:
        preprocessing: of the model.
    """
    here = recipe(preprocessing.parameters.model_dump())
    differing = [
        f"{name} {here['libraries'].get(name, 'none')} and not {version}"
        for name, version in preprocessing.libraries.items()
        if here["libraries"].get(name) != version
    ]
    if here["code"] != preprocessing.code:
        differing.insert(0, "other code")
    if not differing:
        return ""
    return f"photos are cropped here by {', '.join(differing)}, which the training had: answers may differ a little"
