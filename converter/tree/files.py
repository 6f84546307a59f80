"""A kernel tree as a directory of files."""

import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from converter.errors import InputError
from converter.tree.entry import LARGEST, PLACES, SUFFIXES, Entry, Tree, Unreadable, kernel_version
from converter.tree.problems import Problems, shown

# O_NONBLOCK: a FIFO that took the file's place since the listing must not hang the scan.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC

_UTF8 = sys.getfilesystemencoding() == "utf-8"


def open_files(path: str) -> Tree:
    """The files below the directory `path`; raises InputError when they are not a kernel tree."""
    root = os.path.realpath(path)
    listed_ns = time.time_ns()
    version = _version(path, root)
    problems = Problems()
    entries = _listing(root, problems)
    return Tree(
        name=os.path.basename(root) or root,
        root=root,
        revision=None,
        kernel_version=version,
        entries=tuple(entries),
        warnings=problems.lines(),
        listed_ns=listed_ns,
        reader=FileReader(root),
    )


def _version(path: str, root: str) -> str:
    try:
        version = kernel_version(_contents(os.path.join(os.fsencode(root), b"Makefile")))
    except OSError as error:
        hint = "; name a revision (--rev) to read it from git" if os.path.exists(os.path.join(root, ".git")) else ""
        raise InputError(f"{shown(path)}: not a kernel tree: Makefile: {_reason(error)}{hint}") from None
    if version is None:
        raise InputError(f"{shown(path)}: not a kernel tree: its Makefile has no VERSION and PATCHLEVEL")
    if not any(os.path.isdir(os.path.join(root, place)) for place in PLACES):
        raise InputError(f"{shown(path)}: not a kernel tree: none of mm/, arch/ and include/linux/ is there")
    return version


def _listing(root: str, problems: Problems) -> list[Entry]:
    """Every scanned file below `root`, by path. Symlinks and directories named with a leading dot are passed over."""
    entries: list[Entry] = []
    pending = [""]
    while pending:
        place = pending.pop()
        prefix = f"{place}/" if place else ""
        try:
            # stat() relative to a directory that is open is faster than by path, and no symlink can take its place.
            directory = os.open(f"{root}/{place}" if place else root, _DIRECTORY_FLAGS)
            try:
                with os.scandir(directory) as items:
                    for item in items:
                        name = item.name
                        if item.is_dir(follow_symlinks=False):
                            if not name.startswith("."):
                                pending.append(prefix + name)
                        elif name.endswith(SUFFIXES):
                            _add(entries, prefix + name, item, problems)
            finally:
                os.close(directory)
        except OSError as error:
            problems.add(f"directory not read: {_reason(error)}", portable(place) or ".")
    entries.sort()
    return entries


def _add(entries: list[Entry], path: str, item: os.DirEntry[str], problems: Problems) -> None:
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as error:
        problems.add(f"file not read: {_reason(error)}", portable(path))
        return
    if stat.S_ISREG(status.st_mode):
        size = status.st_size
        stamp = size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
        entries.append(Entry(portable(path), size, stamp))
    elif not stat.S_ISLNK(status.st_mode):
        problems.add("not a regular file, passed over", portable(path))


def portable(path: str) -> str:
    """A path of the file system as UTF-8 text: the same tree has the same paths in every locale."""
    return path if _UTF8 else os.fsencode(path).decode("utf-8", "surrogateescape")


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _contents(path: bytes, size: int = -1) -> bytes:
    """The bytes of a regular file; raises OSError, also where `path` is a symlink or no regular file.

    `size`: what a listing said of it. A file that has just that many bytes is not asked again what it is.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        if 0 <= size <= LARGEST and len(data := os.read(descriptor, size + 1)) == size > 0:
            return data
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        if status.st_size > LARGEST:
            raise OSError(0, f"larger than {LARGEST >> 20} MiB")
        os.lseek(descriptor, 0, os.SEEK_SET)
        data = os.read(descriptor, status.st_size + 1)
        if len(data) == status.st_size:
            return data
        parts = [data]
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads files below `root`; opens no symlink, no FIFO and no device."""

    root: str

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file; raises Unreadable."""
        try:
            path = os.path.join(os.fsencode(self.root), entry.path.encode("utf-8", "surrogateescape"))
            return _contents(path, entry.size)
        except OSError as error:
            raise Unreadable(entry.path, _reason(error)) from None

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        """Every entry with its bytes, or why it has none."""
        for entry in entries:
            try:
                yield entry, self.read(entry)
            except Unreadable as error:
                yield entry, error

    def close(self) -> None:
        """Nothing stays open between files."""
