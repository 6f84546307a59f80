"""From the facts of a whole tree to its report: link, solve, decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, replace
from pathlib import Path

from converter import __version__, data
from converter.classify.confidence import confidence
from converter.classify.decide import Decider
from converter.classify.record import Evidence, Report, Site, summarise
from converter.classify.roles import LOGIC, rules
from converter.examine import Analysis
from converter.tree import Tree
from converter.units.graph import link
from converter.units.meet import meetings
from converter.units.signatures import Seed, dimension, signatures
from converter.units.solve import Solution, solve
from converter.units.solved import World
from converter.vocabulary import UNITS, Scheme, vocabulary


def decide(analysis: Analysis, chosen: Scheme, what_if: Path | None = None) -> Report:
    """The report on a tree."""
    return decided(analysis, chosen, solved(analysis, chosen, what_if))


def decided(analysis: Analysis, chosen: Scheme, solution: Solution) -> Report:
    """The report on a tree that is solved."""
    own = decider(solution, chosen)
    own.expect((n, use) for n, facts in enumerate(analysis.facts) for use in facts.uses)
    sites: list[Site] = []
    for n, facts in enumerate(analysis.facts):
        sites.extend(own.site(n, use) for use in facts.uses)
    met = {m.evidence(solution.graph) for m in meetings(solution.graph, labels(chosen))}
    return told(described(analysis.tree, chosen, analysis.warnings), sites, met)


def decider(solution: Solution, chosen: Scheme) -> Decider:
    """Decides uses by a solution."""
    return Decider(solution, chosen, vocabulary().names, rules().rules, confidence())


def told(report: Report, sites: Iterable[Site], met: Iterable[Evidence]) -> Report:
    """A report with its sites, in order, and the places where units meet."""
    ordered = tuple(sites)
    return replace(report, sites=ordered, summary=summarise(ordered), conflicts=tuple(sorted(met, key=astuple)))


def described(tree: Tree, chosen: Scheme, warnings: Iterable[str]) -> Report:
    """A report on a tree, still without sites."""
    return Report(
        tool={"name": "pgconv", "version": __version__, "rules": data.rules_version()},
        tree=identity(tree),
        scheme=chosen.scheme,
        sites=(),
        warnings=tuple(warnings),
    )


def identity(tree: Tree) -> dict[str, str | int | None]:
    """Which tree it is, as reports say it."""
    return {"name": tree.name, "kernel": tree.kernel_version, "revision": tree.revision, "files": len(tree.entries)}


def solved(analysis: Analysis, chosen: Scheme, what_if: Path | None = None, written: bool = True) -> Solution:
    """The units of every quantity of the tree. `written`: believe the scheme's own names where the tree speaks it."""
    w = world(chosen, what_if)
    graph = link(analysis.paths, analysis.facts, w.known, w.rules).graph
    return solve(graph, w.label_of, () if written and converted(analysis, chosen) else w.silent)


def world(chosen: Scheme, what_if: Path | None = None) -> World:
    """What the units of every tree depend on: signatures, role rules, and what a scheme counts in."""
    known = signatures(what_if)
    declared = {}
    for c in chosen.conversion:
        declared[f"P:{c.name}/0"] = Seed(c.takes, 0, f"{c.name}() takes {c.takes}", "the scheme", "count")
        declared[f"R:{c.name}"] = Seed(c.gives, 0, f"{c.name}() gives {c.gives}", "the scheme", "count")
    known = replace(known, seeds=known.seeds | declared)
    spoken = {r.id: Seed(dimension(r.unit), r.cost, r.why, "rules/roles") for r in rules().rules.values()}
    return World(known, spoken, labels(chosen), ("U:pte", "U:pg"))


def labels(chosen: Scheme) -> dict[str, str]:
    """Dimension of a seed -> the label that it counts as in a scheme; policy keys are labels of their own."""
    made = {unit: unit for unit in UNITS} | dict(chosen.dimensions) | {key: key for key in chosen.policy}
    made[LOGIC] = LOGIC
    return made


def converted(analysis: Analysis, chosen: Scheme) -> bool:
    """Does the tree speak the scheme? In others its names are taken for something else (x86's own PTE_SHIFT)."""
    return any(
        chosen.marker in f.defines and path.startswith(("include/", "arch/"))  # drivers have names of their own
        for path, f in zip(analysis.paths, analysis.facts, strict=True)
    )
