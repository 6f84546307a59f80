"""A scan of a tree of which few files changed since it was scanned as a whole.

The solved graph of that scan is kept; the files that differ are exchanged in it, and only the uses whose paths became
other ones are decided again. The report is the one that a scan from nothing gives, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from converter.base import DISTANT, Base, Shelf, keep, kept, kept_types, make, place_of
from converter.classify.record import Evidence, Report, Site
from converter.decided import converted, decided, decider, described, labels, told, world
from converter.examine import Analysis, Progress, cache_key, facts_of
from converter.kept import fact_key
from converter.tree import Entry, Tree
from converter.tree.cache import Cache
from converter.units.facts import Facts, decode
from converter.units.live import Exchanged, Live
from converter.units.meet import meetings
from converter.units.numbers import union
from converter.units.solve import Solution
from converter.units.solved import FactsOf, World
from converter.units.typetable import TypeTable
from converter.vocabulary import Scheme


class _Listing(msgspec.Struct, array_like=True):
    """Which content each file of a base has: paths joined by NUL, digests by nothing."""

    paths: bytes
    digests: bytes


class _Gone(Exception):
    """The cache has lost the facts of a file as it was."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What differs from the base: the files that come or changed, and the paths that are no more."""

    files: tuple[Entry, ...]
    gone: frozenset[str]
    blobs: Mapping[str, str]  # of the base, by path


def remember(tree: Tree, cache: Cache, chosen: Scheme, whole: str, analysis: Analysis) -> Report:
    """The report on a whole tree; its solved graph is kept for rescan(). `whole`: tree_digest() of it."""
    own = world(chosen)
    if converted(analysis, chosen):
        own = replace(own, silent=())
    base, types = make(analysis, whole, own)
    shelf = Shelf(cache, "scan", whole, chosen.scheme)
    if keep(shelf, base, types):
        paths, ids = zip(*sorted(analysis.digests.items()), strict=True)
        listing = _Listing("\0".join(paths).encode(), bytes.fromhex("".join(ids)))
        shelf.put("listing", msgspec.msgpack.encode(listing))
        adopt(tree, cache, chosen, whole)
    return decided(analysis, chosen, Solution(base.solved.graph, base.solved.reach))


def adopt(tree: Tree, cache: Cache, chosen: Scheme, whole: str) -> None:
    """The graph that is kept of the files with that tree_digest(), if one is, is where `tree` starts from now on."""
    here = _here(tree, cache, chosen)
    if here.get("at") != whole.encode() and Shelf(cache, "scan", whole, chosen.scheme).get("listing") is not None:
        here.put("at", whole.encode())


def rescan(
    tree: Tree, cache: Cache, chosen: Scheme, known: Mapping[str, str], jobs: int | None, progress: Progress | None
) -> tuple[dict[str, str], Report] | None:
    """Digests of all files and the report; None where the whole tree is to be scanned.

    `known`: what cache.digests() says of the tree.
    """
    at = _here(tree, cache, chosen).get("at")
    if at is None or tree.warnings:
        return None
    shelf = Shelf(cache, "scan", at.decode(), chosen.scheme)
    change = _change(shelf, tree, known)
    if change is None:
        return None
    here = {e.path: known[e.path] for e in change.files if e.path in known}
    analysis = facts_of(replace(tree, entries=change.files), cache, chosen.scheme, jobs, progress, here)
    if analysis.warnings or len(analysis.digests) < len(change.files):
        return None
    base, raw = kept(shelf), cache.get_one("report", cache_key(chosen.scheme), shelf.place)
    if base is None or raw is None:
        return None
    spoke = base.ledger.speaks(chosen)
    come = dict(zip(analysis.paths, analysis.facts, strict=True))
    left = change.gone | {e.path for e in change.files}
    for path in left:
        base.ledger.put(path, come.get(path))
    if base.ledger.speaks(chosen) != spoke:
        return None
    own = world(chosen)
    try:
        before = msgspec.msgpack.decode(raw, type=Report)
        live = _live(shelf, base, change, replace(own, silent=()) if spoke else own)
        report = _mended(tree, chosen, before, live, live.exchange(left, come), left)
    except (msgspec.MsgspecError, _Gone):
        return None
    return {e.path: known[e.path] for e in tree.entries if e.path in known} | analysis.digests, report


def _here(tree: Tree, cache: Cache, chosen: Scheme) -> Shelf:
    """Where it is kept which base a directory starts from ("at")."""
    return Shelf(cache, "scan", place_of(tree.root), chosen.scheme)


def _change(shelf: Shelf, tree: Tree, known: Mapping[str, str]) -> _Change | None:
    """What differs from the base that is kept, unless there is none or it is too far away."""
    raw = shelf.get("listing")
    try:
        listing = None if raw is None else msgspec.msgpack.decode(raw, type=_Listing)
        if listing is None:
            return None
        paths, digits = listing.paths.decode().split("\0"), listing.digests.hex()
        blobs = dict(zip(paths, (digits[i : i + 40] for i in range(0, len(digits), 40)), strict=True))
    except (msgspec.MsgspecError, ValueError):
        return None
    get, was = known.get, blobs.get
    files = tuple([e for e in tree.entries if get(e[0], "") != was(e[0])])
    gone = blobs.keys() - known.keys() - {e.path for e in tree.entries if e.path not in known}
    if len(files) + len(gone) > DISTANT:
        return None
    return _Change(files, frozenset(gone), blobs)


def _live(shelf: Shelf, base: Base, change: _Change, own: World) -> Live:
    """The base, ready to move. Raises _Gone later, where facts of its files are asked for that are not kept."""
    files, key = list(base.solved.graph.files), cache_key(shelf.scheme)

    def load(number: int) -> Facts:
        path = files[number]
        raw = shelf.cache.get_one("facts", key, fact_key(path, change.blobs[path]))
        if raw is None:
            raise _Gone
        return decode(raw)

    def types() -> TypeTable:
        found = kept_types(shelf, base.tree, own)
        if found is None:
            raise _Gone
        return found

    return Live(base.solved, FactsOf(len(files), load, {}), types, own)


def _mended(
    tree: Tree, chosen: Scheme, before: Report, live: Live, moved: Exchanged, left: frozenset[str]
) -> Report:  # fmt: skip
    """The report from before, with what hangs on the exchange decided again."""
    graph = live.graph
    judge = decider(moved.after, chosen)
    sites: dict[str, list[Site]] = {}
    for site in before.sites:
        if site.path not in left:
            sites.setdefault(site.path, []).append(site)
    for path in {*moved.come, *_touched(live, moved)}:
        number = live.number[path]
        sites[path] = [judge.site(number, use) for use in graph.facts[number].uses]
    other = left | moved.come.keys()
    rows = np.isin(graph.file_of_edge, list(moved.come.values()))
    part = replace(graph, edges=graph.edges[rows], file_of_edge=graph.file_of_edge[rows])
    met: Iterable[Evidence] = (m.evidence(graph) for m in meetings(part, labels(chosen)))
    met = {e for e in before.conflicts if e.path not in other} | set(met)
    return told(described(tree, chosen, tree.warnings), (s for path in sorted(sites) for s in sites[path]), met)


def _touched(live: Live, moved: Exchanged) -> set[str]:
    """The files of the tree that have a quantity whose path is another one."""
    graph = live.graph
    nodes = union(np.zeros(0, np.int32), *moved.mended.values())
    nodes = nodes[nodes < graph.first_key]
    numbers = union(np.searchsorted(graph.offset, nodes, side="right") - 1)
    paths = {graph.files[n] for n in numbers.tolist()}
    return {path for path in paths if path in live.number}
