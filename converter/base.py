"""The units of a whole tree, solved once and kept: what a tree that differs from it in a few files starts from.

A scan keeps the base of a tree by its content, and which one a directory has; ci keeps one for each repository. The
next run moves it to where the tree is by then, file by file, and makes a new one only where that is farther than
scanning is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from converter.examine import Analysis, cache_key
from converter.ledger import Ledger
from converter.tree.cache import Cache
from converter.units.facts import Declared, declares
from converter.units.graph import Graph
from converter.units.keys import Keys, Packed
from converter.units.signatures import Seed
from converter.units.solve import FAR, Adjacency, Reach, bare
from converter.units.solved import Solved, World, solve_tree
from converter.units.typetable import TypeTable
from converter.vocabulary import Scheme

DISTANT = 300
"""Files in which a tree may differ from the kept base; beyond, a new base is made and kept."""

_MOST = 8
"""Bases of one kind that are kept, the last ones made."""


@dataclass(slots=True)
class Base:
    """A tree that was solved.

    blobs     digest of each file of the graph, in order
    ledger    its uses, counted
    warnings  of its files, and of its listing
    """

    tree: str
    blobs: list[str]
    solved: Solved
    ledger: Ledger
    warnings: tuple[str, ...] = ()


class _Forest(msgspec.Struct):
    """The nodes that a label reaches: number, distance, round, edge; and the seeds among them."""

    nodes: memoryview
    distance: memoryview
    round: memoryview
    parent: memoryview
    start: list[tuple[int, Seed]]


class _Kept(msgspec.Struct):
    """Arrays are views of what was read: nothing is copied, and nothing can be written to."""

    tree: str
    blobs: memoryview
    files: list[str]
    offset: memoryview
    keys: Packed
    first_key: int
    edges: memoryview
    edges_of: memoryview  # how many edges each file has; the rest are of no file
    seeds: list[tuple[int, list[Seed]]]
    closed: memoryview
    vague: memoryview
    forests: dict[str, _Forest]
    other: memoryview
    edge: memoryview
    cost: memoryview  # a byte each
    degree: memoryview  # how many edges each node has
    renamed: list[tuple[int, str]]
    real: memoryview
    raw_first: memoryview
    raw_ids: memoryview
    room: int
    ledger: Ledger
    warnings: tuple[str, ...]


def make(analysis: Analysis, tree: str, own: World) -> tuple[Base, TypeTable]:
    """Solve a whole tree."""
    types = type_table(zip(analysis.paths, map(declares, analysis.facts), strict=True), own)
    blobs = [analysis.digests[path] for path in analysis.paths]
    ledger = Ledger.of(zip(analysis.paths, analysis.facts, strict=True))
    solved = solve_tree(analysis.paths, analysis.facts, own)
    return Base(tree, blobs, solved, ledger, tuple(analysis.warnings)), types


def type_table(files: Iterable[tuple[str, Declared]], own: World) -> TypeTable:
    """Declared types by file."""
    return TypeTable.of(files, own.known.seeds)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the base of a tree is kept. `what`: "scan" or "ci"; `place`: tree_digest() of its files, or place_of()."""

    cache: Cache
    what: str
    place: str
    scheme: str

    def get(self, part: str) -> bytes | None:
        """A part of what is kept."""
        return self.cache.get_one(f"{self.what}-{part}", cache_key(self.scheme), self.place)

    def put(self, part: str, value: bytes) -> None:
        """Keep a part in place of the one before."""
        self.cache.put_one(f"{self.what}-{part}", cache_key(self.scheme), self.place, value, most=_MOST)


def place_of(root: str) -> str:
    """A directory as a place on a shelf."""
    return hashlib.sha1(os.fsencode(os.path.realpath(root)), usedforsecurity=False).hexdigest()


def keep(shelf: Shelf, base: Base, types: TypeTable) -> bool:
    """Keep a base, in place of the one before; not one with file names that are no UTF-8."""
    try:
        solved, declared = msgspec.msgpack.encode(_packed(base)), types.packed(base.tree)
    except UnicodeEncodeError:
        return False
    shelf.put("solved", solved)
    shelf.put("types", declared)
    return True


def kept(shelf: Shelf) -> Base | None:
    """The base that is kept."""
    raw = shelf.get("solved")
    try:
        return None if raw is None else _unpacked(msgspec.msgpack.decode(raw, type=_Kept))
    except (msgspec.MsgspecError, ValueError):
        return None


def kept_types(shelf: Shelf, tree: str, own: World) -> TypeTable | None:
    """The declared types of the base that is kept, if it is that of a tree."""
    raw = shelf.get("types")
    try:
        return None if raw is None else TypeTable.unpacked(raw, tree, own.known.seeds)
    except msgspec.MsgspecError:
        return None


def scanned(cache: Cache, chosen: Scheme, digest: str, tree: str, own: World) -> tuple[Base, TypeTable] | None:
    """What a scan has kept of the files with that tree_digest(), as the base of `tree`; None where it kept nothing.

    The base of a tree that speaks the scheme was solved in another world than `own` and is none either.
    """
    shelf = Shelf(cache, "scan", digest, chosen.scheme)
    base, types = kept(shelf), kept_types(shelf, digest, own)
    if base is None or types is None or base.ledger.speaks(chosen):
        return None
    base.tree = tree
    return base, types


def _packed(base: Base) -> _Kept:
    s, g = base.solved, base.solved.graph
    keys = g.keys.pack() if isinstance(g.keys, Keys) else Packed.of(g.keys)
    forests = {}
    for label, r in s.reach.items():
        nodes = np.flatnonzero(r.distance < FAR).astype(np.int32)
        forests[label] = _Forest(
            nodes.data, r.distance[nodes].data, r.round[nodes].data, r.parent[nodes].data, list(r.start.items())
        )
    edges_of = np.bincount(g.file_of_edge[g.file_of_edge >= 0], minlength=len(g.files)).astype(np.int32)
    return _Kept(
        base.tree, memoryview(bytes.fromhex("".join(base.blobs))), g.files, g.offset.data, keys, g.first_key,
        g.edges.reshape(-1).data, edges_of.data, list(g.seeds.items()), g.closed.data, g.vague.data, forests,
        s.adjacency.other.data, s.adjacency.edge.data, s.adjacency.cost.astype(np.int8).data,
        np.diff(s.adjacency.first).astype(np.int32).data, list(s.renamed.items()), s.real.data,
        s.raw_first.data, s.raw_ids.data, s.room, base.ledger, base.warnings,
    )  # fmt: skip


def _unpacked(k: _Kept) -> Base:
    edges_of = _ints(k.edges_of)
    edges = _ints(k.edges).reshape(-1, 4)
    file_of_edge = np.full(len(edges), -1, np.int32)
    of_files = np.repeat(np.arange(len(k.files), dtype=np.int32), edges_of)
    file_of_edge[: len(of_files)] = of_files
    graph = Graph(
        k.files, (), _ints(k.offset), Keys(k.keys), k.first_key, edges, file_of_edge, dict(k.seeds), _ints(k.closed),
        _ints(k.vague),
    )  # fmt: skip
    degree = _ints(k.degree)
    size = len(degree)
    reach: dict[str, Reach] = {}
    for label, f in k.forests.items():
        nodes = _ints(f.nodes)
        r = reach[label] = bare(size)
        r.distance[nodes], r.parent[nodes] = np.frombuffer(f.distance, np.int8), _ints(f.parent)
        r.round[nodes] = np.frombuffer(f.round, np.int16)
        r.start.update(f.start)
    first = np.zeros(size + 1, np.int64)
    np.cumsum(degree, out=first[1:])
    edge = _ints(k.edge)
    if not len(edge) == len(k.cost) == first[-1] == 2 * len(edges):
        raise ValueError("not what this version keeps")
    adjacency = Adjacency(_ints(k.other), edge, np.frombuffer(k.cost, np.int8).astype(np.int32), first)
    width = len(k.blobs) // max(1, len(k.files)) * 2
    ids = k.blobs.hex()
    blobs = [ids[i : i + width] for i in range(0, len(ids), width)] if width else []
    solved = Solved(
        graph, reach, adjacency, dict(k.renamed), _ints(k.real), _ints(k.raw_first), _ints(k.raw_ids), k.room
    )
    return Base(k.tree, blobs, solved, k.ledger, k.warnings)


def _ints(raw: memoryview) -> Any:
    return np.frombuffer(raw, np.int32)
