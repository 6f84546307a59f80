"""What is missing: quantities without a unit, in order of how many open uses each would decide."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from converter.units.graph import costs, spoken
from converter.units.solve import Solution

REACH = 4
"""A seed farther than this from a use would hardly decide it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A global key that nothing seeds, the open uses near it, and its cost from the nearest."""

    key: str
    uses: int
    nearest: int

    @property
    def spoken(self) -> str:
        return spoken(self.key)


class Neighbourhood:
    """Walks outward from uses to the unseeded keys around them."""

    def __init__(self, solution: Solution) -> None:
        graph = self.graph = solution.graph
        cost = costs(graph)
        edges = graph.edges
        ends = np.concatenate([edges[:, 0], edges[:, 1]])
        order = np.argsort(ends, kind="stable")
        self._other = np.concatenate([edges[:, 1], edges[:, 0]])[order]
        self._cost = np.tile(cost, 2)[order]
        self._first = np.zeros(graph.size + 1, np.int64)
        np.cumsum(np.bincount(ends, minlength=graph.size), out=self._first[1:])
        self._closed = set(graph.closed.tolist()) | set(graph.seeds)

    def keys(self, node: int) -> dict[str, int]:
        """Unseeded keys within REACH of a use, and their cost from it."""
        best = {node: 0}
        waiting = [(0, node)]
        found: dict[str, int] = {}
        while waiting:
            cost, at = heapq.heappop(waiting)
            if cost > best[at] or at in self._closed:
                continue
            if at >= self.graph.first_key:
                found[self.graph.keys[at - self.graph.first_key]] = cost
            for i in range(self._first[at], self._first[at + 1]):
                other, reached = int(self._other[i]), cost + int(self._cost[i])
                if reached <= REACH and reached < best.get(other, REACH + 1):
                    best[other] = reached
                    heapq.heappush(waiting, (reached, other))
        return found


def gaps(solution: Solution, open_uses: Iterable[int]) -> list[Gap]:
    """All gaps of a tree, most useful first. `open_uses`: the nodes of the uses that are still open."""
    around = Neighbourhood(solution)
    count: Counter[str] = Counter()
    nearest: dict[str, int] = defaultdict(lambda: REACH + 1)
    for node in open_uses:
        for key, cost in around.keys(node).items():
            count[key] += 1
            nearest[key] = min(nearest[key], cost)
    found = [Gap(key, n, nearest[key]) for key, n in count.items()]
    return sorted(found, key=lambda g: (-g.uses, g.nearest, g.key))
