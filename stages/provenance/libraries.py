"""The libraries that bits go through, and their versions.

DVC knows of no library: libraries.yaml holds the versions that matter as parameters, which stages declare in dvc.yaml.
So a newer one runs them again, and `dvc params diff` shows it. What a result is of is the installed version.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

# Those that pixels go through on their way from an original to a packed image ...
PIXELS = ("numpy", "opencv-contrib-python-headless", "pillow", "simplejpeg")
# ... that packed images are stored by ...
STORAGE = ("pyarrow",)
# ... and those that make weights of them.
TRAINING = (*PIXELS, "accelerate", "safetensors", "timm", "torch", "torchvision")


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Give the installed versions of libraries, without the part that names a build (``+cu128``).

    A build is of a host, as its processor is, and a run is the same one on another host. What is not installed is
    ``none``.
    """
    return {name: _installed(name) for name in sorted(names)}


def _installed(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "none"
