"""The units of a base tree, solved once and kept: what every later commit starts from.

One base is kept for each repository and scheme. The next run moves it to where its range begins, file by file, and
makes a new one only where that is farther than scanning is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from converter.ci.ledger import Ledger
from converter.scan import Analysis, cache_key, world
from converter.tree.cache import Cache
from converter.units.graph import Graph
from converter.units.signatures import Seed
from converter.units.solve import FAR, Adjacency, Reach
from converter.units.solved import Solved, World, solve_tree
from converter.units.typetable import Declared, TypeTable, declares
from converter.vocabulary import scheme

_SOLVED = "ci-solved"
_TYPES = "ci-types"


@dataclass(slots=True)
class Base:
    """A tree that was solved. `blobs`: blob id of each file of the graph, in order; `ledger`: its uses, counted."""

    tree: str
    blobs: list[str]
    solved: Solved
    ledger: Ledger


class _Forest(msgspec.Struct):
    """The nodes that a label reaches: number, distance, edge; and the seeds among them."""

    nodes: bytes
    distance: bytes
    parent: bytes
    start: list[tuple[int, Seed]]


class _Kept(msgspec.Struct):
    tree: str
    blobs: bytes
    files: list[str]
    offset: bytes
    keys: list[str]
    first_key: int
    edges: bytes
    file_of_edge: bytes
    seeds: list[tuple[int, list[Seed]]]
    closed: bytes
    forests: dict[str, _Forest]
    edge: bytes
    cost: bytes  # a byte each
    first: bytes
    raw: list[str | None]  # None where it is the graph's own key
    real: bytes
    raw_first: bytes
    raw_ids: bytes
    ledger: Ledger


def make(analysis: Analysis, tree: str, own: World) -> tuple[Base, TypeTable]:
    """Solve a whole tree."""
    types = type_table(zip(analysis.paths, map(declares, analysis.facts), strict=True), own)
    blobs = [analysis.digests[path] for path in analysis.paths]
    ledger = Ledger.of(zip(analysis.paths, analysis.facts, strict=True))
    return Base(tree, blobs, solve_tree(analysis.paths, analysis.facts, own), ledger), types


def type_table(files: Iterable[tuple[str, Declared]], own: World) -> TypeTable:
    """Declared types by file."""
    return TypeTable({path: d for path, d in files if d[0] or d[1]}, own.known.seeds)


def keep(cache: Cache, repository: str, scheme_name: str, base: Base, types: TypeTable) -> None:
    """Keep the base of a repository, in place of the one before; not one with file names that are no UTF-8."""
    key, place = cache_key(scheme_name), _place(repository)
    try:
        solved, declared = msgspec.msgpack.encode(_packed(base)), msgspec.msgpack.encode((base.tree, types.files))
    except UnicodeEncodeError:
        return
    cache.put_one(_SOLVED, key, place, solved)
    cache.put_one(_TYPES, key, place, declared)


def kept(cache: Cache, repository: str, scheme_name: str) -> Base | None:
    """The base that is kept for a repository."""
    raw = cache.get_one(_SOLVED, cache_key(scheme_name), _place(repository))
    try:
        return None if raw is None else _unpacked(msgspec.msgpack.decode(raw, type=_Kept))
    except (msgspec.MsgspecError, ValueError):
        return None


def kept_types(cache: Cache, repository: str, scheme_name: str, tree: str) -> TypeTable | None:
    """The declared types of the base that is kept."""
    raw = cache.get_one(_TYPES, cache_key(scheme_name), _place(repository))
    try:
        kept: tuple[str, dict[str, Declared]] | None = (
            None if raw is None else msgspec.msgpack.decode(raw, type=tuple[str, dict[str, Declared]])
        )
    except msgspec.MsgspecError:
        return None
    return None if kept is None or kept[0] != tree else type_table(kept[1].items(), world(scheme(scheme_name)))


def _place(repository: str) -> str:
    return hashlib.sha1(os.fsencode(os.path.realpath(repository)), usedforsecurity=False).hexdigest()


def _packed(base: Base) -> _Kept:
    s, g = base.solved, base.solved.graph
    forests = {}
    for label, r in s.reach.items():
        nodes = np.flatnonzero(r.distance < FAR).astype(np.int32)
        forests[label] = _Forest(
            nodes.tobytes(), r.distance[nodes].tobytes(), r.parent[nodes].tobytes(), list(r.start.items())
        )
    raw = [None if key == g.keys[n] else key for key, n in zip(s.raw, s.real.tolist(), strict=True)]
    return _Kept(
        base.tree, bytes.fromhex("".join(base.blobs)), g.files, g.offset.tobytes(), g.keys, g.first_key,
        g.edges.tobytes(), g.file_of_edge.tobytes(), list(g.seeds.items()), g.closed.tobytes(), forests,
        s.adjacency.edge.tobytes(), s.adjacency.cost.astype(np.int8).tobytes(),
        s.adjacency.first.tobytes(), raw, s.real.tobytes(), s.raw_first.tobytes(), s.raw_ids.tobytes(), base.ledger,
    )  # fmt: skip


def _unpacked(k: _Kept) -> Base:
    graph = Graph(
        k.files, (), _ints(k.offset), k.keys, k.first_key, _ints(k.edges).reshape(-1, 4), _ints(k.file_of_edge),
        dict(k.seeds), _ints(k.closed),
    )  # fmt: skip
    reach = {}
    for label, f in k.forests.items():
        nodes = _ints(f.nodes)
        distance, parent = np.full(graph.size, FAR, np.int8), np.full(graph.size, -1, np.int32)
        distance[nodes], parent[nodes] = np.frombuffer(f.distance, np.int8), _ints(f.parent)
        reach[label] = Reach(distance, parent, dict(f.start))
    first = np.frombuffer(bytearray(k.first), np.int64)
    edge = _ints(k.edge)
    if not len(edge) == len(k.cost) == 2 * len(graph.edges):
        raise ValueError("not what this version keeps")
    here = np.repeat(np.arange(graph.size, dtype=np.int32), np.diff(first))
    other = graph.edges[edge, 0] + graph.edges[edge, 1] - here
    adjacency = Adjacency(other, edge, np.frombuffer(k.cost, np.int8).astype(np.int32), first)
    real = _ints(k.real)
    raw = [k.keys[n] if key is None else key for key, n in zip(k.raw, real.tolist(), strict=True)]
    width = len(k.blobs) // max(1, len(k.files)) * 2
    ids = k.blobs.hex()
    blobs = [ids[i : i + width] for i in range(0, len(ids), width)] if width else []
    solved = Solved(graph, reach, adjacency, raw, real, _ints(k.raw_first), _ints(k.raw_ids))
    return Base(k.tree, blobs, solved, k.ledger)


def _ints(raw: bytes) -> Any:
    return np.frombuffer(bytearray(raw), np.int32)
