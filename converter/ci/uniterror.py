"""Rule unit-error: what the unit checker says of the lines that a commit adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from converter.check.check import meeting, mismatch
from converter.ci.finding import Finding
from converter.ci.view import View
from converter.decided import labels
from converter.units.meet import meetings


def find(view: View) -> Iterator[Finding]:
    """Names of the scheme that the units contradict; places where a count meets another count, or bytes."""
    if view.spoken:
        for file in view.files:
            for use in file.new.written:
                site = mismatch(view.after, file.number, use) if use.line in file.added else None
                if site is not None and site.unit is not None:
                    message = f"{use.written}, but the units say {site.unit.upper()}"
                    yield view.finding(
                        "unit-error", file.path, use.line, use.col, use.written, message, site.missing or "", site,
                        site.replacement,
                    )  # fmt: skip
    yield from _meetings(view)


def _meetings(view: View) -> Iterator[Finding]:
    graph = view.after.graph
    files = {f.number: f for f in view.files}
    rows = np.flatnonzero(np.isin(graph.file_of_edge, list(files)))
    part = replace(graph, edges=graph.edges[rows], file_of_edge=graph.file_of_edge[rows])
    told = set()
    for m in meetings(part, labels(view.chosen)):
        file = files[m.file]
        counts = m.left_seed.measure == m.right_seed.measure
        # As long as both counts are the same, only a count that meets bytes is wrong.
        if m.line not in file.added or (counts and not view.spoken):
            continue
        site = meeting(graph, m)
        key = (file.path, m.line, site.expression)
        if key not in told:
            told.add(key)
            message = f"two measures meet: {site.expression}"
            yield view.finding("unit-error", file.path, m.line, 1, "", message, site.missing or "", site)
