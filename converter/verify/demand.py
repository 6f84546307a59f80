"""Which unit is asked of a use, told without the use: what oracle an expression is held against.

The units flow through the tree a second time with every use of the family closed: what reaches a use then comes from
signatures, names and types of its own operands and of what takes the result, never from a decision about a use, its
own or another's. Where that is not enough, the role rule that speaks of the use is asked, and last the other uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from converter.classify.confidence import confidence
from converter.classify.decide import Decider
from converter.classify.record import Evidence, Site
from converter.classify.roles import rules
from converter.scan import Analysis, labels, solved
from converter.units.signatures import Seed
from converter.units.solve import Solution, solve
from converter.vocabulary import Scheme, vocabulary

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
    shut = replace(graph, closed=np.union1d(graph.closed, np.array(uses, np.int32)).astype(np.int32))
    silent = [k for k in graph.keys if k.startswith(("X:", "U:"))]
    names, known = vocabulary().names, rules().rules
    alone = Decider(solve(shut, labels(chosen), silent), chosen, names, known, confidence())
    together = Decider(solution, chosen, names, known, confidence())
    found: dict[Key, Demand] = {}
    for n, facts in enumerate(analysis.facts):
        for use in facts.uses:
            key = (analysis.paths[n], use.line, use.col)
            if key in wanted and use.node is not None:
                own = alone.site(n, use)
                seed = _seed(alone.solution, graph.node(n, use.node), own)
                asked = _asked(own, seed, together.site(n, use))
                if asked is not None:
                    found[key] = asked
    return found


def _seed(solution: Solution, node: int, site: Site) -> Seed | None:
    """What the nearest evidence for a site's unit starts from."""
    label = site.policy_key or site.unit
    if label is None:
        return None
    _, start = solution.path(node, label)
    return solution.reach[label].start.get(start)


def _asked(alone: Site, seed: Seed | None, together: Site) -> Demand | None:
    """What the quantities of a use ask for if they are sure enough of it, else what the rules and the other uses say.

    A rule was written for code whose quantities mislead from afar, and a policy is a free choice: against a rule only a
    count beside the use speaks, or bytes of whole struct pages; against a policy none. Bytes that a PTE maps say
    nothing against a rule: their granule is what takes them. What a quantity is called, or its type, counts where
    nothing else says a unit: here as in the scan, it says nothing against a signature.
    """
    ruled = (together.rule or "").startswith("rule:")
    _, _, near, margin = ((alone.rule or "") + ":::").split(":")[:4]
    sure = alone.status == "decided" and alone.unit is not None and margin != "contested" and near not in _DISTANT
    if ruled and alone.unit != together.unit:
        hard = seed is not None and (seed.measure == "count" or (seed.measure == "byte" and seed.dimension == "pg"))
        sure = sure and hard and near in _BESIDE and not _constant(alone)
    if alone.unit != together.unit and (alone.rule or "").startswith(_BY_NAME):
        sure = together.unit is None
    if sure and alone.unit is not None and not together.policy:
        return Demand(alone.unit, QUANTITIES, alone.confidence, alone.evidence)
    if together.unit is None:
        return None
    return Demand(together.unit, ROLE if ruled or together.policy else OTHERS, together.confidence, together.evidence)


def _constant(site: Site) -> bool:
    """Does the evidence start at a constant? One number can stand for PTEs here and for struct pages there."""
    return bool(site.evidence) and site.evidence[0].why.split(" ", 1)[0].isupper()


_BY_NAME = ("name:", "type:")
_DISTANT = ("remote", "far")
_BESIDE = ("near", "close")
"""Kinds of evidence by distance (converter.classify.decide): what does not count where other uses are nearer, and what
counts against a rule."""


def sources(found: Iterable[Demand]) -> list[tuple[str, int]]:
    """How many demands come from each source."""
    counted = Counter(d.source for d in found)
    return [(s, counted[s]) for s in (QUANTITIES, ROLE, OTHERS)]
