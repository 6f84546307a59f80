"""Does the tree build while a series is applied, and into the same objects? For `make series`, with --build.

After each of the first ten patches, after each further one of the preparation that x86 can see, and after the last, a
whole kernel is linked: the small one of `pgconv verify --level boot` (rules/verify.toml), in one build directory, so
that each patch costs what depends on it. Every object is compared with that of the tree before. Whole directories of
x86_64_defconfig are `pgconv verify --level objects`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from converter.tree import open_tree
from converter.verify.kbuild import Config, Workshop, workshop
from converter.verify.needs import builds

FIRST = 10
STATE = "series"
"""One state and one build directory for all patches: a file that a patch changes gets a new time stamp."""
IMAGE = "vmlinux"
_HOST = ("scripts", "tools")
_MADE_LAST = {"vmlinux.o", "init/version-timestamp.o"}


@dataclass(frozen=True, slots=True)
class Kernel:
    """Digests of the objects of a build and of its image; the image's is empty where it was not linked."""

    objects: Mapping[str, str]
    image: str
    complaint: str

    def differing(self, other: Kernel) -> list[str]:
        """The objects that are not the same in both."""
        return sorted(
            o for o in self.objects.keys() | other.objects.keys() if self.objects.get(o) != other.objects.get(o)
        )


def build(tree: Path, clone: Path, keep: Path) -> int:
    """The number of states that do not build, or in the preparation into other objects. `clone` has the series as its
    commits."""
    failed = 0
    small = builds().boot
    config = Config(small.config, small.lines)
    with workshop(open_tree(tree), keep, None, lambda what: print(what, flush=True)) as shop:
        start = time.perf_counter()
        before = make(shop, config, {})
        print(
            f"{IMAGE} of the small configuration before the series: {len(before.objects)} objects, "
            f"{time.perf_counter() - start:.0f} s {before.complaint}",
            flush=True,
        )
        if not before.image:
            return 1
        for name, subject, files in states(clone):
            start = time.perf_counter()
            now = make(shop, config, files)
            differing = now.differing(before)
            failed += not now.image or (prepares(subject) and bool(differing))
            same = len(before.objects.keys() & now.objects.keys()) - len(differing)
            print(
                f"  {name} {subject[:50]}: {IMAGE} {_said(before, now)}, {same} of {len(before.objects)} objects the "
                f"same, {time.perf_counter() - start:.0f} s {' '.join(differing[:5])} {now.complaint}".rstrip(),
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
        last = number == len(commits)
        if not (number <= FIRST or prepares(subject) or last):
            continue
        since = "origin/master" if last else f"{commit}~"
        changed = _git(clone, "diff", "--name-only", "-z", since, commit).decode("utf-8", "surrogateescape")
        paths = [p for p in changed.split("\0") if p]
        files.update({p: _git(clone, "show", f"{commit}:{p}") for p in paths})
        if number <= FIRST or last or any(_seen(p) for p in paths):
            yield f"{number:04d}", subject, dict(files)


def prepares(subject: str) -> bool:
    """Is the patch one that prepares the names, and renames no use?"""
    return " use " not in subject


def _seen(path: str) -> bool:
    """Can a build for x86 read the file?"""
    return not path.startswith("arch/") or path.startswith(("arch/x86/", "arch/Kconfig"))


def _said(before: Kernel, now: Kernel) -> str:
    if not now.image:
        return "not built"
    return "the same" if now.image == before.image else "built"


def make(shop: Workshop, config: Config, files: Mapping[str, bytes]) -> Kernel:
    """The kernel of the tree with these files changed."""
    shop.state(STATE, files)
    made = shop.build(STATE, config)
    image = made.directory / IMAGE
    image.unlink(missing_ok=True)
    done = made.make(IMAGE)
    objects = {o: _digest(made.directory / o) for o in objects_of(made.directory)}
    return Kernel(objects, _digest(image) if image.is_file() else "", done.complaint() if done.code != 0 else "")


def objects_of(directory: Path) -> Iterator[str]:
    """The objects of the kernel in a build directory: not those of tools, nor those that only put others together."""
    for place, below, names in os.walk(directory):
        if place == str(directory):
            below[:] = [b for b in below if b not in _HOST]
        for name in names:
            path = os.path.relpath(os.path.join(place, name), directory)
            if path.endswith(".o") and not name.startswith(".") and path not in _MADE_LAST:
                yield path


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _git(clone: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True).stdout
