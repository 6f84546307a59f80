"""A copy of a kernel tree to build in, and the states that its files can take: as they are, converted, after a patch.

Below one directory of ours:

    source/        what make sees: always the same path, so that no state puts another one into an object
    base/          files of the tree that some state changes, as they are in the tree
    states/NAME/   the same files as a state has them

A file of source/ that differs between states is a hard link to one of base/ or states/. Each keeps its time stamp, so
that make, asked again for a state, rebuilds what has changed and nothing else. Files of the user's tree are read and
never linked: a link would change their ctime.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from converter.errors import InputError

BASE = "base"

_BUILT = (".o", ".a", ".ko", ".cmd", ".mod")
"""Suffixes of what a build inside the tree leaves; kbuild refuses to build elsewhere from a tree that was built in."""
_GENERATED = ("include/config", "include/generated")

Stamp = tuple[int, int, int, int]


class Copy:
    """The copy of the tree at `root` below `place`; whoever makes one holds the lock on `place`."""

    def __init__(self, root: str, place: Path) -> None:
        self.root = root
        self.place = place
        self.source = place / "source"
        self.current = BASE
        states = place / "states"
        stores = [place / BASE, *(states.iterdir() if states.is_dir() else ())]
        self.varying = {path for store in stores for path in _below(store)}
        """Paths that some state changes."""

    def refresh(self) -> None:
        """Make base what the tree is now. Raises InputError where a file cannot be copied."""
        known = self._manifest()
        found: dict[str, Stamp] = {}
        pending = []
        self.become(BASE, {})
        for path, stamp in _files(self.root):
            found[path] = stamp
            if known.get(path) != stamp:
                pending.append(path)
        for path in known.keys() - found.keys():
            for kept in (self.source / path, self._base(path)):
                kept.unlink(missing_ok=True)
        for directory in sorted({os.path.dirname(path) for path in pending}):
            (self.source / directory).mkdir(parents=True, exist_ok=True)
        try:
            with ThreadPoolExecutor(4) as pool:
                for _ in pool.map(self._copy, pending):
                    pass
            (self.place / "manifest").write_bytes(msgspec.msgpack.encode(found))
        except OSError as error:
            raise InputError(f"{self.place}: the tree cannot be copied here: {error.strerror or error}") from error

    def become(self, state: str, files: Mapping[str, bytes]) -> None:
        """Give source/ the files of a state: those of `files` as they are there, all others as they are in the tree.

        A path that the state once changed stays in its store, with the tree's content and a new time stamp: what was
        built from the changed one is old.
        """
        store = self.place / "states" / state
        own = set(files) | set(_below(store))
        for path in sorted(own):
            self._keep(path)
            content = files.get(path)
            if content is None and self._base(path).exists():
                content = self._base(path).read_bytes()
            if content is None:
                (store / path).unlink(missing_ok=True)
            elif not (store / path).exists() or (store / path).read_bytes() != content:
                _write(store / path, content, like=self._base(path))
        for path in sorted(self.varying):
            _place(store / path if path in own else self._base(path), self.source / path)
        self.current = state

    def touch(self) -> None:
        """Make every file that varies between states new to make."""
        for path in self.varying:
            if (self.source / path).exists():
                os.utime(self.source / path)

    def _base(self, path: str) -> Path:
        return self.place / BASE / path

    def _keep(self, path: str) -> None:
        """Before a state first changes a path, its file becomes one of base/. Raises InputError for a path that leads
        out of the copy."""
        at = self.source / path
        if not at.parent.resolve().is_relative_to(self.source.resolve()):
            raise InputError(f"{path}: leads out of the tree")
        if path not in self.varying and at.is_file():
            self._base(path).parent.mkdir(parents=True, exist_ok=True)
            os.link(at, self._base(path))
        self.varying.add(path)

    def _manifest(self) -> dict[str, Stamp]:
        try:
            return msgspec.msgpack.decode((self.place / "manifest").read_bytes(), type=dict[str, Stamp])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _copy(self, path: str) -> None:
        """Copy a file or a symlink of the tree; its time stamp is now, so that make sees that it is new."""
        origin = os.path.join(self.root, path)
        kept = self._base(path)
        at = self.source / path
        at.unlink(missing_ok=True)
        if os.path.islink(origin):
            os.symlink(os.readlink(origin), at)
            return
        kept.unlink(missing_ok=True)
        shutil.copyfile(origin, at)
        if os.stat(origin).st_mode & stat.S_IXUSR:
            at.chmod(0o755)
        if path in self.varying:
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.link(at, kept)


def _files(root: str) -> Iterator[tuple[str, Stamp]]:
    """Files and symlinks of a tree with their stamps, without what a build left there and without hidden ones."""
    pending = [""]
    while pending:
        place = pending.pop()
        prefix = f"{place}/" if place else ""
        with os.scandir(os.path.join(root, place)) as items:
            for item in items:
                path = prefix + item.name
                if item.name.startswith("."):
                    continue
                if item.is_dir(follow_symlinks=False):
                    if path not in _GENERATED and not path.endswith("/include/generated"):
                        pending.append(path)
                elif item.is_symlink() or (item.is_file() and not item.name.endswith(_BUILT)):
                    s = item.stat(follow_symlinks=False)
                    yield path, (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)


def _below(directory: Path) -> Iterator[str]:
    """Paths of the files below a directory, relative to it; none where there is no directory."""
    for place, _, names in os.walk(directory):
        for name in names:
            yield os.path.relpath(os.path.join(place, name), directory)


def _write(path: Path, content: bytes, like: Path) -> None:
    """A new file, with the permissions of `like`: what is linked elsewhere stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    if like.exists():
        path.chmod(like.stat().st_mode & 0o777)


def _place(wanted: Path, at: Path) -> None:
    """Make `at` a link to `wanted`, or nothing where there is none."""
    if not wanted.exists():
        at.unlink(missing_ok=True)
    elif not at.exists() or not at.samefile(wanted):
        at.parent.mkdir(parents=True, exist_ok=True)
        at.unlink(missing_ok=True)
        os.link(wanted, at)
