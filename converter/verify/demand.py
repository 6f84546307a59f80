"""Which unit is asked of a use, told without the use: what oracle an expression is held against.

The units flow through the tree a second time with every use of the family closed: what reaches a use then comes from
signatures, names and types of its own operands and of what takes the result, never from a decision about a use, its
own or another's. The uses of one idiom are one quantity: what is asked of one is asked of all. Where that is not
enough, the role rule that speaks of the use is asked, and last the other uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from converter.classify.confidence import confidence
from converter.classify.contradict import overrules
from converter.classify.decide import Decider
from converter.classify.record import Evidence, Site
from converter.classify.roles import rules
from converter.decided import labels, solved
from converter.examine import Analysis
from converter.units.edges import Edge
from converter.units.facts import STRIDE
from converter.units.graph import Graph
from converter.units.numbers import union
from converter.units.solve import Solution, solve
from converter.vocabulary import Scheme, vocabulary

ASKED = 6
"""How far evidence may be from a use to count where other uses are nearer."""
QUANTITIES, ROLE, OTHERS = "quantities", "role", "other uses"
"""Where a demand comes from, the most independent first."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The unit that is asked of a use; `confidence` is the measured share of right answers of that kind of evidence."""

    unit: str
    source: str
    confidence: float
    why: tuple[Evidence, ...] = ()

    def words(self) -> str:
        """The last steps of the evidence, in a line."""
        said = [e.why for e in self.why[-2:]]
        return f"{self.unit.upper()} by its {self.source}" + (f" ({'; '.join(said)})" if said else "")


Key = tuple[str, int, int]


def demands(analysis: Analysis, chosen: Scheme, sites: Iterable[Site]) -> dict[Key, Demand]:
    """By Site.order(); a use of which nothing is asked has none. What `sites` say their units are plays no part."""
    wanted = {s.order() for s in sites}
    solution = solved(analysis, chosen)
    graph = solution.graph
    uses = [
        graph.node(n, u.node)
        for n, facts in enumerate(analysis.facts)
        for u in (*facts.uses, *facts.written)
        if u.node is not None
    ]
    shut = replace(_as_one(graph), closed=union(graph.closed, np.array(uses, np.int32)))
    silent = [k for k in graph.keys if k.startswith(("X:", "U:"))]
    names, known = vocabulary().names, rules().rules
    alone = Decider(solve(shut, labels(chosen), silent), chosen, names, known, confidence())
    together = Decider(solution, chosen, names, known, confidence())
    found: dict[Key, Demand] = {}
    for n, facts in enumerate(analysis.facts):
        for use in facts.uses:
            key = (analysis.paths[n], use.line, use.col)
            if key not in wanted:
                continue
            if use.node is None:  # assembler, of which rules alone speak
                ruled = together.site(n, use)
                if ruled.unit is not None:
                    found[key] = Demand(ruled.unit, ROLE, ruled.confidence, ruled.evidence)
            else:
                own = alone.site(n, use)
                node = graph.node(n, use.node)
                asked = _asked(alone.solution, node, own, together.site(n, use))
                if asked is not None:
                    found[key] = asked
    return found


def _as_one(graph: Graph) -> Graph:
    """The graph in which each use of an idiom has the edges of the others too: nothing flows through a closed one."""
    idiom: dict[int, set[int]] = {}
    for a, b in graph.edges[graph.edges[:, 2] == Edge.IDIOM, :2].tolist():
        one = idiom.get(a, {a}) | idiom.get(b, {b})
        idiom.update(dict.fromkeys(one, one))
    member = np.zeros(graph.size, np.bool_)
    member[list(idiom)] = True
    touched = member[graph.edges[:, :2]].any(axis=1) & (graph.edges[:, 2] != Edge.IDIOM)
    rows, files = [], []
    for e in np.flatnonzero(touched).tolist():
        a, b, kind, line = graph.edges[e].tolist()
        for x, y in product(sorted(idiom.get(a, {a})), sorted(idiom.get(b, {b}))):
            if (x, y) != (a, b) and x != y:
                rows.append((x, y, kind, line))
                files.append(int(graph.file_of_edge[e]))
    more = np.array(rows, np.int32).reshape(-1, STRIDE)
    return replace(
        graph,
        edges=np.concatenate([graph.edges, more]),
        file_of_edge=np.concatenate([graph.file_of_edge, np.array(files, np.int32)]),
    )


def _asked(solution: Solution, node: int, alone: Site, together: Site) -> Demand | None:
    """What the quantities of a use ask for if they are sure enough of it, else what the rules and the other uses say.

    A rule was written for code whose quantities mislead from afar, and a policy is a free choice: against a rule only
    what overrules it in the scan speaks, against a policy nothing. What a quantity is called, or its type, counts where
    nothing else says a unit: here as in the scan, it says nothing against a signature.
    """
    ruled = (together.rule or "").startswith("rule:")
    label = alone.policy_key or alone.unit
    contested = (alone.rule or "").endswith(":contested")
    sure = alone.status == "decided" and label is not None and not contested
    sure = sure and int(solution.reach[label or ""].distance[node]) <= ASKED
    if sure and ruled and alone.unit != together.unit:
        sure = overrules(solution, node, label or "")
    if alone.unit != together.unit and (alone.rule or "").startswith(_BY_NAME):
        sure = together.unit is None
    if sure and alone.unit is not None and not together.policy:
        return Demand(alone.unit, QUANTITIES, alone.confidence, alone.evidence)
    if together.unit is None:
        return None
    return Demand(together.unit, ROLE if ruled or together.policy else OTHERS, together.confidence, together.evidence)


_BY_NAME = ("name:", "type:")


def sources(found: Iterable[Demand]) -> list[tuple[str, int]]:
    """How many demands come from each source."""
    counted = Counter(d.source for d in found)
    return [(s, counted[s]) for s in (QUANTITIES, ROLE, OTHERS)]
