"""What every command does with a slip of the hand: help as it is, one line for what is not there, a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from converter import __main__
from tests.conftest import Run


@pytest.mark.parametrize("words", [(), ("sim",)])
def test_a_command_that_needs_another_prints_its_help(pgconv: Run, words: tuple[str, ...]) -> None:
    done = pgconv(*words, env={**os.environ, "COLUMNS": "80"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Usage: {' '.join(('pgconv', *words))} [OPTIONS] COMMAND")
    assert done.stderr == pgconv(*words, "--help", env={**os.environ, "COLUMNS": "80"}).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan", "mm/none.c"), "mm/none.c: no file of the tree"),
        (("scan", "mm/mremap"), "mm/mremap: no file of the tree"),
        (("scan", "../mm"), "../mm: outside the tree"),
        (("check", "none/"), "none: no file of the tree"),
        (("convert", "none"), "none: no file of the tree"),
        (("verify", "mm/none.c", "--level", "units"), "mm/none.c: no file of the tree"),
        (("explain", "mm/none.c:5"), "mm/none.c: no file of the tree"),
        (("scan", "--status", "done"), "--status done: not one of decided, review"),
        (("scan", "--unit", "PTE"), "--unit PTE: not one of pte, pg"),
        (("scan", "--role", "none"), "--role none: not one of "),
        (("scan", "--what-if", "/none/at/all.toml"), "/none/at/all.toml: cannot be read: No such file or directory"),
    ],
)
def test_what_is_not_there_is_one_line(pgconv: Run, demo_tree: Path, arguments: tuple[str, ...], said: str) -> None:
    done = pgconv(arguments[0], demo_tree, *arguments[1:])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"pgconv: {said}")
    assert "Errno" not in done.stderr


@pytest.mark.parametrize("words", ["--version", "scan --help", "sim run --list", "rules"])
def test_a_full_standard_output_is_one_line(pgconv: Run, words: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = pgconv(*words.split(), capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "pgconv: standard output: cannot write: No space left on device\n"


def test_a_vocabulary_is_text(pgconv: Run, demo_tree: Path) -> None:
    for tree in ((), (demo_tree,)):
        done = pgconv("scan", *tree, "--vocabulary", "--format", "json")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "pgconv: --format json: --vocabulary prints a table, as text only; leave one of them out\n"
        )
        assert pgconv("scan", *tree, "--vocabulary", "--format", "text").returncode == 0


@pytest.mark.parametrize("path", [".", "./", "./mm", "mm/", "mm/mremap.c", "mm/../mm"])
def test_a_path_of_the_tree_may_be_written_in_many_ways(pgconv: Run, demo_tree: Path, path: str) -> None:
    done = pgconv("scan", demo_tree, path, "--format", "gcc")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mm/mremap.c:22:15" in done.stdout


def test_ctrl_c_ends_a_command_with_one_line_and_130(demo_tree: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "signatures.toml"
    os.mkfifo(pipe)
    command: list[str | Path] = [Path(sys.executable).with_name("pgconv"), "scan", demo_tree, "--what-if", pipe]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with pipe.open("w"):  # opens as soon as the command reads from it
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "pgconv: interrupted\n")


def test_ctrl_c_while_pgconv_starts_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "converter.cli", SimpleNamespace(main=interrupted))
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "pgconv: interrupted\n"
