"""Findings of the unit checker for people: one line each, then both chains."""

from __future__ import annotations

import os
from collections.abc import Iterator

from converter.classify.record import Evidence, Report, Site
from converter.report.words import printable


def render(report: Report) -> bytes:
    return os.fsencode("".join(printable(line) + "\n" for line in _lines(report)))


def _lines(report: Report) -> Iterator[str]:
    for site in report.sites:
        yield from _finding(site)
    for warning in report.warnings:
        yield f"warning: {warning}"
    count = len(report.sites)
    yield f"{count:,} unit error{'' if count == 1 else 's'} found" if count else "no unit error found"


def _finding(site: Site) -> Iterator[str]:
    what = f"{site.macro}, but the units say {site.unit.upper()}" if site.unit else f"{site.expression}: two measures"
    where = f" in {site.function}()" if site.function else ""
    yield f"{site.path}:{site.line}:{site.col}: {what}{where}"
    yield from _chain("units", site.evidence)
    yield from _chain("code" if site.unit else "and", site.against)
    if site.missing:
        yield f"    fix   {site.missing}"


def _chain(title: str, steps: tuple[Evidence, ...]) -> Iterator[str]:
    for step in steps:
        place = f"{step.path}:{step.line}: " if step.line else f"{step.path}: " if step.path else ""
        yield f"    {title:5} {place}{step.why}"
        title = ""
