"""Every command of the documents can be given: to make, to the command that make runs, to DVC, to Python and git."""

import argparse
import copy
import importlib
import re
import shlex
import subprocess
import sys
from itertools import product

import pytest
from dvc.cli.parser import get_main_parser
from ruamel.yaml import YAML

from stages.config.reading import validate
from stages.learning.health import experiments
from tests.support import ROOT
from tests.support.pages import all_pages, named, named_commands, read_page, typed_lines

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[0].split())
# What a page leaves to its reader, as "NAME", "..." or "tcp://SCHEDULER:8786".
LEFT_OPEN = re.compile(r"\.\.\.|…|<\w+>")


def simple_commands(line: str) -> list[list[str]]:
    """Give the words of each command of a line, without settings before and redirections behind it."""
    signs = shlex.shlex(line, posix=True, punctuation_chars=True)
    signs.whitespace_split = True
    signs.commenters = ""
    found, words = [], iter(signs)
    command: list[str] = []
    for word in words:
        if set(word) <= set("<>&") and set(word) & set("<>"):
            if command and command[-1] in ("1", "2"):  # 2>
                command.pop()
            next(words, None)
        elif set(word) <= set("|&;()"):
            found.append(command)
            command = []
        else:
            command.append(word)
    return [plain for words in (*found, command) if (plain := _without_settings(words))]


def _without_settings(words: list[str]) -> list[str]:
    while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in ("nohup", "time", "sudo")):
        words = words[1:]
    return words


COMMANDS: list[tuple[tuple[str, ...], str]] = []  # whole ones, and the page that has each
MENTIONED: list[tuple[tuple[str, ...], str]] = []  # `make predict`, `dvc repro`: named, perhaps without what they need
for path in all_pages():
    page = read_page(path)
    for line in (*typed_lines(page), *named_commands(page)):
        if not LEFT_OPEN.search(line):
            for words in simple_commands(line):
                bare = (
                    line in page.code and "-m" not in words and not any("=" in word or word[0] == "-" for word in words)
                )
                (MENTIONED if bare else COMMANDS).append((tuple(words), named(path)))


def of(program: str) -> list:
    """The commands of one program, each once, named by its words and the first page that has it."""
    found = {}
    for words, page in COMMANDS:
        if words[0] == program:
            found.setdefault(words, page)
    return [pytest.param(list(words), id=f"{page}: {' '.join(words)}"[:90]) for words, page in found.items()]


class Parsed(Exception):  # noqa: N818
    """A command has taken its arguments; no more of it is wanted."""


def take_arguments(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command of the project read its arguments, and nothing else.

    Raises:
        SystemExit: it refuses them.
    """
    parse = argparse.ArgumentParser.parse_args

    def only_parse(parser, arguments=None, namespace=None):
        parse(parser, arguments, namespace)
        raise Parsed

    module = importlib.import_module(words[0])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(Parsed):
        module.main()


def taken_by_python(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """See that a module is there, and that a command of the project takes what stands behind it."""
    module, rest = words[0], words[1:]
    if not module.startswith(("stages", "benchmarks", "sample", "offline")):
        assert importlib.util.find_spec(module.partition(".")[0]), module
        return
    assert module.endswith(".NAME") or (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module
    if module.startswith("stages.commands."):
        take_arguments([module, *rest], monkeypatch)


@pytest.mark.parametrize("words", of("make"))
def test_make_takes_it(words, monkeypatch):
    """What make would run is asked of make itself, with the settings of the line."""
    targets = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
    assert set(targets) <= TARGETS | {".venv/run.stamp"}, targets
    settings = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    assert all(
        re.search(rf"\$\(?\{{?{name}\b|\$\$\{{?{name}\b|^{name} \?=", MAKEFILE, re.MULTILINE) for name in settings
    ), settings
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    base = settings.get("BASE", "main")
    for line in planned.splitlines():
        if match := re.match(r"python -m (stages\.commands\.\S.*)$", line):
            taken_by_python(shlex.split(match[1].replace('"$BASE"', shlex.quote(base))), monkeypatch)


@pytest.mark.parametrize("words", of("dvc"))
def test_dvc_takes_it(words):
    get_main_parser().parse_args(words[1:])


@pytest.mark.parametrize("words", of("python"))
def test_python_takes_it(words, monkeypatch):
    if words[1] == "-m":
        taken_by_python(words[2:], monkeypatch)
    else:
        assert words[1].startswith("-") or (ROOT / words[1]).is_file(), words


def test_what_the_text_names_is_there():
    for words, page in MENTIONED:
        if words[0] == "make":
            assert set(words[1:]) <= TARGETS, (words, page)
        elif words[0] == "dvc":
            with pytest.raises(SystemExit) as ended:
                get_main_parser().parse_args([*words[1:], "--help"])
            assert ended.value.code == 0, (words, page)


@pytest.mark.parametrize("words", of("torchrun"))
def test_torchrun_takes_it(words):
    from torch.distributed.run import get_args_parser

    parsed = get_args_parser().parse_args(words[1:])
    assert (ROOT / parsed.training_script.replace(".", "/")).with_suffix(".py").is_file()


def test_git_knows_it():
    known = set(subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True, check=True).stdout.split())
    used = {
        next(word for word in words[1:] if not word.startswith("-"))
        for words, _ in (*COMMANDS, *MENTIONED)
        if words[0] == "git"
    }
    assert used <= known, used - known


def test_what_begins_a_line_of_shell_is_a_program_that_the_project_needs():
    """A misspelled command would be none of those above, and so be passed over."""
    known = {
        "make", "dvc", "git", "python", "python3.11", "torchrun", "accelerate", "cd", "cp", "mv", "rm", "ls", "tail",
        "ps", "kill", "pip", "mongodump", "curl", "xargs", "export", ".", "cat", "mkdir", "scp", "rsync", "nvidia-smi",
        "df", "du", "grep", "wc", "head", "echo", "touch", "ssh", "true", "apt-get", "tmux", "hf",
    }  # fmt: skip
    assert {words[0] for words, _ in COMMANDS} <= known


def test_an_impossible_command_is_seen(monkeypatch):
    with pytest.raises(SystemExit):
        take_arguments(["stages.commands.fetch", "--plann"], monkeypatch)


def test_an_impossible_command_of_dvc_is_seen():
    with pytest.raises(Exception, match=r"."):
        get_main_parser().parse_args(["repro", "--no-such-option"])


def test_a_line_is_taken_apart():
    assert simple_commands("nohup make fetch >> fetch.log 2>&1 &") == [["make", "fetch"]]
    assert simple_commands("RETRAIN=1 dvc repro -f -s train && git commit -m 'a b'") == [
        ["dvc", "repro", "-f", "-s", "train"],
        ["git", "commit", "-m", "a b"],
    ]


def test_the_experiments_are_possible(params_content):
    """Each `-S` of the documents and the warnings names a parameter and a value that it takes."""
    texts = [path.read_text(encoding="utf-8") for path in all_pages()]
    texts += experiments("teacher", validate(params_content | {"profile": "teacher"}).model)
    texts += experiments("sample", validate(params_content | {"profile": "sample"}).model)
    lines = re.findall(r'(?:dvc exp run|make try ARGS=")[^`#\n]*', "\n".join(texts).replace("\\\n", " "))
    assert len(lines) > 20
    for line in lines:
        changes = [
            (name, [values] if values.startswith("[") else values.split(","))
            for name, values in re.findall(r"""-S '?([\w.]+)=(\[[^]]*\]|[^\s'"]+)""", line)
            if name != "KEY"
        ]
        for values in product(*(values for _, values in changes)):
            content = copy.deepcopy(params_content)
            for (name, _), value in zip(changes, values, strict=True):
                *path, last = name.split(".")
                section = content
                for part in path:
                    section = section[part]
                assert last in section, name
                section[last] = YAML(typ="safe").load(value)
            validate(content)


def test_experiments_start_from_the_commit():
    """`dvc exp run` takes over what the working tree holds; docs/experiments.md alone says what it is good for."""
    for path in all_pages():
        if path.name != "experiments.md":
            assert not re.search(r"dvc exp run\b[^`\n]* -S", path.read_text(encoding="utf-8")), path


def test_no_command_hangs_on_where_the_reader_is():
    """A page speaks of the root of the repo, and of no place of the machine that it was written on."""
    for path in all_pages():
        assert not re.search(r"(?<!\w)/(?:root|home|work)/|/tmp/h_", path.read_text(encoding="utf-8")), path
