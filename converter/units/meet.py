"""Places where two quantities of known and different measure meet, with no family name in between.

Only what signatures say of the two sides directly counts: the result of a function, a field, an argument. These are
the conflicts that need no inference: `folio_mapcount(f) == folio_nr_pages(f)`, `addr + vma->vm_pgoff`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converter.classify.record import Evidence
from converter.units.edges import Edge
from converter.units.graph import Graph
from converter.units.signatures import Seed

_BETWEEN = (Edge.ASSIGN, Edge.COMPARE, Edge.BOUND, Edge.ADD, Edge.CHOICE, Edge.RETURN, Edge.ARGUMENT)
_DIRECT = (Edge.MEMBER, Edge.RETURN)
_CONVERTED = Seed("pfn", 0, "a count that was converted is a number of bytes", "the code", "byte")
_BYTES = ("pte", "pg", "pfn", "phys")


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two quantities on one line: number of the file, line, what each is called and the seed that fixes it."""

    file: int
    line: int
    left: str
    left_seed: Seed
    right: str
    right_seed: Seed
    kind: Edge

    def evidence(self, graph: Graph) -> Evidence:
        """One line that names both sides."""
        why = f"{self.left} meets {self.right}: {self.left_seed.why}; {self.right_seed.why}"
        return Evidence(graph.files[self.file], self.line, why)


def meetings(graph: Graph, label_of: dict[str, str]) -> list[Meeting]:
    """All places of the tree where a count of one unit meets the other, or a count meets bytes."""
    direct = _seeded(graph)
    ends, kinds = graph.edges[:, :2], graph.edges[:, 2]
    has = np.zeros(graph.size, np.bool_)
    has[list(direct)] = True
    shared = np.zeros(graph.size, np.bool_)
    shared[[n for n in direct if graph.keys[n - graph.first_key].startswith(("F:", "R:", "V:"))]] = True
    own = ends[:, 0] < graph.first_key
    for a, b in ends[own & np.isin(kinds, _DIRECT) & shared[ends[:, 1]]].tolist():
        direct.setdefault(a, direct[b])
    for a in ends[kinds == Edge.CONVERTED, 0].tolist():
        direct.setdefault(a, _CONVERTED)
    has[list(direct)] = True
    once = np.bincount(graph.edges[kinds == Edge.ASSIGN, 0], minlength=graph.size) == 1
    for a, b in ends[own & (kinds == Edge.ASSIGN) & has[ends[:, 1]] & once[ends[:, 0]]].tolist():
        direct.setdefault(a, direct[b])
    has[list(direct)] = True
    found = []
    for e in np.flatnonzero(np.isin(kinds, _BETWEEN) & has[ends[:, 0]] & has[ends[:, 1]]).tolist():
        a, b, kind, line = (int(x) for x in graph.edges[e])
        left, right = direct[a], direct[b]
        if left is not right and _clash(left, right, label_of, Edge(kind)):
            file = int(graph.file_of_edge[e])
            found.append(Meeting(file, line, graph.name(a), left, graph.name(b), right, Edge(kind)))
    return found


def _seeded(graph: Graph) -> dict[int, Seed]:
    """Nodes of which a signature says what they measure."""
    known = {}
    for node, seeds in graph.seeds.items():
        if seeds[0].measure and not graph.keys[node - graph.first_key].startswith(("N:", "T:", "U:", "X:")):
            known[node] = seeds[0]
    return known


def _clash(a: Seed, b: Seed, label_of: dict[str, str], kind: Edge) -> bool:
    if a.measure == b.measure == "count":
        units = {label_of.get(a.dimension, ""), label_of.get(b.dimension, "")}
        return units == {"pte", "pg"}
    if {a.measure, b.measure} == {"count", "byte"} and a.dimension in _BYTES and b.dimension in _BYTES:
        return kind != Edge.RETURN
    return False
