"""What a kernel tree is to the scanner: a sorted list of named bytes, and something that reads them."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from converter.tree.problems import shown

SUFFIXES = (".c", ".h", ".S", ".lds")
"""Suffixes of the files that are scanned (.lds.S and .lds.h end in one of them)."""

PLACES = ("mm", "arch", "include/linux")
"""Directories of which a kernel tree has one at least."""

LARGEST = 1 << 29
"""Bytes of the largest file that is ever read into memory."""


class Entry(NamedTuple):
    """A file of the tree.

    path   relative to the top, '/'-separated; bytes that are not UTF-8 as lone surrogates (PEP 383)
    size   bytes
    stamp  (size, mtime_ns, ctime_ns, inode) of a file, () in a git revision
    blob   object id of a git blob in hex, None for a file

    A named tuple, not a dataclass: 60,000 of them are sent to the workers, and it pickles ten times faster.
    """

    path: str
    size: int
    stamp: tuple[int, ...] = ()
    blob: str | None = None


class Unreadable(Exception):
    """A file of the tree that cannot be read; the others can."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.reason}"


class Reader(Protocol):
    """Reads entries. Picklable: a copy that reaches another process opens what it needs there."""

    def read(self, entry: Entry) -> bytes:
        """The bytes of one entry; raises Unreadable."""
        ...

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        """Every entry in the order given, with its bytes or why it has none. Faster than read() on a git revision."""
        ...

    def close(self) -> None:
        """End what was opened in this process; reading again opens it anew."""
        ...


@dataclass(frozen=True, slots=True)
class Tree:
    """A kernel tree, listed once.

    name            last component of its path
    root            absolute path of the directory or repository, symlinks resolved
    revision        commit id in hex (tree id, where --rev named a tree), None for files
    kernel_version  as `make kernelversion` prints it
    entries         what is scanned, sorted by path
    warnings        one line for each kind of trouble met while listing
    listed_ns       wall clock in ns before the listing began; what carries a later time may have changed since
    reader          reads the entries, here or in a worker
    absent          what would be scanned, and is not in the repository
    """

    name: str
    root: str
    revision: str | None
    kernel_version: str
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]
    listed_ns: int
    reader: Reader
    absent: tuple[str, ...] = ()


def blob_id(data: bytes) -> str:
    """git's object id of a blob with these bytes (gitformat-pack(5)), SHA-1, in hex."""
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def kernel_version(makefile: bytes) -> str | None:
    """KERNELVERSION of a top-level Makefile ("6.12.48", "7.2.0-rc3"); None if it has no VERSION and PATCHLEVEL."""
    value = {
        name: match[1].decode(errors="replace") if (match := re.search(pattern, makefile, re.MULTILINE)) else ""
        for name, pattern in _VERSION_PARTS.items()
    }
    if not value["VERSION"] or not value["PATCHLEVEL"]:
        return None
    parts = [value["VERSION"], value["PATCHLEVEL"], value["SUBLEVEL"]]
    return ".".join(part for part in parts if part) + value["EXTRAVERSION"]


_VERSION_PARTS = {
    "VERSION": rb"^VERSION[ \t]*:?=[ \t]*(\d+)",
    "PATCHLEVEL": rb"^PATCHLEVEL[ \t]*:?=[ \t]*(\d+)",
    "SUBLEVEL": rb"^SUBLEVEL[ \t]*:?=[ \t]*(\d+)",
    "EXTRAVERSION": rb"^EXTRAVERSION[ \t]*:?=[ \t]*([-+.\w]+)",
}
