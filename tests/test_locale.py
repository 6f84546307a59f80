"""A tree has the same reports in every locale: paths are UTF-8 in them, and a byte that is not is that byte."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.tree.conftest import run_git

NAMES = ("mm/\u00e9.c", "mm/\u6f22.c", "mm/\udcff.c")
USE = "int f(int a)\n{\n\treturn a + PAGE_SIZE;\n}\n"
ASCII = {"PYTHONUTF8": "0", "LC_ALL": "POSIX"}


@pytest.fixture(scope="module")
def tree(demo_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo tree as a repository, with files whose names are not ASCII in HEAD, which spells the scheme wrongly."""
    root = tmp_path_factory.mktemp("locale") / "linux"
    shutil.copytree(demo_tree, root)
    run_git(root, "init", "-q")
    (root / "include/linux/pg.h").write_text("#define PG_SHIFT 14\n#define PG_SIZE (1UL << PG_SHIFT)\n")
    for text in ("", USE, USE + "int g(int a)\n{\n\treturn page_to_pfn(a) << PG_SHIFT;\n}\n"):
        for name in NAMES:
            (root / name).write_text(text)
        run_git(root, "add", "-Af", ".")
        run_git(root, "commit", "-q", "-m", "mm: change")
    return root


def same(pgconv: Run, *arguments: object) -> str:
    """What a command prints in an ASCII locale, which is what it prints in a UTF-8 one."""
    as_text = {"encoding": "utf-8", "errors": "surrogateescape"}
    there = pgconv(*arguments, env={**os.environ, **ASCII}, **as_text)
    here = pgconv(*arguments, env={**os.environ, "PYTHONUTF8": "1"}, **as_text)
    assert (there.returncode, there.stdout, there.stderr) == (here.returncode, here.stdout, here.stderr)
    assert "Traceback" not in here.stderr
    return here.stdout


@pytest.mark.parametrize("format_", ["text", "json", "jsonl", "gcc", "sarif"])
def test_a_scan_prints_the_same_in_every_locale(pgconv: Run, tree: Path, format_: str) -> None:
    printed = same(pgconv, "scan", tree, "mm", "--rev", "HEAD", "--format", format_)
    assert printed
    if format_ == "gcc":
        assert all(name in printed for name in NAMES)
        assert printed == same(pgconv, "scan", tree, "mm", "--format", format_)


def test_a_path_may_be_named_in_every_locale(pgconv: Run, tree: Path) -> None:
    printed = same(pgconv, "scan", tree, *NAMES, "--rev", "HEAD", "--format", "gcc").splitlines()
    assert {line.partition(":")[0] for line in printed} == set(NAMES)
    assert same(pgconv, "explain", tree, f"{NAMES[0]}:3").startswith(NAMES[0])


@pytest.mark.parametrize("format_", ["text", "gcc", "sarif", "junit", "github"])
def test_ci_says_the_same_in_every_locale(pgconv: Run, tree: Path, format_: str) -> None:
    assert "PTE_SHIFT" in same(pgconv, "ci", tree, "HEAD", "--format", format_)


def test_ci_mends_the_same_in_every_locale(pgconv: Run, tree: Path) -> None:
    assert "+\treturn page_to_pfn(a) << PTE_SHIFT;" in same(pgconv, "ci", tree, "HEAD", "--suggest")


def test_the_other_commands_print_the_same_in_every_locale(pgconv: Run, tree: Path, tmp_path: Path) -> None:
    for command in ("check", "gaps"):
        assert same(pgconv, command, tree)
    for n in (1, 2):
        same(pgconv, "scan", tree, "--rev", "HEAD", "--shard", f"{n}/2", "-o", tmp_path / f"{n}")
    assert same(pgconv, "merge", tmp_path / "1", tmp_path / "2", "--format", "gcc").count("mm/\u00e9.c") == 1


@pytest.mark.parametrize("environment", [ASCII, {"PYTHONIOENCODING": "utf-8:strict"}])
def test_a_terminal_takes_any_name(tree: Path, environment: dict[str, str]) -> None:
    for name in NAMES:
        ours, theirs = pty.openpty()
        command: list[str | Path] = [Path(sys.executable).with_name("pgconv"), "scan", tree, name, "--rev", "HEAD"]
        done = subprocess.run(
            command, env={**os.environ, **environment}, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60
        )
        os.close(theirs)
        assert (done.returncode, done.stderr) == (0, b"")
        assert os.fsencode(name) in os.read(ours, 1 << 16)
        os.close(ours)
