"""A repository whose commits have dates, and its history as pgconv sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from converter.progress.history import history
from converter.progress.record import LEFT, MEASURES, History
from converter.tree.cache import open_cache
from tests.tree.conftest import write_files

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n"
MAINTAINERS = """Maintainers List
----------------

FILE SYSTEMS
M:	One <one@example.org>
T:	git fs.git
F:	fs/

MEMORY MANAGEMENT
M:	Two <two@example.org>
T:	git mm.git
F:	mm/
"""
PLAIN = {
    "Makefile": MAKEFILE,
    "MAINTAINERS": MAINTAINERS,
    "mm/one.c": "void one(char *buf)\n{\n\tmemset(buf, 0, PAGE_SIZE);\n}\n",
    "fs/two.c": "void two(char *buf)\n{\n\tmemset(buf, 0, PAGE_SIZE);\n}\n",
}
MARKER = "#define PTE_SHIFT 12\n#define PG_SHIFT 14\n#define PG_SIZE 16384 /* not PAGE_SIZE */\n"


class Repo:
    """Commits are made at noon of a day, UTC."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "master")

    def git(self, *arguments: str, day: str = "2024-01-01", authored: str = "") -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "file",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": f"{day}T12:00:00+0000",
            "GIT_AUTHOR_DATE": f"{authored or day}T12:00:00+0000",
        }  # fmt: skip
        command = ["git", "-c", "core.autocrlf=false", *arguments]
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, day: str, files: Mapping[str, str | bytes | None], subject: str = "x", authored: str = "") -> str:
        """A commit that writes files, or removes those that are None; its id."""
        for name, content in files.items():
            if content is None:
                (self.root / name).unlink()
            else:
                write_files(self.root, {name: content})
        self.git("add", "-Af", ".")
        self.git("commit", "-q", "--allow-empty", "-m", subject, day=day, authored=authored)
        return self.git("rev-parse", "HEAD")

    def history(self, revs: str = "HEAD", step: str = "month", **options: Any) -> History:
        with open_cache(True) as cache:
            return history(str(self.root), revs, step, cache, jobs=1, **options)


def total(files: Mapping[str, tuple[int, ...]], *names: str) -> int:
    """Uses of a step, of these measures; without any, those that are left to convert."""
    return sum(counts[MEASURES.index(name)] for counts in files.values() for name in names or LEFT)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Five months: a use comes, a file moves, a side branch is merged, a use is converted."""
    repo = Repo(tmp_path_factory.mktemp("progress") / "linux")
    repo.commit("2024-01-10", PLAIN, "base")
    repo.git("tag", "v1")
    more = PLAIN["mm/one.c"] + "\nint more(void)\n{\n\treturn PAGE_SIZE / 16;\n}\n"
    repo.commit("2024-02-05", {"mm/one.c": more}, "one: more", authored="2023-12-24")
    repo.commit("2024-02-20", {"fs/two.c": None, "fs/three.c": PLAIN["fs/two.c"]}, "two is three")
    repo.git("tag", "-a", "v2", "-m", "x")
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("2024-02-25", {"fs/side.c": "int side(void)\n{\n\treturn PAGE_SIZE / 32;\n}\n"}, "side: <b>new</b>")
    repo.git("checkout", "-q", "master")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge side", "side", day="2024-03-15")
    repo.commit("2024-05-01", {
        "include/asm/page.h": MARKER, "mm/one.c": more.replace("0, PAGE_SIZE", "0, PG_SIZE"),
    }, "one: PG_SIZE")  # fmt: skip
    return repo


@pytest.fixture
def make_repo(tmp_path: Path) -> Callable[[], Repo]:
    """An empty repository."""
    return lambda: Repo(tmp_path / "linux")
