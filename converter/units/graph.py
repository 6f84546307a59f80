"""The constraint graph of a whole tree: facts of all files linked by their global keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.units.edges import COST, Edge
from converter.units.facts import STRIDE, Facts
from converter.units.signatures import Seed, Signatures

Ints = NDArray[np.int32]

HUB = 48
"""An unseeded key that so many call sites share is polymorphic (memcpy, min): units do not flow through it."""


@dataclass(slots=True)
class Graph:
    """Nodes are numbered over the whole tree: first each file's own quantities, then the keys.

    `edges` has one row an edge: a, b, kind, line; `file_of_edge` the file it stands in; seeds by node.
    """

    files: list[str]
    facts: Sequence[Facts]
    offset: Ints  # first node of each file
    keys: list[str]  # node of key i: first_key + i
    first_key: int
    edges: Ints
    file_of_edge: Ints
    seeds: dict[int, list[Seed]]
    closed: Ints  # keys through which nothing flows: hubs, and fields of structs that are not known

    @property
    def size(self) -> int:
        return self.first_key + len(self.keys)

    def node(self, file: int, local: int) -> int:
        return int(self.offset[file]) + local

    def name(self, node: int) -> str:
        """What a person would call a node."""
        if node >= self.first_key:
            return spoken(self.keys[node - self.first_key])
        file = int(np.searchsorted(self.offset, node, side="right")) - 1
        return self.facts[file].locals[node - int(self.offset[file])]


def spoken(key: str) -> str:
    """A global key in words."""
    kind, _, rest = key.partition(":")
    rest = rest.rsplit(":", 1)[-1]
    if kind == "P":
        name, _, number = rest.rpartition("/")
        return f"parameter {int(number) + 1} of {name}()"
    if kind == "R":
        return f"{rest}()"
    if kind == "F":
        return rest.replace("@", "").replace(">", "->")
    if kind in ("N", "T"):
        return f"a {rest}"
    return rest


class Types:
    """Struct types over the tree: the struct that a key is, or points to."""

    def __init__(self, facts: Sequence[Facts], seeded: Iterable[str]) -> None:
        self.structs: dict[str, dict[str, str]] = {}
        self.returns: dict[str, str] = {}
        for f in facts:
            for struct, members in f.structs.items():
                known = self.structs.setdefault(struct, {})
                for name, type_ in members.items():
                    known.setdefault(name, type_)
            for function, type_ in f.returns.items():
                self.returns.setdefault(function, type_)
        self._seeded = frozenset(key[2:] for key in seeded)
        self.forget()

    def forget(self) -> None:
        """What was worked out from declarations, when these have changed."""
        self._known: dict[str, str | None] = {}
        owners: dict[str, set[str]] = {}
        for key in self._seeded:
            owner, _, name = key.rpartition(".")
            owners.setdefault(name, set()).add(owner)
        for struct, members in self.structs.items():
            for name in members.keys() & owners.keys():
                owners[name].add(struct)
        self._unique = {name: min(structs) for name, structs in owners.items() if len(structs) == 1}

    def of(self, key: str) -> str | None:
        """C type of a key as declared ("struct page**", "pte_t*"), or None."""
        if key in self._known:
            return self._known[key]
        self._known[key] = None  # ends a circle
        found = self._known[key] = self._of(key)
        return found

    def _of(self, key: str) -> str | None:
        if key.startswith("R:"):
            return self.returns.get(key[2:].rsplit(":", 1)[-1])
        if key.startswith("V:"):
            return self.returns.get(key) or self.returns.get("V:" + key.rsplit(":", 1)[-1])
        if key.startswith("F:"):
            owner, _, field = self.field(key)[2:].rpartition(".")
            return self.structs.get(owner, {}).get(field)
        return None

    def field(self, key: str) -> str:
        """A field's key with its struct resolved, as far as declarations tell."""
        if key.startswith("F:@"):
            inner, _, field = key[3:].rpartition(">")
            type_ = self.of(inner)
            if type_ is not None and type_.startswith("struct "):
                return f"F:{type_[7:].rstrip('*')}.{field}"
            around = self.field(inner)[2:].rpartition(".")[0] if inner.startswith("F:") else ""
            if field in self.structs.get(around, ()):  # of a struct without a name
                return f"F:{around}.{field}"
            owner = self._unique.get(field)
            return f"F:{owner}.{field}" if owner is not None else key
        if key.startswith("F:?."):
            owner = self._unique.get(key[4:])
            return f"F:{owner}.{key[4:]}" if owner is not None else key
        return key


def link(paths: Sequence[str], facts: Sequence[Facts], known: Signatures, rules: Mapping[str, Seed]) -> Graph:
    """One graph of all files. `rules`: what each role rule speaks for, by id."""
    types = Types(facts, (key for key in known.seeds if key.startswith("F:")))
    ids: dict[str, int] = {}
    resolved: dict[str, int] = {}
    offsets = np.zeros(len(facts) + 1, np.int32)
    np.cumsum([len(f.locals) for f in facts], out=offsets[1:])
    first_key = int(offsets[-1])
    parts: list[Ints] = []
    file_parts: list[Ints] = []
    for n, f in enumerate(facts):
        if not f.keys and not f.edges:
            continue
        numbers = np.empty(len(f.keys), np.int32)
        for i, key in enumerate(f.keys):
            found = resolved.get(key)
            if found is None:
                real = resolve(key, types)
                found = resolved[key] = ids.setdefault(real, len(ids))
            numbers[i] = found
        rows = placed(f, int(offsets[n]), numbers + first_key)
        parts.append(rows)
        file_parts.append(np.full(len(rows), n, np.int32))
    keys = list(ids)
    edges = np.concatenate(parts) if parts else np.zeros((0, STRIDE), np.int32)
    file_of_edge = np.concatenate(file_parts) if file_parts else np.zeros(0, np.int32)
    seeds: dict[int, list[Seed]] = {}
    extra: list[tuple[int, int, int, int]] = []
    for i in range(len(keys)):
        key = keys[i]
        node = first_key + i
        seed = seed_of(key, known, rules)
        if seed is not None:
            seeds.setdefault(node, []).append(seed)
        elif (hint := hint_of(key, types, known)) is not None:
            target = ids.setdefault(hint, len(ids))
            if target == len(keys):
                keys.append(hint)
                seeds[first_key + target] = [known.seeds[hint]]
            extra.append((node, first_key + target, int(Edge.TYPE), 0))
    if extra:
        edges = np.concatenate([edges, np.array(extra, np.int32)])
        file_of_edge = np.concatenate([file_of_edge, np.full(len(extra), -1, np.int32)])
    degree = np.bincount(edges[:, :2].ravel(), minlength=first_key + len(keys)) if len(edges) else np.zeros(1, np.int64)
    hubs = np.flatnonzero(degree > HUB).astype(np.int32)
    hubs = hubs[hubs >= first_key]
    vague = np.array([first_key + i for i, k in enumerate(keys) if is_vague(k)], np.int32)
    closed = np.union1d(hubs, vague).astype(np.int32)
    return Graph(list(paths), list(facts), offsets[:-1], keys, first_key, edges, file_of_edge, seeds, closed)


def placed(f: Facts, offset: int, nodes: Ints) -> Ints:
    """A file's edges in the numbers of the graph: its own quantities from `offset` on, its keys at `nodes`."""
    rows = np.frombuffer(f.edges, np.int32).reshape(-1, STRIDE).copy()
    for side in (0, 1):
        column = rows[:, side]
        is_key = column < 0
        column[~is_key] += offset
        column[is_key] = nodes[-1 - column[is_key]]
    return rows


def resolve(key: str, types: Types) -> str:
    """A raw key with its structs resolved."""
    if key.startswith("F:"):
        return types.field(key)
    if key[:2] in ("P:", "R:") and key[2:4] == "F:":
        suffix = "/" + key.rpartition("/")[2] if key[0] == "P" else ""
        inner = key[2 : len(key) - len(suffix)]
        return f"{key[:2]}{types.field(inner)}{suffix}"
    return key


def is_vague(key: str) -> bool:
    """A field of a struct that is not known: nothing flows through it."""
    return "F:?" in key or "@" in key


def seed_of(key: str, known: Signatures, rules: Mapping[str, Seed]) -> Seed | None:
    """What a signature, or a role rule, says of a key."""
    if key.startswith("X:"):
        return rules.get(key[2:])
    seed = known.seeds.get(key)
    if seed is None and key[:2] in ("P:", "R:", "V:") and ":" in key[2:]:
        path, _, bare = key[2:].rpartition(":")
        seed = known.seeds.get(key[:2] + bare)
        if seed is not None and seed.source != path and key[0] != "V":
            return None  # another file's private function of that name
    return seed


def hint_of(key: str, types: Types, known: Signatures) -> str | None:
    """The hint that the declared type of a field gives."""
    declared = types.of(key) if key.startswith("F:") else None
    if declared is None:
        return None
    bare = declared.rstrip("*")
    return known.types.get((bare, len(declared) - len(bare)))


def costs(graph: Graph) -> Ints:
    """Cost of each edge of a graph."""
    seeded = np.zeros(graph.size, np.bool_)
    seeded[list(graph.seeds)] = True
    return edge_costs(graph.edges, seeded)


def edge_costs(edges: Ints, seeded: NDArray[np.bool_]) -> Ints:
    """Cost of each edge. Without a signature a call is dearer: two callers of one function say little of each other.

    `seeded`: by node, does a signature say what it is?
    """
    table = np.array([COST[Edge(k)] for k in range(len(Edge))], np.int32)
    cost = table[edges[:, 2]]
    calls = edges[:, 2] == Edge.ARGUMENT
    unknown = calls & ~seeded[edges[:, 0]] & ~seeded[edges[:, 1]]
    cost[unknown] += 1
    return cost
