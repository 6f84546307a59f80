"""The solver: how near is each unit to each quantity, and by which path?

For each unit, a shortest-path forest grows from its seeds over the constraint graph (Dial's algorithm, level by level
in NumPy). Zero-cost edges are equalities, so a class that a union-find would build is a level's closure; keeping the
edge by which a node was reached keeps the reason of each union, and the path to the seed is the chain of evidence.
Among paths of equal cost the one is kept whose last step starts from what was reached first, and among those the one
whose edge comes last in the tree, by file and place: so the forest depends on the tree alone, not on how it grew.
A quantity that a signature fixes is where paths begin and where they end: nothing flows through it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from converter.units.graph import Graph, Ints, costs
from converter.units.numbers import union
from converter.units.signatures import Seed

FAR = 127
LIMIT = 16
"""Paths dearer than this prove nothing."""


@dataclass(slots=True)
class Reach:
    """Of one unit: cost of the nearest path to each node (FAR: none), and the edge by which it arrives (-1: a seed).

    `round`: how many steps without cost the path ends with, at least.
    """

    distance: NDArray[np.int8]
    round: NDArray[np.int16]
    parent: Ints
    start: dict[int, Seed]


@dataclass(slots=True)
class Solution:
    graph: Graph
    reach: dict[str, Reach]  # by label: pte, pg, or a policy key

    def nearest(self, node: int) -> list[tuple[int, str]]:
        """(cost, label) of every label that reaches a node, nearest first."""
        found = [(cost, label) for label, r in self.reach.items() if (cost := r.distance.item(node)) < FAR]
        found.sort()
        return found

    def nearest_of(self, nodes: Ints) -> list[list[tuple[int, str]]]:
        """The same of many nodes."""
        found: list[list[tuple[int, str]]] = [[] for _ in nodes]
        for label, r in self.reach.items():
            costs = r.distance[nodes]
            for at in np.flatnonzero(costs < FAR).tolist():
                found[at].append((costs.item(at), label))
        for some in found:
            some.sort()
        return found

    def path(self, node: int, label: str) -> tuple[list[int], int]:
        """Edges from the node back to the seed of a label, and the seed's node."""
        parent, ends = self.reach[label].parent.item, self.graph.edges.item
        steps: list[int] = []
        while (edge := parent(node)) >= 0:
            steps.append(edge)
            a = ends(edge, 0)
            node = ends(edge, 1) if node == a else a
        return steps, node


@dataclass(slots=True)
class Adjacency:
    """The edges at each node, both ways: node n has those at positions first[n] : first[n + 1]."""

    other: Ints  # node at the other end
    edge: Ints
    cost: Ints
    first: NDArray[np.int64]

    @classmethod
    def of(cls, edges: Ints, cost: Ints, size: int, number: Ints | None = None) -> Adjacency:
        """`number`: what each edge is called, if not by its row."""
        ends = np.concatenate([edges[:, 0], edges[:, 1]])
        others = np.concatenate([edges[:, 1], edges[:, 0]])
        order = np.argsort(ends, kind="stable")
        first = np.zeros(size + 1, np.int64)
        np.cumsum(np.bincount(ends, minlength=size), out=first[1:])
        rows = np.arange(len(edges), dtype=np.int32) if number is None else number
        return cls(others[order], np.tile(rows, 2)[order], np.tile(cost, 2)[order], first)

    def around(self, nodes: Ints) -> NDArray[np.int64]:
        """Positions of all edges at the nodes."""
        starts = self.first[nodes]
        counts = self.first[nodes + 1] - starts
        total = int(counts.sum())
        if not total:
            return np.zeros(0, np.int64)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        around: NDArray[np.int64] = np.repeat(starts, counts) + np.arange(total) - before
        return around

    def steps(self, nodes: Ints) -> tuple[Ints, Ints, Ints]:
        """What lies one edge away from the nodes: the other end, the edge and its cost."""
        positions = self.around(nodes)
        return self.other[positions], self.edge[positions], self.cost[positions]


class Steps(Protocol):
    """Anything that knows the edges at a node."""

    def steps(self, nodes: Ints) -> tuple[Ints, Ints, Ints]:
        """Other end, edge and cost of every edge at the nodes."""
        ...


class Settled(Protocol):
    """What is to be known of a forest that stands already where it is to grow on."""

    def rank(self, edges: Ints) -> NDArray[np.int64]:
        """Where each edge comes in the tree: by file, then by place."""
        ...

    def behind(self, edges: Ints, nodes: Ints) -> Ints:
        """The end of each edge that is not the node."""
        ...


def solve(graph: Graph, label_of: Mapping[str, str], silent: Collection[str] = ()) -> Solution:
    """`label_of`: dimension of a seed -> label it counts as ('' for none); the keys in `silent` seed nothing."""
    adjacency = Adjacency.of(graph.edges, costs(graph), graph.size)
    return Solution(graph, forests(graph, adjacency, label_of, silent))


def forests(
    graph: Graph, adjacency: Adjacency, label_of: Mapping[str, str], silent: Collection[str]
) -> dict[str, Reach]:
    """How far each label reaches, over the edges and the numbers that `adjacency` has."""
    size = len(adjacency.first) - 1
    fixed = np.zeros(size, np.bool_)
    labels: dict[str, list[tuple[int, Seed]]] = {}
    for node, seeds in graph.seeds.items():
        fixed[node] = True
        for seed in seeds:
            label = label_of.get(seed.dimension, "")
            if silent and graph.keys[node - graph.first_key] in silent:
                label = ""
            if not label:
                continue
            labels.setdefault(label, []).append((node, seed))
    fixed[graph.closed] = True
    return {label: _spread(size, adjacency, labels[label], fixed) for label in sorted(labels)}


def _spread(size: int, at: Steps, seeds: Iterable[tuple[int, Seed]], closed: NDArray[np.bool_]) -> Reach:
    reach = bare(size)
    for node, seed in seeds:
        if seed.cost < reach.distance[node]:
            reach.distance[node] = seed.cost
            reach.start[node] = seed
    begins = np.zeros(size, np.bool_)
    begins[list(reach.start)] = True
    grow(reach, begins, at, closed, np.array(list(reach.start), np.int32))
    return reach


def bare(size: int) -> Reach:
    """Of a unit that reaches nothing."""
    return Reach(np.full(size, FAR, np.int8), np.zeros(size, np.int16), np.full(size, -1, np.int32), {})


def grow(
    reach: Reach, begins: NDArray[np.bool_], at: Steps, closed: NDArray[np.bool_], sources: Ints,
    settled: Settled | None = None,
) -> list[Ints]:  # fmt: skip
    """Extend the forest from `sources`, whose distances stand; returns the nodes that were reached, some twice.

    begins   the seeds, whose distance nothing lowers
    closed   nodes that are an end, unless they are seeds
    settled  of a forest with other nodes than the sources; without it edges come in the order of their rows
    """
    distance, rounds, parent = reach.distance, reach.round, reach.parent
    levels: list[dict[int, list[Ints]]] = [{} for _ in range(LIMIT + 8)]
    reached: list[Ints] = []
    for level, round_, nodes in _slots(reach, sources):
        levels[level].setdefault(round_, []).append(nodes)
    for level in range(LIMIT + 1):
        waiting = levels[level]
        while waiting:
            now = min(waiting)
            nodes = union(*waiting.pop(now))
            stands = (distance[nodes] == level) & (rounds[nodes] == now) & (~closed[nodes] | (parent[nodes] < 0))
            others, edges, step = at.steps(nodes[stands])
            open_ = (distance[others] >= level + step) & (step <= LIMIT - level) & ~begins[others]
            others, edges, step = others[open_], edges[open_], step[open_]
            for cost in np.flatnonzero(np.bincount(step)).tolist():
                chosen = step == cost
                there, then = level + cost, 0 if cost else now + 1
                targets, by = others[chosen], edges[chosen]
                was = distance[targets]
                level_with = was == there
                better = (was > there) | (level_with & (rounds[targets] > then))
                if settled is not None:
                    level_with &= rounds[targets] == then
                    tied = level_with.nonzero()[0]
                    better[tied] = _preferred(reach, settled, targets[tied], by[tied], level, now)
                targets, by = targets[better], by[better]
                if not len(targets):
                    continue
                distance[targets], rounds[targets] = there, then
                order = np.argsort(by if settled is None else settled.rank(by))
                parent[targets[order]] = by[order]  # of several edges to a node the last one stays
                reached.append(targets)
                levels[there].setdefault(then, []).append(targets)
    return reached


def _slots(reach: Reach, nodes: Ints) -> Iterable[tuple[int, int, Ints]]:
    """Nodes by distance and round."""
    for level in union(reach.distance[nodes]).tolist():
        of_level = nodes[reach.distance[nodes] == level]
        for round_ in union(reach.round[of_level]).tolist() if level <= LIMIT else ():
            yield level, round_, of_level[reach.round[of_level] == round_]


def _preferred(reach: Reach, settled: Settled, nodes: Ints, edges: Ints, level: int, round_: int) -> NDArray[np.bool_]:
    """Is the edge, from a node of this level and round, to be kept rather than the one by which a node hangs?"""
    parents = reach.parent[nodes]
    behind = settled.behind(parents, nodes)
    later = (reach.distance[behind] - np.int32(level)) * (1 << 16) + reach.round[behind] - np.int32(round_)
    preferred: NDArray[np.bool_] = (later > 0) | ((later == 0) & (settled.rank(edges) > settled.rank(parents)))
    return preferred
