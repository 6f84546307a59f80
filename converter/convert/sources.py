"""Files of the tree as a conversion reads them: any file by path, and whether it is still what was scanned."""

from __future__ import annotations

import os

from converter.convert.edits import Stale
from converter.tree import Entry, Tree, Unreadable


def read_any(tree: Tree, path: str) -> bytes | None:
    """A file of the tree that is not scanned (MAINTAINERS, Kconfig); None where there is none.

    git-cat-file(1) takes `revision:path` for a blob's name.
    """
    blob = None if tree.revision is None else f"{tree.revision}:{path}"
    try:
        return tree.reader.read(Entry(path, 0, (), blob))
    except Unreadable:
        return None


def read_scanned(tree: Tree, entry: Entry) -> bytes:
    """The bytes of a scanned file. Raises Stale where it has another stamp than when the tree was listed."""
    try:
        data = tree.reader.read(entry)
    except Unreadable as error:
        raise Stale(error.reason) from None
    if tree.revision is None and entry.stamp and _stamp(tree, entry) != entry.stamp:
        raise Stale("it has changed since the scan")
    return data


def _stamp(tree: Tree, entry: Entry) -> tuple[int, ...]:
    """Read after the bytes: a change while they were read shows too."""
    try:
        status = os.lstat(os.path.join(os.fsencode(tree.root), entry.path.encode("utf-8", "surrogateescape")))
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
