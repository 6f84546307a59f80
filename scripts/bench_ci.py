"""What `pgconv ci` takes on a repository of a real kernel tree, with commits that edit three files each."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

COMMITS = 200
FILES = 3
COLD_SECONDS = 5.0
WARM_SECONDS = 1.0
ALL_SECONDS = 60.0

_STATEMENT = re.compile(rb"^\t[a-z_]+ = .*;$")
_USE = b"\tlen = PAGE_SIZE - (addr & ~PAGE_MASK);"
_PLACES = ("mm", "fs", "kernel", "arch/x86", "include/linux", "drivers")


class Took(Protocol):
    """What a command took, in seconds."""

    @property
    def seconds(self) -> float: ...
    @property
    def cpu_seconds(self) -> float: ...


def commits(tree: Path, work: Path, measure: Callable[..., Took], count: int = COMMITS) -> None:
    """Make a repository of `tree`, which is a copy of the caller's, and print what its judge takes."""
    git(tree, "init", "-q")
    git(tree, "add", "-Af", ".")
    git(tree, "commit", "-q", "-m", "base")
    git(tree, "tag", "base")
    edit(tree, count)
    pgconv = str(Path(sys.executable).with_name("pgconv"))
    own = work / "commits"  # a cache that knows the scan of the base and nothing else
    own.mkdir()
    measure([pgconv, "scan", str(tree), "--rev", "base", "-o", str(own / "scan.txt")], own)

    def judge(range_: str) -> Took:
        return measure([pgconv, "ci", str(tree), range_, "-o", str(own / "ci.txt")], own, fine=(0, 1))

    print(f"\n{count} commits of {FILES} files each on a repository of the tree")
    print(f"{'':<24}{'wall':>9}{'CPU':>9}   asked")
    row("ci, one, cold", judge(first(tree)), f"under {COLD_SECONDS:g} s")
    row("ci, one, warm", judge(first(tree)), f"under {WARM_SECONDS:g} s")
    row(f"ci, {count}, new blobs", judge("base..HEAD"), f"under {ALL_SECONDS:g} s")
    row(f"ci, {count}, known blobs", judge("base..HEAD"), "")


def row(what: str, took: Took, asked: str) -> None:
    print(f"{what:<24}{took.seconds:>7.2f} s{took.cpu_seconds:>7.2f} s   {asked}".rstrip(), flush=True)


def first(tree: Path) -> str:
    """The first commit after the base."""
    return git(tree, "rev-list", "--reverse", "base..HEAD").split()[0]


def edit(tree: Path, count: int) -> None:
    """Commits that double, change and add statements, uses of the family among them. The same on every run."""
    rng = random.Random(612)
    names, used = places(tree)
    for number in range(count):
        chosen = {*rng.sample(used, min(FILES - 1, len(used))), rng.choice(names)}
        for name in sorted(chosen):
            change(tree / name, rng)
        git(tree, "add", "-f", *sorted(chosen))
        git(tree, "commit", "-q", "--allow-empty", "-m", f"edit {number}")


def places(tree: Path) -> tuple[list[str], list[str]]:
    """Files that may be edited, and those of them that use the family."""
    names = git(tree, "ls-files", "--", *(f"{p}/*.[ch]" for p in _PLACES)).split("\n")
    return names, [n for n in names if b"PAGE_S" in (tree / n).read_bytes()]


def change(path: Path, rng: random.Random) -> None:
    """One edit of one file."""
    lines = path.read_bytes().split(b"\n")
    at = [i for i, line in enumerate(lines) if _STATEMENT.match(line)]
    if not at:
        lines.insert(rng.randrange(len(lines)), b"/* one more */")
    else:
        i = rng.choice(at)
        lines[i : i + 1] = rng.choice(
            [[lines[i], lines[i]], [lines[i].replace(b" = ", b" = 0 + ", 1)], [_USE, lines[i]]]
        )
    path.write_bytes(b"\n".join(lines))


def git(tree: Path, *arguments: str, date: str = "") -> str:
    """git as a person without any configuration would run it, at a date."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    if date:
        environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "core.quotePath=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
