"""Command ``serve``: a page on this machine that takes a photo and says what it shows.

python -m stages.commands.serve [--model FOLDER] [--risk 0.1] [--port 8080] [--no-browser]

It prints an address with a secret token and serves the page at 127.0.0.1 until Ctrl-C. No photo leaves this machine,
and none is kept.
"""

import argparse
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from stages.answering.asking import Asked
from stages.answering.model_folder import load_used_model
from stages.answering.other_crops import other_crops
from stages.config.reading import PARAMS, all_params
from stages.learning.processes import make_accelerator
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.serving.examples import Examples, examples_of_repo, no_examples, published_examples
from stages.serving.identifier import Identifier
from stages.serving.server import PhotoServer
from stages.tables.publish import EXAMPLES_FILE
from stages.web.until_stopped import has_screen, serve_until_stopped

MODEL = Path("models")
SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
SUSPECTS_IN = Path("data/suspects/images.parquet")


def main() -> None:
    """Serve the page until somebody stops it."""
    arguments = _arguments()
    server = open_server(arguments)
    say(f"serve: {server.url} (Ctrl-C ends it; no photo leaves this machine)")
    if not arguments.no_browser and has_screen():
        webbrowser.open(server.url)
    serve_until_stopped(server)
    say("serve: ended")


def open_server(arguments: argparse.Namespace) -> PhotoServer:
    """Load the model, and give a server that answers nobody yet.

    Raises:
        UserError: the model is missing or damaged, it has no thresholds for the risk, or the port is taken.
    """
    accelerator = make_accelerator()  # before anything is computed
    model = load_used_model(arguments.model)
    asked = Asked(model, accelerator, max_risk=arguments.risk)
    if differs := other_crops(model.preprocessing):
        say(f"serve: warning: {differs}")
    examples = find_examples(arguments.model, model.species)
    server = PhotoServer(Identifier(asked, examples), port=arguments.port)
    say(
        f"serve: {model.saved.description.name} of {arguments.model} knows {len(model.species):,} species; "
        f"{examples.photos:,} example photos of {examples.species:,} of them"
    )
    return server


def find_examples(folder: Path, species: Sequence[str]) -> Examples:
    """Give the examples of a model's folder, or of this repo where the model is its own, or none, and say why."""
    try:
        if (folder / EXAMPLES_FILE).is_file():
            return published_examples(folder / EXAMPLES_FILE)
        if folder.resolve() != MODEL.resolve() or not PARAMS.is_file():
            say(f"serve: no example photos are shown: {folder / EXAMPLES_FILE} is missing; `make publish` makes it")
            return no_examples()
        params = all_params()
        return examples_of_repo(
            SPLITS_IN, PACKED_IN, species, licenses=params.pictures.licenses, a_species=params.publish.examples,
            suspects=SUSPECTS_IN,
        )  # fmt: skip
    except UserError as error:
        say(f"serve: no example photos are shown: {error}")
        return no_examples()


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER", help=f"with a model in it ({MODEL})")
    parser.add_argument("--risk", type=float, metavar="SHARE", help="of wrong answers that is accepted (0.1)")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes a free one (0)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open nothing")
    return parser.parse_args(words)


if __name__ == "__main__":
    run(main)
