"""A tree whose every program leaves a mark when it runs: what only reads or edits trees runs none of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from converter import data
from tests.conftest import Run

PROGRAMS = ("make", "gcc", "cc", "cpp", "sh", "bash", "perl", "python", "python3", "less", "ssh", "gpg")
SETTINGS = (
    "core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "diff.external", "diff.trap.textconv",
    "diff.trap.command", "filter.trap.clean", "filter.trap.smudge", "filter.trap.process", "gpg.program",
)  # fmt: skip
MODULES = ("sitecustomize", "converter", "numpy", "multiprocessing", "signal", "pickle", "struct")
HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "post-checkout", "post-index-change",
    "reference-transaction", "post-commit", "post-merge",
)  # fmt: skip


class Trapped:
    """A tree, the commands that it must not start, and the place where each would leave its name."""

    def __init__(self, place: Path) -> None:
        self.marks = place / "marks"
        self.marks.mkdir()
        self.tree = Path(shutil.copytree(data.path("fixtures/tree"), place / "linux"))
        self.bin = place / "bin"
        self._repository()
        with open(self.tree / "Makefile", "a") as makefile:
            makefile.write(f"\n$(shell touch {self.marks}/makefile)\n")
        for name in PROGRAMS:
            _program(self.bin / name, self.marks / f"program-{name}")
        for script in ("get_maintainer.pl", "checkpatch.pl", "setlocalversion"):
            _program(self.tree / "scripts" / script, self.marks / f"script-{script}")
        for module in MODULES:
            (self.tree / f"{module}.py").write_text(f"open({str(self.marks / module)!r}, 'w')\n")
        for hook in HOOKS:
            _program(self.tree / ".git/hooks" / hook, self.marks / f"hook-{hook}")
        (self.tree / ".git/info/attributes").write_text("* diff=trap filter=trap\n")
        with open(self.tree / ".git/config", "a") as config:
            for setting in SETTINGS:
                section, _, key = setting.rpartition(".")
                head, _, sub = section.partition(".")
                _program(self.bin / f"set-{setting}", self.marks / f"setting-{setting}")
                name = f'{head} "{sub}"' if sub else head
                config.write(f"[{name}]\n\t{key} = {self.bin}/set-{setting}\n")

    def _repository(self) -> None:
        git = ["git", "-C", str(self.tree), "-c", "user.name=Ada Author", "-c", "user.email=ada@example.org"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "-Af", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "all of it"], check=True)
        with open(self.tree / "mm/mremap.c", "a") as file:
            file.write("unsigned long added(unsigned long n)\n{\n\treturn n << PAGE_SHIFT;\n}\n")
        subprocess.run([*git, "commit", "-q", "-a", "-m", "one more"], check=True)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def sprung(self) -> list[str]:
        return sorted(p.name for p in self.marks.iterdir())


def _program(path: Path, mark: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n: > {mark}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Trapped:
    return Trapped(tmp_path_factory.mktemp("trapped"))


COMMANDS = {
    "scan": ("scan", "TREE"),
    "scan of a revision": ("scan", "TREE", "--rev", "HEAD"),
    "check": ("check", "TREE"),
    "convert": ("convert", "TREE"),
    "convert to a series": ("convert", "TREE", "-o", "OUT", "--signoff", "Ada Author <ada@example.org>"),
    "explain": ("explain", "TREE", "mm/mremap.c:50"),
    "report": ("report", "TREE", "-o", "OUT.html"),
    "ci": ("ci", "TREE", "HEAD~1..HEAD"),
    "verify of the levels that build nothing": ("verify", "TREE", "--level", "units", "--level", "arithmetic"),
    "convert in place, which comes last": ("convert", "TREE", "--in-place", "--force"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_the_tree_runs(pgconv: Run, trapped: Trapped, tmp_path: Path, command: str) -> None:
    words = [w.replace("TREE", str(trapped.tree)).replace("OUT", str(tmp_path / "out")) for w in COMMANDS[command]]
    done = pgconv(*words, cwd=trapped.tree, env=trapped.environment, errors="replace")
    assert done.returncode in (0, 1), done.stderr
    assert trapped.sprung() == []


def test_the_traps_would_be_sprung(tmp_path: Path) -> None:
    own = Trapped(tmp_path)
    imported = [sys.executable, "-c", "import numpy"]
    # Not by a commit: writing to a filter that has ended may end git before its hooks.
    for command in (["git", "status"], ["git", "hook", "run", "pre-commit"], ["make"], imported):
        subprocess.run(command, cwd=own.tree, env=own.environment, capture_output=True, check=False)
    kinds = {mark.split("-")[0] for mark in own.sprung()}
    assert {"setting", "hook", "program", "numpy"} <= kinds
    assert "setting-core.fsmonitor" in own.sprung()
