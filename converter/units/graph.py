"""The constraint graph of a whole tree: facts of all files linked by their global keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, count

import numpy as np
from numpy.typing import NDArray

from converter.units.edges import COST, Edge
from converter.units.facts import STRIDE, Declared, Facts, declares
from converter.units.numbers import union
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
    keys: Sequence[str]  # node of key i: first_key + i
    first_key: int
    edges: Ints
    file_of_edge: Ints
    seeds: dict[int, list[Seed]]
    closed: Ints  # keys through which nothing flows: hubs, and the vague
    vague: Ints  # fields of structs that are not known

    @property
    def size(self) -> int:
        return self.first_key + len(self.keys)

    def node(self, file: int, local: int) -> int:
        return int(self.offset[file]) + local

    def name(self, node: int) -> str:
        """What a person would call a node."""
        if node >= self.first_key:
            return spoken(self.keys[node - self.first_key])
        file = int(np.searchsorted(self.offset, np.int32(node), side="right")) - 1  # of one type: no copy is made
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


Members = dict[str, str]
"""field -> type"""


def merged(said: Sequence[Members]) -> Members:
    """The members of a struct that several files declare: what the first says of a field holds."""
    made: Members = {}
    for members in reversed(said):
        made |= members
    return made


def seeded_fields(seeded: Iterable[str]) -> dict[str, set[str]]:
    """Fields that signatures speak of -> their structs."""
    fields: dict[str, set[str]] = {}
    for key in seeded:
        if key.startswith("F:"):
            struct, _, name = key[2:].rpartition(".")
            fields.setdefault(name, set()).add(struct)
    return fields


def owners(structs: Iterable[tuple[str, Members]], fields: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Those of the fields that are declared -> the structs that have them."""
    found: dict[str, set[str]] = {}
    for struct, members in structs:
        for name in members.keys() & fields.keys():
            found.setdefault(name, set()).add(struct)
    return found


def unique(fields: Mapping[str, set[str]], owning: Mapping[str, set[str]]) -> dict[str, str]:
    """Seeded fields that one struct alone has -> that struct."""
    structs = {name: known | owning.get(name, set()) for name, known in fields.items()}
    return {name: min(some) for name, some in structs.items() if len(some) == 1}


class Types:
    """Struct types over the tree: the struct that a key is, or points to."""

    def __init__(self, structs: Mapping[str, Members], returns: Mapping[str, str], unique: Mapping[str, str]) -> None:
        """`unique`: seeded fields that one struct alone has -> that struct."""
        self.structs, self.returns, self._unique = structs, returns, unique
        self._known: dict[str, str | None] = {}

    @classmethod
    def linked(cls, declared: Sequence[Declared], seeded: Iterable[str]) -> Types:
        """Of what the files of a tree declare, in the order of their paths. `seeded`: the keys that signatures know."""
        known: dict[str, Members] = {}
        results: dict[str, str] = {}
        for structs, returns in reversed(declared):  # the first file that declares a name has the last word
            for struct in structs.keys() & known.keys():
                known[struct] = merged([structs[struct], known[struct]])
            known |= {struct: members for struct, members in structs.items() if struct not in known}
            results |= returns
        fields = seeded_fields(seeded)
        return cls(known, results, unique(fields, owners(known.items(), fields)))

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


@dataclass(slots=True)
class Linked:
    """A graph, and how its files name its keys: `raw` are the keys as files write them, `real` the number of the
    graph's key that each stands for; file n holds raw_ids[raw_first[n] : raw_first[n + 1]]."""

    graph: Graph
    raw: list[str]
    real: Ints
    raw_first: Ints
    raw_ids: Ints


def link(
    paths: Sequence[str], facts: Sequence[Facts], known: Signatures, rules: Mapping[str, Seed], room: int = 0
) -> Linked:
    """One graph of all files. `rules`: what each role rule speaks for, by id; `room`: numbers that stay free for the
    quantities of files to come."""
    types = Types.linked(list(map(declares, facts)), known.seeds)
    number: dict[str, int] = defaultdict(count().__next__)
    raw_ids = np.fromiter(map(number.__getitem__, chain.from_iterable(f.keys for f in facts)), np.int32)
    raw_first = _firsts(len(f.keys) for f in facts)
    raw = list(number)
    ids: dict[str, int] = defaultdict(count().__next__)
    real = np.fromiter(map(ids.__getitem__, [resolve(key, types) if "F:" in key else key for key in raw]), np.int32)
    keys = list(ids)
    offset = _firsts(len(f.locals) for f in facts)
    first_key = int(offset[-1]) + room
    edges = np.frombuffer(b"".join(f.edges for f in facts), np.int32).reshape(-1, STRIDE).copy()
    counts = [len(f.edges) // STRIDE for f in facts]
    file_of_edge = np.repeat(np.arange(len(facts), dtype=np.int32), counts)
    _place(edges, offset[file_of_edge], raw_first[file_of_edge], real[raw_ids] + np.int32(first_key))
    seeds, hints = _known(keys, ids, first_key, types, known, rules)
    edges = np.concatenate([edges, hints])
    file_of_edge = np.concatenate([file_of_edge, np.full(len(hints), -1, np.int32)])
    degree = np.bincount(edges[:, :2].ravel(), minlength=first_key + len(keys))
    hubs = np.flatnonzero(degree > HUB).astype(np.int32)
    hubs = hubs[hubs >= first_key]
    vague = np.array([first_key + i for i, k in enumerate(keys) if "F:" in k and is_vague(k)], np.int32)
    closed = union(hubs, vague)
    graph = Graph(list(paths), list(facts), offset[:-1], keys, first_key, edges, file_of_edge, seeds, closed, vague)
    return Linked(graph, raw, real, raw_first, raw_ids)


def _firsts(lengths: Iterable[int]) -> Ints:
    """Where each of several runs starts, and the end."""
    return np.fromiter(accumulate(lengths, initial=0), np.int32)


def _known(
    keys: list[str], ids: dict[str, int], first_key: int, types: Types, known: Signatures, rules: Mapping[str, Seed]
) -> tuple[dict[int, list[Seed]], Ints]:
    """What is known of keys, by node, and the edges from fields to the hints of their types; keys of hints that nobody
    named so far are added."""
    seeds: dict[int, list[Seed]] = {}
    edges: list[tuple[int, int, int, int]] = []
    seeded = {key.rpartition(":")[2] for key in known.seeds}
    for i, key in enumerate(keys[:]):
        field = key[0] == "F"
        if not field and key[0] != "X" and key[key.rfind(":") + 1 :] not in seeded:
            continue  # nearly all
        seed = seed_of(key, known, rules)
        if seed is not None:
            seeds[first_key + i] = [seed]
        elif field and (hint := hint_of(key, types, known)):
            target = ids[hint]
            if target == len(keys):
                keys.append(hint)
                seeds[first_key + target] = [known.seeds[hint]]
            edges.append((first_key + i, first_key + target, int(Edge.TYPE), 0))
    return seeds, np.array(edges, np.int32).reshape(-1, STRIDE)


def placed(f: Facts, offset: int, nodes: Ints) -> Ints:
    """A file's edges in the numbers of the graph: its own quantities from `offset` on, its keys at `nodes`."""
    rows = np.frombuffer(f.edges, np.int32).reshape(-1, STRIDE).copy()
    zero = np.zeros(len(rows), np.int32)
    _place(rows, zero + np.int32(offset), zero, nodes)
    return rows


def _place(rows: Ints, offset: Ints, first: Ints, nodes: Ints) -> None:
    """Put edges in the numbers of the graph, row by row: a file's own quantities from `offset` on, its keys at
    nodes[first : ]."""
    for column in (rows[:, 0], rows[:, 1]):
        own = column >= 0
        column[own] += offset[own]
        keys = ~own
        column[keys] = nodes[first[keys] - 1 - column[keys]]


def resolve(key: str, types: Types) -> str:
    """A raw key with its structs resolved."""
    if "F:" not in key:
        return key
    if key[0] == "F":
        return types.field(key)
    if key[2:4] == "F:":
        suffix = "/" + key.rpartition("/")[2] if key[0] == "P" else ""
        inner = key[2 : len(key) - len(suffix)]
        return f"{key[:2]}{types.field(inner)}{suffix}"
    return key


def is_vague(key: str) -> bool:
    """A field of a struct that is not known: nothing flows through it."""
    return "F:?" in key or "F:@" in key


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


_NOTHING: Mapping[str, str] = {}


def hint_of(key: str, types: Types, known: Signatures) -> str | None:
    """The hint that the declared type of a field gives."""
    if not key.startswith("F:"):
        return None
    owner, _, field = key[2:].rpartition(".")
    declared = types.structs.get(owner, _NOTHING).get(field)
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
