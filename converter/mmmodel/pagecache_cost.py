"""The page cache that a file tree needs when all of it is cached: whole PG_SIZE pages for each file."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.errors import InputError
from converter.mmmodel.geometry import Geometry

BUCKETS = tuple(1 << shift for shift in (10, 12, 14, 16, 18, 20, 24))
"""Upper ends, in bytes, of the file sizes that are counted together; larger files make one more bucket."""

_KERNEL_FILE_SYSTEMS = frozenset(
    (
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    )
)
"""File systems whose files are made when they are read: their sizes say nothing of a page cache."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The regular files below a directory, each inode once. sizes: bytes, int64, one a file."""

    root: str
    sizes: NDArray[np.int64]
    unreadable: int  # directories and files that could not be looked at
    links: int  # symbolic links, never followed
    again: int  # further names of a file that was counted
    mounts: int  # mount points of file systems that the kernel makes up (proc, sysfs, ...)

    @property
    def bytes(self) -> int:
        return int(self.sizes.sum())


@dataclass(frozen=True, slots=True)
class Cost:
    """Page cache at one PG_SIZE. cached and waste have a figure for each bucket of BUCKETS and one for larger files."""

    pg_size: int
    cached: tuple[int, ...]  # bytes
    waste: tuple[int, ...]  # bytes of it behind the end of a file

    @property
    def total(self) -> int:
        return sum(self.cached)

    @property
    def total_waste(self) -> int:
        return sum(self.waste)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Files of more than `above` and at most `size` bytes (None: no upper end)."""

    above: int
    size: int | None
    files: int
    bytes: int


def walk(root: Path) -> Tree:
    """Sizes of the regular files below root. Raises InputError where root is not a directory that can be read."""
    if root.is_symlink():
        raise InputError(f"{root}: a symbolic link, and links are not followed; name {os.path.realpath(root)}")
    if not root.is_dir():
        raise InputError(f"{root}: not a directory" if root.exists() else f"{root}: no such directory")
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"{root}: no permission to read it")
    made_up = _made_up_mounts()
    sizes: list[int] = []
    seen: set[tuple[int, int]] = set()
    unreadable = links = again = mounts = 0
    pending = [os.path.abspath(root)]
    while pending:
        directory = pending.pop()
        if directory in made_up:
            mounts += 1
            continue
        try:
            entries = list(os.scandir(directory))
        except OSError:
            unreadable += 1
            continue
        for entry in entries:
            try:
                if entry.is_symlink():
                    links += 1
                elif entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif stat.S_ISREG((status := entry.stat(follow_symlinks=False)).st_mode):
                    if status.st_nlink > 1:
                        name = (status.st_dev, status.st_ino)
                        again += name in seen
                        if name in seen:
                            continue
                        seen.add(name)
                    sizes.append(status.st_size)
            except OSError:  # gone since the directory was listed
                unreadable += 1
    return Tree(str(root), np.array(sizes, dtype=np.int64), unreadable, links, again, mounts)


def buckets(tree: Tree) -> list[Bucket]:
    """How many files, and bytes, there are of each size."""
    which = np.searchsorted(np.array(BUCKETS), tree.sizes)
    files = np.bincount(which, minlength=len(BUCKETS) + 1)
    content = _sum_by(which, tree.sizes)
    ends: Sequence[int | None] = (*BUCKETS, None)
    return [
        Bucket(above, size, int(files[number]), content[number])
        for number, (above, size) in enumerate(zip((0, *BUCKETS), ends, strict=True))
    ]


def cost(tree: Tree, geometry: Geometry) -> Cost:
    """The page cache of the whole tree at one PG_SIZE, by file size."""
    which = np.searchsorted(np.array(BUCKETS), tree.sizes)
    cached = -(-tree.sizes >> geometry.pg_shift) << geometry.pg_shift
    return Cost(geometry.pg_size, _sum_by(which, cached), _sum_by(which, cached - tree.sizes))


def _sum_by(which: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[int, ...]:
    sums = np.zeros(len(BUCKETS) + 1, dtype=np.int64)
    np.add.at(sums, which, values)
    return tuple(sums.tolist())


def _made_up_mounts() -> set[str]:
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        fields = [line.split() for line in mounts]
    return {_unescaped(field[1]) for field in fields if field[2] in _KERNEL_FILE_SYSTEMS}


def _unescaped(path: str) -> str:
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(octal, character)
    return path
