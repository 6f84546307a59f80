"""The uses of one tree, as the history keeps them: counts by file, and every use in kernel code. Cached by tree."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

from converter.ci.moving import MovingTree
from converter.classify.record import OPEN, Site
from converter.decided import decider
from converter.examine import Progress, cache_key
from converter.progress.meaning import OwnMeaning
from converter.progress.record import MEASURES, Counts, Use
from converter.progress.walk import Walk
from converter.tree.cache import Cache
from converter.tree.history import Repository
from converter.vocabulary import Scheme, vocabulary

_AT = {name: n for n, name in enumerate(MEASURES)}


@cache
def _own_version() -> str:
    """Changes whenever the code that makes the values that are kept here changes."""
    whole = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a tree: its counts by file, and trouble with single files of it."""

    counts: dict[str, Counts]
    warnings: list[str]


class Measured:
    """Measures trees of a repository in one scheme. Raises InputError where one is not a kernel's.

    key   what the cached values depend on besides the history
    """

    def __init__(
        self, repository: Repository, kept: Cache, chosen: Scheme, jobs: int | None, progress: Progress | None
    ) -> None:
        self._cache = kept
        self._chosen = chosen
        self._walk = Walk(repository, kept, chosen, jobs, progress)
        self.key = f"{cache_key(chosen.scheme)}:{_own_version()}"

    def counts(self, tree: str) -> dict[str, Counts]:
        """Counts by file, for files that have any."""
        return self._kept(tree).counts

    def warnings(self, tree: str) -> list[str]:
        """What was wrong with single files when the tree was looked at."""
        return self._kept(tree).warnings

    def uses(self, tree: str) -> list[Use]:
        """Every use of the family in kernel code, in stable order."""
        raw = self._cache.get_one("progress-uses", self.key, tree)
        if raw is None:
            return self._make(tree)[1]
        return msgspec.msgpack.decode(zlib.decompress(raw), type=list[Use])

    def _kept(self, tree: str) -> Kept:
        raw = self._cache.get_one("progress-counts", self.key, tree)
        if raw is None:
            return self._make(tree)[0]
        return msgspec.msgpack.decode(raw, type=Kept)

    def _make(self, tree: str) -> tuple[Kept, list[Use]]:
        counts, uses = measured(self._walk.at(tree))
        kept = Kept(counts, self._walk.warnings)
        with suppress(UnicodeEncodeError):  # a file's name is no UTF-8: measured again next time
            self._cache.put_one("progress-counts", self.key, tree, msgspec.msgpack.encode(kept))
            self._cache.put_one("progress-uses", self.key, tree, zlib.compress(msgspec.msgpack.encode(uses), 1))
        return kept, uses


def measured(tree: MovingTree) -> tuple[dict[str, Counts], list[Use]]:
    """Counts by file and uses in kernel code of a tree that is solved."""
    chosen = tree.scheme
    judge = decider(tree.live.solution, chosen)
    own_meaning = OwnMeaning(tree.ledger, chosen)
    family = set(vocabulary().family)
    tally: dict[str, list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    uses = []
    for path, number in sorted(tree.live.number.items()):
        facts = judge.graph.facts[number]
        for each in facts.uses:
            s = judge.site(number, each)
            if s.derived:
                continue
            tally[path][_AT[_measure(s)]] += 1
            if s.status in OPEN or (s.status == "decided" and s.replacement != s.macro):
                uses.append(Use(path, s.line, s.col, s.macro, s.function or "", s.status, s.unit, s.role, s.expression))
        for each in facts.written:
            unit = chosen.unit_written(each.written)
            if unit is None or each.name not in family or each.inert or each.defines:
                continue
            if not own_meaning.of(path, each.written):
                tally[path][_AT[f"converted {unit}"]] += 1
    return {path: tuple(numbers) for path, numbers in sorted(tally.items())}, uses


def _measure(s: Site) -> str:
    if s.status != "decided":
        return s.status
    return "kept" if s.replacement == s.macro else s.unit or "review"
