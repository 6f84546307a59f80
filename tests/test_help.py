"""What the command line says of itself: each command shows an example, completion works, 80 columns are enough."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
import typer
from typer.main import get_command

from converter.cli import app
from tests.conftest import Run


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and subcommand, as its words."""
    pending: list[tuple[tuple[str, ...], object]] = [((), get_command(app))]
    while pending:
        words, command = pending.pop()
        below = getattr(command, "commands", {})
        if not below:
            yield words
        pending += [((*words, name), inner) for name, inner in below.items()]


COMMANDS = sorted(commands())


def test_there_are_commands() -> None:
    assert isinstance(app, typer.Typer)
    assert ("scan",) in COMMANDS
    assert ("sim", "abi") in COMMANDS


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_each_command_shows_an_example_within_80_columns(pgconv: Run, words: tuple[str, ...]) -> None:
    done = pgconv(*words, "--help", env={**os.environ, "COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"Example: .*pgconv {' '.join(words)}\b", " ".join(done.stdout.split()))
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("words", [(), ("sim",)])
def test_the_list_of_commands_says_what_each_does_in_one_whole_line(pgconv: Run, words: tuple[str, ...]) -> None:
    shown = pgconv(*words, "--help", env={**os.environ, "COLUMNS": "80"}).stdout.partition("Commands:\n")[2]
    lines = shown.partition("\n\n")[0].splitlines()
    assert len(lines) > 5
    assert [line for line in lines if not re.fullmatch(r"  \w+ +\S.*[^.][.?]", line)] == []


@pytest.mark.parametrize(
    ("line", "offered"), [("pgconv sc", {"scan"}), ("pgconv sim ab", {"abi"}), ("pgconv check --fo", {"--format"})]
)
def test_the_shell_completes_commands_and_options(pgconv: Run, line: str, offered: set[str]) -> None:
    asked = {"_PGCONV_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done: subprocess.CompletedProcess[str] = pgconv(env={**os.environ, **asked})
    assert set(done.stdout.split()) == offered
