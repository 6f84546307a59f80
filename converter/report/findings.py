"""Findings of the unit checker for people: one line each, then both chains."""

from __future__ import annotations

from collections.abc import Iterator

from converter.classify.record import Report, Site
from converter.report.words import counted, encoded, printable, steps


def render(report: Report) -> bytes:
    return encoded("".join(printable(line) + "\n" for line in _lines(report)))


def _lines(report: Report) -> Iterator[str]:
    for site in report.sites:
        yield from _finding(site)
    for warning in report.warnings:
        yield f"warning: {warning}"
    count = len(report.sites)
    yield f"{counted(count, 'unit error')} found" if count else "no unit error found"


def _finding(site: Site) -> Iterator[str]:
    what = f"{site.macro}, but the units say {site.unit.upper()}" if site.unit else f"{site.expression}: two measures"
    where = f" in {site.function}()" if site.function else ""
    yield f"{site.path}:{site.line}:{site.col}: {what}{where}"
    yield from steps("units", site.evidence)
    yield from steps("code" if site.unit else "and", site.against)
    if site.missing:
        yield f"    fix   {site.missing}"
