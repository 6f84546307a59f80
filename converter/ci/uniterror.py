"""Rule unit-error: what the unit checker says of the lines that a commit adds, and did not say of its parent.

The parent is asked about the lines that go. A line that is indented anew, wrapped, moved or converted keeps its errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from converter.check.check import meeting, mismatch
from converter.ci.error import Error, Side, introduced
from converter.ci.finding import Finding
from converter.ci.view import View
from converter.classify.decide import Decider
from converter.decided import labels
from converter.units.meet import meetings


def find(view: View) -> Iterator[Finding]:
    """Names of the scheme that the units contradict; places where a count meets another count, or bytes."""
    sides = _after(view)
    new = list(_errors(view, view.after, sides))
    for e in introduced(new, _errors(view, view.before, _before(view)), sides) if new else ():
        yield view.finding(
            "unit-error", e.side.path, e.line, e.col, e.name, e.message, e.site.missing or "", e.site,
            e.site.replacement,
        )  # fmt: skip


def _after(view: View) -> list[Side]:
    """What comes."""
    sides = []
    for f in view.files:
        lines = {n: f.text[n] for n in f.added}
        origin = f.change.old_path or f.path
        hunks = {h.new_start + i: n for n, h in enumerate(f.change.hunks) for i in range(len(h.new))}
        sides.append(Side(f.path, origin, f.number, f.new, lines, hunks, view.content, view.chosen.scheme))
    return sides


def _before(view: View) -> list[Side]:
    """What goes, also with files that are no more."""
    sides = []
    for c in view.changes:
        path = c.old_path or ""
        number = view.exchanged.gone.get(path)
        if number is not None:
            facts, lines = view.before.graph.facts[number], view.goes(c)
            hunks = {h.old_start + i: n for n, h in enumerate(c.hunks) for i in range(len(h.old))}
            sides.append(Side(path, path, number, facts, lines, hunks, view.content_before, view.chosen.scheme))
    return sides


def _errors(view: View, judge: Decider, sides: list[Side]) -> Iterator[Error]:
    """What is wrong with the lines of files."""
    if view.spoken:
        for side in sides:
            for use in side.facts.written:
                site = mismatch(judge, side.number, use) if use.line in side.lines else None
                if site is not None and site.unit is not None:
                    message = f"{use.written}, but the units say {site.unit.upper()}"
                    yield Error(side, use.line, use.col, use.written, message, site)
    yield from _meetings(view, judge, sides)


def _meetings(view: View, judge: Decider, sides: list[Side]) -> Iterator[Error]:
    graph = judge.graph
    by_number = {s.number: s for s in sides}
    rows = np.flatnonzero(np.isin(graph.file_of_edge, list(by_number)))
    part = replace(graph, edges=graph.edges[rows], file_of_edge=graph.file_of_edge[rows])
    told = set()
    for m in meetings(part, labels(view.chosen)):
        side = by_number[m.file]
        counts = m.left_seed.measure == m.right_seed.measure
        # As long as both counts are the same, only a count that meets bytes is wrong.
        if m.line not in side.lines or (counts and not view.spoken):
            continue
        site = meeting(graph, m)
        key = (side.path, m.line, site.expression)
        if key not in told:
            told.add(key)
            yield Error(side, m.line, 1, "", f"two measures meet: {site.expression}", site)
