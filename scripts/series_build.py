"""Does the tree build while a series is applied, and into the same objects? For `make series`, with --build.

After each of the first ten patches, after each of the preparation that x86 can see, and after the last, a few objects
are made and compared with those of the tree before. `pgconv verify --level objects` does whole directories.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from converter.tree import open_tree
from converter.verify.kbuild import Build, Config, Workshop, workshop

FIRST = 10
OBJECTS = ("mm/mremap.o", "mm/memory.o", "mm/filemap.o", "kernel/fork.o", "fs/exec.o", "arch/x86/mm/init.o")
_CONFIG = Config("x86_64_defconfig")


def build(tree: Path, clone: Path, keep: Path) -> int:
    """The number of states that do not build, or into other objects. `clone` has the series as its commits."""
    failed = 0
    with workshop(open_tree(tree), keep, None, lambda what: print(what, flush=True)) as shop:
        shop.state("base", {})
        before, _ = _objects(shop)
        print(f"built at each step (x86_64_defconfig): {' '.join(OBJECTS)}")
        if len(before) != len(OBJECTS):
            print(f"  the tree itself builds only {len(before)} of them")
            return 1
        for name, subject, files in states(clone):
            start = time.perf_counter()
            shop.state(name, files)
            made, complaint = _objects(shop)
            same = sum(made.get(o) == digest for o, digest in before.items())
            failed += same != len(OBJECTS)
            print(
                f"  {name} {subject[:60]}: {len(made)} built, {same} the same, {time.perf_counter() - start:.0f} s"
                + (f": {complaint}" if complaint else ""),
                flush=True,
            )
    print(f"  {failed} of these states fail")
    return failed


def states(clone: Path) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """(number, subject, every file changed so far) after each patch that is built."""
    commits = _git(clone, "rev-list", "--reverse", "origin/master..HEAD").decode().split()
    files: dict[str, bytes] = {}
    for number, commit in enumerate(commits, 1):
        subject = _git(clone, "show", "-s", "--format=%s", commit).decode().strip()
        prepares = " use " not in subject
        last = number == len(commits)
        if not (number <= FIRST or prepares or last):
            continue
        since = "origin/master" if last else f"{commit}~"
        changed = _git(clone, "diff", "--name-only", "-z", since, commit).decode("utf-8", "surrogateescape")
        paths = [p for p in changed.split("\0") if p]
        files.update({p: _git(clone, "show", f"{commit}:{p}") for p in paths})
        if number <= FIRST or last or any(_seen(p) for p in paths):
            yield f"{number:04d}", subject, dict(files)


def _seen(path: str) -> bool:
    """Can a build for x86 read the file?"""
    return not path.startswith("arch/") or path.startswith(("arch/x86/", "arch/Kconfig"))


def _objects(shop: Workshop) -> tuple[dict[str, str], str]:
    """Digests of the objects that the present state builds, and what went wrong if anything did."""
    made: Build = shop.build("series", _CONFIG)
    for o in OBJECTS:
        (shop.enter("series") / o).unlink(missing_ok=True)
    prepared = made.prepare()
    if prepared.code != 0:
        return {}, prepared.complaint()
    done = made.make(*OBJECTS, keep_going=True)
    found = {o: made.directory / o for o in OBJECTS}
    digests = {o: hashlib.sha256(f.read_bytes()).hexdigest() for o, f in found.items() if f.is_file()}
    return digests, done.complaint() if done.code != 0 else ""


def _git(clone: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True).stdout
