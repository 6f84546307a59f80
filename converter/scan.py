"""The scan: a tree in, a report out. The way of the data: tree, facts of each file, graph, units, sites."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from converter.classify.record import Report
from converter.collector import uncollected
from converter.decided import decide, identity
from converter.examine import Progress, cache_key, examine
from converter.rescan import adopt, remember, rescan
from converter.tree import Tree
from converter.tree.cache import Cache, tree_digest
from converter.vocabulary import Scheme, scheme


def scan(
    tree: Tree,
    cache: Cache,
    scheme_name: str = "pte-pg",
    jobs: int | None = None,
    progress: Progress | None = None,
    what_if: Path | None = None,
) -> Report:
    """Every use of the vocabulary in `tree`, decided as far as the evidence goes. Raises InputError."""
    with uncollected():
        return _scan(tree, cache, scheme_name, jobs, progress, what_if)


def _scan(
    tree: Tree, cache: Cache, scheme_name: str, jobs: int | None, progress: Progress | None, what_if: Path | None
) -> Report:
    chosen = scheme(scheme_name)
    known = cache.digests(tree)
    if what_if is not None:
        return decide(examine(tree, cache, scheme_name, jobs, progress, known), chosen, what_if)
    key = cache_key(scheme_name)
    if len(known) == len(tree.entries) and (report := _known(tree, cache, chosen, tree_digest(known))):
        return report
    if again := rescan(tree, cache, chosen, known, jobs, progress):
        digests, report = again
        cache.remember_digests(tree, digests)
        _remember(cache, key, tree_digest(digests), report)
        return report
    analysis = examine(tree, cache, scheme_name, jobs, progress, known)
    if analysis.warnings or len(analysis.digests) < len(tree.entries) or not cache.keeps:
        return decide(analysis, chosen)
    whole = tree_digest(analysis.digests)
    if report := _known(tree, cache, chosen, whole):
        return report
    report = remember(tree, cache, chosen, whole, analysis)
    _remember(cache, key, whole, report)
    return report


def _known(tree: Tree, cache: Cache, chosen: Scheme, whole: str) -> Report | None:
    """The report that is kept of the files with that tree_digest(), wherever they lay, as that of `tree`."""
    raw = cache.get_one("report", cache_key(chosen.scheme), whole)
    report = _decoded(raw) if raw is not None and not tree.warnings else None
    if report is None:
        return None
    adopt(tree, cache, chosen, whole)
    return replace(report, tree=identity(tree))


def _remember(cache: Cache, key: str, whole: str, report: Report) -> None:
    """Keep a report, unless a file's name is no UTF-8: facts are kept all the same, and decided again."""
    with suppress(UnicodeEncodeError):
        cache.put_one("report", key, whole, msgspec.msgpack.encode(report))


def _decoded(raw: bytes) -> Report | None:
    try:
        return msgspec.msgpack.decode(raw, type=Report)
    except msgspec.MsgspecError:
        return None
