"""The solver against a plain Dijkstra on random graphs."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.units.edges import Edge
from converter.units.graph import Graph, costs
from converter.units.signatures import Seed
from converter.units.solve import FAR, LIMIT, solve

KINDS = [Edge.ASSIGN, Edge.COMPARE, Edge.BYTES, Edge.STEP]


def graph_of(size: int, edges: list[tuple[int, int, Edge]], seeds: dict[int, Seed]) -> Graph:
    rows = np.array([(a, b, int(k), 1) for a, b, k in edges], np.int32).reshape(-1, 4)
    keys = [f"V:{i}" for i in range(size)]
    none = np.zeros(0, np.int32)
    return Graph(
        [], [], none, keys, 0, rows, np.zeros(len(rows), np.int32), {n: [s] for n, s in seeds.items()}, none, none
    )


def dijkstra(graph: Graph, label: str) -> list[int]:
    """Distances from the seeds of one label; no path goes through a seeded node."""
    best = [FAR] * graph.size
    waiting = []
    for node, (seed, *_) in graph.seeds.items():
        if seed.dimension == label:
            best[node] = seed.cost
            waiting.append((seed.cost, node))
    cost = costs(graph)
    while waiting:
        at, node = heapq.heappop(waiting)
        if at > best[node] or (node in graph.seeds and at > graph.seeds[node][0].cost):
            continue
        if node in graph.seeds and graph.seeds[node][0].dimension != label:
            continue
        for e, (a, b, _, _) in enumerate(graph.edges.tolist()):
            if node in (a, b):
                other = b if node == a else a
                reached = at + int(cost[e])
                own = other in graph.seeds and graph.seeds[other][0].dimension == label
                if reached <= LIMIT and reached < best[other] and not own:
                    best[other] = reached
                    heapq.heappush(waiting, (reached, other))
    return best


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(2, 12))
    node = st.integers(0, size - 1)
    edges = draw(
        st.lists(st.tuples(node, node, st.sampled_from(KINDS)).filter(lambda e: e[0] != e[1]), min_size=1, max_size=24)
    )
    seeded = draw(
        st.dictionaries(node, st.tuples(st.sampled_from(["pte", "pg"]), st.integers(0, 3)), min_size=1, max_size=4)
    )
    return graph_of(size, edges, {n: Seed(d, c, "", "") for n, (d, c) in seeded.items()})


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_distances_are_those_of_dijkstra(graph: Graph) -> None:
    solution = solve(graph, {"pte": "pte", "pg": "pg"})
    for label, reach in solution.reach.items():
        assert reach.distance.tolist() == dijkstra(graph, label)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_each_chain_adds_up_to_its_distance_and_ends_at_a_seed(graph: Graph) -> None:
    solution = solve(graph, {"pte": "pte", "pg": "pg"})
    cost = costs(graph)
    for label, reach in solution.reach.items():
        for node in range(graph.size):
            if reach.distance[node] < FAR:
                steps, start = solution.path(node, label)
                assert start in reach.start
                assert sum(int(cost[e]) for e in steps) + reach.start[start].cost == reach.distance[node]
