"""Facts of blobs: from the cache where they are known, made in bulk where they are not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from functools import partial

import msgspec

from converter.errors import InputError
from converter.examine import cache_key
from converter.kept import fact_key
from converter.tree import Entry, Problems, shown
from converter.tree.cache import Cache
from converter.tree.git import GitReader, partial_clone
from converter.tree.pool import Lost, run
from converter.units.facts import Facts, decode
from converter.worker import Found, Worker

_FEW = 12
"""Files that are faster analysed here than by processes that must be started."""

Blob = tuple[str, str]
"""Path and blob id: facts name their file, so equal blobs at two paths are two."""


class FactStore:
    """Facts by path and blob.

    problems   where files are told that cannot be read, and count as files without facts; without it, the first one
               raises InputError
    """

    def __init__(
        self, reader: GitReader, cache: Cache, scheme_name: str, jobs: int | None = None,
        problems: Problems | None = None,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._cache = cache
        self._scheme = scheme_name
        self._key = cache_key(scheme_name)
        self._jobs = jobs or os.cpu_count() or 1
        self._known: dict[Blob, bytes] = {}
        self._problems = problems

    def fetch(self, blobs: Iterable[Blob]) -> None:
        """See that the facts of all these are at hand."""
        wanted = {fact_key(*blob): blob for blob in blobs if blob not in self._known}
        kept = self._cache.get_many("facts", self._key, wanted)
        self._known |= {wanted[key]: raw for key, raw in kept.items()}
        missing = [Entry(path, 0, (), blob) for key, (path, blob) in wanted.items() if key not in kept]
        made = {}
        for found in self._made(sorted(missing)):
            if found.problem:
                if self._problems is None:
                    said = f"{found.problem}; the commit cannot be judged without it"
                    raise InputError(f"{shown(found.path)}: {said}{partial_clone(self._reader.directory)}")
                self._problems.add(f"not read: {found.problem}", found.path)
                self._known[found.path, found.digest] = b""
                continue
            self._known[found.path, found.digest] = made[fact_key(found.path, found.digest)] = found.facts
        self._cache.put_many("facts", self._key, made)

    def _made(self, entries: list[Entry]) -> Iterable[Found]:
        if not entries:
            return
        if len(entries) <= _FEW:
            yield from Worker(self._reader, self._scheme)(entries)
            return
        make = partial(Worker, self._reader, self._scheme)
        chunks = [entries[i : i + _FEW] for i in range(0, len(entries), _FEW)]
        with closing(run(make, chunks, self._jobs)) as results:
            for result in results:
                if isinstance(result, Lost):
                    lost = result.item
                    yield Found(lost.path, lost.size, lost.blob or "", b"", f"it cannot be analysed: {result.reason}")
                else:
                    yield from result

    def get(self, path: str, blob: str) -> Facts | None:
        """Facts of one file; None where it holds nothing of interest."""
        self.fetch([(path, blob)])
        raw = self._known[path, blob]
        try:
            return decode(raw) if raw else None
        except msgspec.MsgspecError as error:
            raise InputError(f"{shown(path)}: damaged in the cache: {error}; run with --no-cache") from error
