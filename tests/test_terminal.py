"""Text for people: on a terminal it ends at the edge, in a pipe each line stays whole."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import data
from converter.report.terminal import fit
from tests.conftest import Run
from tests.test_help import COMMANDS
from tests.tree.conftest import run_git

WIDTH = 80

USE = "u64 f(struct page *page)\n{\n\treturn page_to_pfn(page) << PG_SHIFT;\n}\n"


@pytest.fixture(scope="module")
def history(demo_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo tree as a repository whose last commit shifts a pfn by PG_SHIFT."""
    repository = tmp_path_factory.mktemp("history") / "repository"
    shutil.copytree(demo_tree, repository)
    run_git(repository, "init", "-q")
    files = {"include/linux/pg.h": "#define PG_SHIFT 14\n#define PG_SIZE (1UL << PG_SHIFT)\n", "lib/pg.c": USE}
    for file, text in files.items():
        (repository / file).write_text(text)
        run_git(repository, "add", "-Af", ".")
        run_git(repository, "commit", "-q", "-m", "mm: change")
    return repository


def on_a_terminal(arguments: list[str]) -> tuple[int, list[str]]:
    """Exit code and lines of a command whose output and messages go to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm"}
    command = [str(Path(sys.executable).with_name("pgconv")), *arguments]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while part := _read(ours):
            written += part
        code = process.wait(60)
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    return code, [line.rsplit("\r", 1)[-1] for line in plain.replace("\r\n", "\n").split("\n")]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the last process has closed it (EIO)
        return b""


TEXTS = (
    ("scan TREE", 0),
    ("scan HISTORY --rev HEAD", 0),
    ("scan TREE --vocabulary", 0),
    ("scan TREE --what-if WHAT-IF", 0),
    ("scan TREE --shard 1/2 -o OUT/part", 0),
    ("merge PARTS/1 PARTS/2", 0),
    ("merge PARTS/1", 2),
    ("report TREE -o OUT/report.html", 0),
    ("check TREE", 1),
    ("explain TREE mm/filemap.c:57", 0),
    ("gaps TREE", 0),
    ("rules", 0),
    ("rules --stats", 0),
    ("convert TREE -o OUT/a-directory-whose-name-is-so-long-that-the-message-is-too --signoff A<a@b.c>", 0),
    ("verify TREE mm/mremap.c --level units --level arithmetic", 0),
    ("ci HISTORY HEAD~1..HEAD", 1),
    ("ci HISTORY HEAD..HEAD", 2),
    ("baseline HISTORY HEAD -o OUT/baseline.json", 0),
    ("progress HISTORY --step 1 -o OUT/progress.html", 0),
    ("sim run brk-grows", 0),
    ("sim run --list", 0),
    ("sim footprint --pid PID --pg 4K,16K,64K,2M", 0),
    ("sim pagecache TREE --pg 4K,16K,64K,2M", 0),
    ("sim trace LOG", 0),
    ("sim report --dir TREE -o OUT/sim.html", 0),
    ("sim abi --ops 200 --seed 7", 0),
    ("scan TREE --scheme a-scheme-that-there-is-not-and-whose-name-goes-on-for-a-whole-line-of-it", 2),
)


@pytest.fixture(scope="module")
def places(demo_tree: Path, history: Path, tmp_path_factory: pytest.TempPathFactory, pgconv: Run) -> dict[str, str]:
    """What the capitals in a command stand for."""
    out = tmp_path_factory.mktemp("out")
    parts = tmp_path_factory.mktemp("parts")
    for number in (1, 2):
        pgconv("scan", demo_tree, "--shard", f"{number}/2", "-o", parts / str(number), check=True)
    what_if = out / "what-if.toml"
    what_if.write_text(
        '[[function]]\nname = "use_at"\nheader = "mm/x.h"\nparams = ["pfn"]\nreturns = "-"\nwhy = "a try"\n'
        'example = "use_at(n >> PAGE_SHIFT);"\nexpect = ["pte"]\n'
    )
    return {
        "TREE": str(demo_tree), "HISTORY": str(history), "OUT": str(out), "PARTS": str(parts), "WHAT-IF": str(what_if),
        "PID": str(os.getpid()), "LOG": str(data.path("fixtures/traces/shell.strace")),
    }  # fmt: skip


@pytest.mark.parametrize(("command", "code"), TEXTS)
def test_nothing_passes_the_edge_of_a_terminal(places: dict[str, str], command: str, code: int) -> None:
    words = [re.sub(r"\b[A-Z][A-Z-]{2,}\b", lambda m: places.get(m[0], m[0]), word) for word in command.split()]
    ended, lines = on_a_terminal(words)
    assert ended == code, lines
    assert [line for line in lines if len(line) > WIDTH and " " in line.strip()] == []


def test_the_text_of_every_command_is_looked_at() -> None:
    said = [command.split() for command, code in TEXTS if code != 2]
    assert [words for words in COMMANDS if not any(tuple(s[: len(words)]) == words for s in said)] == []


def test_a_tree_may_be_called_what_rich_would_read_as_markup(demo_tree: Path, tmp_path: Path) -> None:
    tree = tmp_path / "[b]{name}"
    shutil.copytree(demo_tree, tree)
    code, lines = on_a_terminal(["scan", str(tree)])
    assert code == 0, lines
    assert any(line.startswith("[b]{name}: Linux 6.12") for line in lines)


def test_in_a_pipe_a_line_stays_whole(pgconv: Run, demo_tree: Path) -> None:
    done = pgconv("explain", demo_tree, "mm/filemap.c:57", env={**os.environ, "COLUMNS": "80"})
    assert any(len(line) > WIDTH for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("short enough", ["short enough"]),
        ("    one two three four", ["    one two", "        three", "        four"]),
        ("  1. one two three four", ["  1. one two", "     three four"]),
        ("  fix  one two three", ["  fix  one two", "       three"]),
        ("in/a/path/longer/than/that now", ["in/a/path/longer/than/that", "    now"]),
    ],
)
def test_what_does_not_fit_goes_on_below_its_text(line: str, lines: list[str]) -> None:
    assert fit(line, 16) == lines


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1)), st.integers(20, 100))
def test_no_word_is_lost_or_cut(words: list[str], width: int) -> None:
    lines = fit(" ".join(words), width)
    assert " ".join(lines).split() == words
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)
