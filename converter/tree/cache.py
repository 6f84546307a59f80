"""What earlier scans found, by content: never trusted over the source, and never in the way of a scan.

Values belong to a generation, (kind, key): a new version of the tool or of the rules asks with a new key and finds
nothing, and generations that nobody asks for any more are the first to go. A row is believed only with its checksum,
for SQLite notices damage to its own structure but not to what it stores.
"""

import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from converter.tree.entry import Tree
from converter.tree.problems import shown
from converter.tree.statindex import pack, unpack
from converter.tree.store import Store

LIMIT = 2 << 30
"""Bytes of cache above which the least recently used generations go."""

TREES = 16
"""Trees whose stat index is kept."""

_AT_ONCE = 500
"""Digests in one SELECT."""


def open_cache(enabled: bool = True, limit: int = LIMIT) -> "Cache":
    """The cache below XDG_CACHE_HOME/pgconv; one that keeps nothing where that cannot be had, or not `enabled`."""
    return Cache(Store(cache_directory() if enabled else None), limit)


def cache_directory() -> str | None:
    """Where the cache lives (XDG Base Directory Specification); None without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return os.path.join(base, "pgconv")
    home = os.path.expanduser("~")
    return os.path.join(home, ".cache", "pgconv") if os.path.isabs(home) and os.path.isdir(home) else None


def tree_digest(digests: Mapping[str, str]) -> str:
    """A digest of a whole tree, from path -> digest."""
    whole = hashlib.sha256()
    for path, digest in sorted(digests.items()):
        whole.update(f"{digest} {path}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


class Cache:
    """Values by (kind, key, digest). Every method works, and finds nothing, on a cache that cannot be used.

    kind    what the value is ("sites")
    key     all that the value depends on besides the content: digest of the rules, version of the tool, scheme
    digest  of the content, in hex: entry.blob_id() of a file, tree_digest() of a tree
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._damaged = 0
        self._known: dict[str, dict[str, str]] = {}
        self._used: set[tuple[str, str]] = set()
        self._written = False

    def __enter__(self) -> "Cache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of trouble met so far; that there is no place for a cache is none."""
        count = self._damaged
        damaged = f"{shown(self._store.path)}: {count} damaged row{'' if count == 1 else 's'} of the cache not used"
        return (*self._store.warnings, *((damaged,) if count else ()))

    @property
    def keeps(self) -> bool:
        """Is there a place where values can be kept?"""
        return self._store.usable

    def knows(self, path: str) -> bool:
        """Was the directory `path` scanned before? Its files may be others by now."""
        root = os.fsencode(os.path.realpath(path))

        def select(database: sqlite3.Connection) -> bool:
            return database.execute("SELECT 1 FROM stat_index WHERE root = ?", (root,)).fetchone() is not None

        return self._store.run(select, False)

    def digests(self, tree: Tree) -> dict[str, str]:
        """path -> digest for every entry whose digest is known without reading it (all of them, in a git revision)."""
        if tree.revision is not None:
            return {entry.path: entry.blob for entry in tree.entries if entry.blob is not None}
        root = os.fsencode(tree.root)

        def select(database: sqlite3.Connection) -> Any:
            return database.execute("SELECT crc, data FROM stat_index WHERE root = ?", (root,)).fetchone()

        row = self._store.run(select, None)
        if row is None:
            return {}
        crc, data = row
        try:
            if not isinstance(data, bytes) or zlib.crc32(data, zlib.crc32(root)) != crc:
                raise ValueError
            known = unpack(data, tree)
        except ValueError:
            self._damaged += 1
            return {}
        self._known[tree.root] = known
        return known

    def remember_digests(self, tree: Tree, digests: Mapping[str, str]) -> None:
        """Keep the digests of the tree's files, path -> digest, in place of what was kept for this tree."""
        if tree.revision is not None or self._known.get(tree.root) == digests:
            return
        root = os.fsencode(tree.root)
        data = pack(tree, digests)
        now = time.time_ns()

        def replace(database: sqlite3.Connection) -> None:
            crc = zlib.crc32(data, zlib.crc32(root))
            database.execute("INSERT OR REPLACE INTO stat_index VALUES (?, ?, ?, ?)", (root, now, crc, data))
            database.execute(
                "DELETE FROM stat_index WHERE root NOT IN (SELECT root FROM stat_index ORDER BY used DESC LIMIT ?)",
                (TREES,),
            )

        self._store.run(replace, None, write=True)

    def get_many(self, kind: str, key: str, digests: Iterable[str]) -> dict[str, bytes]:
        """digest -> value, for those that are kept."""
        wanted = [bytes.fromhex(digest) for digest in digests]
        self._used.add((kind, key))
        seed = _seed(kind, key)
        found: dict[str, bytes] = {}

        def select(database: sqlite3.Connection) -> int:
            generation = _generation(database, kind, key)
            bad = 0
            for start in range(0, len(wanted) if generation is not None else 0, _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = database.execute(
                    f"SELECT digest, crc, data FROM value WHERE generation = ? AND digest IN ({marks})",
                    (generation, *part),
                )
                for digest, crc, data in rows:
                    if isinstance(data, bytes) and zlib.crc32(data, zlib.crc32(digest, seed)) == crc:
                        found[digest.hex()] = data
                    else:
                        bad += 1
            return bad

        self._damaged += self._store.run(select, 0)
        return found

    def put_many(self, kind: str, key: str, values: Mapping[str, bytes], most: int = 0) -> None:
        """Keep digest -> value, all of them or none. `most`: of the generation, the last so many are kept."""
        if not values:
            return
        self._used.add((kind, key))
        seed = _seed(kind, key)

        def insert(database: sqlite3.Connection) -> None:
            database.execute("INSERT OR IGNORE INTO generation (kind, key, used) VALUES (?, ?, 0)", (kind, key))
            generation = _generation(database, kind, key)
            database.executemany(
                "INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)",
                (
                    (generation, raw, zlib.crc32(value, zlib.crc32(raw, seed)), value)
                    for raw, value in ((bytes.fromhex(digest), value) for digest, value in values.items())
                ),
            )
            if most:
                database.execute(
                    "DELETE FROM value WHERE generation = ? AND rowid NOT IN"
                    " (SELECT rowid FROM value WHERE generation = ? ORDER BY rowid DESC LIMIT ?)",
                    (generation, generation, most),
                )

        self._store.run(insert, None, write=True)
        self._written = True

    def get_one(self, kind: str, key: str, digest: str) -> bytes | None:
        """One value, or None. A large one is read as a whole, where a row of an answer would be copied once more."""
        self._used.add((kind, key))
        raw = bytes.fromhex(digest)

        def select(database: sqlite3.Connection) -> tuple[bytes | None, int]:
            row = database.execute(
                "SELECT rowid, crc, typeof(data) = 'blob' FROM value WHERE generation = ? AND digest = ?",
                (_generation(database, kind, key), raw),
            ).fetchone()
            if row is None:
                return None, 0
            number, crc, is_blob = row
            if is_blob:
                with database.blobopen("value", "data", number, readonly=True) as blob:
                    value = blob.read()
                if zlib.crc32(value, zlib.crc32(raw, _seed(kind, key))) == crc:
                    return value, 0
            return None, 1

        nothing: tuple[bytes | None, int] = (None, 0)
        found, bad = self._store.run(select, nothing)
        self._damaged += bad
        return found

    def put_one(self, kind: str, key: str, digest: str, value: bytes, most: int = 0) -> None:
        """Keep one value."""
        self.put_many(kind, key, {digest: value}, most)

    def clear(self) -> None:
        """Forget everything."""
        self._store.empty()

    def close(self) -> None:
        """Note what was used, let go of what was used longest ago when there is too much, and close the file."""
        now = time.time_ns()

        def finish(database: sqlite3.Connection) -> None:
            database.executemany(
                "UPDATE generation SET used = ? WHERE kind = ? AND key = ?", ((now, *names) for names in self._used)
            )
            database.executemany(
                "UPDATE stat_index SET used = ? WHERE root = ?", ((now, os.fsencode(root)) for root in self._known)
            )
            if self._written:
                _prune(database, self._limit)

        if self._used or self._known:
            self._store.run(finish, None, write=True)
        self._store.close()


def _seed(kind: str, key: str) -> int:
    """Where the checksum of a value starts, so that a value which damage has moved to another generation fails it."""
    return zlib.crc32(f"{kind}\0{key}\0".encode())


def _generation(database: sqlite3.Connection, kind: str, key: str) -> int | None:
    row = database.execute("SELECT id FROM generation WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return None if row is None else row[0]


def _prune(database: sqlite3.Connection, limit: int) -> None:
    """Delete generations, least recently used first, until what is left takes at most `limit` bytes."""
    page_size = _pragma(database, "page_size")
    for (generation,) in database.execute("SELECT id FROM generation ORDER BY used").fetchall():
        if (_pragma(database, "page_count") - _pragma(database, "freelist_count")) * page_size <= limit:
            return
        database.execute("DELETE FROM value WHERE generation = ?", (generation,))
        database.execute("DELETE FROM generation WHERE id = ?", (generation,))


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
