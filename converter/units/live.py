"""A solved graph whose files can be exchanged: the distances of the whole tree after a few files have changed.

Exact, not a guess from the file alone. What hung on an edge that goes is forgotten, down the shortest-path forest; the
forest then grows again from what stands around the hole and from the new edges. Distances and paths are those that a
solution of the whole tree from nothing would have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from converter.units.edges import Edge
from converter.units.facts import STRIDE, Facts, declares
from converter.units.graph import HUB, Ints, edge_costs, hint_of, is_vague, placed, resolve, seed_of
from converter.units.keys import Keys
from converter.units.numbers import union, without
from converter.units.solve import FAR, LIMIT, Adjacency, Reach, Solution, bare, grow
from converter.units.solved import SLACK, FactsOf, Solved, World
from converter.units.typetable import TypeTable

Bools = NDArray[np.bool_]
_T = TypeVar("_T", bound=np.generic)
_LAST = 1 << 30
"""Beyond every number of a file."""


@dataclass(slots=True)
class Exchanged:
    """The tree before and after: two solutions of one graph, and the numbers of the files that went and came.

    Good until the next exchange. `mended`: by label, the nodes whose path is another one.
    """

    before: Solution
    after: Solution
    gone: dict[str, int]
    come: dict[str, int]
    mended: dict[str, Ints]

    def touched(self) -> Ints:
        """Nodes that some unit reaches at another distance than before."""
        parts = [np.zeros(0, np.int32)]
        for label, nodes in self.mended.items():
            was, now = self.before.reach.get(label), self.after.reach[label]
            parts.append(nodes if was is None else nodes[was.distance[nodes] != now.distance[nodes]])
        return union(*parts)


class Live:
    """The units of a tree that changes file by file. Takes `start` over."""

    def __init__(self, start: Solved, facts: FactsOf, types: Callable[[], TypeTable], world: World) -> None:
        self._world = world
        self._make_types = types
        self._types: TypeTable | None = None
        self._facts = facts
        g = self.graph = start.graph
        g.facts = facts
        self.solution = Solution(g, start.reach)
        self.number = {path: n for n, path in enumerate(g.files)}
        self._base = start.adjacency
        self._real = start.real.tolist()
        self._raw_id = {key: i for i, key in start.renamed.items()}  # and those of raw keys that came later
        self._keys = g.keys = g.keys if isinstance(g.keys, Keys) else Keys.of(g.keys)
        own = np.ones(len(self._real), np.bool_)
        own[list(start.renamed)] = False
        self._raw_of_key = np.full(len(g.keys), -1, np.int32)  # of the keys that are raw keys too
        self._raw_of_key[start.real[own]] = np.flatnonzero(own)
        self._fresh: list[int] = []  # keys that were made and are not seeded yet
        self._planted: list[int] = []  # nodes that were seeded and are in no forest yet
        self._raw_first, self._raw_ids = start.raw_first, start.raw_ids
        self._own_raws: dict[int, Ints] = {}  # of the files that came later
        self._base_rows = len(g.edges)
        self._alive = np.ones(self._base_rows, np.bool_)
        self._cost = np.zeros(self._base_rows, np.int32)  # of later rows; the base knows its own
        self._order = np.append(np.arange(len(g.files), dtype=np.int64), _LAST)  # of files, by path
        self._hints = {int(g.edges[e, 0]): int(e) for e in np.flatnonzero(g.file_of_edge == -1)}
        size = self._capacity = len(start.adjacency.first) - 1
        self._next = g.first_key - start.room
        self._seeded = np.zeros(size, np.bool_)
        self._seeded[list(g.seeds)] = True
        self._vague = np.zeros(size, np.bool_)
        self._vague[g.vague] = True
        self._degree = np.diff(start.adjacency.first)
        self._begins: dict[str, Bools] = {}
        for label, reach in self.solution.reach.items():
            self._begins[label] = np.zeros(size, np.bool_)
            self._begins[label][list(reach.start)] = True
        self._copies: dict[str, Reach] = {}  # the forests as they were before the last exchange
        self._mended: dict[str, Ints] = {}  # and where they have changed since
        self._over = self._overlay()

    @property
    def types(self) -> TypeTable:
        """Declared types of the tree."""
        if self._types is None:
            self._types = self._make_types()
        return self._types

    def facts_of(self, path: str) -> Facts | None:
        """Facts of a file of the tree as it is now."""
        number = self.number.get(path)
        return None if number is None else self._facts[number]

    def exchange(self, gone: Iterable[str], come: Mapping[str, Facts]) -> Exchanged:
        """Take files out and put others in (a changed file is both), and solve."""
        old = {path: self.number[path] for path in {*gone, *come} if path in self.number}
        new = dict(come)
        relink, hints = self._retype(old, new)
        for path in relink:
            old[path] = self.number[path]
            new[path] = self._facts[old[path]]
        self._room(new.values())
        before = self._kept()
        dead = self._remove(old, hints)
        rows, numbers = self._add(old, new, hints)
        self._mended = self._solve(dead, rows)
        return Exchanged(before, self.solution, old, numbers, self._mended)

    def _kept(self) -> Solution:
        """A copy of the solution, made from the last one and what has changed since."""
        for label, reach in self.solution.reach.items():
            copy = self._copies.get(label)
            if copy is None:
                self._copies[label] = Reach(reach.distance.copy(), reach.round.copy(), reach.parent.copy(), reach.start)
            elif len(nodes := self._mended.get(label, ())):
                for kept, now in ((copy.distance, reach.distance), (copy.round, reach.round)):
                    kept[nodes] = now[nodes]
                copy.parent[nodes] = reach.parent[nodes]
        return Solution(self.graph, dict(self._copies))

    # types

    def _retype(self, old: Mapping[str, int], new: Mapping[str, Facts]) -> tuple[set[str], set[int]]:
        """Exchange what the files declare. Other files that now mean other keys, and keys whose own type changed."""
        was = {path: declares(self._facts[n]) for path, n in old.items()}
        now = {path: declares(f) for path, f in new.items()}
        nothing: tuple[dict[str, dict[str, str]], dict[str, str]] = ({}, {})
        if all(was.get(path, nothing) == now.get(path, nothing) for path in was | now):
            return set(), set()
        words = self.types.exchange(was, now)
        changed, hints = [], set()
        if not words:
            return set(), set()
        for i, key in self._naming(words):
            real = self._key(resolve(key, self.types.types))
            if real != self._real[i]:
                changed.append(i)
                self._real[i] = real
            if key.startswith("F:"):
                hints.add(real)
        return self._holding(changed) - old.keys(), hints

    def _naming(self, words: set[str]) -> list[tuple[int, str]]:
        """The raw keys of fields in which one of the words stands, by number."""
        named = re.compile("|".join(map(re.escape, sorted(words)))).search
        found = {i: key for key, i in self._raw_id.items() if named(key)}
        for number in self._keys.holding(words):
            if number < len(self._raw_of_key) and (i := self._raw_of_key.item(number)) >= 0:
                found[i] = self._keys[number]
        return sorted((i, key) for i, key in found.items() if "F:" in key)

    def _holding(self, raws: list[int]) -> set[str]:
        """Files of the tree that hold one of the raw keys."""
        at = np.flatnonzero(np.isin(self._raw_ids, raws))
        found = set((np.searchsorted(self._raw_first, at, side="right") - 1).tolist())
        found |= {n for n, own in self._own_raws.items() if np.isin(own, raws).any()}
        files = self.graph.files
        return {files[n] for n in found if self.number.get(files[n]) == n}

    # numbers

    def _raw_number(self, key: str) -> int:
        """Number of a raw key, made where it is new."""
        found = self._raw_id.get(key)
        if found is not None:
            return found
        known = self._keys.number(key)
        if known is not None and known < len(self._raw_of_key) and (own := self._raw_of_key.item(known)) >= 0:
            return own
        made = self._raw_id[key] = len(self._real)
        self._real.append(self._key(resolve(key, self.types.types) if "F:" in key else key))
        return made

    def _key(self, key: str) -> int:
        """Number of a key, made where it is new."""
        found = self._keys.number(key)
        if found is None:
            found = len(self._keys)
            self._keys.append(key)
            self._fresh.append(found)
        return found

    def _interned(self, facts: Facts) -> Ints:
        """The raw keys of a file as numbers."""
        return np.array([self._raw_number(key) for key in facts.keys], np.int32)

    def _room(self, new: Iterable[Facts]) -> None:
        """See that there are numbers for the files that come."""
        files = list(new)
        quantities = self._next + sum(len(f.locals) for f in files) - self.graph.first_key
        keys = self.graph.size + 2 * sum(len(f.keys) for f in files) + len(self._hints) // 8 - self._capacity
        if quantities > 0 or keys > 0:
            self._widen(max(0, quantities + SLACK), max(0, keys + SLACK // 4))

    def _widen(self, more: int, wide: int) -> None:
        """Keys move up by `more` numbers, and `wide` free numbers come behind them."""
        g, at = self.graph, self.graph.first_key
        g.edges = g.edges.copy()
        g.edges[:, :2] = _moved(g.edges[:, :2], at, more)
        self._base.other = _moved(self._base.other, at, more)
        g.closed, g.vague = _moved(g.closed, at, more), _moved(g.vague, at, more)
        first = self._base.first
        self._base.first = np.concatenate([first[:at], np.full(more, first[at]), first[at:], np.full(wide, first[-1])])
        for label, reach in self.solution.reach.items():
            reach.distance = _opened(reach.distance, at, more, wide, FAR)
            reach.round = _opened(reach.round, at, more, wide, 0)
            reach.parent = _opened(reach.parent, at, more, wide, -1)
            reach.start = {n + more: s for n, s in reach.start.items()}
            self._begins[label] = _opened(self._begins[label], at, more, wide, 0)
        self._seeded = _opened(self._seeded, at, more, wide, 0)
        self._vague = _opened(self._vague, at, more, wide, 0)
        self._degree = _opened(self._degree, at, more, wide, 0)
        self._hints = {n + more: e for n, e in self._hints.items()}
        g.seeds = {n + more: s for n, s in g.seeds.items()}
        g.first_key += more
        self._capacity += more + wide
        self._copies = {}
        self._over = self._overlay()

    # edges

    def _remove(self, old: Mapping[str, int], hints: set[int]) -> Ints:
        """Take out the edges of files, and those that say what type a key has."""
        g = self.graph
        lost = [e for k in hints if (e := self._hints.pop(g.first_key + k, None)) is not None]
        of_files = np.flatnonzero(np.isin(g.file_of_edge, list(old.values())) & self._alive)
        dead = np.concatenate([of_files, np.array(lost, np.int64)]).astype(np.int32)
        self._alive[dead] = False
        for path, n in old.items():
            del self.number[path]
            self._own_raws.pop(n, None)
        return dead

    def _add(self, old: Mapping[str, int], new: Mapping[str, Facts], hints: set[int]) -> tuple[Ints, dict[str, int]]:
        """Put in the edges of files; the rows that they take, and the files' numbers."""
        g = self.graph
        parts, owners, offsets = [np.zeros((0, STRIDE), np.int32)], [np.zeros(0, np.int32)], []
        numbers: dict[str, int] = {}
        for path, facts in sorted(new.items()):
            n = len(g.files)
            ids = self._own_raws[n] = self._interned(facts)
            nodes = np.array([self._real[i] for i in ids.tolist()], np.int32) + g.first_key
            parts.append(placed(facts, self._next, nodes.astype(np.int32)))
            owners.append(np.full(len(parts[-1]), n, np.int32))
            offsets.append(self._next)
            self._next += len(facts.locals)
            g.files.append(path)
            self._facts.append(facts)
            self.number[path] = numbers[path] = n
        self._order = self._ordered(old, numbers)
        extra = self._settle(hints)
        at = len(g.edges) + sum(map(len, parts))
        self._hints |= {int(row[0]): at + i for i, row in enumerate(extra)}
        added = np.concatenate([*parts, np.array(extra, np.int32).reshape(-1, STRIDE)])
        rows = np.arange(len(g.edges), len(g.edges) + len(added), dtype=np.int32)
        g.offset = np.concatenate([g.offset, np.array(offsets, np.int32)])
        g.edges = np.concatenate([g.edges, added])
        g.file_of_edge = np.concatenate([g.file_of_edge, *owners, np.full(len(extra), -1, np.int32)])
        self._cost = np.concatenate([self._cost, edge_costs(added, self._seeded)])
        self._alive = np.concatenate([self._alive, np.ones(len(added), np.bool_)])
        self._over = self._overlay()
        return rows, numbers

    def _ordered(self, old: Mapping[str, int], numbers: Mapping[str, int]) -> NDArray[np.int64]:
        """Where each file comes among the paths of the tree; edges of no file come last."""
        order = np.full(len(self.graph.files) + 1, _LAST, np.int64)
        if numbers.keys() <= old.keys():
            order[: len(self._order) - 1] = self._order[:-1]
            for path, n in numbers.items():
                order[n] = order[old[path]]
        else:
            order[[n for _, n in sorted(self.number.items())]] = np.arange(len(self.number))
        return order

    def _settle(self, hints: set[int]) -> list[tuple[int, int, int, int]]:
        """Seed the keys that are new; edges from fields to the hints of their types."""
        g, world = self.graph, self._world
        extra = []
        waiting = sorted({*hints, *self._fresh})
        self._fresh = []
        while waiting:
            k = waiting.pop()
            key, node = g.keys[k], g.first_key + k
            self._vague[node] = is_vague(key)
            seed = seed_of(key, world.known, world.rules)
            if seed is not None:
                if node not in g.seeds:
                    g.seeds[node] = [seed]
                    self._seeded[node] = True
                    self._planted.append(node)
            elif key.startswith("F:") and (hint := hint_of(key, self.types.types, world.known)) is not None:
                extra.append((node, g.first_key + self._key(hint), int(Edge.TYPE), 0))
            waiting += self._fresh
            self._fresh = []
        return extra

    def _overlay(self) -> Adjacency:
        """The edges that came later, those that are still there."""
        rows = (np.flatnonzero(self._alive[self._base_rows :]) + self._base_rows).astype(np.int32)
        return Adjacency.of(self.graph.edges[rows], self._cost[rows], self._capacity, rows)

    def steps(self, nodes: Ints) -> tuple[Ints, Ints, Ints]:
        """Other end, edge and cost of every edge at the nodes."""
        others, edges, cost = self._base.steps(nodes)
        there = self._alive[edges]
        late = self._over.steps(nodes)
        return (
            np.concatenate([others[there], late[0]]),
            np.concatenate([edges[there], late[1]]),
            np.concatenate([cost[there], late[2]]),
        )

    def rank(self, edges: Ints) -> NDArray[np.int64]:
        """Where each edge comes in the tree."""
        return self._order[self.graph.file_of_edge[edges]] << 32 | edges

    def behind(self, edges: Ints, nodes: Ints) -> Ints:
        """The end of each edge that is not the node."""
        ends = self.graph.edges[edges, :2]
        behind: Ints = np.where(ends[:, 0] == nodes, ends[:, 1], ends[:, 0])
        return behind

    # distances

    def _solve(self, dead: Ints, rows: Ints) -> dict[str, Ints]:
        """Mend every forest; the nodes where each is another one."""
        g = self.graph
        was_hub = self._degree > HUB
        ends = g.edges[:, :2]
        np.subtract.at(self._degree, ends[dead].ravel(), 1)
        np.add.at(self._degree, ends[rows].ravel(), 1)
        hub = self._degree > HUB
        hub[: g.first_key] = was_hub[: g.first_key] = False
        closed = self._seeded | self._vague | hub
        shut = np.flatnonzero(hub & ~was_hub).astype(np.int32)
        opened = np.flatnonzero(was_hub & ~hub).astype(np.int32)
        broken = union(ends[dead].ravel())
        entry = union(ends[rows].ravel(), opened)
        gone = np.zeros(len(g.edges), np.bool_)
        gone[dead] = True
        return {
            label: self._one(label, starts, closed, broken, entry, shut, gone)
            for label, starts in self._new_starts().items()
        }

    def _new_starts(self) -> dict[str, Ints]:
        """By label, the seeded keys that are in no forest yet."""
        found: dict[str, list[int]] = {label: [] for label in self.solution.reach}
        planted, self._planted = self._planted, []
        for node in planted:
            for seed in self.graph.seeds[node]:
                label = self._world.label_of.get(seed.dimension, "")
                if not label or self.graph.keys[node - self.graph.first_key] in self._world.silent:
                    continue
                if label not in self.solution.reach:
                    self.solution.reach[label] = bare(self._capacity)
                    self._begins[label] = np.zeros(self._capacity, np.bool_)
                reach = self.solution.reach[label]
                reach.distance[node], reach.parent[node], reach.start[node] = seed.cost, -1, seed
                self._begins[label][node] = True
                found.setdefault(label, []).append(node)
        return {label: np.array(nodes, np.int32) for label, nodes in found.items()}

    def _one(
        self, label: str, starts: Ints, closed: Bools, broken: Ints, entry: Ints, shut: Ints, gone: Bools
    ) -> Ints:  # fmt: skip
        """Mend the forest of one label."""
        reach, begins = self.solution.reach[label], self._begins[label]
        distance, parent = reach.distance, reach.parent
        lost = broken[(parent[broken] >= 0) & gone[parent[broken]]]
        lost = union(lost, self._hanging(reach, shut[~begins[shut]]))
        forgotten = [lost]
        while len(lost):
            lost = self._hanging(reach, lost)
            forgotten.append(lost)
        hole = union(*forgotten)
        distance[hole], reach.round[hole], parent[hole] = FAR, 0, -1
        around, _, _ = self.steps(hole)
        sources = union(around, entry, starts)
        sources = sources[distance[sources] <= LIMIT]
        mended = new = union(hole, starts, *grow(reach, begins, self, closed, sources, self))
        while len(new):  # what hangs on a path that is another one has another path too
            new = without(self._hanging(reach, new), mended)
            mended = union(mended, new)
        return mended

    def _hanging(self, reach: Reach, nodes: Ints) -> Ints:
        """What hangs directly on the nodes in a forest."""
        others, edges, _ = self.steps(nodes.astype(np.int32))
        return without(union(others[reach.parent[others] == edges]), nodes)


def _moved(numbers: Ints, at: int, more: int) -> Ints:
    """The numbers, those from `at` on `more` higher."""
    moved: Ints = np.where(numbers >= at, numbers + np.int32(more), numbers)
    return moved


def _opened(values: NDArray[_T], at: int, more: int, wide: int, fill: int) -> NDArray[_T]:
    """The array with `more` fillers at position `at` and `wide` behind it."""
    gap = np.full(more, fill, values.dtype)
    return np.concatenate([values[:at], gap, values[at:], np.full(wide, fill, values.dtype)])
