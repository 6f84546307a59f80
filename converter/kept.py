"""Facts that the cache keeps: of single files, by content and path, from one scan to the next."""

from __future__ import annotations

import hashlib

from converter.tree.cache import Cache

AT_ONCE = 4 << 20
"""Bytes of facts that are written together, while the processes that make them go on."""

_EMPTY = hashlib.sha1(b"files without facts").hexdigest()
"""Five files of six hold nothing of interest: their keys are one value, not a row each."""


class KeptFacts:
    """Encoded facts by fact key, of one generation (`key`: code, rules and scheme)."""

    def __init__(self, cache: Cache, key: str) -> None:
        self._cache = cache
        self._key = key
        self._waiting: dict[str, bytes] = {}
        self._bytes = 0
        digits = (cache.get_one("empty", key, _EMPTY) or b"").hex()
        self._empty = {digits[at : at + 40] for at in range(0, len(digits), 40)}
        self._known = len(self._empty)

    def of(self, wanted: set[str]) -> dict[str, bytes]:
        """Those that are kept; empty for a file that holds nothing of interest."""
        empty = wanted & self._empty
        return self._cache.get_many("facts", self._key, wanted - empty) | dict.fromkeys(empty, b"")

    def add(self, key: str, facts: bytes) -> None:
        """Keep a file's facts, at the latest at finish()."""
        if not facts:
            self._empty.add(key)
            return
        self._waiting[key] = facts
        self._bytes += len(facts)
        if self._bytes > AT_ONCE:
            self._write()

    def finish(self) -> None:
        """Write what still waits."""
        self._write()
        if len(self._empty) > self._known:
            self._cache.put_one("empty", self._key, _EMPTY, bytes.fromhex("".join(sorted(self._empty))))
            self._known = len(self._empty)

    def _write(self) -> None:
        self._cache.put_many("facts", self._key, self._waiting)
        self._waiting, self._bytes = {}, 0


def fact_key(path: str, digest: str) -> str:
    """Facts name their file and depend on its directory, so equal contents in two places are two entries."""
    return hashlib.sha1(f"{digest}:{path}".encode("utf-8", "surrogateescape")).hexdigest()
