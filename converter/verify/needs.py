"""What the levels that build make, what they need of the machine, and which of it is missing (rules/verify.toml)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from functools import cache

from converter import data, toml
from converter.errors import InputError


class Package(toml.Entry, frozen=True):
    """A Debian package, the commands and files by which it is known to be there, and the levels that need it."""

    name: str
    find: tuple[str, ...]
    levels: tuple[str, ...]

    @property
    def missing(self) -> bool:
        return not all(os.path.exists(f) if f.startswith("/") else shutil.which(f) for f in self.find)


class Kernel(toml.Entry, frozen=True):
    """A configuration: a target of the tree's Makefile, and lines as in .config that change it."""

    config: str
    lines: tuple[str, ...] = ()


class Split(toml.Entry, frozen=True):
    """The shifts of PG_SIZE to compile with, beside a PTE_SHIFT of 12."""

    shifts: tuple[int, ...]


class Booted(Kernel, frozen=True, kw_only=True):
    """A kernel to boot: memory of the machine as qemu takes it, MiB of its empty disks, seconds after which it hangs,
    and what its console must not say, as regular expressions."""

    memory: str
    disks: tuple[int, ...]
    seconds: int
    alarms: tuple[str, ...]


class Builds(toml.Entry, frozen=True):
    """What each level builds, and the packages that it takes."""

    objects: Kernel
    split: Split
    boot: Booted
    package: tuple[Package, ...]


@cache
def builds() -> Builds:
    """rules/verify.toml. Raises RulesError."""
    return toml.load(data.path("rules/verify.toml"), Builds)


def missing(levels: Iterable[str]) -> list[Package]:
    """The packages that these levels need and the machine has not."""
    wanted = set(levels)
    return [p for p in builds().package if wanted & set(p.levels) and p.missing]


def require(level: str) -> None:
    """Raises InputError naming what is missing for a level, and how to get it."""
    found = missing([level])
    if found:
        what = ", ".join(f for p in found for f in p.find)
        names = " ".join(p.name for p in found)
        raise InputError(f"level {level} needs {what}: apt-get install {names} (or `make verify`, which installs it)")
