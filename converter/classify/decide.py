"""From units that reach a use to the site record: status, unit, role, confidence and the chain that says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from converter.classify.confidence import Confidence
from converter.classify.contradict import contradicted
from converter.classify.record import Evidence, Site
from converter.classify.roles import LOGIC, Rule
from converter.units.edges import WHY, Edge
from converter.units.facts import Use
from converter.units.graph import Graph
from converter.units.signatures import Seed
from converter.units.solve import FAR, Solution
from converter.vocabulary import UNITS, Name, Scheme

CONFLICT_NEAR = 4
"""Both units must arrive within this cost for a use to be called a conflict."""
CONFLICT_MARGIN = 0
"""...and neither may be nearer than the other by more than this."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says of one use, before it is worded."""

    label: str | None  # pte, pg, or a policy key
    cost: int
    against: str | None  # the label of the other unit, if it arrives too
    margin: int  # how much farther the other unit is
    kind: str  # kind of evidence, for the measured confidence
    rule: str | None
    logic: bool


class Decider:
    def __init__(
        self,
        solution: Solution,
        scheme: Scheme,
        names: Mapping[str, Name],
        rules: Mapping[str, Rule],
        confidence: Confidence,
    ) -> None:
        self.solution = solution
        self.graph: Graph = solution.graph
        self.scheme = scheme
        self.names = names
        self.rules = rules
        self._chains: dict[tuple[int, str], tuple[Evidence, ...]] = {}
        self._starts: dict[tuple[int, str], tuple[list[int], int, str]] = {}
        self._names: dict[int, str] = {}
        self._near: dict[int, list[tuple[int, str]]] = {}
        self._measured = cache(confidence.of)

    def expect(self, uses: Iterable[tuple[int, Use]]) -> None:
        """Look up at once what reaches all of these uses of files: quicker than one by one."""
        nodes = [self.graph.node(file, u.node) for file, u in uses if u.node is not None]
        self._near = dict(zip(nodes, self.solution.nearest_of(np.array(nodes, np.int32)), strict=True))

    def site(self, file: int, use: Use) -> Site:
        path = self.graph.files[file]
        name = self.names[use.name]
        if use.inert or use.defines:
            status = "inert" if use.inert else "definition"
            why = use.inert or "defines or tests a name of the family"
            return Site(
                path, use.line, use.col, use.name, use.function or None, status, None, None, None, False, 1.0, None,
                (Evidence(path, use.line, why),), kind=name.kind, derived=not name.family,
            )  # fmt: skip
        if use.shared:
            return Site(
                path, use.line, use.col, use.name, use.function or None, "logic", None, None, None, False, 1.0, None,
                (Evidence(path, use.line, f"{use.shared}: user space knows one page size"),), kind=name.kind,
                missing=f"{use.shared}, which the kernel includes: which size does kernel code mean that uses it?",
                derived=not name.family,
            )  # fmt: skip
        v = self._verdict(file, use)
        return self._worded(path, file, use, name, v)

    def _verdict(self, file: int, use: Use) -> Verdict:
        if use.node is None:
            return Verdict(None, FAR, None, 0, "none", None, False)
        node = self.graph.node(file, use.node)
        reaching = self._near.get(node) or self.solution.nearest(node)
        logic = [(c, label) for c, label in reaching if label == LOGIC and self._rule(node, LOGIC) is not None]
        near = [(c, label) for c, label in reaching if label != LOGIC]
        if not near and not logic:
            return Verdict(None, FAR, None, 0, "none", None, False)
        if logic and (not near or logic[0][0] <= near[0][0]):
            rule = self._rule(node, LOGIC)
            best = near[0] if near else (FAR, None)
            other = self._other(near)
            return Verdict(best[1], best[0], other[1], 0, f"rule:{rule}", rule, True)
        cost, label = near[0]
        far, against = self._other(near)
        margin = far - cost
        rule = self._rule(node, label)
        kind = f"rule:{rule}" if rule is not None else self._kind(use, node, label, cost, margin)
        conflict = {label, against} == set(UNITS) and (
            (cost <= CONFLICT_NEAR and margin <= CONFLICT_MARGIN and rule is None)
            or contradicted(self.solution, node, label, against or "", rule is not None)
        )
        return Verdict(label, cost, against, margin, "conflict" if conflict else kind, rule, conflict)

    def _other(self, near: list[tuple[int, str]]) -> tuple[int, str | None]:
        """The nearest label that asks for the other unit than the first."""
        if near:
            unit = self.scheme.unit_of(near[0][1])
            for cost, label in near[1:]:
                if self.scheme.unit_of(label) != unit:
                    return cost, label
        return FAR, None

    def _start(self, node: int, label: str) -> tuple[list[int], int, str]:
        """The edges to where a label starts, its node and its key."""
        found = self._starts.get((node, label))
        if found is None:
            steps, start = self.solution.path(node, label)
            key = self.graph.keys[start - self.graph.first_key] if start >= self.graph.first_key else ""
            found = self._starts[node, label] = steps, start, key
        return found

    def _rule(self, node: int, label: str) -> str | None:
        """The role rule that stands at the use, or at another of its idiom, if the nearest evidence is one."""
        steps, _, key = self._start(node, label)
        kind = self.graph.edges.item
        return key[2:] if key.startswith("X:") and all(kind(e, 2) == Edge.IDIOM for e in steps[:-1]) else None

    def _kind(self, use: Use, node: int, label: str, cost: int, margin: int) -> str:
        """Units that flow from a signature are one kind of evidence; what a name or a type suggests is another.

        A hint says more of a number that is converted than of one that is only rounded or stepped.
        """
        steps, _, key = self._start(node, label)
        if key[:2] in ("N:", "T:"):
            idiom = self.graph.edges.item(steps[0], 2) == Edge.IDIOM
            counted = idiom or (use.context is not None and use.context.operation in COUNTED)
            how = _margin(margin) if margin <= CONTESTED else "count" if counted else "granule"
            return f"{'name' if key[0] == 'N' else 'type'}:{key[2:]}:{how}"
        return f"units:{label if label in UNITS else 'policy'}:{_bucket(cost)}:{_margin(margin)}"

    def _worded(self, path: str, file: int, use: Use, name: Name, v: Verdict) -> Site:
        confidence = self._measured(v.kind)
        policy_key = v.label if v.label in self.scheme.policy else None
        unit = self.scheme.unit_of(v.label) if v.label is not None else None
        status = "logic" if v.logic else "review"
        if not v.logic and unit is not None and confidence >= self.scheme.threshold[unit]:
            status = "decided"
        rule = self.rules.get(v.rule) if v.rule is not None else None
        node = self.graph.node(file, use.node) if use.node is not None else -1
        evidence: tuple[Evidence, ...] = ()
        against: tuple[Evidence, ...] = ()
        if v.logic and rule is not None and rule.unit == LOGIC:
            evidence = (Evidence(path, use.line, rule.why), Evidence(path, use.line, "PTE: " + rule.pte))
            against = (Evidence(path, use.line, "PG: " + rule.pg),)
        elif v.label is not None:
            evidence = self._chain(node, v.label)
            if v.against is not None and (v.logic or status == "review"):
                against = self._chain(node, v.against)
        c = use.context
        return Site(
            path, use.line, use.col, use.name, use.function or None, status, unit,
            self.scheme.replacement(use.name, unit) if unit is not None else None,
            self._role(use, v, rule, node), policy_key is not None and status == "decided", confidence, v.kind,
            evidence, against, policy_key, name.kind, c.operation if c else "", c.expression if c else "",
            c.operands if c else (), self._missing(use, v, status, node), not name.family,
        )  # fmt: skip

    def _chain(self, node: int, label: str) -> tuple[Evidence, ...]:
        """From the use to the seed, one step an edge. Chains that meet share what follows."""
        graph, parent = self.graph, self.solution.reach[label].parent.item
        steps: list[tuple[int, Evidence]] = []
        at = node
        while (chain := self._chains.get((at, label))) is None:
            edge = parent(at)
            if edge < 0:
                seed = self._seed(at, label)
                chain = () if seed is None else (Evidence(seed.source, 0, seed.why),)
                break
            a, b, kind, line = graph.edges[edge].tolist()
            file = graph.file_of_edge.item(edge)
            why = f"{self._name(a)} {WHY[kind]} {self._name(b)}" if kind != Edge.RULE else "the use itself"
            steps.append((at, Evidence(graph.files[file] if file >= 0 else "", line, why)))
            at = b if at == a else a
        for at, step in reversed(steps):
            chain = self._chains[at, label] = (step, *chain)
        return chain

    def _name(self, node: int) -> str:
        name = self._names.get(node)
        if name is None:
            name = self._names[node] = self.graph.name(node)
        return name

    def _seed(self, node: int, label: str) -> Seed | None:
        return self.solution.reach[label].start.get(node)

    def _role(self, use: Use, v: Verdict, rule: Rule | None, node: int) -> str | None:
        if rule is not None:
            return rule.role
        if v.label is None:
            return None
        if v.label in self.scheme.policy:
            return v.label
        _, start, key = self._start(node, v.label)
        seed = self._seed(start, v.label)
        if key.startswith("X:"):
            return self.rules[key[2:]].role
        return role_of(self.scheme.unit_of(v.label), seed, use.context.operation if use.context else "")

    def _missing(self, use: Use, v: Verdict, status: str, node: int) -> str | None:
        if status == "decided":
            return None
        if status == "logic":
            rule = self.rules.get(v.rule) if v.rule is not None else None
            if rule is not None and rule.unit == LOGIC:
                return rule.why
            return f"{self._name(self._parting(node, v))} is used in both units here: which is meant?"
        if v.label is None:
            operands = use.context.operands if use.context else ()
            return f"the unit of {operands[0]} is unknown" if operands else "no unit reaches this use"
        return f"evidence of this kind ({v.kind}) is right too seldom to decide"

    def _parting(self, node: int, v: Verdict) -> int:
        """The quantity at which the chains of the two units meet: to the use they are one."""
        assert v.label is not None
        assert v.against is not None
        (one, _), (other, _) = self.solution.path(node, v.label), self.solution.path(node, v.against)
        for a, b in zip(one, other, strict=False):
            if a != b:
                break
            x, y = self.graph.edges[a, :2].tolist()
            node = y if x == node else x
        return node


def role_of(unit: str, seed: Seed | None, operation: str) -> str:
    """The role that the unit's source and the operation suggest, where no rule names one."""
    if seed is not None and seed.dimension in ("pfn", "phys"):
        return "pfn-phys"
    if unit == "pte":
        if operation in ("step", "add", "subtract", "value", "argument"):
            return "page-table-step"
        if operation in ("shift-left", "shift-right", "multiply", "divide"):
            return "vma-offset"
        return "user-abi-align"
    if operation in ("offset", "modulo", "mask", "subtract", "limit"):
        return "in-page-offset"
    if operation in ("shift-left", "shift-right", "divide"):
        return (seed.role if seed is not None else "") or "page-array"
    return "alloc-size"


COUNTED = ("shift-left", "shift-right", "multiply", "divide", "order", "scale")
"""Operations that turn a count into another measure."""
CONTESTED = 1
"""The other unit arrives at most this much farther away."""

_BUCKETS = ((2, "near"), (4, "close"), (6, "middle"), (8, "remote"))


def _bucket(cost: int) -> str:
    return next((name for limit, name in _BUCKETS if cost <= limit), "far")


def _margin(margin: int) -> str:
    return "contested" if margin <= CONTESTED else "clear" if margin <= 4 else "alone"
