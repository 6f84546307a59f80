"""What every command does with a slip of the hand: help as it is, one line for what is not there, a clean end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from converter import __main__
from tests.conftest import Run
from tests.tree.conftest import run_git


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


CLOSED = "pgconv: standard output: cannot write: it is closed; leave it open, or name a file with -o\n"


def without(streams: str, *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and messages of a command that a shell starts with streams closed."""
    command = ["sh", "-c", f'"$@" {streams}', "sh", str(Path(sys.executable).with_name("pgconv")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def judged(demo_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo tree as a repository: HEAD declares a name of the scheme, HEAD~1 is clean."""
    root = tmp_path_factory.mktemp("judged") / "linux"
    shutil.copytree(demo_tree, root)
    run_git(root, "init", "-q")
    for file, text in (("mm/base.c", "int a;\n"), ("mm/clean.c", "int b;\n"), ("mm/bad.c", "#define PTE_SIZE 4\n")):
        (root / file).write_text(text)
        run_git(root, "add", "-Af", ".")
        run_git(root, "commit", "-q", "-m", "mm: change")
    return root


@pytest.mark.parametrize("streams", [">&-", "<&- >&-"])
@pytest.mark.parametrize("words", ["--version", "--help", "scan --help", "rules", "scan TREE", "ci TREE HEAD~1"])
def test_a_closed_standard_output_takes_no_report(judged: Path, streams: str, words: str) -> None:
    arguments = words.replace("TREE", str(judged)).split()
    assert without(streams, *arguments) == (2, "", CLOSED)
    assert without(f"{streams} 2>&-", *arguments) == (2, "", "")


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams_change_no_exit_code(judged: Path, tmp_path: Path, streams: str) -> None:
    for format_ in ("text", "sarif"):
        report = tmp_path / f"report.{format_}"
        for rev, code in (("HEAD~1", 0), ("HEAD", 1), ("none", 2)):
            report.unlink(missing_ok=True)
            ended, out, err = without(streams, "ci", judged, rev, "-o", report, "--format", format_)
            assert (ended, out, report.exists()) == (code, "", code < 2)
            assert err == (f"pgconv: {judged}: unknown revision none\n" if code == 2 and "2>" not in streams else "")


@pytest.mark.parametrize("streams", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_leave_a_report_and_the_cache_whole(demo_tree: Path, tmp_path: Path, streams: str) -> None:
    reports = tmp_path / "closed.json", tmp_path / "again.json", tmp_path / "open.json"
    for report in reports[:2]:
        assert without(streams, "scan", demo_tree, "-j", 2, "--format", "json", "-o", report) == (0, "", "")
    assert without("", "scan", demo_tree, "--no-cache", "--format", "json", "-o", reports[2]) == (0, "", "")
    assert len({report.read_bytes() for report in reports}) == 1


def test_a_closed_standard_error_loses_messages_alone(judged: Path) -> None:
    assert without("2>&-", "scan") == without("2>/dev/full", "scan") == (2, "", "")
    assert without("2>&-") == without("2>/dev/full") == (2, "", "")
    assert without("2>&-", "ci", judged, "HEAD~1") == (0, "1 commit judged, nothing found\n", "")


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
