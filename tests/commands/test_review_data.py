"""`make review-data`: whose verdicts, what is missing, who else is there, and an end in good order."""

import resource
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from stages.commands.review_data import reviewer_name
from stages.runtime.errors import UserError
from stages.verdicts.reading import read_verdicts
from tests.support.review_data import VERDICTS_IN, served, serving, write_data
from tests.support.running import complaint, run_here

COMMAND = "commands.review_data"


@pytest.fixture(scope="module")
def made_here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "repo"
    folder.mkdir()
    write_data(folder, groups=20)
    return folder


@pytest.fixture
def repo(made_here, tmp_path):
    shutil.copytree(made_here, tmp_path / "repo")
    return tmp_path / "repo"


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        ("Ann", "ann"), ("Ana María O'Hara", "ana-maria-o-hara"), ("../../etc/passwd", "etc-passwd"), ("a\nb", "a-b"),
        ("  bob.csv ", "bob-csv"), ("x" * 300, "x" * 60), ("-rf", "rf"), ("José", "jose"), ("CON:", "con"),
    ],
)  # fmt: skip
def test_a_reviewer_has_a_name_that_is_fit_for_a_file(given, fit):
    assert reviewer_name(given) == fit


def test_without_a_name_git_is_asked_and_then_the_person(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    with pytest.raises(UserError, match="whose verdicts are these"):
        reviewer_name(None)
    with pytest.raises(UserError, match="no letter from a to z"):
        reviewer_name("李")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "config", "user.name", "Cleo Ríos"], check=True)
    assert reviewer_name(None) == "cleo-rios"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("data/suspects/images.parquet", "data/suspects/images.parquet is missing: run `dvc repro`"),
        ("data/splits/val.parquet", "data/splits/val.parquet is missing"),
        ("data/splits/labels.csv", "data/splits/labels.csv is missing"),
        ("data/packed/shards.csv", "data/packed/shards.csv is missing"),
    ],
)
def test_a_table_that_is_missing_is_named(repo, missing, said):
    (repo / missing).unlink()
    assert said in complaint(run_here(COMMAND, repo, "--no-browser", "--reviewer", "ann"))


def test_a_port_that_is_taken_and_a_share_that_is_none_are_named(repo):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = complaint(run_here(COMMAND, repo, "--no-browser", "--reviewer", "ann", "--port", port))
    assert f"port {port} of 127.0.0.1 cannot be listened on" in said
    assert 'ARGS="--port N"' in said
    assert "port 99999" in complaint(run_here(COMMAND, repo, "--no-browser", "--reviewer", "bob", "--port", "99999"))
    refused = run_here(COMMAND, repo, "--random-share", "2")
    assert refused.returncode == 2
    assert "must be a number from 0 to 1" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pairs", "--split", "val"), "--pairs asks pairs of all splits: leave out --split and --random-share"),
        (("--pairs", "--random-share", "0"), "--pairs asks pairs of all splits: leave out --split and --random-share"),
        (("--split", "test", "--random-share", "1"), "--random-share 1 asks the sample alone, which is of all splits"),
    ],
)
def test_an_argument_that_would_do_nothing_is_refused(repo, words, said):
    refused = run_here(COMMAND, repo, "--no-browser", "--reviewer", "ann", "--port", "99999", *words)
    assert refused.returncode == 2
    assert said in " ".join(refused.stderr.split())


def test_verdicts_that_cannot_be_read_stop_it_before_anything_is_asked(repo):
    path = repo / VERDICTS_IN / "bob.csv"
    path.parent.mkdir()
    path.write_text("<<<<<<< ours\n")
    assert "bob.csv, row 1: a merge was left undone" in complaint(
        run_here(COMMAND, repo, "--no-browser", "--reviewer", "ann")
    )


@pytest.mark.slow
def test_a_second_server_of_one_reviewer_is_refused_and_the_first_goes_on(repo):
    with served(repo) as server:
        said = complaint(run_here(COMMAND, repo, "--no-browser", "--reviewer", "Ann"))
        assert "another review of ann is open" in said
        assert server.judge("confirm")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        out, err = server.process.communicate(timeout=60)
        assert server.process.returncode == 0
        assert "commit it, then `dvc repro`" in out
        assert "Traceback" not in err
    with serving(repo):  # and the next one may
        pass


@pytest.mark.slow
def test_killed_in_the_middle_of_saving_nothing_is_half_written(repo):
    """Kills at any moment: the file is whole, with each verdict that was answered."""
    answered = 0
    for _ in range(2):
        with served(repo, "--random-share", "1") as server:
            assert server.judge("confirm", alone=True)[0] == 200
            answered += 1
            turn = server.now()["turn"]
            asks = subprocess.Popen(
                [sys.executable, "-c", "import sys, http.client as h, json\n"
                 "host, path, turn = sys.argv[1:]\nc = h.HTTPConnection(host)\n"
                 "said = dict(turn=int(turn), verdict='skip', species=None, reason=None, alone=True, note='')\n"
                 "sent = {'Origin': 'http://' + host, 'Content-Type': 'application/json'}\n"
                 "c.request('POST', path + 'verdict', json.dumps(said), sent)\nprint('sent', flush=True)",
                 server.url.split("/")[2], "/" + server.url.split("/", 3)[3], str(turn)],
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert asks.stdout is not None
            asks.stdout.readline()
            # Which moment of the saving it is, is left to chance.
            server.process.kill()
            server.process.communicate(timeout=60)
            asks.communicate(timeout=60)
        rows = read_verdicts(repo / VERDICTS_IN)
        assert rows.filter(verdict="confirm").height == answered
        assert rows.filter(verdict="skip").height <= answered


@pytest.mark.slow
@pytest.mark.parametrize("largest", [300])
def test_a_disk_that_takes_no_more_is_said_and_the_verdicts_before_stay(repo, largest):
    """By a limit on the size of files, which stops a write where a full disk would, for root as well."""
    with served(repo, "--random-share", "0") as server:
        limits = (largest, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        assert server.judge("confirm", alone=True)[0] == 200
        before, content = server.now(), (repo / VERDICTS_IN / "ann.csv").read_bytes()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        status, answer = server.judge("confirm", alone=True)
        assert status == 507
        assert answer["error"].startswith("NOT saved: ")
        assert server.now()["question"] == before["question"]
        assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == content
        assert [path.name for path in (repo / VERDICTS_IN).iterdir()] == ["ann.csv"]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, limits[1]))
        assert server.judge("confirm", alone=True)[0] == 200
        assert read_verdicts(repo / VERDICTS_IN).height == 2


def test_all_of_val_is_asked_in_a_drawn_order_and_pairs_have_their_own_file(repo):
    with serving(repo, "--split", "val") as (server, review):
        val = set(review._catalog.images.filter(split="val")["image_name"])
        while (question := server.now()["question"]) is not None:
            assert question["id"] in val
            assert server.judge("confirm")[0] == 200
    rows = read_verdicts(repo / VERDICTS_IN)
    assert set(rows["image_name"]) == val
    assert set(rows["asked_as"]) <= {"suspect", "neighbor"}
    with serving(repo, "--pairs") as (server, review):
        assert review.file.path.parts[-2:] == ("pair_verdicts", "ann.csv")
        assert server.now()["kind"] == "pairs"
