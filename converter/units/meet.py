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

_BETWEEN = (Edge.ASSIGN, Edge.COMPARE, Edge.ADD, Edge.CHOICE, Edge.RETURN, Edge.ARGUMENT)
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
    known: dict[int, Seed] = {}
    for node, seeds in graph.seeds.items():
        seed = seeds[0]
        if seed.measure and not graph.keys[node - graph.first_key].startswith(("N:", "T:", "U:", "X:")):
            known[node] = seed
    direct = dict(known)
    kinds = graph.edges[:, 2]
    for e in np.flatnonzero(np.isin(kinds, (*_DIRECT, Edge.CONVERTED))):
        a, b = int(graph.edges[e, 0]), int(graph.edges[e, 1])
        if kinds[e] == Edge.CONVERTED:
            direct.setdefault(a, _CONVERTED)
        elif b in known and a < graph.first_key and a not in direct:
            name = graph.keys[b - graph.first_key]
            if name.startswith(("F:", "R:", "V:")):
                direct[a] = known[b]
    assigned = np.bincount(graph.edges[kinds == Edge.ASSIGN, 0], minlength=graph.size)
    for e in np.flatnonzero(kinds == Edge.ASSIGN):
        a, b = int(graph.edges[e, 0]), int(graph.edges[e, 1])
        if b in direct and a not in direct and a < graph.first_key and assigned[a] == 1:
            direct[a] = direct[b]
    found = []
    for e in np.flatnonzero(np.isin(kinds, _BETWEEN)):
        a, b, kind, line = (int(x) for x in graph.edges[e])
        left, right = direct.get(a), direct.get(b)
        if left is None or right is None or left is right or not _clash(left, right, label_of, Edge(kind)):
            continue
        file = int(graph.file_of_edge[e])
        found.append(Meeting(file, line, graph.name(a), left, graph.name(b), right, Edge(kind)))
    return found


def _clash(a: Seed, b: Seed, label_of: dict[str, str], kind: Edge) -> bool:
    if a.measure == b.measure == "count":
        units = {label_of.get(a.dimension, ""), label_of.get(b.dimension, "")}
        return units == {"pte", "pg"}
    if {a.measure, b.measure} == {"count", "byte"} and a.dimension in _BYTES and b.dimension in _BYTES:
        return kind != Edge.RETURN
    return False
