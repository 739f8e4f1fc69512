"""Makes .dvc/plots/page.html, the page into which `dvc plots diff` puts its plots: with the libraries that draw them.

python -m offline.make

DVC's own page asks a server for these libraries, and is blank without it. They come here from a package that bundles
them into one script, and their notices, which that bundle has lost, from npm's packages of the same versions. It needs
pip, npm and a network, for a minute; what it makes is committed.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stages.runtime.errors import UserError, run
from stages.runtime.outputs import write_bytes

PAGE = Path(".dvc/plots/page.html")
TEMPLATE = Path(__file__).with_name("page.html")
BUNDLER = "vl-convert-python==1.9.0.post1"
VEGA_LITE = "5.20"
# What is in its bundle, as strings in the package name it.
LIBRARIES = ("vega@6.2.0", "vega-lite@5.20.1", "vega-embed@7.0.2")
# Of what npm brings with these, what only their command lines need.
_COMMAND_LINES = frozenset({
    "ansi-regex", "ansi-styles", "cliui", "color-convert", "color-name", "commander", "emoji-regex", "escalade",
    "get-caller-file", "iconv-lite", "is-fullwidth-code-point", "require-directory", "rw", "safer-buffer",
    "string-width", "strip-ansi", "vega-typings", "wrap-ansi", "y18n", "yargs", "yargs-parser",
})  # fmt: skip
_BUNDLE = "import vl_convert, sys; sys.stdout.write(vl_convert.javascript_bundle({snippet!r}, vl_version={version!r}))"
# A click on a plot shall not lead to an editor on the web; and of a plot without data, which DVC gives as {}, only that
# is said. As SVG a plot stays sharp in print and when it is enlarged.
_SNIPPET = """
const options = {renderer: "svg", actions: {export: true, source: false, compiled: false, editor: false}};
window.vega = vega;
window.vegaLite = vegaLite;
window.vegaEmbed = (place, spec) => Object.keys(spec).length ? vegaEmbed(place, spec, options)
  : document.querySelector(place).append(`${place.slice(1)}: no data`);
"""
_LARGEST_BYTES = 1_000_000  # of a file in git


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as folder:
        script = _bundle(Path(folder))
        notices = "\n\n".join(_notices(Path(folder)))
    page = fill(TEMPLATE.read_text(encoding="utf-8"), script, notices)
    write_bytes(PAGE, page.encode())


def fill(template: str, script: str, notices: str) -> str:
    """Put the script and the notices of what is in it into the page.

    Raises:
        UserError: they cannot stand there, or the page would be too large for git.
    """
    places = ("{plot_divs}", "{refresh_tag}", "{scripts}")  # where DVC puts what it has
    if "</script" in script.lower() or "*/" in notices or any(place in script + notices for place in places):
        raise UserError("the libraries hold what would end their script, or what DVC replaces: take another version")
    page = template.replace("{vega}", f"/*!\n{notices}\n*/\n(function () {{ {script} }})();")
    if len(page.encode()) > _LARGEST_BYTES:
        raise UserError(f"the page has {len(page.encode()):,} bytes, and may have {_LARGEST_BYTES:,}: bundle less")
    return page


def _bundle(folder: Path) -> str:
    _call([sys.executable, "-m", "venv", str(folder / "venv")], folder)
    python = str(folder / "venv/bin/python")
    _call([python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", BUNDLER], folder)
    return _call([python, "-c", _BUNDLE.format(snippet=_SNIPPET, version=VEGA_LITE)], folder)


def _notices(folder: Path) -> Iterator[str]:
    """Yield each license that is in what npm brings, after the names of those that are under it."""
    _call(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", *LIBRARIES], folder)
    packages = sorted(path for path in (folder / "node_modules").glob("[a-z]*") if path.name not in _COMMAND_LINES)
    under: dict[str, list[str]] = {}
    for package in packages:
        found = sorted(path for path in package.iterdir() if path.stem.lower() in ("license", "copying"))
        if not found:
            raise UserError(f"npm's package {package.name} has no license file: look for its notice")
        text = "\n".join(line.rstrip() for line in found[0].read_text(encoding="utf-8").strip().splitlines())
        under.setdefault(text, []).append(package.name)
    for text, names in under.items():
        yield f"{', '.join(names)}:\n\n{text}"


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise UserError(f"{' '.join(command[:3])} failed: {said}")
    return done.stdout


if __name__ == "__main__":
    run(main)
