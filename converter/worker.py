"""What a process of the scan does: read files, extract their facts. Imports nothing that only the whole tree needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from converter.analyse import analyse
from converter.classify.roles import inert_directory, rules
from converter.collector import uncollected
from converter.tree import Entry, Reader, Unreadable
from converter.tree.entry import blob_id
from converter.units.facts import encode


class Found(NamedTuple):
    """A worker's result for one file: its digest, and its facts encoded (empty: nothing of interest).

    As Entry, a named tuple: 60,000 of them are pickled.
    """

    path: str
    size: int
    digest: str
    facts: bytes
    problem: str = ""


class Worker:
    """Runs in a process of its own: reads files, extracts facts."""

    def __init__(self, reader: Reader, scheme_name: str) -> None:
        self.reader = reader
        self.scheme_name = scheme_name
        _ = rules().compiled  # a broken one ends the run here, not at the first use

    def __call__(self, entries: Sequence[Entry]) -> list[Found]:
        with uncollected():
            return self._found(entries)

    def _found(self, entries: Sequence[Entry]) -> list[Found]:
        found = []
        for entry, content in self.reader.read_many(entries):
            if isinstance(content, Unreadable):
                found.append(Found(entry.path, entry.size, entry.blob or "", b"", content.reason))
                continue
            inert = inert_directory(os.path.dirname(entry.path))
            facts = analyse(entry.path, content, self.scheme_name, inert)
            digest = entry.blob or blob_id(content)
            found.append(Found(entry.path, entry.size, digest, encode(facts) if facts is not None else b""))
        return found
