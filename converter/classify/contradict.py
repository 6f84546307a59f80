"""Contradiction: within one function, two counts that must be equal are of different units.

The nearest unit decides a use. But where the function also makes the use equal to a count that a signature says is of
the other unit, by steps that keep a count what it is, then renaming it one way or the other leaves the wrong number
somewhere: the function must change. What flows through callers, callees, fields and globals says less: there the
place to change is the one where the two meet, and this use may well be right.
"""

from __future__ import annotations

from itertools import permutations

from converter.units.edges import Edge
from converter.units.solve import Solution

EQUAL = frozenset({
    Edge.ASSIGN, Edge.RETURN, Edge.MEMBER, Edge.PARAMETER, Edge.ARGUMENT, Edge.COUNT, Edge.BOUND, Edge.ADD, Edge.CHOICE,
    Edge.IDIOM,
})  # fmt: skip
"""Steps over which a count keeps its unit; that it is merely compared with another does not make the two equal."""
STEPPED = EQUAL | {Edge.STEP}
"""...or together with what it is stepped by one: of a pfn and an index of struct pages one steps wrongly."""
BESIDE = EQUAL | {Edge.COMPARE}
"""What speaks against a role rule: a rule sees the shape of a use, not the numbers that it stands among."""
NEAR = 4
"""Both must arrive within this cost."""
BOTH = 5
"""...and a step and an index, each a weaker claim than an equality, within this one."""


def contradicted(solution: Solution, node: int, label: str, against: str, ruled: bool) -> bool:
    """Is the use at `node`, which `label` decides, equal to a count of the unit of `against`?

    `ruled`: a role rule decides it, so that no count needs to arrive for `label`.
    """
    if ruled:
        return overrules(solution, node, against)
    if _start(solution, node, label, EQUAL) == _start(solution, node, against, EQUAL) == "count":
        return True
    if max(solution.reach[x].distance.item(node) for x in (label, against)) > BOTH:
        return False
    return any(_frames(solution, node, a) and _pages(solution, node, b) for a, b in permutations((label, against)))


def _frames(solution: Solution, node: int, label: str) -> bool:
    """Does the use count along with a pfn, which is stepped by one?"""
    steps, start = solution.path(node, label)
    seed = solution.reach[label].start.get(start)
    kinds = solution.graph.edges[steps, 2].tolist()
    return seed is not None and seed.dimension == "pfn" and Edge.STEP in kinds and STEPPED.issuperset(kinds)


def _pages(solution: Solution, node: int, label: str) -> bool:
    """Does the use count the entries of an array of struct pages, or of pointers to them?"""
    steps, _ = solution.path(node, label)
    kinds = solution.graph.edges[steps, 2].tolist()
    return kinds[-1:] == [Edge.INDEX] and EQUAL.issuperset(kinds[:-1])


def overrules(solution: Solution, node: int, label: str) -> bool:
    """Does what arrives for `label` speak against a role rule? A count does, and bytes of whole struct pages that the
    use is added to or compared with."""
    return _start(solution, node, label, BESIDE, measured=True) in ("count", "byte/pg")


def _start(solution: Solution, node: int, label: str, equal: frozenset[Edge], measured: bool = False) -> str:
    """What a label starts from, if it arrives within one function by steps of equality: "count", "byte/pg", or "".

    `measured`: the use itself may be what something is measured against.
    """
    reach, graph = solution.reach[label], solution.graph
    if reach.distance[node] > NEAR:
        return ""
    steps, start = solution.path(node, label)
    seed = reach.start.get(start)
    if seed is None or start < graph.first_key or graph.keys[start - graph.first_key][:2] not in _SIGNED:
        return ""
    ends = graph.edges[steps]
    kinds = ends[:, 2].tolist()
    if measured and kinds[0] == Edge.EXTENT:
        kinds = kinds[1:]
    if (ends[:-1, :2] >= graph.first_key).any() or not equal.issuperset(kinds):
        return ""
    return seed.measure if seed.measure == "count" else f"{seed.measure}/{seed.dimension}"


_SIGNED = ("F:", "P:", "R:", "V:")
"""Keys of which a signature speaks; hints and role rules are weaker."""
