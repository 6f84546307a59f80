"""`pgconv explain` and `pgconv gaps`: why a use was decided as it was, and what would decide the open ones."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from converter.classify.record import OPEN, Site, places
from converter.commands.common import (
    Jobs,
    NoCache,
    Output,
    Revision,
    SchemeName,
    TreePath,
    chosen_paths,
    opened,
    progress,
)
from converter.decided import decide, solved
from converter.errors import InputError
from converter.examine import Analysis, examine
from converter.report.explain import render
from converter.report.output import write_text
from converter.report.words import counted
from converter.scan import scan
from converter.tree.lines import source_lines
from converter.units.gaps import Gap, Neighbourhood, gaps
from converter.units.solve import Solution
from converter.vocabulary import scheme as load_scheme

_PLACE = re.compile(r"(.+?):(\d+)(?::(\d+))?$")


def explain(
    tree: TreePath = None,
    place: Annotated[str | None, typer.Argument(metavar="PATH:LINE[:COL]", help="Which use.")] = None,
    rev: Revision = None,
    scheme: SchemeName = "pte-pg",
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """Say why a use is PTE or PG: the chain of evidence, step by step.

    Example: pgconv explain linux/ mm/mremap.c:190
    """
    m = _PLACE.match(place or "")
    if m is None:
        raise InputError(f"{place or 'no place'}: name the use as PATH:LINE or PATH:LINE:COL")
    line, col = int(m.group(2)), int(m.group(3) or 0)
    with opened(tree, rev, not no_cache) as (source, cache):
        [path] = chosen_paths(source, (m.group(1),))
        with progress(source.name) as report_progress:
            report = scan(source, cache, scheme, jobs, report_progress)
        found = [s for s in report.sites if s.path == path and s.line == line and col in (0, s.col)]
        if not found:
            near = sorted({s.line for s in report.sites if s.path == path}, key=lambda n: abs(n - line))[:3]
            hint = f"; uses nearby: line {', '.join(map(str, near))}" if near else "; no use in that file"
            raise InputError(f"{place}: no use of the page-size family there{hint}")
        lines = source_lines(source, (p for s in found for p in places(s)))

        def said(path: str, line: int) -> str:
            return lines.get((path, line), b"").decode("utf-8", "replace")

        missing: dict[Site, tuple[str, ...]] = {}
        if any(s.status == "review" for s in found):
            analysis = examine(source, cache, scheme, jobs)
            solution = solved(analysis, load_scheme(scheme))
            nodes = _open_nodes(analysis, report.sites, solution)
            by_key = {g.key: g for g in gaps(solution, nodes.values())}
            for s in found:
                missing[s] = _missing(s, nodes, solution, by_key)
        write_text(None, "\n".join(render(s, said, missing.get(s, ())) for s in found))


def gaps_(
    tree: TreePath = None,
    rev: Revision = None,
    output: Output = None,
    scheme: SchemeName = "pte-pg",
    top: Annotated[int, typer.Option(min=1, help="How many to list.")] = 40,
    jobs: Jobs = None,
    no_cache: NoCache = False,
) -> None:
    """List the quantities without a unit, in order of how many open uses each would decide.

    Example: pgconv gaps linux/ --top 20
    """
    with opened(tree, rev, not no_cache) as (source, cache):
        with progress(source.name) as report_progress:
            analysis = examine(source, cache, scheme, jobs, report_progress)
        chosen = load_scheme(scheme)
        report = decide(analysis, chosen)
        solution = solved(analysis, chosen)
        found = gaps(solution, _open_nodes(analysis, report.sites, solution).values())
    width = min(max((len(g.spoken) for g in found[:top]), default=8), 44)
    rows = [f"{g.uses:6}  {g.spoken:{width}}  {g.key}" for g in found[:top]]
    head = f"{len(found):,} quantities without a unit stand near open uses; signatures would reach:"
    write_text(output, "\n".join([head, f"{'uses':>6}  {'quantity':{width}}  key", *rows, ""]))


def _open_nodes(analysis: Analysis, sites: tuple[Site, ...], solution: Solution) -> dict[tuple[str, int, int], int]:
    """Node of each open use, by place."""
    still_open = {s.order() for s in sites if s.status in OPEN}
    nodes = {}
    for n, (path, facts) in enumerate(zip(analysis.paths, analysis.facts, strict=True)):
        for use in facts.uses:
            place = (path, use.line, use.col)
            if use.node is not None and place in still_open:
                nodes[place] = solution.graph.node(n, use.node)
    return nodes


def _missing(
    site: Site, nodes: dict[tuple[str, int, int], int], solution: Solution, by_key: dict[str, Gap]
) -> tuple[str, ...]:
    node = nodes.get(site.order())
    if site.status != "review" or node is None:
        return ()
    near = sorted(Neighbourhood(solution).keys(node).items(), key=lambda item: (item[1], item[0]))[:3]
    said = []
    for key, _ in near:
        gap = by_key[key]
        said.append(
            f"the unit of {gap.spoken} is unknown; seeding it ({key}) would reach {counted(gap.uses, 'open use')}"
        )
    return tuple(said)
