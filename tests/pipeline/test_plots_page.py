"""`dvc plots diff` draws every plot of the pipeline without a network, each once, and its page can be read."""

import json
import re
import shutil
from collections import Counter

import pytest
import yaml

from offline.make import LIBRARIES, PAGE, TEMPLATE, fill
from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.chromium import chromium, needs_chromium
from tests.support.clones import git, run_dvc
from tests.support.markup import Markup

pytestmark = pytest.mark.slow
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PLOTS = [next(iter(plot)) for stage in PIPELINE["stages"].values() for plot in stage.get("plots", [])]
COMMITTED = [name for name in PLOTS if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def plots_diff(tmp_path_factory):
    """The page of `dvc plots diff` between the committed plots and those of a run of one epoch."""
    repo = tmp_path_factory.mktemp("plots") / "repo"
    repo.mkdir()
    for name in git(ROOT, "ls-files", "-z", "--", ".dvc", "dvc.yaml", "params.yaml", "plots").split("\0"):
        if name and (ROOT / name).is_file():
            (repo / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repo / name)
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "committed")
    curves = repo / "plots/curves.csv"
    curves.write_text("\n".join(curves.read_text().splitlines()[:2]) + "\n")
    done = run_dvc(repo, "plots", "diff", "HEAD")
    assert done.returncode == 0, done.stderr
    return repo / "dvc_plots/index.html"


def drawn_plots(page: str) -> dict[str, dict]:
    """Give the specification of each plot of the page by the id of its place."""
    found = re.findall(r"var spec = (\{.*?\});\s*vegaEmbed\('#(.+?)', spec\)", page, re.DOTALL)
    return {place: json.loads(spec) for spec, place in found}


def test_the_page_asks_nobody_and_has_every_plot_once(plots_diff):
    text = plots_diff.read_text(encoding="utf-8")
    page = Markup(text)
    assert [name for name in page.asks_for() if not name.startswith("static/")] == []
    assert page.tags["link"] == 0
    assert "{plot_divs}" not in text
    assert "{refresh_tag}" not in text
    specs = drawn_plots(text)
    assert {name.replace("/", "_").replace(".", "_") for name in COMMITTED if name.endswith(".csv")} <= {*specs}
    titles = Counter(json.dumps(spec["title"]) for spec in specs.values() if spec)
    assert titles.most_common(1)[0][1] == 1, titles
    pictures = Counter(value for name, value in page.attributes if name == "src")
    assert len(pictures) == 2 * sum(name.endswith(".png") for name in COMMITTED)
    assert set(pictures.values()) == {1}


@needs_chromium
def test_a_browser_without_a_network_draws_every_plot(plots_diff, tmp_path):
    specs = {place: spec for place, spec in drawn_plots(plots_diff.read_text(encoding="utf-8")).items() if spec}
    with chromium(tmp_path) as browser:
        page = browser.open(plots_diff)
        places = json.dumps(list(specs))
        page.until(f"{places}.every(place => document.getElementById(place).querySelector('svg.marks'))")
        shown = page.run(
            f"{places}.map(place => [place, document.getElementById(place).querySelectorAll("
            "'svg.marks .role-mark path, svg.marks .role-mark line, svg.marks .role-mark rect').length])"
        )
        assert [place for place, marks in shown if not marks] == []
        assert page.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        # Pictures of two commits stand side by side and fit the window; nothing runs out of it to the right.
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.run("[...document.images].every(image => image.getBoundingClientRect().right <= window.innerWidth)")
        assert page.asked == []
        assert page.errors == []


def test_the_page_keeps_the_notices_of_what_is_in_it_and_is_not_too_large():
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    notices = text.partition("/*!")[2].partition("*/")[0]
    for name in (library.partition("@")[0] for library in LIBRARIES):
        assert re.search(rf"^(?:.*, )?{name}(?:,.*)?:$", notices, re.MULTILINE), name
    for owner in ("University of Washington Interactive Data Lab", "Mike Bostock", "The Pennsylvania State"):
        assert owner in notices
    made_of = TEMPLATE.read_text(encoding="utf-8").partition("{vega}")
    assert text.startswith(made_of[0])
    assert text.endswith(made_of[2])
    assert "http://" not in made_of[0] + made_of[2]


@pytest.mark.parametrize(
    ("script", "notices"), [("a </SCRIPT> b", ""), ("", "a */ b"), ("{plot_divs}", ""), ("x" * 10**6, "")]
)
def test_what_could_not_stand_in_the_page_is_refused(script, notices):
    with pytest.raises(UserError):
        fill(TEMPLATE.read_text(encoding="utf-8"), script, notices)
