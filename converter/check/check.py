"""Findings on converted code: a name of the scheme that the units contradict, and counts that meet the wrong count.

A written name is a claim, not evidence: the solver decides each use as if it were not converted yet, and a decision
for the other unit is a finding, with the chain for it. Uses that the scan calls `logic` are left to the scan. What
stands in the definition of one of the scheme's names says what that name means, and is not judged by what reaches it.
"""

from __future__ import annotations

from dataclasses import replace

from converter.classify.decide import Decider
from converter.classify.record import Evidence, Report, Site, summarise
from converter.decided import decider, described, labels, solved
from converter.examine import Analysis
from converter.units.facts import Use
from converter.units.graph import Graph
from converter.units.meet import Meeting, meetings
from converter.vocabulary import Scheme

MISMATCH = "unit-mismatch"
MEETING = "units-meet"


def check(analysis: Analysis, chosen: Scheme) -> Report:
    """Every place where the code contradicts the units. Sites are findings: `unit` is what it should be."""
    solution = solved(analysis, chosen, None, written=False)
    own = decider(solution, chosen)
    found: list[Site] = []
    for n, facts in enumerate(analysis.facts):
        found.extend(s for use in facts.written if (s := mismatch(own, n, use)) is not None)
    for m in meetings(solution.graph, labels(chosen)):
        found.append(meeting(solution.graph, m))
    sites = tuple(sorted(set(found), key=lambda s: (s.order(), s.rule or "", s.expression)))
    return replace(described(analysis.tree, chosen, analysis.warnings), sites=sites, summary=summarise(sites))


def mismatch(judge: Decider, file: int, use: Use) -> Site | None:
    """The finding on one use of a name of the scheme, where the units contradict it."""
    site = judge.site(file, use)
    unit = judge.scheme.unit_written(use.written)
    if site.status != "decided" or site.unit == unit or unit is None or judge.scheme.owns(use.function):
        return None
    claim = Evidence(site.path, site.line, f"{use.written} says {unit.upper()}")
    return replace(
        site, macro=use.written, status="logic", rule=MISMATCH, against=(claim,), missing=f"write {site.replacement}"
    )


def meeting(graph: Graph, m: Meeting) -> Site:
    """The finding on a place where two measures meet."""
    path = graph.files[m.file]
    left = (Evidence(path, m.line, m.left), Evidence(m.left_seed.source, 0, m.left_seed.why))
    right = (Evidence(path, m.line, m.right), Evidence(m.right_seed.source, 0, m.right_seed.why))
    return Site(
        path, m.line, 1, m.left, None, "logic", None, None, None, False, 1.0, MEETING, left, right,
        kind="name", operation=m.kind.name.lower(), expression=f"{m.left} and {m.right}",
        missing="convert one of the two (PAGES_TO_PTES and its kind) or compare the right ones",
    )  # fmt: skip
