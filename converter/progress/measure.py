"""The uses of one tree, as the history keeps them: counts by file, and every use in kernel code. Cached by tree."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from functools import cache
from pathlib import Path

import msgspec

from converter.classify.record import OPEN
from converter.progress.record import MEASURES, Counts
from converter.scan import Analysis, Progress, cache_key, converted, decide, examine
from converter.tree.cache import Cache
from converter.tree.git import open_revision
from converter.vocabulary import Scheme, vocabulary

_AT = {name: n for n, name in enumerate(MEASURES)}


@cache
def _own_version() -> str:
    """Changes whenever the code that makes the values that are kept here changes."""
    whole = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


class Use(msgspec.Struct, frozen=True, array_like=True):
    """A use of the family in kernel code. `expression` is the code around it, white space folded."""

    path: str
    line: int
    col: int
    macro: str
    function: str
    status: str
    unit: str | None
    role: str | None
    expression: str


class Measured:
    """Measures trees of a repository in one scheme. Raises InputError where one is not a kernel's.

    key   what the cached values depend on besides the history
    """

    def __init__(self, path: str, kept: Cache, chosen: Scheme, jobs: int | None, progress: Progress | None) -> None:
        self._path = path
        self._cache = kept
        self._chosen = chosen
        self._jobs = jobs
        self._progress = progress
        self.key = f"{cache_key(chosen.scheme)}:{_own_version()}"
        self.warnings: list[str] = []

    def counts(self, tree: str) -> dict[str, Counts]:
        """Counts by file, for files that have any."""
        raw = self._cache.get_one("progress-counts", self.key, tree)
        if raw is None:
            return self._make(tree)[0]
        return msgspec.msgpack.decode(raw, type=dict[str, Counts])

    def uses(self, tree: str) -> list[Use]:
        """Every use of the family in kernel code, in stable order."""
        raw = self._cache.get_one("progress-uses", self.key, tree)
        if raw is None:
            return self._make(tree)[1]
        return msgspec.msgpack.decode(zlib.decompress(raw), type=list[Use])

    def _make(self, tree: str) -> tuple[dict[str, Counts], list[Use]]:
        source = open_revision(self._path, tree)
        try:
            analysis = examine(source, self._cache, self._chosen.scheme, self._jobs, self._progress)
        finally:
            source.reader.close()
        counts, uses = _measured(analysis, self._chosen)
        self.warnings += [w for w in analysis.warnings if w not in self.warnings]
        self._cache.put_one("progress-counts", self.key, tree, msgspec.msgpack.encode(counts))
        self._cache.put_one("progress-uses", self.key, tree, zlib.compress(msgspec.msgpack.encode(uses), 1))
        return counts, uses


def _measured(analysis: Analysis, chosen: Scheme) -> tuple[dict[str, Counts], list[Use]]:
    tally: dict[str, list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    uses = []
    for s in decide(analysis, chosen).sites:
        if s.derived:
            continue
        measure = (s.unit or "review") if s.status == "decided" else s.status
        tally[s.path][_AT[measure]] += 1
        if s.status == "decided" or s.status in OPEN:
            function = s.function or ""
            uses.append(Use(s.path, s.line, s.col, s.macro, function, s.status, s.unit, s.role, s.expression))
    if converted(analysis, chosen):  # elsewhere its names are taken for something else
        family = set(vocabulary().family)
        for path, facts in zip(analysis.paths, analysis.facts, strict=True):
            for use in facts.written:
                unit = chosen.unit_written(use.written)
                if unit is not None and use.name in family and not use.inert and not use.defines:
                    tally[path][_AT[f"converted {unit}"]] += 1
    return {path: tuple(numbers) for path, numbers in sorted(tally.items())}, uses
